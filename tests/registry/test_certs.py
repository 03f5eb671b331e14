"""Private authorities and our own certificates without root: certs.d of this user, as podman keeps it."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import certificates
from builders.certificates import Pair
from builders.pushes import QUICK, Place, check_pulled, push

from imgforge.errors import FetchError
from imgforge.fetch.request import RefusedError
from imgforge.fetch.wire import CertificateError
from imgforge.registry import trust
from imgforge.registry.client import Client
from imgforge.registry.repository import Repository
from imgforge.registry.tags import tags


class Tags(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"tags": ["v1"]}')

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def knowing(directory: Path) -> Iterator[tuple[str, Pair, Pair]]:
    """Serve tags to those who have a certificate of an authority; yield the host, the authority and a client."""
    authority = certificates.authority(directory)
    server = certificates.server(directory, signed_by=authority)
    client = certificates.server(directory, signed_by=authority, name="client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate_path, server.key_path)
    context.load_verify_locations(authority.certificate_path)
    context.verify_mode = ssl.CERT_REQUIRED
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tags)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    listening.handle_error = lambda *_args: None  # type: ignore[method-assign]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listening.server_address[1]}", authority, client
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's containers/certs.d is."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "config" / "containers" / "certs.d"


def authority_of(place: Place) -> Path:
    known = place.authority(place.host)
    assert known is not None
    return known.files[0]


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.mark.parametrize("name", ["ca.crt", "company.crt"])
def test_an_authority_of_this_user_counts(tls_registry: Place, home: Path, name: str) -> None:
    put(authority_of(tls_registry), home / tls_registry.host / name)
    where = tls_registry.at(f"certs/{name}")
    with Client(credentials=tls_registry.credentials, patience=QUICK) as client:
        push(client, where)
        check_pulled(client, where)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_the_environment_counts(
    tls_registry: Place, home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert not home.exists()
    monkeypatch.setenv(variable, str(authority_of(tls_registry)))
    with Client(credentials=tls_registry.credentials, patience=QUICK) as client:
        push(client, tls_registry.at("certs/environment"))


def test_an_authority_of_the_host_counts_alone(
    tls_registry: Place, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_of(tls_registry)))
    put(certificates.authority(tmp_path / "other").certificate_path, home / tls_registry.host / "ca.crt")
    with Client(credentials=tls_registry.credentials, patience=QUICK) as client, pytest.raises(CertificateError):
        push(client, tls_registry.at("certs/alone"))


def test_an_error_says_where_an_authority_belongs(tls_registry: Place, home: Path) -> None:
    assert not home.exists()
    with Client(patience=QUICK) as client, pytest.raises(CertificateError) as caught:
        tags(client, tls_registry.at("certs/none"))
    assert "the certificate is not trusted: " in str(caught.value)
    notes = " ".join(caught.value.__notes__)
    assert f"~/.config/containers/certs.d/{tls_registry.host}/ca.crt" in notes
    assert "$SSL_CERT_FILE" in notes


@pytest.mark.parametrize("stem", ["client", "ours"])
def test_our_own_certificate_is_shown(home: Path, tmp_path: Path, stem: str) -> None:
    with knowing(tmp_path / "server") as (host, authority, client_pair):
        put(authority.certificate_path, home / host / "ca.crt")
        with Client(patience=QUICK) as client, pytest.raises(FetchError):
            tags(client, Repository(host, "here"))
        put(client_pair.certificate_path, home / host / f"{stem}.cert")
        put(client_pair.key_path, home / host / f"{stem}.key")
        with Client(patience=QUICK) as client:
            assert tags(client, Repository(host, "here")) == ("v1",)


def test_our_own_certificate_goes_with_the_public_authorities(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with knowing(tmp_path / "server") as (host, authority, client_pair):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate_path))
        put(client_pair.certificate_path, home / host / "client.cert")
        put(client_pair.key_path, home / host / "client.key")
        with Client(patience=QUICK) as client:
            assert tags(client, Repository(host, "here")) == ("v1",)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"client.cert": b"x"}, r"client\.cert: expected its key as client\.key"),
        ({"client.cert": b"x", "client.key": b"x"}, "expected certificates in PEM, and with a key its own"),
        ({"ca.crt": b"x"}, "expected certificates in PEM"),
        ({"ca.crt": b""}, "expected certificates in PEM"),
    ],
)
def test_files_that_are_wrong_are_named(home: Path, files: dict[str, bytes], expected: str) -> None:
    directory = home / "registry.example.org"
    directory.mkdir(parents=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    with Client(patience=QUICK) as client, pytest.raises(RefusedError, match=expected):
        tags(client, Repository("registry.example.org", "here"))


def test_a_user_without_a_home_has_the_machines_directories() -> None:
    assert trust.directories({}) == trust.DIRECTORIES
    assert trust.directories({"HOME": "/h"})[0] == Path("/h/.config/containers/certs.d")
