"""No registry and no token server holds a command: headers, tokens and lists that drip in end in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import pytest
from builders import wires
from builders.pushes import QUICK
from builders.wires import Wire, whole

from imgforge.errors import FetchError
from imgforge.registry.client import Client
from imgforge.registry.repository import Repository
from imgforge.registry.tags import tags

pytestmark = pytest.mark.attack

ONCE = attrs.evolve(QUICK, attempts=1, stall=0.3)
OK = b"HTTP/1.1 200 OK\r\n"

Drip = Callable[[Wire], Iterator[bytes]]

DRIPS: dict[str, Drip] = {
    "a header a byte at a time": lambda wire: wire.drip(OK + b"X: ", b"x", every=0.05),
    "a header at a time": lambda wire: wire.drip(OK, b"X: y\r\n", every=0.05),
    "100 Continue for ever": lambda wire: wire.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.02),
    "a list a byte at a time": lambda wire: wire.drip(OK + b"Content-Length: 9000\r\n\r\n", b" ", every=0.05),
    "trailers": lambda wire: wire.drip(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", every=0.01),
}
NO = b'Content-Length: 2\r\nWWW-Authenticate: Bearer realm="http://%s/token"\r\nConnection: close\r\n\r\n{}'


@pytest.mark.parametrize("name", DRIPS)
@pytest.mark.parametrize("where", ["registry", "token server", "error"])
def test_a_registry_that_drips_is_given_up(name: str, where: str) -> None:
    def answer(head: bytes) -> Iterator[bytes]:
        path = head.split(b" ")[1]
        if path == b"/v2/":
            yield whole("200 OK")
        elif where == "token server" and not path.startswith(b"/token"):
            yield b"HTTP/1.1 401 Who\r\n" + NO % wire.host.encode()
        elif where == "error":
            yield from (piece.replace(b"200 OK", b"500 Oh") for piece in DRIPS[name](wire))
        else:
            yield from DRIPS[name](wire)

    with wires.serve(answer) as wire, Client(patience=ONCE) as client, pytest.raises(FetchError):
        tags(client, Repository(wire.host, "here"))
    assert not wire.dripped_out


def test_a_dead_proxy_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://alice:hunter2@127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with Client(patience=ONCE) as client, pytest.raises(FetchError) as caught:
        tags(client, Repository("registry.example.org", "here"))
    assert "proxy http://127.0.0.1:1 (from https_proxy): connection refused" in str(caught.value)
    assert "hunter2" not in str(caught.value)
