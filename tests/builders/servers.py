"""A web server on the loopback interface that serves a directory, and fails in the ways that mirrors do.

It knows ranges, ETag and If-None-Match. A `Fault` stands for one request of a path; without one the file is served.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@attrs.frozen
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: this status, with an empty body, in place of the file.
        headers: further headers.
        body: these bytes in place of the file's.
        flip: the last byte of the body is changed.
        cut: the file ends after so many bytes, and the answer is otherwise whole.
        drop: the connection is closed after so many bytes of the body.
        stall: nothing more comes after so many bytes of the body, and the connection stays open.
        trickle: seconds between single bytes of the body.
        ranges: whether a Range is honoured.
        length: whether a Content-Length is sent.
        chunked: the body is sent in chunks of 1000 bytes, with no length; `drop` then counts chunks.
        shift: a range begins so many bytes off.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    flip: bool = False
    cut: int | None = None
    drop: int | None = None
    stall: int | None = None
    trickle: float = 0.0
    ranges: bool = True
    length: bool = True
    chunked: bool = False
    shift: int = 0


@attrs.frozen
class Asked:
    """A request that came."""

    path: str
    headers: Mapping[str, str]


class Server:
    """A running server; use `serve`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self._http = _HTTP(("127.0.0.1", 0), _Handler)
        self._http.server = self

    @property
    def url(self) -> str:
        """The URL of the directory, without a trailing slash."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def fault(self, path: str, *faults: Fault) -> None:
        """Let the next requests of a path fail, each in one way."""
        self._faults[f"/{path.lstrip('/')}"].extend(faults)

    def always(self, path: str, fault: Fault) -> None:
        """Let all requests of a path fail in one way, once the single faults are used up; ``*`` for every path."""
        self._always[path if path == "*" else f"/{path.lstrip('/')}"] = fault

    def heal(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()
        self._always.clear()

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    def next_fault(self, path: str) -> Fault:
        queue = self._faults.get(path)
        return queue.popleft() if queue else self._always.get(path, self._always.get("*", Fault()))

    def run(self) -> None:
        self._http.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _HTTP(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    server: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


@contextlib.contextmanager
def serve(root: Path) -> Iterator[Server]:
    """Serve a directory during a block."""
    server = Server(root)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        server: Server = self.server.server  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        server.asked.append(Asked(path, dict(self.headers)))
        fault = server.next_fault(path)
        if fault.status:
            self._answer(fault.status, b"", fault=fault)
            return
        body = fault.body if fault.body is not None else self._file(server.root, path)
        if body is None:
            self._answer(404, b"", fault=fault)
            return
        if fault.flip:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self._serve(body[: fault.cut], fault)

    def _file(self, root: Path, path: str) -> bytes | None:
        file = (root / path.lstrip("/")).resolve()
        return file.read_bytes() if file.is_file() and file.is_relative_to(root.resolve()) else None

    def _serve(self, body: bytes, fault: Fault) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", fault=fault, extra=(("ETag", etag),))
            return
        match = _RANGE.fullmatch(self.headers.get("Range", "")) if fault.ranges else None
        if match is None:
            self._answer(200, body, fault=fault, extra=(("ETag", etag),))
            return
        start = int(match[1]) + fault.shift
        if start >= len(body):
            self._answer(416, b"", fault=fault, extra=(("Content-Range", f"bytes */{len(body)}"),))
            return
        extent = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._answer(206, body[start:], fault=fault, extra=(("Content-Range", extent), ("ETag", etag)))

    def _answer(self, status: int, body: bytes, *, fault: Fault, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        for name, value in (*extra, *fault.headers):
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if fault.chunked:
            self._chunks(body, fault.drop)
        elif fault.trickle:
            self._trickle(body, fault.trickle)
        elif fault.drop is not None or fault.stall is not None:
            self._break(body, fault)
        else:
            self.wfile.write(body)
        if not fault.length:
            self.close_connection = True

    def _chunks(self, body: bytes, drop: int | None) -> None:
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        for piece in pieces[:drop]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if drop is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = drop is not None

    def _break(self, body: bytes, fault: Fault) -> None:
        self.wfile.write(body[: fault.drop if fault.drop is not None else fault.stall])
        self.wfile.flush()
        if fault.drop is None:
            server: Server = self.server.server  # type: ignore[attr-defined]
            server.closing.wait(30)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _trickle(self, body: bytes, seconds: float) -> None:
        server: Server = self.server.server  # type: ignore[attr-defined]
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            self.wfile.flush()
            if server.closing.wait(seconds):
                return
