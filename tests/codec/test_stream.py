from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imgforge.codec import BombError, decompress
from imgforge.codec import gzip as our_gzip
from imgforge.codec import zstd as our_zstd
from imgforge.errors import IntegrityError

MANY = 1 << 40


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_in_blocks(data: bytes) -> bytes:
    """Compress with neither size nor checksum, as ``zstd`` does from a pipe."""
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return stream.compress(data) + stream.flush()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "our gzip": our_gzip.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "our zstd": our_zstd.compress,
    "zstd from a pipe": zstd_in_blocks,
    "bzip2": bz2.compress,
}
FORM = pytest.mark.parametrize("form", FORMS)


def expanded(data: bytes, *, cap: int = MANY, threads: int = 1) -> bytes:
    return decompress(io.BytesIO(data), what="x", cap=cap, threads=threads).read()


@FORM
@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=5), threads=st.sampled_from([1, 2]))
def test_members_in_a_row_are_one_content(form: str, contents: list[bytes], threads: int) -> None:
    data = b"".join(FORMS[form](content) for content in contents)
    assert expanded(data, threads=threads) == b"".join(contents)


@FORM
def test_large_content_comes_out_in_any_portions(form: str) -> None:
    content = bytes(range(256)) * 12_000
    stream = decompress(io.BytesIO(FORMS[form](content) * 2), what="x", cap=MANY)
    got = b"".join(iter(lambda: stream.read(77_777), b""))
    assert got == content * 2


@FORM
def test_a_stream_that_is_cut_off_is_refused_wherever_it_is_cut(form: str) -> None:
    data = FORMS[form](bytes(range(256)) * 20)
    for cut in range(12, len(data)):  # shorter ones are too short to be recognised: tar and deb822 refuse them
        with pytest.raises(IntegrityError, match=r"^x: (truncated|damaged)"):
            expanded(data[:cut])


@FORM
def test_something_after_the_end_is_refused(form: str) -> None:
    for tail in (b"junk", b"\0\0\0\0junk", b"P"):
        with pytest.raises(IntegrityError, match=r"other data follows its end|truncated|damaged"):
            expanded(FORMS[form](b"content") + tail)


@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2"])
def test_zeros_after_the_end_are_padding(form: str) -> None:
    assert expanded(FORMS[form](b"a") + bytes(512) + FORMS[form](b"b") + bytes(1024)) == b"ab"


@FORM
@given(data=st.data())
def test_damage_gives_an_integrity_error_or_other_bytes(form: str, data: st.DataObject) -> None:
    """A flipped bit in a header field may be harmless; nothing else than an IntegrityError may come of it."""
    whole = bytearray(FORMS[form](bytes(range(256)) * 4))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        expanded(bytes(whole), cap=1 << 20)
    except IntegrityError as error:
        assert str(error).startswith("x: ")  # noqa: PT017 -- no error is right too


@FORM
def test_a_bomb_is_refused_before_it_takes_memory(form: str) -> None:
    bomb = FORMS[form](bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(BombError, match=r"^x: expands to more than 1000000 bytes$"):
            expanded(bomb, cap=1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20  # xz's dictionary has 8 MiB


@FORM
def test_the_cap_itself_is_accepted(form: str) -> None:
    assert len(expanded(FORMS[form](bytes(100_000)), cap=100_000)) == 100_000
    with pytest.raises(BombError):
        expanded(FORMS[form](bytes(100_001)), cap=100_000)


def test_what_is_not_compressed_passes_and_is_capped() -> None:
    assert expanded(b"Package: hello\n") == b"Package: hello\n"
    assert expanded(b"") == b""
    assert expanded(b"BZhaha, no bzip2") == b"BZhaha, no bzip2"
    with pytest.raises(BombError):
        expanded(b"x" * 11, cap=10)


def test_skippable_frames_hold_nothing() -> None:
    """zstd:chunked layers and pzstd have them, at the end and at the start."""
    skip = b"\x5e\x2a\x4d\x18\x05\0\0\0hello"
    assert expanded(skip + zstd(b"a") + skip + zstd(b"b") + skip) == b"ab"
    with pytest.raises(IntegrityError, match="truncated"):
        expanded(zstd(b"a") + skip[:-1])


def test_a_zstd_window_that_is_too_large_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = stream.compress(b"x" * 1000) + stream.flush()
    with pytest.raises(IntegrityError, match="damaged zstd stream"):
        expanded(data)


def test_a_zstd_frame_that_ends_before_its_last_block_is_refused() -> None:
    frame = bytearray(zstd_in_blocks(b"x" * 300_000))
    assert frame[6] & 1 == 0  # the first block is not the last one: 4 magic, descriptor, window, then the block's mark
    frame[6] |= 1
    with pytest.raises(IntegrityError):
        expanded(bytes(frame))


def test_an_xz_dictionary_that_is_too_large_is_refused() -> None:
    """The size is one byte of the block's header: 40 says 4 GiB (xz-file-format.txt, 5.3.1)."""
    data = bytearray(lzma.compress(b"x" * 100))
    size = 4 * (data[12] + 1)
    assert data[14:16] == b"\x21\1"
    data[16] = 40
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    for threads in (1, 2):
        with pytest.raises(IntegrityError, match="damaged xz stream: Memory usage limit"):
            expanded(bytes(data), threads=threads)


def test_many_empty_members_cost_no_more_than_their_bytes() -> None:
    assert expanded(gzip.compress(b"") * 20_000 + gzip.compress(b"x")) == b"x"


def test_nothing_is_closed() -> None:
    stream = io.BytesIO(gzip.compress(b"x"))
    with decompress(stream, what="x", cap=MANY) as content:
        content.read()
    assert not stream.closed


def test_an_expanded_stream_has_no_descriptor() -> None:
    with pytest.raises(io.UnsupportedOperation):
        decompress(io.BytesIO(b""), what="x", cap=MANY).fileno()
