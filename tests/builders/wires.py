"""A server that answers each request with bytes of the test's choice, at the pace of the test's choice."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_DRIPPING = 60.0

Answer = Callable[[bytes], Iterator[bytes]]
"""Returns the pieces of an answer to a request's head."""


class Wire:
    """A running server.

    Attributes:
        url: with no slash at its end.
        host: with the port.
        heads: of the requests that came.
        closing: set when the test is over; a drip waits for it.
        dripped_out: whether a drip was waited for to its end, which is 200 times the patience of tests away.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.closing = threading.Event()
        self.dripped_out = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._socket.close()

    def drip(self, beginning: bytes, repeated: bytes, *, every: float) -> Iterator[bytes]:
        """Yield a beginning, and then the same bytes again and again for a minute."""
        yield beginning
        for _ in range(int(_DRIPPING / every)):
            if self.closing.wait(every):
                return
            yield repeated
        self.dripped_out = True

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.heads.append(head)
            for piece in self.answer(head):
                connection.sendall(piece)


@contextlib.contextmanager
def serve(answer: Answer) -> Iterator[Wire]:
    """Serve during a block."""
    wire = Wire(answer)
    try:
        yield wire
    finally:
        wire.close()


class Box:
    """A server whose next answers are set from outside."""

    def __init__(self) -> None:
        self.answer = b""


@contextlib.contextmanager
def boxed() -> Iterator[tuple[Box, Wire]]:
    """Serve what a box holds during a block."""
    box = Box()
    with serve(lambda _head: iter((box.answer,))) as wire:
        yield box, wire


def whole(status: str, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """Return an answer after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
