"""What is attached to an image is listed there, by registries that know how and by those that do not."""

from __future__ import annotations

import concurrent.futures

import pytest
from builders.pushes import MADE, OTHER, QUICK, Place, push, put, target
from builders.simulator.profile import Referrers
from builders.simulator.registry import Simulator

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index
from imgforge.registry import pull
from imgforge.registry.client import Client
from imgforge.registry.referrers import attach, fallback_tag, referrers

SUBJECT = MADE.image.digest


def notes(found: tuple[Descriptor, ...]) -> list[str]:
    return [dict(descriptor.annotations).get("note", "") for descriptor in found]


def test_debians_registry_lists_them_under_a_tag(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository)
    assert referrers(client, repository, digest=SUBJECT) == ()
    first = put(client, repository, b"first")
    put(client, repository, b"second", kind="application/vnd.test.other")
    found = referrers(client, repository, digest=SUBJECT)
    assert notes(found) == ["first", "second"]
    assert (found[0].digest, found[0].size) == (first.digest, len(first.raw))
    assert notes(referrers(client, repository, digest=SUBJECT, artifact_type="application/vnd.test.other")) == [
        "second"
    ]
    listed = pull.manifest(client, repository, name=f"sha256-{SUBJECT.hex}")
    assert isinstance(listed, Index)
    assert listed.manifests == found


def test_what_is_listed_already_is_listed_once(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository)
    for _ in range(2):
        put(client, repository, b"first")
    assert notes(referrers(client, repository, digest=SUBJECT)) == ["first"]


def test_several_threads_attach_at_once(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository)
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda number: put(client, repository, b"%d" % number), range(6)))
    assert sorted(notes(referrers(client, repository, digest=SUBJECT))) == ["0", "1", "2", "3", "4", "5"]


def test_a_registry_that_lists_them_itself_gets_no_tag(client: Client, conforming_registry: Simulator) -> None:
    repository = Place(conforming_registry.host).at("here")
    push(client, repository)
    made = {put(client, repository, b"%d" % number).digest for number in range(5)}
    assert conforming_registry.count("GET", "/referrers/") == 1  # whether it has the API
    assert {found.digest for found in referrers(client, repository, digest=SUBJECT)} == made
    assert conforming_registry.count("GET", "/referrers/") == 1 + 3
    assert fallback_tag(SUBJECT) not in conforming_registry.manifests["here"]


def test_a_registry_that_answers_a_page_for_people_has_no_such_api(
    client: Client, conforming_registry: Simulator
) -> None:
    repository = Place(conforming_registry.host).at("here")
    push(client, repository)
    conforming_registry.answers["/here/referrers/"] = [(200, {"Content_Type": "text/html"}, b"<html>")]
    assert referrers(client, repository, digest=SUBJECT) == ()


def test_a_tag_that_is_no_list_is_left_alone(client: Client, open_registry: Place, name: str) -> None:
    repository = open_registry.at(name)
    push(client, repository)
    push(client, repository, made=OTHER, tag=fallback_tag(SUBJECT))
    with pytest.raises(IntegrityError, match=f"{fallback_tag(SUBJECT)}: expected a list of referrers, got a manifest"):
        put(client, repository, b"first")


def test_a_list_that_somebody_keeps_rewriting_is_given_up(conforming_registry: Simulator) -> None:
    conforming_registry.change(referrers=Referrers.REFUSED, says_subject=False)
    repository = Place(conforming_registry.host).at("here")
    empty = Index.make(())
    tag = fallback_tag(SUBJECT)
    with Client(patience=QUICK) as client:
        push(client, repository)
        conforming_registry.answers[f"/here/manifests/{tag}."] = []  # the referrer's own tag is served
        conforming_registry.answers[f"/here/manifests/{tag}"] = [
            answer for _ in range(50) for answer in ((200, {"Content_Type": media.INDEX}, empty.raw),)
        ]
        with pytest.raises(FetchError, match="somebody else keeps rewriting its list of referrers"):
            put(client, repository, b"first")


def test_what_refers_to_nothing_is_not_attached(client: Client, open_registry: Place, name: str) -> None:
    with pytest.raises(UsageError, match="expected one that refers to another"):
        attach((MADE.image.manifest,), target=target(client, open_registry.at(name)))


def test_a_long_digest_fits_into_a_tag() -> None:
    assert fallback_tag(Digest("sha512", "a" * 128)) == f"sha512-{'a' * 64}"
