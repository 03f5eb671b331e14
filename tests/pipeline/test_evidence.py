"""What is known of an image: kept by the build, folded down the chain of bases, held against the image's own dpkg."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import images
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.lock import Lock, LockedPackage
from imgforge.pipeline.attest import evidence
from imgforge.pipeline.builder import Builder
from imgforge.report import Reporter
from imgforge.settings import Settings
from imgforge.tree import Entry, Kind

COPYRIGHT = b"""\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 1999 Somebody
License: Expat
"""
FORMS = ("spdx", "cyclonedx", "provenance", "report")


def tell(world: World, kind: str, image: str = "image") -> dict[str, Any]:
    with Builder(world.settings) as builder:
        return evidence.document(kind, builder.open(image), cache=builder.cache, reporter=Reporter())


def made(world: World) -> World:
    files = {"usr/bin/hello": b"#!/bin/sh\n", "usr/share/doc/hello/copyright": COPYRIGHT}
    world.package("hello", files=files, scripts={"postinst": "touch /etc/hello"})
    world.package("friend", depends="hello")
    world.build(world.manifest(packages=["friend"]))
    return world


def own_debs(world: World) -> tuple[LockedPackage, ...]:
    lock = Lock.parse((world.manifests / "image.lock.json").read_text(), file="image.lock.json")
    return lock.locked[0].packages


def test_packages_are_those_that_dpkg_lists_and_each_has_somebody_who_vouches(world: World) -> None:
    told = tell(made(world), "report")
    status = world.image().text("var/lib/dpkg/status").split("\n\n")
    listed = {line.split()[1] for stanza in status for line in stanza.splitlines() if line.startswith("Package:")}
    assert {one["name"] for one in told["packages"]} == listed
    by_name = {one["name"]: one for one in told["packages"]}
    assert {by_name[name]["vouched_by"] for name in ("hello", "dash")} == {source["name"] for source in told["sources"]}
    assert by_name["dash"]["vouched_by"] == "ground"
    assert by_name["hello"]["licence"] == "MIT"
    assert [base["name"] for base in told["base"]] == ["ground"]
    assert {one["digest"] for one in told["packages"]} >= {str(one.digest) for one in own_debs(world)}


def test_layers_say_which_packages_they_hold_and_which_came_with_the_base(world: World) -> None:
    told = tell(made(world), "report")
    own = [layer for layer in told["layers"] if not layer["base"]]
    assert {name for layer in own for name in layer["packages"]} == {"hello", "friend"}
    assert len(told["layers"]) == len(own) + len(world.image("ground").manifest.layers)


def test_the_report_says_what_the_build_did(world: World) -> None:
    world.package("novel", scripts={"postinst": "touch /etc/novel"})
    world.build(world.manifest(packages=["novel"]))
    told = tell(world, "report")["build"]
    assert {"build", "solve", "configure", "layer"} <= {stage["stage"] for stage in told["stages"]}
    assert any("novel" in script["label"] for script in told["scripts"])
    assert "state" in told["cache"]["made"]
    assert told["cache"]["hits"] == []


def test_the_report_says_which_paths_scripts_made_changed_and_removed(world: World) -> None:
    files = {"usr/share/novel/kept": b"kept", "usr/share/novel/gone": b"gone", "usr/share/novel/other": b"one"}
    script = "mkdir -p /srv/novel; echo two > /usr/share/novel/other; rm /usr/share/novel/gone; rm -r /usr/share/older"
    world.package("older", files={"usr/share/older/file": b"x"})
    world.build(world.manifest("below", packages=["older"]))
    world.package("novel", files=files, scripts={"postinst": script})
    world.build(world.manifest(base="below", packages=["novel"]))
    told = tell(world, "report")["build"]["effects"]
    assert "srv/novel" in told["made"]
    assert "usr/share/novel/other" in told["changed"]
    assert "var/lib/dpkg/status" in told["changed"]
    assert told["removed"] == ["usr/share/novel/gone", "usr/share/older"]
    assert not any("kept" in path for paths in told.values() for path in paths)


def test_an_image_without_scripts_has_no_effects_and_no_sandbox(world: World) -> None:
    made(world)
    world.build(world.manifest("above", base="image", config={"user": "7"}))
    assert tell(world, "report", "above")["build"]["effects"] == {"made": [], "changed": [], "removed": []}
    assert tell(world, "provenance", "above")["buildDefinition"]["internalParameters"] == {"compression": "gzip"}


@pytest.mark.root
@pytest.mark.parametrize("rung", ["root", "chroot"])
def test_provenance_names_the_rung_on_which_scripts_ran(world: World, rung: str) -> None:
    world.package(f"on-{rung}", scripts={"postinst": f"touch /etc/on-{rung}"})
    world = world.with_settings(sandbox=rung)
    world.build(world.manifest(packages=[f"on-{rung}"]))
    told = tell(world, "provenance")["buildDefinition"]["internalParameters"]
    assert told == {"compression": "gzip", "sandbox": rung}


def test_provenance_names_manifest_lock_base_and_debs_by_digest(world: World) -> None:
    told = tell(made(world), "provenance")["buildDefinition"]
    manifest = told["externalParameters"]["manifest"]
    assert manifest["name"] == "image.yaml"
    assert manifest["digest"]["sha256"] == Digest.of((world.manifests / "image.yaml").read_bytes()).hex
    names = {one["name"]: one for one in told["resolvedDependencies"]}
    assert (
        names["image.lock.json"]["digest"]["sha256"]
        == Digest.of((world.manifests / "image.lock.json").read_bytes()).hex
    )
    assert {"ground", "hello", "friend", "dash"} <= names.keys()
    assert "digest" in names["hello"]


@pytest.mark.parametrize("kind", FORMS)
def test_a_second_build_says_the_same_as_the_first(world: World, kind: str) -> None:
    first = tell(made(world), kind)
    world.build()
    assert tell(world, kind) == first


@pytest.mark.parametrize("kind", ["spdx", "cyclonedx"])
def test_an_sbom_depends_on_the_image_alone(cold_world: World, kind: str) -> None:
    first = tell(made(cold_world), kind)
    again = cold_world.with_settings(cache=cold_world.path / "other", now=cold_world.settings.now + 99)
    again.build()
    assert tell(again, kind) == first


def test_a_host_path_does_not_get_into_any_document(world: World) -> None:
    made(world)
    for kind in FORMS:
        assert str(world.path) not in json.dumps(tell(world, kind)), kind


def test_an_image_from_elsewhere_has_packages_without_anybody_who_vouches(world: World) -> None:
    made(world)
    world = world.with_settings(cache=world.path / "empty")
    packages = tell(world, "spdx")["packages"]
    hello = next(one for one in packages if one["name"] == "hello")
    assert "checksums" not in hello
    for kind in ("provenance", "report"):
        with pytest.raises(UsageError, match="nothing is known here of how it was built"):
            tell(world, kind)


def test_an_image_without_dpkg_has_no_packages(world: World) -> None:
    images.put(images.build_image({"etc/hello": b"hello\n"}), world.layout, "foreign")
    packages = tell(world, "cyclonedx", "foreign")
    assert packages.get("components", []) == []


def test_a_copyright_of_an_upper_layer_hides_that_of_a_lower_one(world: World) -> None:
    made(world)
    (world.manifests / "words").write_text("In words.\n")
    files = [{"from": "words", "to": "/usr/share/doc/hello/copyright"}]
    world.build(world.manifest("top", base="image", files=files))
    by_name = {one["name"]: one for one in tell(world, "report", "top")["packages"]}
    assert "licence" not in by_name["hello"]


def test_a_copyright_is_found_through_the_link_to_another_packages_directory(world: World) -> None:
    world.package("hello", files={"usr/share/doc/hello/copyright": COPYRIGHT})
    link = Entry("", Kind.SYMLINK, mode=0o777, target="hello")
    world.package("hello-data", depends="hello", files={"usr/share/doc/hello-data": link})
    world.build(world.manifest(packages=["hello-data"]))
    by_name = {one["name"]: one for one in tell(world, "report")["packages"]}
    assert by_name["hello-data"]["licence"] == "MIT"


def test_a_build_in_which_nothing_changed_writes_no_record(world: World) -> None:
    built = made(world).build()
    path = world.settings.cache / "evidence" / built.digest.hex[:2] / built.digest.hex
    before = path.stat().st_mtime_ns
    assert world.build().reused
    assert path.stat().st_mtime_ns == before


@pytest.mark.archive
@pytest.mark.slow
@pytest.mark.root
def test_the_list_of_packages_is_what_dpkg_query_prints_inside_the_image(tmp_path: Path) -> None:
    settings = Settings.default(store=tmp_path / "store", cache=tmp_path / "cache")
    imgforge.build("python3-bookworm", settings=settings)
    with Builder(settings) as builder:
        found = evidence.knowledge(builder.open("python3-bookworm"), cache=builder.cache, reporter=Reporter())
    form = "${Package} ${Version} ${Architecture}\\n"
    command = ("-m", "imgforge", "run", f"--store={settings.store}", f"--cache={settings.cache}", "python3-bookworm")
    printed = subprocess.run(
        [sys.executable, *command, "--", "dpkg-query", "-W", "-f", form],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(printed.stdout.splitlines()) == sorted(
        f"{one.name} {one.version} {one.architecture}" for one in found.packages
    )
    assert all(one.locked for one in found.packages)
