"""A proxy before a registry that counts what passes, and fails in the ways that networks, balancers and caches do.

What goes wrong with a request depends on the seed, the request and how often it came, not on the order of threads.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import http.client
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import attrs

from builders.listeners import Quiet, listening

_SESSION = re.compile(r"(/blobs/uploads/)[^/?]+")
_TAGGED = re.compile(r"/manifests/(?!sha256:)[^/]+$")
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_PIECE = 4096


class Fault(enum.Enum):
    """What goes wrong with a request."""

    DROP = "the connection closes before anything is passed on"
    CUT = "half of the request is passed on"
    SWALLOW = "the answer is lost"
    DELAY = "it takes a while"
    TRUNCATE = "half of the answer's body comes"
    SHORTEN = "half of the answer's body comes, and its length says that this is all"
    BUSY = "429"
    BROKEN = "500"
    GATEWAY = "502"
    EXPIRE = "401, as if the token had expired"
    STALE = "a tag stands for what it did before"


@attrs.frozen
class Asked:
    """A request that came.

    Attributes:
        method: HTTP's.
        path: with the query.
        headers: by name.
        size: bytes of its body that came.
        status: what was answered; 0 when the connection was closed instead.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    size: int
    status: int


Plan = Callable[[str, str, int], Fault | None]
"""Says what goes wrong, given the method, the path without query and session, and how often that came before."""


def seeded(seed: int, *, rate: float, faults: tuple[Fault, ...] = tuple(Fault)) -> Plan:
    """Let a share of the requests fail."""

    def plan(method: str, path: str, count: int) -> Fault | None:
        choose = random.Random(f"{seed} {method} {path} {count}")
        is_tag = method == "GET" and _TAGGED.search(path) is not None and Fault.STALE in faults
        weighed = (*faults, *(Fault.STALE,) * (len(faults) if is_tag else 0))
        return choose.choice(weighed) if choose.random() < rate else None

    return plan


class Proxy:
    """A running proxy.

    Attributes:
        host: its own host and port.
        plan: what goes wrong; may be changed while nothing is asked.
        asked: what came.
        happened: how often each fault was made.
        challenge: what a fault `EXPIRE` answers as WWW-Authenticate.
        pause: seconds before each request is passed on.
        busy: requests that are on their way.
        begun: requests whose head came.
    """

    def __init__(self, upstream: str) -> None:
        self.host = ""
        self.plan: Plan = lambda _method, _path, _count: None
        self.asked: list[Asked] = []
        self.happened: collections.Counter[Fault] = collections.Counter()
        self.challenge = ""
        self.pause = 0.0
        self.upstream = upstream
        self.busy = 0
        self.begun = 0
        self.tags: dict[str, list[tuple[int, list[tuple[str, str]], bytes]]] = {}
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.lock = threading.Lock()

    def reset(self, plan: Plan | None = None) -> None:
        """Forget what came, and go on by another plan; none for no faults."""
        with self.lock:
            self.plan = plan or (lambda _method, _path, _count: None)
            self.asked = []
            self.begun = 0
            self._counts.clear()

    def choose(self, method: str, path: str) -> Fault | None:
        """Return what goes wrong with a request that comes now."""
        named = _SESSION.sub(r"\1SESSION", path.partition("?")[0])
        with self.lock:
            count = self._counts[method, named]
            self._counts[method, named] += 1
        fault = self.plan(method, named, count)
        if fault is Fault.STALE and not (method == "GET" and self.tags.get(path.partition("?")[0])):
            return None
        if fault is Fault.EXPIRE and not self.challenge:
            return None
        return fault

    def sent(self) -> int:
        """Return how many bytes of blobs came, counting what was sent twice twice."""
        return sum(asked.size for asked in self.asked if "/blobs/uploads/" in asked.path)

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests came for paths that a pattern fits."""
        return sum(asked.method == method and re.search(pattern, asked.path) is not None for asked in self.asked)

    def wait(self) -> None:
        """Return when nothing has been on its way for a while."""
        still = 0
        while still < 10:
            before = len(self.asked)
            time.sleep(0.002)
            still = still + 1 if not self.busy and len(self.asked) == before else 0


@contextlib.contextmanager
def serve(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before a host during a block."""
    proxy = Proxy(upstream)
    with listening(_Passing, proxy) as server:
        proxy.host = server.host
        yield proxy


class _Passing(Quiet):
    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        self._forget()
        with contextlib.suppress(OSError):
            super().finish()

    def serve(self) -> None:
        proxy: Proxy = self.serves
        with proxy.lock:
            proxy.busy += 1
            proxy.begun += 1
        try:
            self._pass(proxy)
        except (OSError, http.client.HTTPException):
            self._hang_up()
        finally:
            with proxy.lock:
                proxy.busy -= 1

    def _pass(self, proxy: Proxy) -> None:
        fault = proxy.choose(self.command, self.path)
        size = int(self.headers.get("Content-Length", "0"))
        if fault:
            with proxy.lock:
                proxy.happened[fault] += 1
        if fault in {Fault.DROP, Fault.CUT}:
            self._note(proxy, self._cut(proxy, size) if fault is Fault.CUT else 0, 0)
            self._hang_up()
            return
        body = self.rfile.read(size)
        if len(body) < size:
            self._note(proxy, len(body), 0)
            self._cut_with(proxy, body, size)
            self._hang_up()
            return
        time.sleep(proxy.pause + (0.02 if fault is Fault.DELAY else 0.0))
        status, headers, data = self._refuse(proxy, fault) or self._ask(proxy, body)
        self._note(proxy, size, 0 if fault is Fault.SWALLOW else status)
        if fault is Fault.SWALLOW:
            self._hang_up()
            return
        self._give(status, headers, data, fault=fault)

    def _note(self, proxy: Proxy, size: int, status: int) -> None:
        with proxy.lock:
            proxy.asked.append(Asked(self.command, self.path, dict(self.headers), size, status))

    def _refuse(self, proxy: Proxy, fault: Fault | None) -> tuple[int, list[tuple[str, str]], bytes] | None:
        if fault is Fault.STALE:
            return proxy.tags[self.path.partition("?")[0]][0]
        if fault is Fault.EXPIRE:
            return 401, [("WWW-Authenticate", f'{proxy.challenge},error="invalid_token"')], b"{}"
        if fault is Fault.BUSY:
            return 429, [("Retry-After", "0")], b'{"errors": [{"code": "TOOMANYREQUESTS"}]}'
        statuses = {Fault.BROKEN: 500, Fault.GATEWAY: 502}
        return (statuses[fault], [], b"<html>") if fault in statuses else None

    def _ask(self, proxy: Proxy, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Pass a request on; one that found its kept connection closed goes again."""
        for _ in range(2):
            is_new = self._upstream is None
            connection = self._upstream = self._upstream or http.client.HTTPConnection(proxy.upstream, timeout=30)
            try:
                connection.request(self.command, self.path, body=body or None, headers=dict(self.headers))
                response = connection.getresponse()
                data = response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self._forget()
                if is_new:
                    raise
                continue
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP]
            length = response.headers.get("Content-Length")
            answered = (response.status, [*headers, ("Content-Length", length or str(len(data)))], data)
            if self.command == "GET" and response.status == 200 and _TAGGED.search(self.path):
                proxy.tags.setdefault(self.path, []).append(answered)
            return answered
        raise ConnectionError

    def _give(self, status: int, headers: list[tuple[str, str]], data: bytes, *, fault: Fault | None) -> None:
        half = data[: len(data) // 2] if fault in {Fault.TRUNCATE, Fault.SHORTEN} else data
        is_shortened = fault is Fault.SHORTEN and self.command != "HEAD"
        self.send_response_only(status)
        for name, value in headers:
            if not (is_shortened and name == "Content-Length"):
                self.send_header(name, value)
        if is_shortened or not any(name == "Content-Length" for name, _value in headers):
            self.send_header("Content-Length", str(len(half)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(half)
        self.wfile.flush()
        if fault is Fault.TRUNCATE:
            self._hang_up()

    def _cut(self, proxy: Proxy, size: int) -> int:
        """Pass half of a request on, and close both connections."""
        body = self.rfile.read(size // 2)
        self._cut_with(proxy, body, size)
        return len(body)

    def _cut_with(self, proxy: Proxy, body: bytes, size: int) -> None:
        self._forget()
        host, _, port = proxy.upstream.partition(":")
        lines = [f"{self.command} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as upstream:
            upstream.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            if not size:
                upstream.recv(_PIECE)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        self._upstream = None
