"""Blobs go whole or in chunks, go on where they broke off, and go another way where a registry wants that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import images, proxies
from builders.proxies import Fault, Plan, Proxy
from builders.pushes import MADE, QUICK, Counting, Place, check_pulled, push, target
from builders.simulator.registry import Simulator

from imgforge.digest import Digest
from imgforge.errors import FetchError
from imgforge.oci.descriptor import Descriptor
from imgforge.registry.answer import DeniedError
from imgforge.registry.client import Client
from imgforge.registry.push import push as push_document
from imgforge.registry.upload import Target, Way, ensure
from imgforge.report import Reporter, Step

DATA = bytes(range(256)) * 1200
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
BIG = images.Made(MADE.image, {BLOB.digest: DATA})
CHUNK = 50_000


class Heard(Reporter):
    def __init__(self) -> None:
        self.amounts: list[int] = []
        self.steps: list[Step] = []
        self.notes: list[str] = []

    def started(self, step: Step) -> None:
        self.steps.append(step)

    def advanced(self, _step: Step, amount: int) -> None:
        self.amounts.append(amount)

    def noted(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def quick(heard: Heard) -> Iterator[Client]:
    with Client(patience=QUICK, reporter=heard) as client:
        yield client


@pytest.fixture
def before(conforming_registry: Simulator) -> Iterator[Proxy]:
    """A proxy before the conforming registry."""
    with proxies.serve(conforming_registry.host) as running:
        yield running


def once(method: str, number: int, fault: Fault) -> Plan:
    """Let one request of a method fail."""
    return lambda asked, path, count: fault if (asked, count) == (method, number) and "uploads" in path else None


def where(client: Client, host: str, *, chunk: int = CHUNK, made: images.Made = BIG) -> Target:
    return Target(client, Place(host).at("blobs/here"), made.open, chunk=chunk)


def taken(registry: Simulator) -> bytes:
    return registry.blobs["blobs/here"][str(BLOB.digest)]


def test_a_small_blob_goes_whole(quick: Client, conforming_registry: Simulator) -> None:
    assert ensure(where(quick, conforming_registry.host, chunk=len(DATA)), BLOB) is Way.SENT
    assert conforming_registry.count("PATCH", "") == 0
    assert taken(conforming_registry) == DATA


def test_a_large_blob_goes_in_chunks(quick: Client, conforming_registry: Simulator) -> None:
    assert ensure(where(quick, conforming_registry.host), BLOB) is Way.SENT
    assert conforming_registry.count("PATCH", "") == -(-len(DATA) // CHUNK)
    ranges = [asked.headers["Content-Range"] for asked in conforming_registry.asked if asked.method == "PATCH"]
    assert ranges[:2] == ["0-49999", "50000-99999"]
    assert ranges[-1] == f"300000-{len(DATA) - 1}"
    assert taken(conforming_registry) == DATA


def test_a_large_blob_goes_in_chunks_to_docker_registry(client: Client, open_registry: Place, name: str) -> None:
    pushed = push_document(MADE.image.manifest, target=target(client, open_registry.at(name), chunk=300), tag="v1")
    assert pushed.count(Way.SENT) == 4
    check_pulled(client, open_registry.at(name))


def test_an_empty_blob_is_pushed(quick: Client, conforming_registry: Simulator) -> None:
    empty = Descriptor("application/octet-stream", Digest.of(b""), 0)
    made = images.Made(MADE.image, {empty.digest: b""})
    assert ensure(where(quick, conforming_registry.host, made=made), empty) is Way.SENT
    assert conforming_registry.blobs["blobs/here"] == {str(empty.digest): b""}


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SWALLOW, Fault.DROP])
@pytest.mark.parametrize("number", [0, 3])
def test_a_broken_upload_goes_on_where_the_registry_has_it(
    quick: Client, conforming_registry: Simulator, before: Proxy, fault: Fault, number: int
) -> None:
    before.reset(once("PATCH", number, fault))
    assert ensure(where(quick, before.host), BLOB) is Way.SENT
    assert taken(conforming_registry) == DATA
    assert conforming_registry.count("POST", "") == 1
    half = {Fault.CUT: CHUNK // 2, Fault.SWALLOW: CHUNK, Fault.DROP: 0}[fault]
    resumed = number * CHUNK + half
    ranges = [asked.headers["Content-Range"] for asked in conforming_registry.asked if asked.method == "PATCH"]
    assert f"{resumed}-{min(resumed + CHUNK, len(DATA)) - 1}" in ranges


def test_a_whole_blob_that_broke_goes_on_where_the_registry_has_it(
    quick: Client, conforming_registry: Simulator, before: Proxy
) -> None:
    before.reset(once("PUT", 0, Fault.CUT))
    assert ensure(where(quick, before.host, chunk=1 << 20), BLOB) is Way.SENT
    assert taken(conforming_registry) == DATA
    assert [asked.headers["Content-Range"] for asked in conforming_registry.asked if asked.method == "PATCH"] == [
        f"{len(DATA) // 2}-{len(DATA) - 1}"
    ]


def test_an_upload_whose_end_is_not_heard_is_found_to_be_there(
    quick: Client, conforming_registry: Simulator, before: Proxy
) -> None:
    before.reset(once("PUT", 0, Fault.SWALLOW))
    assert ensure(where(quick, before.host), BLOB) is Way.SENT
    assert conforming_registry.count("PUT", "") == 1


def test_an_upload_that_docker_registry_forgets_begins_anew(
    quick: Client, open_registry: Place, proxy: Proxy, name: str
) -> None:
    proxy.reset(once("PATCH", 2, Fault.CUT))
    there = Target(quick, Place(proxy.host).at(name), BIG.open, chunk=CHUNK)
    assert ensure(there, BLOB) is Way.SENT
    assert proxy.count("POST", "uploads") == 2


def test_a_registry_without_chunks_gets_the_blob_whole(quick: Client, conforming_registry: Simulator) -> None:
    conforming_registry.change(takes_chunks=False)
    assert ensure(where(quick, conforming_registry.host), BLOB) is Way.SENT
    assert taken(conforming_registry) == DATA
    assert conforming_registry.count("PUT", "") == 1


def test_a_registry_that_never_takes_a_blob_is_given_up(quick: Client, conforming_registry: Simulator) -> None:
    conforming_registry.answers["/blobs/here/blobs/uploads/"] = [
        answer
        for _ in range(20)
        for answer in (
            (202, {"Location": "/v2/blobs/here/blobs/uploads/x"}, b""),
            (400, {}, b'{"errors": [{"code": "SIZE_INVALID", "message": "the password is wonderland"}]}'),
        )
    ]
    with pytest.raises(FetchError, match=r"the upload is refused \(HTTP 400, SIZE_INVALID\) \(tried 4 times\)"):
        ensure(where(quick, conforming_registry.host, chunk=1 << 20), BLOB)


def test_a_registry_that_names_no_place_for_an_upload_is_refused(quick: Client, conforming_registry: Simulator) -> None:
    conforming_registry.answers["/blobs/here/blobs/uploads/"] = [(202, {}, b"")]
    with pytest.raises(FetchError, match="expected a place to upload to, got none"):
        ensure(where(quick, conforming_registry.host), BLOB)


def test_a_registry_that_takes_nothing_of_a_chunk_is_given_up(quick: Client, conforming_registry: Simulator) -> None:
    place = {"Location": "/v2/blobs/here/blobs/uploads/x", "Range": "0-0"}
    conforming_registry.answers["/blobs/here/blobs/uploads/"] = [(202, place, b"") for _ in range(100)]
    with pytest.raises(FetchError, match="HTTP 202"):
        ensure(where(quick, conforming_registry.host), BLOB)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_registry_that_is_busy_is_asked_again(
    quick: Client, conforming_registry: Simulator, heard: Heard, status: int
) -> None:
    conforming_registry.answers["/blobs/here/blobs/uploads/"] = [(status, {"Retry-After": "0"}, b"")] * 2
    assert ensure(where(quick, conforming_registry.host), BLOB) is Way.SENT
    assert [note.rpartition(": ")[2] for note in heard.notes] == [f"HTTP {status}; trying again in 0 s"] * 2


def test_a_registry_that_wants_to_be_left_alone_for_long_is_left_alone(
    quick: Client, conforming_registry: Simulator
) -> None:
    conforming_registry.answers["/blobs/here/blobs/uploads/"] = [(429, {"Retry-After": "3600"}, b"")]
    with pytest.raises(FetchError, match="HTTP 429, asks to wait 3600 s"):
        ensure(where(quick, conforming_registry.host), BLOB)


def test_a_mount_that_is_not_allowed_becomes_an_upload(token_registry: Place, token_server: object, name: str) -> None:
    token_server.forbidden.add(f"{name}/a")  # type: ignore[attr-defined]
    with token_registry.client() as client:
        client.seen.remember(token_registry.at(f"{name}/a"), (blob.digest for blob in MADE.image.manifest.blobs))
        assert push(client, token_registry.at(f"{name}/b")).count(Way.SENT) == 4


def test_a_mount_of_what_is_not_there_becomes_an_upload(client: Client, open_registry: Place, name: str) -> None:
    client.seen.remember(open_registry.at("not/there"), (blob.digest for blob in MADE.image.manifest.blobs))
    assert push(client, open_registry.at(name)).count(Way.SENT) == 4


def test_a_blob_of_another_size_is_not_taken_for_ours(quick: Client, conforming_registry: Simulator) -> None:
    conforming_registry.blobs["blobs/here"][str(BLOB.digest)] = DATA[:100]
    assert ensure(where(quick, conforming_registry.host), BLOB) is Way.SENT
    assert taken(conforming_registry) == DATA


def test_progress_counts_each_byte_once(
    quick: Client, conforming_registry: Simulator, before: Proxy, heard: Heard
) -> None:
    before.reset(once("PATCH", 1, Fault.CUT))
    counting = Counting(BIG)
    there = Target(quick, Place(before.host).at("blobs/here"), counting.open, chunk=CHUNK)
    ensure(there, BLOB)
    assert sum(heard.amounts) == len(DATA)
    assert heard.steps == [Step("push", BLOB.digest.short, len(DATA))]
    assert 1 <= len(counting.opened) <= 2


def test_who_may_not_push_is_told_once(token_registry: Place, name: str) -> None:
    with (
        Client(patience=QUICK) as client,
        pytest.raises(DeniedError, match=r"denied \(HTTP 401, UNAUTHORIZED\)") as caught,
    ):
        push(client, token_registry.at(f"public/{name}"))
    assert len(str(caught.value).splitlines()) == 1
    logins = f"`docker login {token_registry.host}` or `podman login {token_registry.host}`"
    assert caught.value.__notes__ == [f"no credentials for {token_registry.host} were found; {logins} keeps some"]
