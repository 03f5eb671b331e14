"""Plain HTTP stays on this machine unless somebody names a host for it, and a secret stays with who asked for it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import certificates
from builders.listeners import Quiet, listening
from builders.pushes import QUICK, Place, check_pulled, push
from builders.registries import PASSWORD, USER
from builders.simulator import serving
from builders.simulator.registry import Simulator

from imgforge.digest import Digest
from imgforge.errors import FetchError
from imgforge.fetch.request import PassingError, Patience, RefusedError
from imgforge.fetch.url import Url
from imgforge.fetch.wire import CertificateError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.host import is_loopback
from imgforge.oci.reference import Reference
from imgforge.registry import pull, trust
from imgforge.registry.client import Call, Client
from imgforge.registry.connection import Connections
from imgforge.registry.credentials import Credentials, given
from imgforge.registry.repository import Repository

DATA = b"some bytes"
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
ALICE = Credentials(USER, PASSWORD)


def connections(*plain: str, patience: Patience = QUICK) -> Connections:
    return Connections(plain=frozenset(plain), authority=lambda _host: None, jobs=1, patience=patience)


@pytest.fixture
def storage() -> Iterator[Simulator]:
    """Another registry, to which blobs are redirected."""
    with serving.serve() as running:
        running.blobs["here"][str(BLOB.digest)] = DATA
        yield running


@pytest.fixture
def registry(storage: Simulator) -> Iterator[Simulator]:
    with serving.serve() as running:
        running.challenge = "Basic realm=x"
        running.blobs["here"][str(BLOB.digest)] = DATA
        running.storage = f"http://{storage.host}"
        yield running


def authority_of(place: Place) -> Path:
    trusted = place.authority(place.host)
    assert trusted is not None
    return trusted.files[0]


def fetch(host: str) -> bytes:
    with Client(credentials=given(host, ALICE), patience=QUICK) as client:
        return pull.read_blob(client, Repository(host, "here"), digest=BLOB.digest)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LocalHost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("127.999.1.1", False),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1:5000", False),
        ("[2001:db8::1]", False),
        ("registry", False),
        ("", False),
    ],
)
def test_this_machine_is_known(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_others_are_spoken_to_with_tls_unless_they_are_named() -> None:
    assert connections().base("registry.example.org") == "https://registry.example.org"
    assert (
        connections("Registry.example.org:5000").base("registry.example.org:5000") == "http://registry.example.org:5000"
    )
    assert connections("registry.example.org").base("registry.example.org:5000") == "https://registry.example.org:5000"


@pytest.mark.parametrize(
    ("url", "after", "expected"),
    [
        ("https://storage.example.org/x", "https://registry.example.org/", True),
        ("http://storage.example.org/x", "https://registry.example.org/", False),
        ("http://named.example.org/x", "https://registry.example.org/", True),
        ("http://127.0.0.1/x", "https://registry.example.org/", False),
        ("http://127.0.0.1/x", "http://127.0.0.1:5000/", True),
        ("http://127.0.0.1/x", "", True),
        ("file:///etc/passwd", "", False),
    ],
)
def test_where_an_answer_may_send_us(url: str, after: str, *, expected: bool) -> None:
    assert (
        connections("named.example.org").is_allowed(Url.parse(url), after=Url.parse(after) if after else None)
        is expected
    )


def test_a_request_in_plain_is_not_even_tried() -> None:
    with pytest.raises(RefusedError, match="plain HTTP goes to this machine or to hosts that are named for it"):
        connections().send("GET", "http://registry.example.org/v2/")


def test_storage_elsewhere_gets_no_password(registry: Simulator, storage: Simulator) -> None:
    assert fetch(registry.host) == DATA
    right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert registry.asked[-1].headers["Authorization"] == right
    assert [asked.path for asked in storage.asked] == [f"/v2/here/blobs/{BLOB.digest}?signature=secret"]
    assert "Authorization" not in storage.asked[0].headers


def test_the_same_origin_gets_the_password_after_a_redirect(registry: Simulator) -> None:
    registry.storage = ""
    registry.answers["/first/"] = [(307, {"Location": f"/v2/here/blobs/{BLOB.digest}"}, b"")]
    registry.blobs["first"][str(BLOB.digest)] = b""
    with Client(credentials=given(registry.host, ALICE), patience=QUICK) as client:
        client.ask(_call(registry.host, "here", f"blobs/{BLOB.digest}"))
        answer = client.ask(_call(registry.host, "first", f"blobs/{BLOB.digest}"))
    assert answer.data == DATA


def _call(host: str, name: str, path: str) -> Call:
    return Call("GET", Repository(host, name), path, "it")


def test_an_upload_elsewhere_gets_no_password(registry: Simulator, storage: Simulator) -> None:
    place = f"http://{storage.host}/v2/here/blobs/uploads/x"
    storage.uploads["x"] = bytearray()
    storage.blobs.clear()
    registry.storage = ""
    registry.blobs.clear()
    registry.repositories.add("here")
    registry.change(checks_parts=False)
    with Client(credentials=given(registry.host, ALICE), patience=QUICK) as client:
        client.ask(_call(registry.host, "here", "tags/list"))
        registry.answers["/here/blobs/uploads/"] = [(202, {"Location": place}, b"")]
        push(client, Place(registry.host).at("here"))
    puts = [asked for asked in storage.asked if asked.method == "PUT"]
    assert puts
    assert all("Authorization" not in asked.headers for asked in storage.asked)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://storage.example.org/x", "sends us to storage.example.org without TLS, which nobody asked for"),
        ("file:///etc/passwd", "sends us to a file without TLS"),
        ("", "not there|HTTP 307"),
    ],
)
def test_a_redirect_to_nowhere_good_is_refused(registry: Simulator, location: str, expected: str) -> None:
    registry.answers[f"/here/blobs/{BLOB.digest}"] = [(307, {"Location": location}, b"")] * 3
    with pytest.raises(RefusedError, match=expected):
        fetch(registry.host)


def test_redirects_do_not_go_on_for_ever(registry: Simulator) -> None:
    registry.answers[f"/here/blobs/{BLOB.digest}"] = [(302, {"Location": f"/v2/here/blobs/{BLOB.digest}"}, b"")] * 20
    with pytest.raises(RefusedError, match="redirected too often"):
        fetch(registry.host)


def test_a_push_is_not_redirected(registry: Simulator) -> None:
    registry.answers["/here/blobs/uploads/"] = [(307, {"Location": "/v2/elsewhere"}, b"")]
    registry.blobs.clear()
    with (
        Client(credentials=given(registry.host, ALICE), patience=QUICK) as client,
        pytest.raises(RefusedError, match=r"refused \(HTTP 307\)"),
    ):
        push(client, Place(registry.host).at("here"))


def test_netrc_and_cookies_are_not_used(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login bob password builder\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    registry.challenge = registry.storage = ""
    registry.answers["/here/tags"] = [(200, {"Set_Cookie": "sid=1; Path=/"}, b"{}")]
    with Client(patience=QUICK) as client:
        client.ask(_call(registry.host, "here", "tags/list"))
        pull.read_blob(client, Repository(registry.host, "here"), digest=BLOB.digest)
    assert all("Authorization" not in asked.headers for asked in registry.asked)
    assert all("Cookie" not in asked.headers for asked in registry.asked)


def test_this_machine_is_not_asked_through_a_proxy(registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.challenge = registry.storage = ""
    for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert fetch(registry.host) == DATA


def test_others_are_asked_through_the_proxy(registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{registry.host}")
    with connections("registry.example.org").send("GET", "http://registry.example.org/v2/") as response:
        assert response.status == 401
    assert registry.asked[0].path == "http://registry.example.org/v2/"


class Counted(Quiet):
    """Counts connections."""

    def setup(self) -> None:
        self.serves.append(self.client_address)
        super().setup()

    def serve(self) -> None:
        self.body()
        if self.path.startswith("/moved"):
            self.answer(307, Location="/a")
        else:
            self.answer(200, b"{}")


@pytest.mark.parametrize(
    ("method", "path"), [("HEAD", "/here"), ("GET", "/here"), ("GET", "/moved"), ("POST", "/here")]
)
def test_a_connection_is_kept_for_the_next_request(method: str, path: str) -> None:
    with listening(Counted, []) as server:
        to = connections()
        for _ in range(5):
            with to.send(method, f"http://{server.host}{path}", body=b"x" if method == "POST" else None) as response:
                while response.read(100, seconds=1):
                    pass
        assert len(server.serves) == 1


def test_an_authority_that_nobody_knows_is_refused(tls_registry: Place, name: str) -> None:
    with (
        Client(credentials=tls_registry.credentials, patience=QUICK) as client,
        pytest.raises(CertificateError) as caught,
    ):
        push(client, tls_registry.at(name))
    assert f"{tls_registry.host}: the certificate is not trusted" in str(caught.value)


def test_an_authority_does_not_vouch_for_other_hosts(tls_registry: Place, tmp_path: Path, name: str) -> None:
    other = certificates.authority(tmp_path)
    for pair in (
        (tls_registry.host, other.certificate_path),
        ("example.org", authority_of(tls_registry)),
    ):
        authority = trust.authorities([(pair[0], pair[1])], directories=())
        find = tls_registry.credentials
        with Client(credentials=find, authority=authority, patience=QUICK) as client, pytest.raises(CertificateError):
            push(client, tls_registry.at(name))


def test_an_authority_in_the_directory_of_docker_counts(tls_registry: Place, tmp_path: Path, name: str) -> None:
    known = authority_of(tls_registry)
    (tmp_path / tls_registry.host).mkdir()
    (tmp_path / tls_registry.host / "ca.crt").write_bytes(known.read_bytes())
    authority = trust.authorities(directories=(tmp_path / "none", tmp_path))
    with Client(credentials=tls_registry.credentials, authority=authority, patience=QUICK) as client:
        push(client, tls_registry.at(name))
        check_pulled(client, tls_registry.at(name))
    assert authority("other.example.org") is None


def test_a_file_of_certificates_that_is_not_there_is_named(tls_registry: Place, tmp_path: Path, name: str) -> None:
    authority = trust.authorities([(tls_registry.host, tmp_path / "none.pem")])
    with Client(authority=authority, patience=QUICK) as client, pytest.raises(RefusedError, match=r"none\.pem"):
        pull.find(client, tls_registry.at(name), tag="v1")


def test_a_name_with_a_certificate_of_another_is_refused(tls_registry: Place, name: str) -> None:
    known = authority_of(tls_registry)
    host = tls_registry.host.replace("127.0.0.1", "127.0.0.2")
    authority = trust.authorities([(host, known)])
    with Client(authority=authority, patience=QUICK) as client, pytest.raises(FetchError):
        pull.find(client, Repository(host, name), tag="v1")


def test_a_registry_on_this_machine_that_does_not_answer_is_asked_again() -> None:
    with pytest.raises(PassingError, match="connection refused"):
        connections().base("127.0.0.1:1")


def test_the_hub_has_one_name_for_people_and_another_for_machines() -> None:
    debian = Repository.of(Reference.parse("docker://docker.io/debian"))
    assert (debian.host, debian.name, debian.server) == ("docker.io", "library/debian", "registry-1.docker.io")
    assert str(debian) == "docker://docker.io/library/debian"
    assert Repository.of(Reference.parse("docker://index.docker.io/a/b")) == Repository("docker.io", "a/b")
