"""Archives in unusual forms, from the lock to the image and to the builds on it."""

from __future__ import annotations

import json
import shutil
import subprocess

import attrs
import pytest
from builders.desks import Listener
from builders.grounds import SUITE
from builders.locks import rules_of
from builders.policies import under
from builders.worlds import World

import imgforge
from imgforge.apt.acquire import NoMirrorError
from imgforge.errors import ResolveError

PATH = "etc/apt/sources.list.d/extra.sources"


def lock_of(world: World, name: str = "image") -> dict[str, dict[str, str]]:
    """Return the packages of a lock by name."""
    platforms = json.loads(world.path_of(name).with_suffix(".lock.json").read_text())["platforms"]
    return {one["name"]: one for platform in platforms.values() for one in platform["packages"]}


@pytest.fixture
def bare(world: World) -> World:
    """A world with an image whose source has no URI; the mirror is a setting."""
    world.package("apple")
    world.package("pear")
    (world.manifests / "extra.gpg").write_bytes(world.archive.keyring)
    ground = {"suites": [SUITE], "components": ["main"], "uris": [world.ground.url], "signed-by": "ground.gpg"}
    extra = {"suites": ["extra"], "components": ["main"], "signed-by": "extra.gpg"}
    needs = ["libcap2-bin", "passwd", "apple"]
    world.manifest("fruit", base="scratch", packages=needs, sources={"ground": ground, "extra": extra})
    world.manifest("more", base="fruit", packages=["pear"])
    mirrored = world.with_settings(mirrors=(("extra", world.archive.url),))
    mirrored.build("fruit")
    return mirrored


def test_apt_reads_the_file_of_a_source_without_uris(bare: World) -> None:
    text = bare.image("fruit").text(PATH)
    assert text.startswith("Enabled: no\nTypes: deb\nSuites: extra\n")
    if shutil.which("apt-get") is None:
        pytest.skip("needs APT")
    parts = bare.path / "parts"
    parts.mkdir()
    (parts / "extra.sources").write_text(text)
    options = ["-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={parts}"]
    done = subprocess.run(["apt-get", *options, "indextargets"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_builds_on_an_image_whose_source_has_no_uri_use_the_mirror(bare: World) -> None:
    bare.build("more")
    assert list(lock_of(bare, "more")) == ["pear"]


def test_a_base_whose_source_has_no_mirror_breaks_no_build_that_needs_nothing_of_it(bare: World) -> None:
    listener = Listener()
    unknown = bare.with_settings(mirrors=()).heard(listener)
    unknown.manifest("same", base="fruit", config={"cmd": ["ls"]})
    unknown.build("same")
    assert listener.warnings == []
    with pytest.raises(ResolveError, match="pear"):
        unknown.build("more")
    (warning,) = listener.warnings
    assert warning == "Release of 'extra': no mirror is known of source 'extra'; the base's source is left out"


def test_a_manifest_whose_source_has_no_mirror_is_refused_with_what_to_do(bare: World) -> None:
    fruit = bare.path_of("fruit")
    fruit.with_suffix(".lock.json").unlink()
    with pytest.raises(NoMirrorError, match="no mirror is known of source 'extra'") as caught:
        bare.with_settings(mirrors=()).build("fruit")
    assert caught.value.__notes__ == ["name one: `--mirror extra=URI`, or `uris` of the source"]


def test_a_stanza_that_cannot_be_used_is_warned_of_once(world: World) -> None:
    suite = world.archive.suite("extra")
    suite.mangle = lambda text: text + "\nVersion: 1\n\nPackage: pear\nVersion: 1\nArchitecture: all\n"
    world.package("apple")
    world.manifest(packages=["apple"])
    world.manifest("second", packages=["apple"])
    done = world.command("lock", str(world.path_of()), str(world.path_of("second")))
    assert done.returncode == 0, done.stderr
    (warning,) = (line for line in done.stderr.splitlines() if "left out" in line)
    assert "extra/extra/main/amd64: " in warning
    assert "/indices/" in warning
    assert warning.endswith("got ''; the package is left out")
    world.manifest("third", packages=["pear"])
    done = world.command("lock", str(world.path_of("third")))
    assert done.returncode == ResolveError.exit_code
    assert done.stderr.count(": pear: field 'Filename' is absent; the package is left out") == 1


def test_hashes_by_sha512_alone_bind_the_packages_of_a_lock(world: World) -> None:
    world.package("apple")
    world.manifest(packages=["apple"])
    before = world.build()
    digest = lock_of(world)["apple"]["digest"]
    suite = world.archive.suite("extra")
    suite.hashes, suite.deb_hashes, suite.date = ("SHA512",), ("SHA512",), suite.date + 1
    world.archive.publish()
    world.path_of().with_suffix(".lock.json").unlink()
    elsewhere = world.at(world.path / "elsewhere")
    ruled = under(elsewhere, sources=rules_of(world.ground, world.archive))
    after = ruled.build()
    locked = lock_of(world)["apple"]["digest"]
    assert (digest[:7], locked[:7]) == ("sha256:", "sha512:")
    assert after.digest == before.digest
    offline = attrs.evolve(ruled.settings, offline=True)
    assert imgforge.build(world.path_of(), settings=offline, locked=True).digest == before.digest
    value = locked.partition(":")[2]
    spdx = imgforge.sbom("image", settings=ruled.settings)["packages"]
    assert [one["checksums"] for one in spdx if one["name"] == "apple" and "checksums" in one] == [
        [{"algorithm": "SHA512", "checksumValue": value}]
    ]
    cyclonedx = imgforge.sbom("image", form="cyclonedx", settings=ruled.settings)["components"]
    assert [one["hashes"] for one in cyclonedx if one["name"] == "apple" and "hashes" in one] == [
        [{"alg": "SHA-512", "content": value}]
    ]
