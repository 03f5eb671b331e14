from __future__ import annotations

import io
import lzma
import sys

import pytest

from imgforge.codec import BombError, decompress, xz
from imgforge.errors import IntegrityError


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_are_decoded_by_any_number_of_threads(threads: int) -> None:
    decompressor = xz.decompressor(threads)
    assert decompressor.decompress(lzma.compress(b"x" * 100_000)) == b"x" * 100_000
    assert decompressor.eof


def test_without_lzma_mt_the_standard_library_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma_mt", None)  # how Python notes that a module cannot be imported
    decompressor = xz.decompressor(4)
    assert isinstance(decompressor, lzma.LZMADecompressor)
    assert decompressor.decompress(lzma.compress(b"x")) == b"x"


def alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE, preset=1)


@pytest.mark.parametrize("size", [1, 1000, 3 << 20])
def test_the_form_before_xz_is_read(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert decompress(io.BytesIO(alone(content)), what="x", cap=size).read() == content
    sized = alone(content)[:5] + size.to_bytes(8, "little") + alone(content)[13:]  # as lzma(1) writes it, with an end
    assert decompress(io.BytesIO(sized), what="x", cap=size).read() == content


@pytest.mark.attack
def test_the_form_before_xz_is_refused_when_it_is_not_whole_or_too_much() -> None:
    data = alone(bytes(range(256)) * 20)
    for cut in range(13, len(data)):
        with pytest.raises(IntegrityError, match=r"^x: (truncated|damaged)"):
            decompress(io.BytesIO(data[:cut]), what="x", cap=1 << 20).read()
    with pytest.raises(IntegrityError, match="something else follows its end"):
        decompress(io.BytesIO(data + b"junk"), what="x", cap=1 << 20).read()
    with pytest.raises(BombError):
        decompress(io.BytesIO(alone(bytes(64 << 20))), what="x", cap=1 << 20).read()
    huge = data[:1] + (3 << 30).to_bytes(4, "little") + data[5:]
    with pytest.raises(IntegrityError, match="damaged lzma stream: Memory usage limit"):
        decompress(io.BytesIO(huge), what="x", cap=1 << 20).read()


def test_a_tar_that_begins_alike_is_none() -> None:
    tar = b"]".ljust(512, b"\0") + bytes(1024)
    assert decompress(io.BytesIO(tar), what="x", cap=1 << 20).read() == tar
