"""Connections that end in time: a server that sends a byte now and then does not hold us.

A socket's timeout counts from byte to byte: headers that drip in, or lines around the chunks of a body, would keep a
caller for ever. Here the time for all headers together is bounded, and the time until the next piece of a body, and the
bytes of the headers. http.client itself bounds the length of a line and the number of headers.
"""

from __future__ import annotations

import functools
import io
import socket
import time
from typing import Any

from imgforge import late
from imgforge.access import Access

client = late.module("http.client")
urllib3 = late.module("urllib3")
connections = late.module("urllib3.connection")
faults = late.module("urllib3.exceptions")

_HEAD = 256 * 1024
"""Bytes of an answer's headers; what comes with them of the body counts, but is not read ahead by more than 8 KiB."""

_ADDRESSES = 8
"""Addresses of a host that are tried."""


class Guard(io.RawIOBase):
    """The bytes that come in an answer, each read of which must end before a moment that is set for all of them."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw = raw
        self._socket = sock
        self._head: int | None = _HEAD
        self._end: float | None = None
        self.allow(sock.gettimeout())

    def allow(self, seconds: float | None) -> None:
        """Let what is read from now on take so many seconds, altogether."""
        self._end = None if seconds is None else time.monotonic() + seconds

    def finish_head(self) -> None:
        """Count no further: the headers are there."""
        self._head = None

    def readable(self) -> bool:
        """Say that this is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, or wait for it while there is time."""
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
        count: int = self._raw.readinto(buffer) or 0
        if self._head is not None:
            self._head -= count
            if self._head < 0:
                raise client.HTTPException(f"headers of more than {_HEAD} bytes")
        return count

    def close(self) -> None:
        """Close what is read from."""
        self._raw.close()
        super().close()


def _connect(connection: Any, access: Access) -> socket.socket:
    """Connect to the first address of a host that answers, all of them together in the time for one.

    The name is resolved once, and every address that it stands for is checked before one is connected to: a second
    look-up could give another one (DNS rebinding).
    """
    seconds = urllib3.Timeout.resolve_default_timeout(connection.timeout)
    end = None if seconds is None else time.monotonic() + seconds
    name = connection._dns_host.strip("[]")  # noqa: SLF001 - urllib3's own name for the host that is connected to
    try:
        found = socket.getaddrinfo(name, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise faults.NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    what = f"{name}:{connection.port}"
    access.host(name, connection.port, what=what)
    for *_, address in found:
        access.address(str(address[0]), connection.port, host=name, what=what)
    failure: OSError = OSError("no address")
    for family, kind, protocol, _name, address in found[:_ADDRESSES]:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(None if end is None else max(0.001, end - time.monotonic()))
            sock.connect(address)
        except OSError as error:
            failure = error
            sock.close()
        else:
            sock.settimeout(seconds)
            return sock
    if isinstance(failure, TimeoutError):
        raise faults.ConnectTimeoutError(connection, "no connection in time") from failure
    raise faults.NewConnectionError(connection, f"no connection: {failure}") from failure


@functools.cache
def _pools(access: Access) -> dict[str, Any]:
    """Return urllib3's pools by scheme: connections go where `access` allows, answers are read through a guard."""
    base: Any = client.HTTPResponse

    class Answer(base):  # type: ignore[misc]
        def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
            super().__init__(sock, *args, **more)
            self.guard = Guard(self.fp.detach(), sock)
            self.fp: Any = io.BufferedReader(self.guard)

        def begin(self) -> None:
            super().begin()
            self.guard.finish_head()

    def connect(connection: Any) -> socket.socket:
        return _connect(connection, access)

    ours = {"response_class": Answer, "_new_conn": connect}
    plain = type("Plain", (connections.HTTPConnection,), ours)
    secure = type("Secure", (connections.HTTPSConnection,), ours)
    return {
        "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


def manager(proxy: str, *, access: Access, **settings: Any) -> Any:
    """Return what keeps connections to hosts, through a proxy unless its URL is empty.

    Args:
        proxy: ``http://HOST:PORT``.
        access: which hosts and addresses may be connected to.
        settings: of urllib3's `PoolManager`.
    """
    made = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
    made.pool_classes_by_scheme = _pools(access)
    return made


def of(response: Any) -> Guard | None:
    """Return the guard of an answer of urllib3's; None when the body is at its end."""
    return getattr(response._fp, "guard", None)  # noqa: SLF001 - urllib3 has no other way to the answer below
