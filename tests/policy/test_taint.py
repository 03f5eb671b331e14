"""Private inputs: what is marked, what an image carries, and what the next one inherits."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import attrs
from builders.archives import Key
from hypothesis import given
from hypothesis import strategies as st
from policy.desk import MANIFEST

from imgforge import policy
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.lock import LockedPackage
from imgforge.manifest import load
from imgforge.policy import NONE, taint
from imgforge.policy.taint import CARRIES, FILE, HOLDS, SOURCE, UNKNOWN, Taint

KEY = Key()
DEBIAN = Source("debian", ("bookworm",), ("main",), (), keys=KEY.certificate)
INTERNAL = attrs.evolve(DEBIAN, name="internal", suites=("bookworm-internal",))
PLAIN = load("imgforge: 1\nname: a\nbase: b\n", file="m.yaml")
MARKED = load(
    "imgforge: 1\nname: a\nbase: scratch\nsources:\n"
    "  debian: {suites: [bookworm], components: [main], signed-by: k}\n"
    "  internal: {suites: [bookworm-internal], components: [main], signed-by: k, private: true}\n",
    file="m.yaml",
)


def package(name: str, source: str) -> LockedPackage:
    fields: dict[str, Any] = {"version": "1", "architecture": "all", "size": 1, "digest": Digest.of(b"")}
    return LockedPackage(name=name, source=source, path=PurePosixPath(f"pool/{name}.deb"), **fields)


PACKAGES = (package("nginx", "debian"), package("billing", "internal"))


def test_a_source_is_private_where_the_manifest_says_so() -> None:
    assert taint.private_sources(NONE, (DEBIAN, INTERNAL), manifest=MARKED, base={}) == (INTERNAL,)
    assert taint.private_sources(NONE, (DEBIAN, INTERNAL), manifest=PLAIN, base={}) == ()


def test_a_source_is_private_where_the_policy_says_so() -> None:
    text = f"imgforge-policy: 1\nsources: [{{keys: ['{KEY.fingerprint}'], suites: ['*-internal'], private: true}}]\n"
    said = policy.load(text, file="p.yaml")
    assert taint.private_sources(said, (DEBIAN, INTERNAL), manifest=PLAIN, base={}) == (INTERNAL,)


def test_a_source_stays_private_when_a_base_carries_it_under_another_name() -> None:
    annotations = dict(taint.carries((INTERNAL,), base={}))
    renamed = attrs.evolve(INTERNAL, name="harmless", uris=("https://mirror.example.org",))
    assert taint.private_sources(NONE, (DEBIAN, renamed), manifest=PLAIN, base=annotations) == (renamed,)
    assert dict(taint.carries((), base=annotations)) == annotations


def test_an_image_holds_what_its_packages_files_and_base_bring() -> None:
    base = dict(taint.dump([Taint(SOURCE, "older")]))
    held = taint.of_image(MANIFEST, PACKAGES, (INTERNAL,), base=base)
    assert held == (Taint(FILE, "licence.key"), Taint(SOURCE, "internal"), Taint(SOURCE, "older"))
    assert taint.of_packages(PACKAGES[:1], (INTERNAL,)) == ()
    assert taint.of_files(PLAIN) == ()


def test_nothing_private_is_no_annotation() -> None:
    assert taint.dump(()) == ()
    assert taint.carries((), base={}) == ()
    assert taint.parse({}) == ()


@given(st.sets(st.builds(Taint, st.sampled_from([SOURCE, FILE]), st.text(min_size=1)), min_size=1))
def test_an_annotation_is_read_as_it_was_written(held: set[Taint]) -> None:
    assert taint.parse(dict(taint.dump(held))) == tuple(sorted(held))


def test_what_cannot_be_read_is_private() -> None:
    unknown = Taint(UNKNOWN, "")
    for text in ("", "{}", "null", "[]", "[1]", '["x"]', '["source:"]', "[" * 5000):
        assert taint.parse({HOLDS: text}) == (unknown,), text
    assert taint.parse({HOLDS: '["source:a","new:b"]'}) == (Taint(SOURCE, "a"), unknown)
    assert taint.private_sources(NONE, (DEBIAN,), manifest=PLAIN, base={CARRIES: "{"}) == ()


def test_annotations_and_labels_of_an_image_count_together() -> None:
    here, there = Taint(SOURCE, "here"), Taint(FILE, "there")
    marks = taint.merged(dict(taint.dump([here])), {"title": "x"}, dict(taint.dump([there])), {CARRIES: '["sha256:1"]'})
    assert taint.parse(marks) == (there, here)
    assert marks[CARRIES] == '["sha256:1"]'
    assert taint.merged({"title": "x"}) == {}
    for text in ("", "[]", "nonsense"):
        assert taint.parse(taint.merged(dict(taint.dump([here])), {HOLDS: text})) == (here, Taint(UNKNOWN, "")), text
