"""Sources beside those of a base: what of them a resolve may see, what they add to, and how every verb judges them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from builders import grounds
from builders.archives import Archive
from builders.debs import build_deb
from builders.policies import Searches, by_rule, under
from builders.releases import versions
from builders.worlds import World

import imgforge
from imgforge.errors import ResolveError, StaleLockError, UsageError
from imgforge.policy.refusal import RefusedError

EXTRA = "the base's second source"


def archive(world: World, name: str, *debs: bytes, component: str = "main") -> Archive:
    """Publish an archive of somebody else, with one suite."""
    made = Archive(world.path / name)
    made.suites = {}
    made.suite(name).components = tuple(dict.fromkeys(("main", component)))
    for deb in debs:
        made.add(deb, suite=name, component=component)
    made.publish()
    return made


def deb(name: str, version: str = "1.0", **options: Any) -> bytes:
    return build_deb(name, version, architecture="all", compression="gzip", **options)


def rule_of(archive: Archive, **more: object) -> dict[str, object]:
    keys = [key.fingerprint for key in archive.keys]
    return {"keys": keys, "suites": list(archive.suites), "components": ["*"], **more}


def ruled(world: World, other: Archive, **more: object) -> World:
    """Return the world under a policy that takes everything of the base's sources, and some of another."""
    known = [rule_of(world.ground), rule_of(world.archive)]
    return under(world, sources=[*known, rule_of(other, **more)])


def test_a_source_that_is_allowed_for_some_packages_replaces_no_package_of_the_base(world: World) -> None:
    world.package("tool", "1.0")
    world.manifest("below", packages=["tool"])
    other = archive(world, "php", deb("tool", "9.0"), deb("php8-cli", depends="tool"))
    world.manifest(base="below", archives={"php": other}, packages=["php8-cli"])
    limited = ruled(world, other, packages=["php8*"])
    limited.build()
    assert versions(limited) == {"php8-cli": "1.0"}
    assert "Package: tool\nStatus: install ok installed\n" in limited.image().text("var/lib/dpkg/status")
    assert "9.0" not in limited.image().text("var/lib/dpkg/status")


HIDDEN = {
    "a newer version": deb("tool", "9.0"),
    "a provider": deb("sly", fields={"Provides": "tool (= 9.0), service"}),
    "a provider that conflicts": deb("sly", fields={"Provides": "service", "Conflicts": "tool", "Replaces": "tool"}),
    "an essential package": deb("sly", fields={"Essential": "yes"}),
    "a required package": deb("sly", fields={"Priority": "required", "Provides": "service"}),
    "a package that breaks": deb("sly", fields={"Breaks": "tool", "Enhances": "php8-cli"}),
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("is_scratch", [False, True], ids=["on a base", "from scratch"])
def test_what_a_policy_does_not_allow_from_a_source_decides_nothing(world: World, name: str, is_scratch: bool) -> None:  # noqa: FBT001
    world.offer(deb("tool"), deb("server", fields={"Provides": "service"}))
    other = archive(world, "php", HIDDEN[name], deb("php8-cli", depends="tool, server | service"))
    archives = {"php": other}
    if is_scratch:
        archives |= {"ground": world.ground, "extra": world.archive}
    world.manifest(base="scratch" if is_scratch else "ground", archives=archives, packages=["php8-cli"])
    limited = ruled(world, other, packages=["php8*"])
    imgforge.lock(world.path_of(), settings=limited.settings)
    locked = versions(world)
    assert {name: locked[name] for name in ("php8-cli", "server", "tool")} == dict.fromkeys(
        ("php8-cli", "server", "tool"), "1.0"
    )
    assert "sly" not in locked


def test_an_error_names_the_policy_that_keeps_a_package_away(world: World) -> None:
    other = archive(
        world, "php", deb("nginx"), deb("php8-web", depends="nginx"), deb("only", fields={"Provides": "mta"})
    )
    limited = ruled(world, other, packages=["php8*"])
    said = f"policy sources.packages ({limited.settings.policy}:"
    for wanted in ("nginx", "php8-web", "mta"):
        world.manifest(archives={"php": other}, packages=[wanted])
        with pytest.raises(ResolveError) as caught:
            imgforge.lock(world.path_of(), settings=limited.settings)
        assert said in str(caught.value)
        assert "from source 'php', php main: expected php8*" in str(caught.value)
    world.manifest(archives={"php": other}, packages=["ngin"])
    with pytest.raises(ResolveError) as caught:
        imgforge.lock(world.path_of(), settings=limited.settings)
    assert getattr(caught.value, "__notes__", []) == []


def test_why_names_the_policy_that_keeps_a_package_away(world: World) -> None:
    other = archive(world, "php", deb("nginx"), deb("php8-cli"))
    world.manifest(archives={"php": other}, packages=["php8-cli"])
    limited = ruled(world, other, packages=["php8*"])
    with pytest.raises(UsageError, match="is not installed") as caught:
        imgforge.why(world.path_of(), "nginx", settings=limited.settings)
    assert "package 'nginx' is not allowed from source 'php', php main" in caught.value.__notes__[0]


def test_components_are_judged_by_the_index_and_not_by_the_path_in_the_pool(world: World) -> None:
    """An archive, or a lock, may put a package of one component below the directory of another."""
    other = archive(world, "php", deb("php8-cli"))
    listed = other.suites["php"]
    listed.components = ("main", "private")
    listed.debs["private"] = [other.add(deb("nginx"), suite="php", component="main")]
    listed.debs["main"].pop()
    other.publish()
    path = world.manifest(archives={"php": other}, packages=["php8-cli", "nginx"])
    sources = json.loads(path.read_text())["sources"]
    change(path, sources={"php": {**sources["php"], "components": ["main", "private"]}})
    free = ruled(world, other)
    imgforge.lock(world.path_of(), settings=free.settings)
    assert "pool/main/n/nginx" in world.path_of().with_suffix(".lock.json").read_text()
    rules = [rule_of(world.ground), rule_of(world.archive), rule_of(other, components=["main"])]
    rules.append(rule_of(other, components=["private"], packages=["php*"]))
    with pytest.raises(RefusedError, match="package 'nginx' is not allowed from source 'php', php private"):
        under(world, sources=rules).build()


@pytest.fixture
def added(world: World) -> World:
    """A world in which an update of the base's source is there, and a manifest that names a source of its own."""
    world.package("tool", "1.1")
    other = archive(world, "php", deb("php8-cli", depends="tool"))
    world.manifest(archives={"php": other}, packages=["php8-cli"])
    return ruled(world, other)


def change(path: Path, **keys: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_sources_of_a_manifest_add_to_those_of_its_base(added: World) -> None:
    added.build()
    assert versions(added) == {"php8-cli": "1.0", "tool": "1.1"}
    above = added.manifest("above", base="image", packages=["coreutils"])
    added.build(above)


def test_base_sources_false_leaves_those_of_the_base_out_and_says_so(added: World) -> None:
    change(added.path_of(), **{"base-sources": False})
    heard = Searches()
    with pytest.raises(ResolveError, match="tool"):
        imgforge.lock(added.path_of(), settings=added.heard(heard).settings)
    assert [text for text in heard.warnings if "no package comes from the base's source 'extra'" in text]


def test_a_source_of_the_base_s_name_replaces_it_and_says_so(world: World) -> None:
    other = archive(world, "extra2", deb("php8-cli"))
    path = grounds.write_manifest(world.manifests / "team", "image", archives={"extra": other}, packages=["php8-cli"])
    heard = Searches()
    ruled(world, other).heard(heard).build(path)
    assert [text for text in heard.warnings if "no package comes from the base's source 'extra' (extra)" in text]
    stanzas = world.image().text("etc/apt/sources.list.d/extra.sources")
    assert "Suites: extra2" in stanzas


def test_a_lock_of_a_manifest_whose_sources_replaced_the_base_s_is_asked_anew(added: World) -> None:
    added.build()
    path = added.path_of().with_suffix(".lock.json")
    document = json.loads(path.read_text())
    for locked in document["platforms"].values():
        locked["asked"].remove("sources of the base")
        locked["answers"] = str(imgforge.Digest.of("\n".join(locked["asked"]).encode()))
    path.write_text(json.dumps(document))
    with pytest.raises(StaleLockError, match="newly asked: sources of the base"):
        added.build(locked=True)


JUDGED = [
    *itertools.product(["lock", "plan", "build", "freshness", "check"], ["none", "without sources", "other keys"]),
    *itertools.product(["lock", "plan", "build"], ["forbidden package"]),
]


@pytest.mark.parametrize(("verb", "policy"), JUDGED)
def test_every_verb_refuses_what_a_build_refuses_before_anything_is_written(
    added: World, verb: str, policy: str
) -> None:
    sections: dict[str, dict[str, Any]] = {
        "without sources": {"image": [{"non-root": False}]},
        "other keys": {"sources": [rule_of(added.ground), rule_of(added.archive)]},
        "forbidden package": {
            "sources": json.loads((added.path / "policy.yaml").read_text())["sources"],
            "image": [{"names": ["image"], "forbidden": ["tool"]}],
        },
    }
    world = added.with_settings(policy=None) if policy == "none" else under(added, **sections[policy])
    before = set(world.manifests.iterdir())
    if verb == "check":
        rules = {refusal.rule for refusal in imgforge.check(world.path_of(), settings=world.settings).refusals}
    else:
        with pytest.raises(RefusedError) as caught:
            getattr(imgforge, verb)(world.path_of(), settings=world.settings)
        rules = set(by_rule(caught.value))
    assert rules == ({"image.forbidden"} if policy == "forbidden package" else {"sources"})
    assert not world.path_of().with_suffix(".lock.json").exists()
    assert {path.name for path in set(world.manifests.iterdir()) - before} <= {"ground.lock.json"}


def test_pins_of_a_base_count_in_what_stands_on_it(world: World) -> None:
    world.offer(deb("tool", "1.0"), deb("tool", "2.0"), deb("other", "1.0"), deb("other", "2.0"))
    pinned = [{"packages": ["tool"], "version": "1.*", "priority": 900}]
    world.manifest("below", pins=pinned)
    again = [{"packages": ["other"], "version": "1.*", "priority": 900}]
    world.manifest("between", base="below", pins=again)
    world.build(world.manifest(base="between", packages=["tool", "other"]))
    assert versions(world) == {"other": "1.0", "tool": "1.0"}
    nearest = [{"packages": ["tool"], "version": "2.*", "priority": 900}]
    world.build(world.manifest(base="between", packages=["tool", "other"], pins=nearest), upgrade=())
    assert versions(world) == {"other": "1.0", "tool": "2.0"}
    text = world.image().text("etc/apt/preferences.d/imgforge.pref")
    assert [line for line in text.splitlines() if line.startswith("Pin:")] == [
        "Pin: version 2.*",
        "Pin: version 1.*",
        "Pin: version 1.*",
    ]
