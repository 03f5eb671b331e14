"""How a mirror is reached: authorities of the environment, proxies, and errors that say what to do."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import certificates, wires
from builders.certificates import Pair
from builders.downloads import DATA, QUICK, wanted
from builders.servers import Fault, Server

from imgforge.errors import FetchError
from imgforge.fetch import proxy, trust
from imgforge.fetch.http import Fetcher
from imgforge.fetch.proxy import Proxy
from imgforge.fetch.request import RefusedError
from imgforge.fetch.url import Url
from imgforge.fetch.wire import CertificateError

ONCE = attrs.evolve(QUICK, attempts=1)
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class File(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/down" else 200)
        if self.path == "/down":
            self.send_header("Location", "http://127.0.0.1:1/file")
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Pair]]:
    """A server with TLS, and its private authority."""
    directory = tmp_path_factory.mktemp("tls")
    authority = certificates.authority(directory)
    server = certificates.server(directory, signed_by=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate_path, server.key_path)
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), File)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    listening.handle_error = lambda *_args: None  # type: ignore[method-assign]
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"https://127.0.0.1:{listening.server_address[1]}", authority
    listening.shutdown()
    listening.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*VARIABLES, "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_private_authority_of_the_environment_counts(
    secure: tuple[str, Pair], target: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(secure[1].certificate_path))
    with Fetcher(patience=ONCE) as fetcher:
        fetcher.fetch(wanted(f"{secure[0]}/file"), target)
    assert target.read_bytes() == DATA


def test_a_directory_of_authorities_counts(
    secure: tuple[str, Pair], target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authorities").mkdir()
    words = ["openssl", "x509", "-hash", "-noout", "-in", str(secure[1].certificate_path)]
    hashed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "authorities" / f"{hashed}.0").write_bytes(secure[1].certificate_path.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", f"/nonexistent:{tmp_path / 'authorities'}")
    with Fetcher(patience=ONCE) as fetcher:
        fetcher.fetch(wanted(f"{secure[0]}/file"), target)
    assert target.read_bytes() == DATA


def test_a_certificate_that_is_not_trusted_says_what_to_do(secure: tuple[str, Pair], target: Path) -> None:
    with Fetcher(patience=ONCE) as fetcher, pytest.raises(CertificateError) as caught:
        fetcher.fetch(wanted(f"{secure[0]}/file"), target)
    assert "the certificate is not trusted: " in str(caught.value)
    assert "SSL_CERT_FILE" in " ".join(caught.value.__notes__)


def test_a_file_of_authorities_that_is_not_there_is_named(
    secure: tuple[str, Pair], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
    with Fetcher(patience=ONCE) as fetcher, pytest.raises(RefusedError, match=r"/nonexistent\.pem: no such file"):
        fetcher.fetch(wanted(f"{secure[0]}/file"), target)


def test_a_redirect_from_tls_to_plain_http_is_refused(
    secure: tuple[str, Pair], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure[1].certificate_path))
    with Fetcher(patience=ONCE) as fetcher, pytest.raises(RefusedError, match="redirected from TLS to plain HTTP"):
        fetcher.fetch(wanted(f"{secure[0]}/down"), target)


def test_both_places_of_authorities_count() -> None:
    both = trust.public({"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": "/b:/c"})
    assert (both.files, both.directories) == ((Path("/a.pem"),), (Path("/b"), Path("/c")))
    assert trust.public({"SSL_CERT_DIR": "/b"}).files == ()


@pytest.mark.parametrize("url", ["http://mirror.example.org/file", "https://mirror.example.org/file"])
def test_a_dead_proxy_is_called_that(target: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        variable = f"{url.partition(':')[0]}_proxy"
        monkeypatch.setenv(variable, f"http://alice:hunter2@{place}/")
        with Fetcher(patience=ONCE) as fetcher, pytest.raises(FetchError) as caught:
            fetcher.fetch(wanted(url), target)
    assert f"proxy http://{place} (from {variable}): connection refused" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_refuses_is_called_that(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = wires.whole("407 hunter2 please")
    with wires.serve(lambda _head: iter((answer,))) as wire:
        monkeypatch.setenv("https_proxy", f"http://alice:hunter2@{wire.host}")
        with Fetcher(patience=ONCE) as fetcher, pytest.raises(RefusedError) as caught:
            fetcher.fetch(wanted("https://mirror.example.org/file"), target)
        assert wire.heads[0].startswith(b"CONNECT mirror.example.org:443 ")
        assert b"proxy-authorization: basic " in wire.heads[0].lower()
    assert f"proxy http://{wire.host} (from https_proxy): refuses to connect us (HTTP 407)" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_is_no_url_is_refused(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://hunter2\\@x:3128")
    with Fetcher(patience=ONCE) as fetcher, pytest.raises(RefusedError, match="the proxy from http_proxy: ") as caught:
        fetcher.fetch(wanted("http://mirror.example.org/file"), target)
    assert "hunter2" not in str(caught.value)


PROXY = "http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("http://a.example.org/", {"http_proxy": PROXY}, "http_proxy"),
        ("https://a.example.org/", {"http_proxy": PROXY}, ""),
        ("https://a.example.org/", {"HTTPS_PROXY": PROXY}, "HTTPS_PROXY"),
        ("https://a.example.org/", {"all_proxy": PROXY}, "all_proxy"),
        ("https://a.example.org/", {"https_proxy": "", "ALL_PROXY": PROXY}, "ALL_PROXY"),
        ("http://a.example.org/", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, ""),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": "example.org"}, ""),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": ".example.org"}, ""),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": "*.example.org"}, ""),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": "ample.org"}, "http_proxy"),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": "x, a.example.org:80"}, ""),
        ("http://a.example.org/", {"http_proxy": PROXY, "no_proxy": "a.example.org:81"}, "http_proxy"),
        ("http://a.example.org/", {"http_proxy": PROXY, "NO_PROXY": "*"}, ""),
        ("http://172.16.2.3/", {"http_proxy": PROXY, "no_proxy": "172.16.0.0/12"}, ""),
        ("http://172.32.2.3/", {"http_proxy": PROXY, "no_proxy": "172.16.0.0/12"}, "http_proxy"),
        ("http://[::1]/", {"http_proxy": PROXY, "no_proxy": "::1"}, ""),
        ("http://[::1]/", {"http_proxy": PROXY, "no_proxy": "[::1]:80"}, ""),
    ],
)
def test_the_environment_chooses_the_proxy(url: str, variables: dict[str, str], expected: str) -> None:
    chosen = proxy.choose(Url.parse(url), {}, variables)
    assert (chosen.origin if chosen else "") == expected


def test_what_apt_says_counts_before_the_environment() -> None:
    given = {"http": PROXY, "http://direct.example.org": ""}
    variables = {"http_proxy": "http://other.example.org"}
    assert proxy.choose(Url.parse("http://direct.example.org/"), given, variables) is None
    chosen = proxy.choose(Url.parse("http://a.example.org/"), given, variables)
    assert chosen == Proxy(Url.parse(PROXY), "", "the APT configuration")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_where_credentials_belong(server: Server, target: Path, status: int) -> None:
    server.always("file", Fault(status=status))
    unreadable = ("/etc/apt/auth.conf.d/x.conf",)
    with Fetcher(patience=ONCE, unreadable=unreadable) as fetcher, pytest.raises(RefusedError) as caught:
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    notes = " ".join(caught.value.__notes__)
    assert f"no credentials for {server.url[len('http://') :]}: " in notes
    assert "not readable by this user: /etc/apt/auth.conf.d/x.conf" in notes
    with (
        Fetcher(patience=ONCE, credentials=lambda _url: ("alice", "hunter2")) as fetcher,
        pytest.raises(RefusedError) as caught,
    ):
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    notes = " ".join(caught.value.__notes__)
    assert "were sent, and are not accepted" in notes
    assert "hunter2" not in notes
