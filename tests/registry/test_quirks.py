"""What registries do otherwise than the specification says, one thing at a time, and on each registry large blobs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from builders import images
from builders.pushes import MADE, OTHER, QUICK, Place, push, put, target
from builders.registries import PASSWORD, USER
from builders.simulator import serving
from builders.simulator.profile import Mounts, Profile, Referrers
from builders.simulator.profiles import PROFILES
from builders.simulator.registry import CONFORMING, Simulator

from imgforge.digest import Digest
from imgforge.errors import FetchError
from imgforge.fetch.request import RefusedError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index
from imgforge.registry.answer import DeniedError
from imgforge.registry.client import Client
from imgforge.registry.credentials import Credentials, given
from imgforge.registry.push import ImmutableTagError, move
from imgforge.registry.push import push as push_document
from imgforge.registry.referrers import UnlistedError, fallback_tag, referrers
from imgforge.registry.upload import Target, Way, ensure

NAME = "here"
SUBJECT = MADE.image.digest
DATA = bytes(range(256)) * 6000
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
BIG = images.Made(MADE.image, {BLOB.digest: DATA})
MIB = 1 << 20


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(patience=QUICK) as made:
        yield made


def behaving(**fields: Any) -> Profile:
    return attrs.evolve(CONFORMING, **fields)


def listed(registry: Simulator) -> set[str]:
    """Return the digests that the tag lists."""
    found = registry.manifests[NAME].get(fallback_tag(SUBJECT))
    return {one["digest"] for one in json.loads(found[1])["manifests"]} if found else set()


REFUSALS = [
    *(behaving(referrers=Referrers.REFUSED, referrers_status=status) for status in (400, 401, 403, 404, 405, 406, 501)),
    *(behaving(referrers=how) for how in (Referrers.PAGE, Referrers.ELSEWHERE)),
]


@pytest.mark.parametrize("says_subject", [True, False])
@pytest.mark.parametrize("profile", REFUSALS, ids=lambda one: f"{one.referrers.name}-{one.referrers_status}")
def test_without_the_referrers_api_the_tag_lists_them(client: Client, profile: Profile, says_subject: bool) -> None:  # noqa: FBT001
    with serving.serve(attrs.evolve(profile, says_subject=says_subject)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        made = {str(put(client, repository, text).digest) for text in (b"first", b"second")}
        assert listed(registry) == made
        with Client(patience=QUICK) as other:
            assert {str(one.digest) for one in referrers(other, repository, digest=SUBJECT)} == made


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (media.INDEX, b"<html>"),
        (media.MANIFEST, MADE.image.manifest.raw),
        (media.INDEX, MADE.image.manifest.raw),
        ("application/json", b'{"errors": []}'),
    ],
)
def test_an_answer_that_is_no_list_means_that_there_is_no_api(client: Client, kind: str, body: bytes) -> None:
    with serving.serve(behaving(referrers=Referrers.REFUSED)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        registry.answers[f"/{NAME}/referrers/"] = [(200, {"Content_Type": kind}, body)] * 9
        made = str(put(client, repository, b"first").digest)
        assert {str(one.digest) for one in referrers(client, repository, digest=SUBJECT)} == listed(registry) == {made}


def test_a_registry_that_lists_nothing_and_knows_no_subject_gets_the_tag(client: Client) -> None:
    with serving.serve(behaving(referrers=Referrers.EMPTY, says_subject=False)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        made = str(put(client, repository, b"first").digest)
        assert {str(one.digest) for one in referrers(client, repository, digest=SUBJECT)} == listed(registry) == {made}


def test_both_lists_count_each_referrer_once(client: Client) -> None:
    with serving.serve(behaving(referrers=Referrers.REFUSED)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        before = put(client, repository, b"before the registry learned it").digest
        registry.change(referrers=Referrers.LISTED)
        with Client(patience=QUICK) as later:
            after = put(later, repository, b"after").digest
            registry.blobs[NAME].clear()
            assert {one.digest for one in referrers(later, repository, digest=SUBJECT)} == {before, after}
        assert listed(registry) == {str(before)}


def test_a_busy_registry_is_asked_for_referrers_again(client: Client) -> None:
    with serving.serve() as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        registry.answers[f"/{NAME}/referrers/"] = [(status, {"Retry_After": "0"}, b"") for status in (429, 503)]
        made = put(client, repository, b"first").digest
        assert [one.digest for one in referrers(client, repository, digest=SUBJECT)] == [made]
        assert listed(registry) == set()


@pytest.mark.attack
def test_images_of_an_index_are_not_taken_for_its_referrers(client: Client) -> None:
    """GitLab answers the tag of the list with what it is the list of."""
    with serving.serve(behaving(referrers=Referrers.REFUSED, says_subject=False, reads_dash=True)) as registry:
        repository = Place(registry.host).at(NAME)
        index = Index.make((MADE.image.descriptor,))
        push_document(index, target=target(client, repository), tag="v1", parts=(MADE.image.manifest,))
        assert referrers(client, repository, digest=index.digest) == ()


def test_a_tag_that_is_always_read_as_the_digest_cannot_list(client: Client) -> None:
    with serving.serve(behaving(referrers=Referrers.REFUSED, says_subject=False)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        tag = fallback_tag(SUBJECT)
        registry.answers[f"/{NAME}/manifests/{tag}."] = []
        registry.answers[f"/{NAME}/manifests/{tag}"] = [(200, {}, MADE.image.manifest.raw)] * 20
        with pytest.raises(UnlistedError, match=f"{tag}: the registry takes this tag for the digest"):
            put(client, repository, b"first")


def test_a_list_that_may_not_be_rewritten_is_named_with_what_to_do(client: Client) -> None:
    fields = {"referrers": Referrers.REFUSED, "says_subject": False, "immutable": 412, "immutable_code": "PRECONDITION"}
    with serving.serve(behaving(**fields)) as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        put(client, repository, b"first")
        with pytest.raises(UnlistedError, match=r"HTTP 412, PRECONDITION.*cannot be rewritten") as caught:
            put(client, repository, b"second")
        assert "exempt tags that begin with sha256-" in caught.value.__notes__[0]


@pytest.mark.parametrize("status", [400, 403, 405, 409, 412])
def test_a_tag_that_stands_for_the_image_is_success(client: Client, status: int) -> None:
    with serving.serve(behaving(immutable=status)) as registry:
        repository = Place(registry.host).at(NAME)
        for _ in range(2):
            assert push(client, repository).digest == SUBJECT
        with pytest.raises(
            ImmutableTagError, match=f"HTTP {status}, DENIED.*it stands for {SUBJECT}, and is not moved"
        ):
            push(client, repository, made=OTHER)
        assert registry.tags(NAME) == {"v1": str(SUBJECT)}


def test_a_tag_that_is_refused_and_not_there_is_refused_as_before(client: Client) -> None:
    with serving.serve() as registry:
        repository = Place(registry.host).at(NAME)
        push(client, repository)
        registry.answers[f"/{NAME}/manifests/v2"] = [(403, {}, b'{"errors": [{"code": "DENIED"}]}')]
        with pytest.raises(DeniedError, match=r"here:v2: denied \(HTTP 403, DENIED\)"):
            move(client, repository, document=MADE.image.manifest, tag="v2")


def test_a_registry_that_refuses_digests_is_told_from_others(client: Client) -> None:
    with serving.serve(behaving(takes_digests=False)) as registry:
        repository = Place(registry.host).at(NAME)
        with pytest.raises(RefusedError, match="HTTP 400, MANIFEST_INVALID") as caught:
            push(client, repository)
        assert "push with --tags-only" in caught.value.__notes__[0]
        client.is_by_tag = True
        push(client, repository)
        put(client, repository, b"first")
        index = Index.make((MADE.image.descriptor,))
        push_document(index, target=target(client, repository), tag="all", parts=(MADE.image.manifest,))
        puts = [asked.path for asked in registry.asked if asked.method == "PUT" and "/manifests/" in asked.path]
    assert registry.tags(NAME)["v1"] == str(SUBJECT)
    assert registry.tags(NAME)["all"] == str(index.digest)
    assert [path for path in puts if "manifests/sha256:" in path] == puts[:1]


HEADLESS = (behaving(head=False), behaving(absent_blob=403), behaving(says_digest=False))


@pytest.mark.parametrize("profile", HEADLESS, ids=["no-HEAD", "absent-is-403", "no-digest"])
def test_what_is_there_is_found_all_the_same(client: Client, profile: Profile) -> None:
    with serving.serve(profile) as registry:
        repository = Place(registry.host).at(NAME)
        assert push(client, repository).count(Way.SENT) == 4
        put(client, repository, b"first")
        assert push(client, repository).count(Way.FOUND) == 4


@pytest.mark.parametrize("mounts", Mounts)
def test_a_mount_is_an_offer(client: Client, mounts: Mounts) -> None:
    with serving.serve(behaving(mounts=mounts)) as registry:
        push(client, Place(registry.host).at("first"))
        ways = push(client, Place(registry.host).at(NAME))
    expected = Way.MOUNTED if mounts in (Mounts.ALWAYS, Mounts.REFERENCED) else Way.SENT
    assert ways.count(expected) == 4


def send(registry: Simulator, *, chunk: int = MIB) -> Client:
    """Send a large blob and see that it arrived."""
    registry.repositories.add(NAME)
    who = given(registry.host, Credentials(USER, PASSWORD))
    with Client(credentials=who, patience=QUICK) as client:
        assert ensure(Target(client, Place(registry.host).at(NAME), BIG.open, chunk=chunk), BLOB) is Way.SENT
    assert registry.blobs[NAME][str(BLOB.digest)] == DATA
    return client


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.replace(" ", "-"))
@pytest.mark.parametrize("chunk", [MIB, 2 * MIB], ids=["in-chunks", "whole"])
def test_a_large_blob_arrives_on_each_registry(profile: Profile, chunk: int) -> None:
    with serving.serve(profile.scaled(64)) as registry:
        send(registry, chunk=chunk)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 411, 415, 416, 422, 501])
def test_where_chunks_are_refused_the_blob_goes_whole(status: int) -> None:
    with serving.serve(behaving(takes_chunks=False, chunk_refusal=status)) as registry:
        send(registry)
        assert registry.count("PATCH", "") == 1


@pytest.mark.parametrize("chunk", [MIB, 2 * MIB], ids=["in-chunks", "whole"])
def test_chunks_shrink_until_they_fit_and_the_next_blob_knows(chunk: int) -> None:
    with serving.serve(behaving(body_most=200_000)) as registry:
        client = send(registry, chunk=chunk)
        sizes = [int(asked.headers["Content-Length"]) for asked in registry.asked if asked.method == "PATCH"]
        assert [size for size in sizes if size > 200_000] == ([MIB, MIB // 4] if chunk == MIB else [len(DATA) // 4])
        assert client.seen.limit(Place(registry.host).at(NAME), chunk) <= 200_000
        assert registry.count("POST", "uploads") == 1


def test_a_registry_says_how_small_a_chunk_may_be() -> None:
    with serving.serve(behaving(chunk_least=500_000)) as registry:
        send(registry, chunk=100_000)
        sizes = [int(asked.headers["Content-Length"]) for asked in registry.asked if asked.method == "PATCH"]
        assert sizes == [500_000, 500_000, 500_000, len(DATA) - 1_500_000]


def test_a_limit_below_all_chunks_is_told(client: Client) -> None:
    with serving.serve(behaving(body_most=50_000)) as registry:
        there = Target(client, Place(registry.host).at(NAME), BIG.open, chunk=MIB)
        with pytest.raises(RefusedError, match=r"65536 bytes are too large \(HTTP 413\)") as caught:
            ensure(there, BLOB)
    assert "client_max_body_size" in caught.value.__notes__[0]


def test_neither_whole_nor_in_chunks_is_told(client: Client) -> None:
    with serving.serve(behaving(body_most=MIB, takes_chunks=False, chunk_refusal=405)) as registry:
        there = Target(client, Place(registry.host).at(NAME), BIG.open, chunk=2 * MIB)
        with pytest.raises(FetchError, match="too large as a whole, and a chunk is refused"):
            ensure(there, BLOB)


PLACES = (
    {"upload_is_absolute": True},
    {"upload_has_state": True},
    {"upload_is_absolute": True, "upload_has_state": True},
    {"upload": "/elsewhere/{name}/of/{session}"},
)


@pytest.mark.parametrize("fields", PLACES, ids="-".join)
@pytest.mark.parametrize("chunk", [MIB, 2 * MIB], ids=["in-chunks", "whole"])
def test_uploads_go_where_the_registry_says(fields: dict[str, Any], chunk: int) -> None:
    with serving.serve(behaving(**fields)) as registry:
        send(registry, chunk=chunk)


def test_storage_that_refuses_a_login_gets_none() -> None:
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for profile in (profile for profile in PROFILES if profile.redirects_blobs):
        with serving.serve(profile) as registry:
            registry.repositories.add(NAME)
            place = Place(registry.host, given(registry.host, Credentials(USER, PASSWORD)))
            with place.client() as client:
                push(client, place.at(NAME))
                assert push(client, place.at(NAME)).count(Way.FOUND) == 4
            assert not [one for one in registry.asked if "signature=" in one.path and login in str(one.headers)]
