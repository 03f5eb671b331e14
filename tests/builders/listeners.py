"""A server in threads of this process, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any


class Listener(http.server.ThreadingHTTPServer):
    """A server whose handlers find what they serve as `serves`."""

    daemon_threads = True
    block_on_close = False
    serves: Any

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    @property
    def host(self) -> str:
        """The host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that keeps connections open and says nothing."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = -1  # head and body in one packet: the kernel would wait 40 ms between two
    disable_nagle_algorithm = True

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> Any:
        """Return what answers any method: the library looks for ``do_GET`` and the like."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self) -> None:
        """Answer a request."""
        raise NotImplementedError

    @property
    def serves(self) -> Any:
        """What the server serves."""
        return self.server.serves  # type: ignore[attr-defined]

    def body(self) -> bytes:
        """Return the request's body, which may come in chunks: RFC 9112, section 7.1."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer; in the names of headers ``_`` stands for ``-``."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def listening(handler: type[Quiet], serves: Any) -> Iterator[Listener]:
    """Serve during a block."""
    server = Listener(("127.0.0.1", 0), handler)
    server.serves = serves
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
