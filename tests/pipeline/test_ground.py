"""A base that is named by the tag of a registry: the lock has its digest, and builds go by the lock."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import images, registries
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.errors import FetchError, StaleLockError
from imgforge.fetch.request import NotFoundError, OfflineError


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        yield running.host


@pytest.fixture
def base(world: World, host: str) -> str:
    """The ground in a registry; and in the world a package and a manifest on it."""
    world.build("ground")
    reference = f"docker://{host}/base/{world.word}:1"
    imgforge.push("ground", reference, settings=world.settings)
    world.package("hello", files={"usr/share/hello": b"hello\n"})
    world.manifest(base=reference, packages=["hello"])
    return reference


def elsewhere(world: World, path: Path, *, offline: bool = False) -> World:
    """Return the world of somebody who has its manifests and nothing else."""
    return world.with_settings(store=path / "store", cache=path / "cache", offline=offline)


def move(world: World, reference: str) -> Digest:
    """Let the tag of the base stand for another image, and return its digest."""
    moved = world.build(world.manifest("moved", base="ground", config={"env": {"MOVED": "1"}}))
    imgforge.push("moved", reference, settings=world.settings)
    return moved.digest


def locked_base(world: World) -> str:
    document = json.loads((world.manifests / "image.lock.json").read_text())
    (platform,) = document["platforms"].values()
    base = platform["base"]
    assert isinstance(base, str)
    return base


def base_of(world: World) -> str:
    return dict(world.image().manifest.annotations)["org.opencontainers.image.base.digest"]


def test_the_lock_says_which_image_the_tag_stood_for(world: World, base: str, tmp_path: Path) -> None:
    other = elsewhere(world, tmp_path)
    other.build()
    digest = str(world.layout.resolve("ground").digest)
    assert (locked_base(world), base_of(other)) == (digest, digest)
    assert "usr/share/hello" in other.image().paths
    assert "usr/bin/dpkg" in other.image().paths


def test_a_build_by_its_lock_uses_the_locked_base_after_the_tag_moved(world: World, base: str, tmp_path: Path) -> None:
    first = elsewhere(world, tmp_path / "first").build()
    moved = move(world, base)
    digest = locked_base(world)
    assert digest != str(moved)
    for name in ("first", "second"):
        again = elsewhere(world, tmp_path / name)
        assert again.build(locked=True).digest == first.digest
        assert base_of(again) == digest
    assert locked_base(world) == digest


def test_a_refresh_takes_the_base_that_the_tag_stands_for_now(world: World, base: str, tmp_path: Path) -> None:
    other = elsewhere(world, tmp_path)
    other.build()
    before, moved = locked_base(world), move(world, base)
    found = imgforge.lock(world.path_of(), settings=other.settings, upgrade=("hello",))
    assert (found.changes, locked_base(world)) == ((), before)
    imgforge.lock(world.path_of(), settings=other.settings, upgrade=())
    assert locked_base(world) == str(moved)
    other.build(locked=True)
    assert base_of(other) == str(moved)
    seen = imgforge.inspect("image", settings=other.settings)
    assert ("MOVED", "1") in seen.image.config.execution.env


def test_a_check_says_that_the_tag_moved(world: World, base: str, tmp_path: Path) -> None:
    other = elsewhere(world, tmp_path)
    other.build()
    assert freshness(other) == ()
    before, moved = locked_base(world), move(world, base)
    assert freshness(other) == (f"base was {before}, is {moved}",)
    assert locked_base(world) == before
    done = other.command("lock", str(world.path_of()), "--check")
    assert (done.returncode, done.stdout) == (3, f"base was {before}, is {moved}\n")


def freshness(world: World) -> tuple[str, ...]:
    told = dict(imgforge.outdated(world.manifests, settings=world.settings))
    found = told[world.path_of()]
    assert isinstance(found, imgforge.Freshness)
    assert found.changes == ()
    return found.stale


def test_a_locked_base_that_is_here_is_used_without_a_network(world: World, base: str, tmp_path: Path) -> None:
    first = elsewhere(world, tmp_path).build()
    move(world, base)
    offline = elsewhere(world, tmp_path, offline=True)
    assert offline.build(locked=True).reused
    world.manifest(base=base, packages=["hello"], config={"user": "7"})
    assert offline.build().digest != first.digest
    bare = offline.with_settings(cache=tmp_path / "other")
    with pytest.raises(OfflineError) as caught:
        bare.build()
    assert "which has not been built on with this cache" in str(caught.value.__notes__)


def test_layers_that_the_store_lost_are_fetched_again(world: World, base: str, tmp_path: Path) -> None:
    other = elsewhere(world, tmp_path)
    first = other.build()
    assert other.image().manifest.layers
    shutil.rmtree(other.settings.store)
    assert other.build(locked=True).digest == first.digest
    shutil.rmtree(other.settings.store)
    with pytest.raises(OfflineError):
        elsewhere(world, tmp_path, offline=True).build()


def test_a_tag_that_nobody_locked_needs_a_network(world: World, base: str, tmp_path: Path) -> None:
    with pytest.raises(OfflineError):
        elsewhere(world, tmp_path, offline=True).build()


def test_a_locked_base_that_the_registry_has_no_more_is_said_with_a_way_out(
    world: World, base: str, tmp_path: Path
) -> None:
    other = elsewhere(world, tmp_path)
    other.build()
    name, tag = base.removeprefix("docker://").rsplit(":", 1)
    host, _, repository = name.partition("/")
    url = f"http://{host}/v2/{repository}/manifests/{locked_base(world)}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10) as answer:
        assert (answer.status, tag) == (202, "1")
    with pytest.raises(NotFoundError) as caught:
        elsewhere(world, tmp_path / "bare").build()
    assert f"`imgforge lock {world.path_of()} --upgrade` takes what" in str(caught.value.__notes__)


def test_another_tag_in_the_manifest_makes_the_lock_stale(world: World, base: str, tmp_path: Path) -> None:
    other = elsewhere(world, tmp_path)
    other.build()
    second = f"{base[:-2]}:2"
    moved = move(world, second)
    world.manifest(base=second, packages=["hello"])
    with pytest.raises(StaleLockError, match="newly asked: base docker://"):
        other.build(locked=True)
    other.build()
    assert locked_base(world) == str(moved)


def test_a_base_by_digest_is_that_image(world: World, base: str, tmp_path: Path) -> None:
    digest = world.layout.resolve("ground").digest
    move(world, base)
    world.manifest(base=f"{base[:-2]}@{digest}", packages=["hello"])
    other = elsewhere(world, tmp_path)
    other.build()
    assert base_of(other) == str(digest)
    (tmp_path / "store").rename(tmp_path / "gone")
    with pytest.raises(FetchError):
        elsewhere(world, tmp_path, offline=True).build()


def test_the_base_of_a_base_goes_by_its_own_lock(world: World, base: str, tmp_path: Path) -> None:
    world.manifest("middle", base=base, packages=["hello"])
    world.manifest(base="middle", config={"user": "7"})
    other = elsewhere(world, tmp_path)
    other.build()
    before = dict(other.image("middle").manifest.annotations)["org.opencontainers.image.base.digest"]
    move(world, base)
    other.build(upgrade=())
    assert dict(other.image("middle").manifest.annotations)["org.opencontainers.image.base.digest"] == before


def skopeo(*words: str) -> str:
    tool = shutil.which("skopeo")
    if tool is None:
        pytest.skip("skopeo is not installed")
    done = subprocess.run((tool, "--insecure-policy", *words), check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_that_skopeo_pushed_serves_as_a_base(world: World, host: str, tmp_path: Path, form: str) -> None:
    world.build("ground")
    place = f"{host}/skopeo/{form}-{world.word}"
    source = f"oci:{world.settings.store}:ground"
    skopeo("copy", "--dest-tls-verify=false", f"--format={form}", source, f"docker://{place}:1")
    world.package("hello", files={"usr/share/hello": b"hello\n"})
    world.manifest(base=f"docker://{place}:1", packages=["hello"])
    other = elsewhere(world, tmp_path)
    other.build()
    pushed = skopeo("inspect", "--tls-verify=false", "--format={{.Digest}}", f"docker://{place}:1").strip()
    assert locked_base(world) == base_of(other) == pushed
    ground, image = world.image("ground").tree(), other.image().tree()
    assert "usr/share/hello" in image.keys() - ground.keys()
    images.check_layout(other.layout)
