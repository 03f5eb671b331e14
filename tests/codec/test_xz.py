from __future__ import annotations

import lzma
import sys

import pytest

from imgforge.codec import xz


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
