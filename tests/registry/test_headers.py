"""Whatever a registry puts into a header, what comes of it is an answer or a typed error, and no password leaves."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable, Iterator

import attrs
import pytest
from builders import wires
from builders.pushes import QUICK
from builders.registries import PASSWORD, USER
from builders.simulator.registry import Simulator
from builders.simulator.serving import serve
from builders.wires import Box, Wire, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.request import RefusedError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index
from imgforge.registry import credentials as credential
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.credentials import Credentials
from imgforge.registry.referrers import referrers
from imgforge.registry.repository import Repository
from imgforge.registry.tags import tags
from imgforge.registry.upload import Target, ensure

pytestmark = pytest.mark.attack

ONCE = attrs.evolve(QUICK, attempts=1, stall=0.5)
DATA = b"some bytes"
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
SUBJECT = Digest.of(b"subject")

VALUES = (
    "", "0", "-1", "9" * 5000, "\u00b2", "1, 2", "bytes 0-/5", "bytes 0-" + "9" * 4400 + "/5", "0-", "0--1",
    "0-" + "9" * 19, "0-9", "bytes=0-4",
    "Fri, 31 Dec 9999 23:59:59 -2359", "Thu, 01 Jan 0001 00:00:00 +2359", '"' * 5000, "\\", "\x80\xff", "http://[::1",
    "//", "///",
    "http://a@b/", "https://a\\@b/", "\\\\x", "/\\x", "file:///etc/passwd", "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/", "%", "?", "#",
    "x" * 9000, "sha256:", "sha256:x", "sha256:" + "0" * 64, "sha512:" + "f" * 128, "md5:" + "0" * 32, "Basic",
    "Bearer", 'Bearer realm="',
    'Bearer realm="http://[::1"', 'Bearer realm="//x"', 'Bearer realm="/token"', 'Bearer realm="https://a\\\\@b/"',
    "Bearer realm=x:y",
    'Bearer realm="http://127.0.0.1:1/",service="' + "x" * 3000 + '"', 'Bearer realm="http://127.0.0.1:99999/"',
    "Bearer realm=\x80",
    '<>; rel="next"', '<http://[::1>; rel="next"', '<\\\\x>; rel="next"', '<//a@b>; rel="next"', "</x>; rel=next",
    "<" * 5000, '<x>; rel="next', "gzip",
    '<http://registry.example.org/>; rel="next"', '<file:///etc/passwd>; rel="next"', "text/html",
    media.INDEX, "application/json; charset=\xff",
)  # fmt: skip

NAMES = (
    "WWW-Authenticate", "Link", "Location", "Content-Range", "Content-Length", "Retry-After", "Docker-Content-Digest",
    "Content-Type",
    "Range", "OCI-Subject", "OCI-Filters-Applied", "Docker-Upload-UUID", "Transfer-Encoding", "Content-Encoding",
)  # fmt: skip

STATUSES = (
    "200 OK",
    "201 Created",
    "202 Accepted",
    "206 Part",
    "307 Moved",
    "401 Who",
    "404 None",
    "416 Range",
    "429 Wait",
)

BODIES = (b"", DATA, b'{"tags": []}', b'{"token": "x"}', Index.make(()).raw, b"[" * 1000)

Ask = Callable[[Client, Repository], object]


def _upload(client: Client, repository: Repository) -> object:
    return ensure(Target(client, repository, lambda _blob: io.BytesIO(DATA)), BLOB)


def _stream(client: Client, repository: Repository) -> object:
    with pull.open_blob(client, repository, blob=BLOB) as stream:
        return stream.read()


ASKS: dict[str, Ask] = {
    "tags": tags,
    "referrers": lambda client, repository: referrers(client, repository, digest=SUBJECT),
    "manifest": lambda client, repository: pull.manifest(client, repository, name="v1"),
    "tag": lambda client, repository: pull.find(client, repository, tag="v1"),
    "blob": lambda client, repository: pull.read_blob(client, repository, digest=BLOB.digest),
    "stream": _stream,
    "upload": _upload,
}


@pytest.fixture(scope="module")
def box() -> Iterator[tuple[Box, Wire]]:
    with wires.boxed() as made:
        yield made


def ask(box: tuple[Box, Wire], what: Ask, answer: bytes) -> None:
    """Ask a registry that gives one answer to everything, and see that what happens is an error of ours, if one."""
    box[0].answer = answer
    find = credential.given(box[1].host, Credentials(USER, PASSWORD))
    with Client(credentials=find, patience=ONCE) as client, contextlib.suppress(FetchError, IntegrityError):
        what(client, Repository(box[1].host, "here"))


WHERE = {
    "Link": ("tags", "referrers"),
    "Location": ("upload", "blob"),
    "Content-Range": ("stream",),
    "Content-Length": ("stream", "manifest"),
    "Docker-Content-Digest": ("manifest", "tag", "upload"),
    "Content-Type": ("referrers", "manifest"),
    "Range": ("upload",),
}
"""Which requests a header is for."""

WITH = {"WWW-Authenticate": ("401 Who",), "Location": ("202 Accepted", "307 Moved"), "Retry-After": ("429 Wait",)}


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_a_header_is_a_crash(box: tuple[Box, Wire], name: str) -> None:
    statuses = WITH.get(name, ("200 OK", "202 Accepted", "206 Part"))
    for number, value in enumerate(VALUES):
        header = (name, value.encode().decode("latin-1"))
        for kind in WHERE.get(name, ("tags",)):
            answer = whole(statuses[number % len(statuses)], header, body=BODIES[number % len(BODIES)])
            ask(box, ASKS[kind], answer)


TEXT = st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(ASKS)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(TEXT, st.sampled_from(VALUES))), max_size=3),
    st.sampled_from(STATUSES),
    st.sampled_from(BODIES),
)
def test_no_headers_at_all_are_a_crash(
    box: tuple[Box, Wire], kind: str, headers: list[tuple[str, str]], status: str, body: bytes
) -> None:
    pairs = tuple((name, value.encode().decode("latin-1")) for name, value in headers)
    ask(box, ASKS[kind], whole(status, *pairs, body=body))


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with serve() as running:
        running.challenge = "Basic realm=x"
        running.repositories.add("here")
        yield running


@pytest.fixture
def thief() -> Iterator[Simulator]:
    """Somebody else, who would like to have the password."""
    with serve() as running:
        yield running


SECRET = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

PLACES = (
    "http://{thief}/x", "//{thief}/x", "http://{own}@{thief}/x", "http://{thief}\\@{own}/x",
    "http://{own}\\@{thief}/x", "\\\\{thief}\\x",
    "/\\{thief}/x", "http:\\\\{thief}/x", "http://{thief}#@{own}/x", "http://{own}%40{thief}/x", "http:{thief}/x",
    "http:///{thief}/x",
    "///{thief}/x", "http://{own}:80@{thief}/x", "http://{thief}?@{own}/x", " http://{thief}/x",
    "http://{thief} @{own}/x", "http://{own};@{thief}/",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["redirect", "upload", "page", "challenge"])
def test_the_password_goes_nowhere_else(registry: Simulator, thief: Simulator, way: str, place: str) -> None:
    location = place.format(own=registry.host, thief=thief.host)
    thief.challenge = "Basic realm=x"
    with Client(credentials=credential.given(registry.host, Credentials(USER, PASSWORD)), patience=ONCE) as client:
        here = Repository(registry.host, "here")
        tags(client, here)
        assert registry.asked[-1].headers["Authorization"] == SECRET
        with contextlib.suppress(FetchError, IntegrityError):
            if way == "upload":
                registry.answers["/here/blobs/uploads/"] = [(202, {"Location": location}, b"")]
                _upload(client, here)
            elif way == "page":
                more = {"Link": f'<{location}>; rel="next"'}
                registry.answers["/here/tags"] = [(200, more, b'{"tags": ["v1"]}')]
                tags(client, here)
            else:
                registry.answers["/here/blobs/"] = [(307, {"Location": location}, b"")]
                thief.challenge = f'Bearer realm="http://{thief.host}/token"' if way == "challenge" else ""
                pull.read_blob(client, here, digest=BLOB.digest)
    assert not [asked for asked in thief.asked if "Authorization" in asked.headers]
    assert not [asked for asked in thief.asked if "/token" in asked.path]


def test_a_page_of_referrers_is_not_held_without_end(registry: Simulator) -> None:
    registry.challenge = ""
    entry = {"mediaType": media.MANIFEST, "size": 1}
    pages = (
        [{**entry, "digest": str(Digest.of(f"{page} {number}".encode()))} for number in range(400)]
        for page in range(20)
    )
    registry.answers[f"/here/referrers/{SUBJECT}"] = [
        (
            200,
            {"Content_Type": media.INDEX, "Link": f'</v2/here/referrers/{SUBJECT}>; rel="next"'},
            json.dumps(index).encode(),
        )
        for index in ({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": page} for page in pages)
    ]
    with (
        Client(patience=ONCE) as client,
        pytest.raises(RefusedError, match="referrers: expected at most 1000, got 1200"),
    ):
        referrers(client, Repository(registry.host, "here"), digest=SUBJECT)
    assert registry.count("GET", "referrers") == 3


def test_tags_are_not_held_without_end(registry: Simulator) -> None:
    registry.challenge = ""
    more = {"Link": '</v2/here/tags/list>; rel="next"'}
    registry.answers["/here/tags"] = [
        (200, more, json.dumps({"tags": [f"t{page}-{number}" for number in range(40_000)]}).encode())
        for page in range(9)
    ]
    with Client(patience=ONCE) as client, pytest.raises(RefusedError, match="expected at most 100000, got more"):
        tags(client, Repository(registry.host, "here"))
    assert registry.count("GET", "tags") == 3
