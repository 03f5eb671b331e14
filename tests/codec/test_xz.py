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


def packed(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def unpacked(data: bytes, *, cap: int = 1 << 30) -> bytes:
    return decompress(io.BytesIO(data), what="x", cap=cap, is_lzma=True).read()


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 10_000])
def test_lzma_is_read_by_its_name(content: bytes) -> None:
    assert xz.is_lzma(packed(content))
    assert unpacked(packed(content)) == content


@pytest.mark.parametrize("preset", range(10))
def test_every_preset_has_a_header_of_lzma(preset: int) -> None:
    assert xz.is_lzma(lzma.compress(b"x", format=lzma.FORMAT_ALONE, preset=preset))


@pytest.mark.parametrize(
    "begin", [b"", b"]", b"]" + bytes(12), b"\xff" + packed(b"x")[1:], b"debian-binary", b"BZh91AY&SY..."]
)
def test_what_does_not_begin_like_lzma_is_none(begin: bytes) -> None:
    assert not xz.is_lzma(begin)


@pytest.mark.parametrize(
    "data",
    [
        packed(b"x" * 100)[:-1],
        packed(b"x" * 100) + b"more",
        packed(b"x" * 100) * 2,
        lzma.compress(b"x"),
        b"",
        b"]" + (0xFFFFFFFF).to_bytes(4, "little") + packed(b"x")[5:],  # a dictionary of 4 GiB
    ],
)
def test_lzma_that_is_damaged_or_greedy_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="x: "):
        unpacked(data)


def test_lzma_has_a_cap() -> None:
    with pytest.raises(BombError):
        unpacked(packed(bytes(10 << 20)), cap=1 << 20)
