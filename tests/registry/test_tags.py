"""The tags of a repository, however many pages they take."""

from __future__ import annotations

import json

import pytest
from builders.pushes import Place, push
from builders.simulator.registry import Simulator

from imgforge.errors import FetchError
from imgforge.fetch.request import NotFoundError, RefusedError
from imgforge.oci.document import DocumentError
from imgforge.registry.client import Client
from imgforge.registry.tags import tags


def test_tags_are_listed(client: Client, open_registry: Place, name: str) -> None:
    for tag in ("v2", "v1", "latest"):
        push(client, open_registry.at(name), tag=tag)
    assert tags(client, open_registry.at(name)) == ("latest", "v1", "v2")


def test_pages_are_followed(client: Client, conforming_registry: Simulator) -> None:
    for number in range(5):
        conforming_registry.manifests["here"][f"v{number}"] = ("", b"")
    assert tags(client, Place(conforming_registry.host).at("here")) == ("v0", "v1", "v2", "v3", "v4")
    assert conforming_registry.count("GET", "tags/list") == 3


def test_a_repository_that_is_not_there_is_named(client: Client, open_registry: Place) -> None:
    with pytest.raises(NotFoundError, match=r"not/there: tags: not there \(HTTP 404, NAME_UNKNOWN\)"):
        tags(client, open_registry.at("not/there"))


def test_a_repository_may_have_no_tags(client: Client, conforming_registry: Simulator) -> None:
    conforming_registry.answers["/here/tags"] = [(200, {}, b'{"name": "here", "tags": null}')]
    assert tags(client, Place(conforming_registry.host).at("here")) == ()


def test_what_is_no_tag_is_left_out(client: Client, conforming_registry: Simulator) -> None:
    body = json.dumps({"tags": ["v1", "../../etc", "-x", "a b", "", "x" * 129, "x" * 128]}).encode()
    conforming_registry.answers["/here/tags"] = [(200, {}, body)]
    assert tags(client, Place(conforming_registry.host).at("here")) == ("v1", "x" * 128)


def test_a_list_that_is_none_is_refused(client: Client, conforming_registry: Simulator) -> None:
    conforming_registry.answers["/here/tags"] = [(200, {}, b'{"tags": [7]}')]
    with pytest.raises(DocumentError, match=r"tags\[0\]: expected text"):
        tags(client, Place(conforming_registry.host).at("here"))


def test_a_next_page_elsewhere_is_asked_for_without_credentials(client: Client, conforming_registry: Simulator) -> None:
    more = {"Link": '<http://registry.example.org/v2/here/tags/list?last=2>; rel="next"'}
    conforming_registry.answers["/here/tags"] = [(200, more, b'{"tags": ["v1"]}')]
    with pytest.raises(RefusedError, match=r"sends us to registry\.example\.org without TLS"):
        tags(client, Place(conforming_registry.host).at("here"))


def test_a_list_without_end_is_cut(client: Client, conforming_registry: Simulator) -> None:
    more = {"Link": '</v2/here/tags/list>; rel="next"'}
    conforming_registry.answers["/here/tags"] = [(200, more, b'{"tags": ["v1"]}')] * 3000
    with pytest.raises(FetchError, match="here: tags: more than 500 pages"):
        tags(client, Place(conforming_registry.host).at("here"))
