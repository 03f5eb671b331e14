from __future__ import annotations

import gzip as standard
import hashlib
import importlib.metadata
import io
import random
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from imgforge.codec import gzip, zstd
from imgforge.codec.ordered import OrderedWriter

WRITERS = {"gzip": (gzip.GzipWriter, gzip.MEMBER), "zstd": (zstd.ZstdWriter, zstd.FRAME)}
WRITER = pytest.mark.parametrize("form", WRITERS)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture(scope="module")
def content() -> bytes:
    """More than two frames, of which some repeat and some do not."""
    return random.Random(5).randbytes(3 << 20) * 11 + b"the end"


def compressed(form: str, content: bytes, executor: Executor, *, step: int) -> bytes:
    stream = io.BytesIO()
    with WRITERS[form][0](stream.write, executor) as writer:
        for start in range(0, len(content), step):
            writer.write(memoryview(content)[start : start + step])
    return stream.getvalue()


@WRITER
def test_the_bytes_do_not_depend_on_the_writes(form: str, content: bytes, executor: Executor) -> None:
    whole = compressed(form, content, executor, step=len(content))
    with ThreadPoolExecutor(1) as alone:
        assert compressed(form, content, alone, step=1_234_567) == whole


@WRITER
def test_the_stream_is_its_blocks(form: str, content: bytes, executor: Executor) -> None:
    size = WRITERS[form][1]
    compress = {"gzip": gzip.compress, "zstd": zstd.compress}[form]
    blocks = [compress(content[start : start + size]) for start in range(0, len(content), size)]
    assert compressed(form, content, executor, step=1 << 20) == b"".join(blocks)


@WRITER
@pytest.mark.parametrize("tool", [["{form}", "-dc"], ["{form}", "-t"]])
def test_the_tools_read_it(form: str, tool: list[str], content: bytes, executor: Executor, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(compressed(form, content, executor, step=1 << 20))
    with path.open("rb") as stream:
        argv = [word.format(form=form) for word in tool]
        output = subprocess.run(argv, stdin=stream, capture_output=True, check=True).stdout
    assert output == (content if "-dc" in tool else b"")


@WRITER
def test_nothing_is_a_stream_of_nothing(form: str, executor: Executor) -> None:
    data = compressed(form, b"", executor, step=1)
    assert data
    assert (standard.decompress(data) if form == "gzip" else zstandard.decompress(data)) == b""


def test_what_compressed_bytes_depend_on_has_not_changed() -> None:
    """The pins of setup.cfg and the identities that caches are keyed by speak of the same versions."""
    assert importlib.metadata.version("deflate") in gzip.COMPRESSOR_ID
    assert ".".join(map(str, zstandard.ZSTD_VERSION)) in zstd.COMPRESSOR_ID
    text = b"".join(b"%d, " % number for number in range(20_000))
    assert (
        hashlib.sha256(gzip.compress(text)).hexdigest()
        == "804270254429ac7b4d7a6ea5dd238d8fc5b1525f7ea302eb6412948c6a143444"
    )
    assert (
        hashlib.sha256(zstd.compress(text)).hexdigest()
        == "3334707669b9bf0a5cdefac47761225cc4828dce6f56f24d8100c15fddd3608d"
    )


def test_a_gzip_header_says_nothing_of_who_made_it() -> None:
    assert gzip.compress(b"x" * 100)[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_a_frame_states_its_size() -> None:
    assert zstandard.frame_content_size(zstd.compress(b"x" * 70_000)) == 70_000


def test_few_blocks_are_in_flight() -> None:
    started: list[bytes] = []
    done: list[bytes] = []
    gate = threading.Event()

    def compress(block: bytes) -> bytes:
        started.append(block)
        gate.wait(10)
        return block

    with ThreadPoolExecutor(8) as pool, OrderedWriter(done.append, pool, size=1, compress=compress, ahead=3) as writer:
        writer.write(b"abc")
        assert done == []
        threading.Timer(0.05, gate.set).start()
        writer.write(b"defgh")  # waits for the oldest
        assert done[0] == b"a"
    assert done == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]


def test_an_error_ends_the_stream_where_it_is() -> None:
    done: list[bytes] = []

    def fail(executor: Executor) -> None:
        with OrderedWriter(done.append, executor, size=4, compress=bytes) as writer:
            writer.write(b"12345678")
            raise RuntimeError("mine")

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="mine"):
        fail(pool)
    assert done == []


def test_a_sink_that_fails_fails_the_writer() -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(OSError, match="No space left"),
        OrderedWriter(full, pool, size=1, compress=bytes, ahead=1) as writer,
    ):
        writer.write(b"12345678")
