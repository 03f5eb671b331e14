"""What is pulled is what its digest says, over as many connections as it takes, and never a byte more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from builders import proxies
from builders.proxies import Fault, Proxy
from builders.pushes import MADE, OTHER, QUICK, Place, pulled, reference
from builders.simulator import serving
from builders.simulator.registry import Simulator

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.request import NotFoundError, OfflineError, TooLargeError, WrongBytesError
from imgforge.oci import document
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import DocumentError
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.repository import Repository
from imgforge.report import Reporter, Step

DATA = bytes(range(256)) * 1200
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
MANIFEST = MADE.image.manifest


class Heard(Reporter):
    def __init__(self) -> None:
        self.amount = 0
        self.steps: list[tuple[str, Step]] = []

    def started(self, step: Step) -> None:
        self.steps.append(("started", step))

    def advanced(self, _step: Step, amount: int) -> None:
        self.amount += amount

    def finished(self, step: Step, _seconds: float) -> None:
        self.steps.append(("finished", step))


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with serving.serve() as running:
        running.blobs["here"][str(BLOB.digest)] = DATA
        running.manifests["here"]["v1"] = (MANIFEST.media_type, MANIFEST.raw)
        yield running


@pytest.fixture
def before(registry: Simulator) -> Iterator[Proxy]:
    with proxies.serve(registry.host) as running:
        yield running


@pytest.fixture
def quick() -> Iterator[Client]:
    with Client(patience=QUICK) as client:
        yield client


def fetch(client: Client, host: str, blob: Descriptor = BLOB) -> bytes:
    with pull.open_blob(client, Repository(host, "here"), blob=blob) as stream:
        return stream.read()


def ranges(registry: Simulator) -> list[str | None]:
    return [asked.headers.get("Range") for asked in registry.asked if "/blobs/" in asked.path]


def test_a_blob_is_read_in_one_go(quick: Client, registry: Simulator) -> None:
    assert fetch(quick, registry.host) == DATA
    assert ranges(registry) == [None]


def test_nothing_is_asked_before_a_byte_is_read(quick: Client, registry: Simulator) -> None:
    pull.open_blob(quick, Repository(registry.host, "here"), blob=BLOB).close()
    assert registry.asked == []


@pytest.mark.parametrize("times", [1, 3])
def test_a_blob_goes_on_where_the_connection_broke(
    quick: Client, registry: Simulator, before: Proxy, times: int
) -> None:
    before.reset(lambda _method, path, count: Fault.TRUNCATE if "/blobs/" in path and count < times else None)
    assert fetch(quick, before.host) == DATA
    assert ranges(registry)[:2] == [None, f"bytes={len(DATA) // 2}-"]
    assert len(ranges(registry)) == times + 1


def test_a_server_without_ranges_sends_all_again(quick: Client, registry: Simulator, before: Proxy) -> None:
    registry.change(ranges=False)
    before.reset(lambda _method, path, count: Fault.TRUNCATE if "/blobs/" in path and count < 1 else None)
    assert fetch(quick, before.host) == DATA
    assert ranges(registry) == [None, f"bytes={len(DATA) // 2}-"]


def test_a_server_that_never_sends_all_is_given_up(quick: Client, registry: Simulator, before: Proxy) -> None:
    before.reset(lambda _method, path, _count: Fault.TRUNCATE if "/blobs/" in path else None)
    with pytest.raises(FetchError, match=r"connection closed before the end \(tried [0-9]+ times\)"):
        fetch(quick, before.host)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"Content-Range": f"bytes 7-{len(DATA) - 1}/{len(DATA)}"}),
        (206, {}),
        (416, {}),
    ],
)
def test_another_part_than_was_asked_for_is_not_used(
    quick: Client, registry: Simulator, status: int, headers: dict[str, str]
) -> None:
    half = len(DATA) // 2
    registry.answers[f"/here/blobs/{BLOB.digest}"] = [
        (200, {"Content_Length": str(len(DATA)), "Connection": "close"}, DATA[:half]),
        (status, headers, DATA[half:]),
    ]
    assert fetch(quick, registry.host) == DATA


def test_bytes_of_another_blob_are_refused_and_not_asked_for_again(quick: Client, registry: Simulator) -> None:
    registry.blobs["here"][str(BLOB.digest)] = DATA[:-1] + b"x"
    with pytest.raises(IntegrityError, match=f"expected {BLOB.digest}, got sha256:"):
        fetch(quick, registry.host)
    assert len(ranges(registry)) == 1


@pytest.mark.parametrize("data", [DATA + b"x", DATA[:-1]])
def test_a_blob_of_another_length_is_refused_before_it_is_read(quick: Client, registry: Simulator, data: bytes) -> None:
    registry.blobs["here"][str(BLOB.digest)] = data
    with pytest.raises(WrongBytesError, match="expected 307200 bytes, the registry has another number"):
        fetch(quick, registry.host)


def test_no_byte_above_the_size_is_used(quick: Client, registry: Simulator) -> None:
    registry.change(says_length=False)
    registry.blobs["here"][str(BLOB.digest)] = DATA + b"x" * 1_000_000
    with pytest.raises(IntegrityError, match="expected 307200 bytes, got more"):
        fetch(quick, registry.host)


def test_a_blob_whose_length_nobody_says_is_read(quick: Client, registry: Simulator) -> None:
    registry.change(says_length=False)
    assert fetch(quick, registry.host) == DATA


def test_a_blob_that_is_not_there_is_named(quick: Client, registry: Simulator) -> None:
    other = Descriptor("application/octet-stream", Digest.of(b"other"), 5)
    with pytest.raises(
        NotFoundError,
        match=rf"docker://{registry.host}/here: blob {other.digest}: not there \(HTTP 404, BLOB_UNKNOWN\)",
    ):
        fetch(quick, registry.host, other)


def test_an_empty_blob_is_not_asked_for(quick: Client, registry: Simulator) -> None:
    assert fetch(quick, registry.host, Descriptor("application/octet-stream", Digest.of(b""), 0)) == b""


def test_each_blob_is_reported(registry: Simulator) -> None:
    heard = Heard()
    with Client(patience=QUICK, reporter=heard) as client:
        fetch(client, registry.host)
    step = Step("pull", BLOB.digest.short, len(DATA))
    assert heard.steps == [("started", step), ("finished", step)]
    assert heard.amount == len(DATA)


def test_a_manifest_by_digest_must_have_it(quick: Client, registry: Simulator) -> None:
    digest = Digest.of(b"another")
    registry.manifests["here"][str(digest)] = (MANIFEST.media_type, MANIFEST.raw)
    with pytest.raises(IntegrityError, match=f"expected {digest}, got {MANIFEST.digest}"):
        pull.manifest(quick, Repository(registry.host, "here"), name=digest)


def test_a_manifest_by_tag_must_be_what_the_registry_says(quick: Client, registry: Simulator) -> None:
    said = {"Docker-Content-Digest": str(OTHER.image.digest), "Content_Type": MANIFEST.media_type}
    registry.answers["/here/manifests/v1"] = [(200, said, MANIFEST.raw)]
    with pytest.raises(IntegrityError, match=f"expected {OTHER.image.digest}, got {MANIFEST.digest}"):
        pull.manifest(quick, Repository(registry.host, "here"), name="v1")


def test_a_manifest_that_is_too_long_is_not_read(quick: Client, registry: Simulator) -> None:
    registry.answers["/here/manifests/v1"] = [(200, {}, b" " * (document.CAP + 1))]
    with pytest.raises(TooLargeError, match=f"expected at most {document.CAP} bytes, got more"):
        pull.manifest(quick, Repository(registry.host, "here"), name="v1")


def test_a_page_for_people_is_no_manifest(quick: Client, registry: Simulator) -> None:
    registry.answers["/here/manifests/v1"] = [(200, {}, b"<html>")]
    with pytest.raises(DocumentError, match=f"docker://{registry.host}/here:v1: expected JSON"):
        pull.manifest(quick, Repository(registry.host, "here"), name="v1")


def test_an_old_manifest_is_refused(quick: Client, registry: Simulator) -> None:
    registry.answers["/here/manifests/v1"] = [(200, {}, json.dumps({"schemaVersion": 1}).encode())]
    with pytest.raises(DocumentError, match="expected 2"):
        pull.manifest(quick, Repository(registry.host, "here"), name="v1")


def test_a_config_that_is_too_long_is_not_read(quick: Client, registry: Simulator) -> None:
    with pytest.raises(TooLargeError):
        pull.read_blob(quick, Repository(registry.host, "here"), digest=BLOB.digest, cap=1000)


def test_tags_are_asked_for_past_caches_and_digests_are_not(quick: Client, registry: Simulator) -> None:
    registry.manifests["here"][str(MANIFEST.digest)] = (MANIFEST.media_type, MANIFEST.raw)
    for name in ("v1", MANIFEST.digest):
        pull.manifest(quick, Repository(registry.host, "here"), name=name)
    headers = [asked.headers.get("Cache-Control") for asked in registry.asked if "/manifests/" in asked.path]
    assert headers == ["no-cache", None]


def test_a_registry_that_keeps_the_digest_to_itself_is_asked_for_the_manifest(
    quick: Client, registry: Simulator
) -> None:
    registry.answers["/here/manifests/v1"] = [(200, {}, MANIFEST.raw), (200, {}, MANIFEST.raw)]
    assert pull.find(quick, Repository(registry.host, "here"), tag="v1") == MANIFEST.digest
    methods = [asked.method for asked in registry.asked if "/manifests/" in asked.path]
    assert methods == ["HEAD", "GET"]


def test_nothing_is_asked_offline(registry: Simulator) -> None:
    with (
        Client(offline=True) as client,
        pytest.raises(OfflineError, match=f"docker://{registry.host}/here:v1: not on this machine, and offline"),
    ):
        pull.manifest(client, Repository(registry.host, "here"), name="v1")
    assert registry.asked == []


def test_a_registry_that_is_not_there_is_named(quick: Client) -> None:
    with pytest.raises(FetchError, match=r"docker://127.0.0.1:1/here:v1: connection refused \(tried 4 times\)"):
        pull.manifest(quick, Repository("127.0.0.1:1", "here"), name="v1")


def test_a_tag_that_is_not_there_is_named(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    with pytest.raises(NotFoundError, match=rf"{repository}:v9: not there \(HTTP 404, MANIFEST_UNKNOWN\)"):
        pulled(client, reference(repository, "v9"), among=())
