"""No server holds a transfer: headers, chunks and bodies that drip in end in time, and the next mirror is tried."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from builders import wires
from builders.downloads import DATA, QUICK, Listener, wanted
from builders.servers import Server
from builders.wires import Wire

from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import Request

pytestmark = pytest.mark.attack

ONCE = attrs.evolve(QUICK, attempts=1)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Drip = Callable[[Wire], Iterator[bytes]]

DRIPS: dict[str, Drip] = {
    "status line": lambda wire: wire.drip(b"HTTP/1.1 2", b"0", every=0.05),
    "nothing": lambda wire: wire.drip(b"", b"", every=0.05),
    "one header a byte at a time": lambda wire: wire.drip(OK + b"X: ", b"x", every=0.05),
    "a header at a time": lambda wire: wire.drip(OK, b"X: y\r\n", every=0.05),
    "no end of the headers": lambda wire: wire.drip(OK + b"X: y\r\n", b"", every=0.05),
    "100 Continue for ever": lambda wire: wire.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.02),
    "size of a chunk": lambda wire: wire.drip(CHUNKED, b"0", every=0.05),
    "extension of a chunk": lambda wire: wire.drip(CHUNKED + b"5;", b"x", every=0.05),
    "trailers": lambda wire: wire.drip(CHUNKED + b"5\r\nhello\r\n0\r\n", b"X: y\r\n", every=0.01),
    "one body a byte at a time": lambda wire: wire.drip(OK + b"Content-Length: 307200\r\n\r\n", b"x", every=0.05),
    "chunks of a byte": lambda wire: wire.drip(CHUNKED, b"1\r\nx\r\n", every=0.05),
    "a body without an end": lambda wire: wire.drip(OK + b"\r\n", b"x", every=0.05),
}


def dripping(drip: Drip) -> Callable[[], Wire]:
    def start() -> Wire:
        wire = Wire(lambda _head: drip(wire))
        return wire

    return start


@pytest.fixture(params=DRIPS)
def slow(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = dripping(DRIPS[request.param])()
    yield wire
    wire.close()


def test_the_next_mirror_is_tried_when_one_drips(slow: Wire, server: Server, target: Path) -> None:
    with Fetcher(patience=ONCE) as fetcher:
        fetcher.fetch(wanted(f"{slow.url}/file", f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert not slow.dripped_out
    assert slow.heads


def test_a_small_file_that_drips_is_given_up(slow: Wire) -> None:
    with Fetcher(patience=ONCE) as fetcher, pytest.raises(FetchError):
        fetcher.read(Request((f"{slow.url}/file",), what="file", cap=1 << 20))
    assert not slow.dripped_out


def test_what_is_held_in_memory_has_a_time_for_all_of_it() -> None:
    patience = attrs.evolve(ONCE, rate=1, total=0.5)
    wire = dripping(lambda wire: wire.drip(OK + b"\r\n", b"x" * 100, every=0.02))()
    with Fetcher(patience=patience) as fetcher, pytest.raises(FetchError, match="not there as a whole after"):
        fetcher.read(Request((f"{wire.url}/file",), what="file", cap=1 << 20))
    wire.close()


HEADS = {
    "many": b"X: y\r\n" * 200,
    "long": b"X: " + b"y" * 100_000 + b"\r\n",
    "large": (b"X: " + b"y" * 60_000 + b"\r\n") * 90,
    "long status": b"",
}


@pytest.mark.parametrize("kind", HEADS)
def test_headers_have_a_size(kind: str) -> None:
    head = OK if HEADS[kind] else b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n"
    answer = head + HEADS[kind] + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"
    with (
        wires.serve(lambda _head: iter((answer,))) as wire,
        Fetcher(patience=ONCE) as fetcher,
        pytest.raises(FetchError) as caught,
    ):
        fetcher.read(Request((f"{wire.url}/file",), what="file", cap=1 << 20))
    assert type(caught.value) is FetchError


def test_the_body_of_a_redirect_is_not_read(server: Server, target: Path, listener: Listener) -> None:
    sent = threading.Event()

    def answer(_head: bytes) -> Iterator[bytes]:
        yield f"HTTP/1.1 302 Found\r\nLocation: {server.url}/file\r\n\r\n".encode()
        for _ in range(400):
            yield b"x" * (1 << 20)
        sent.set()

    with wires.serve(answer) as wire, Fetcher(patience=QUICK, reporter=listener) as fetcher:
        fetcher.fetch(wanted(f"{wire.url}/moved"), target)
    assert target.read_bytes() == DATA
    assert not sent.is_set()
