"""Fixed mutations of good inputs: the same bytes on every run, without a fuzzer."""

from __future__ import annotations

import random
from collections.abc import Iterator

_ODD = (
    b"\0",
    b"\xff" * 4,
    b"\n",
    b"\r\n",
    b"../",
    b"%00",
    b"-1",
    b"99999999999999999999",
    b"\xe2\x80\xae",
    b'"',
    b"{",
    b"[",
)
_LARGEST = 1 << 16


def mutations(seeds: tuple[bytes, ...], count: int) -> Iterator[bytes]:
    """Yield `count` inputs, each some small edits away from a seed."""
    source = random.Random(0)
    for _ in range(count):
        data = bytearray(source.choice(seeds)[:_LARGEST])
        for _ in range(source.randint(1, 6)):
            _edit(data, source, seeds)
        yield bytes(data)


def _edit(data: bytearray, source: random.Random, seeds: tuple[bytes, ...]) -> None:
    start = source.randint(0, len(data))
    end = min(len(data), start + source.choice((1, 1, 2, 4, 16, 64, 512)))
    match source.randrange(7):
        case 0 if start < len(data):
            data[start] ^= 1 << source.randrange(8)
        case 1:
            del data[start:end]
        case 2:
            data[start:start] = data[start:end] * source.randint(1, 8)
        case 3:
            data[start:end] = source.choice(_ODD)
        case 4:
            other = source.choice(seeds)
            cut = source.randint(0, len(other))
            data[start:end] = other[cut : cut + source.randint(1, 256)]
        case 5:
            data[start:end] = source.randbytes(end - start)
        case _:
            del data[start:]
