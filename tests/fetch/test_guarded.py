"""Restricted connections, to real servers: what is not allowed is never connected to, wherever it was named."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from builders.downloads import DATA, QUICK, wanted
from builders.servers import Fault, Server

from imgforge.access import Access, RestrictedError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import RefusedError
from imgforge.registry.client import Client
from imgforge.registry.connection import Connections
from imgforge.registry.trust import authorities

pytestmark = pytest.mark.attack


def host(server: Server) -> str:
    return server.url.removeprefix("http://")


def fetch(url: str, target: Path, access: Access) -> bytes:
    with Fetcher(patience=QUICK, access=access) as fetcher:
        return fetcher.fetch(wanted(url), target).read_bytes()


def test_a_server_that_is_listed_serves(server: Server, target: Path) -> None:
    assert fetch(f"{server.url}/file", target, Access(hosts=(host(server),))) == DATA


def test_a_server_that_is_not_is_not_connected_to(server: Server, target: Path) -> None:
    for access in (Access(hosts=("*",)), Access(hosts=("mirror.example.org",)), Access(hosts=())):
        with pytest.raises(RestrictedError):
            fetch(f"{server.url}/file", target, access)
    assert server.asked == []


def test_a_name_that_leads_to_this_machine_is_not_connected_to(server: Server, target: Path) -> None:
    port = host(server).rpartition(":")[2]
    url = f"http://localhost:{port}/file"
    with pytest.raises(RestrictedError, match="not public"):
        fetch(url, target, Access(hosts=(f"localhost:{port}",)))
    assert server.asked == []
    both = ("127.0.0.0/8", "::1/128")
    assert fetch(url, target, Access(hosts=(f"localhost:{port}",), networks=both)) == DATA


REDIRECTS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:1/file",
    "http://localhost:{port}/file",
    "http://2130706433:{port}/file",
    "http://0x7f000001:{port}/file",
    "http://0177.0.0.1:{port}/file",
    "http://127.1:{port}/file",
    "http://[::ffff:127.0.0.1]:{port}/file",
    "http://[::1]:{port}/file",
    "//169.254.169.254/file",
    "http://mirror.example.org@169.254.169.254/file",
    "http://other.example.org/file",
]


@pytest.mark.parametrize("location", REDIRECTS)
def test_a_redirect_elsewhere_is_not_followed(server: Server, target: Path, location: str) -> None:
    port = host(server).rpartition(":")[2]
    server.always("moved", Fault(status=302, headers=(("Location", location.format(port=port)),)))
    with pytest.raises((RestrictedError, RefusedError)):  # RefusedError: a URL that parsers read differently
        fetch(f"{server.url}/moved", target, Access(hosts=(host(server),)))
    assert server.paths() == ["/moved"]


def test_a_redirect_to_a_listed_server_is_followed(server: Server, target: Path) -> None:
    server.always("moved", Fault(status=302, headers=(("Location", f"{server.url}/file"),)))
    assert fetch(f"{server.url}/moved", target, Access(hosts=(host(server),))) == DATA


def test_a_redirect_to_a_file_is_not_followed(server: Server, target: Path) -> None:
    server.always("moved", Fault(status=302, headers=(("Location", "file:///etc/passwd"),)))
    with pytest.raises(Exception, match=r"passwd|roots|cannot be asked|redirected"):
        fetch(f"{server.url}/moved", target, Access(hosts=(host(server),), roots=(target.parent,)))
    assert not target.exists()


@pytest.mark.parametrize("url", ["file:/etc/passwd", "file:/proc/self/environ", "file:/dev/zero", "file:{out}"])
def test_a_file_outside_of_the_roots_is_not_read(tmp_path: Path, target: Path, url: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_bytes(DATA)
    (tmp_path / "root" / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(RestrictedError):
        fetch(url.format(out=tmp_path / "root" / "out"), target, Access(roots=(tmp_path / "root",)))
    assert not target.exists()


def test_a_second_answer_of_the_name_server_changes_nothing(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a public address for the check, and this machine's for whoever asks again."""
    port = int(host(server).rpartition(":")[2])
    real, asked = socket.getaddrinfo, []

    def rebinding(name: str, *args: object, **options: object) -> list[object]:
        if name != "rebinding.example.org":
            return list(real(name, *args, **options))  # type: ignore[arg-type]
        asked.append(name)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[object] = []

    def connect(_self: socket.socket, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "refused by this test")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(Exception, match=r"refused|rebinding"):
        fetch(f"http://rebinding.example.org:{port}/file", target, Access(hosts=(f"rebinding.example.org:{port}",)))
    assert {address[0] for address in connected if isinstance(address, tuple)} == {"93.184.215.14"}


@pytest.mark.parametrize("location", [one for one in REDIRECTS if one.startswith("http://1")])
def test_a_registry_cannot_send_us_elsewhere(server: Server, location: str) -> None:
    port = host(server).rpartition(":")[2]
    server.always("v2/", Fault(status=307, headers=(("Location", location.format(port=port)),)))
    made = Connections(
        plain=frozenset(("127.0.0.1:1", "169.254.169.254", f"127.1:{port}")),
        authority=authorities(),
        jobs=1,
        patience=QUICK,
        access=Access(hosts=(host(server),)),
    )
    try:
        with pytest.raises((RestrictedError, RefusedError)):
            made.send("GET", f"{server.url}/v2/")
    finally:
        made.close()
    assert server.paths() == ["/v2/"]


def test_a_client_takes_a_restriction() -> None:
    client = Client(access=Access(hosts=()))
    client.close()
