"""What is different between images and locks, on images that are really built."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import images, registries
from builders.archives import Archive
from builders.debs import Content
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.compare.difference import Difference
from imgforge.compare.files import FileChange
from imgforge.errors import ManifestError, UsageError
from imgforge.tree import Entry, Kind

OLD, NEW = "old", "image"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        yield running.host


def changelog(*versions: str) -> bytes:
    entries = (
        f"hello ({version}) stable; urgency=high\n\n  * Change of {version}.\n\n -- A <a@example.org>  Mon\n"
        for version in versions
    )
    return gzip.compress("\n".join(entries).encode(), mtime=0)


def files(text: bytes, *versions: str, mode: int = 0o644) -> dict[str, Content]:
    return {
        "usr/share/hello/text": (Entry("", Kind.FILE, mode=mode), text),
        "usr/share/hello/same": b"same",
        "usr/share/doc/hello/changelog.Debian.gz": changelog(*versions),
    }


@pytest.fixture(scope="module")
def updated(ground: Archive, warm_cache: Path) -> Iterator[World]:
    """A world with an image and what it was before an update; and with the lock of that."""
    with tempfile.TemporaryDirectory(prefix="imgforge-world-") as name:
        Path(name).chmod(0o755)
        yield update(World.on(ground, Path(name), cache=warm_cache))


def update(world: World) -> World:
    world.package("hello", "1.0-1", files=files(b"one", "1.0-1"), fields={"Installed-Size": "10"})
    world.package("gone")
    world.build(world.manifest(packages=["hello", "gone"], config={"user": "1", "env": {"A": "1"}}))
    imgforge.tag("image", OLD, settings=world.settings)
    shutil.copy(world.manifests / "image.lock.json", world.manifests / "old.lock.json")
    newer = files(b"two", "1.2-1", "1.1-1", "1.0-1", mode=0o640)
    world.package("hello", "1.2-1", files=newer, fields={"Installed-Size": "30"})
    world.package("new")
    world.build(world.manifest(packages=["hello", "new"], config={"user": "2"}), upgrade=())
    return world


def told(world: World, before: str, after: str) -> Difference:
    found = imgforge.diff(before, after, settings=world.settings)
    assert isinstance(found, Difference)
    return found


def kinds(found: Difference) -> list[tuple[str, str]]:
    return [(change.name, change.kind) for change in found.packages]


CHANGED = [("gone", "removed"), ("hello", "upgraded"), ("new", "added")]


def test_packages_of_two_images_differ_by_version_and_size_with_their_changelog(updated: World) -> None:
    found = told(updated, OLD, NEW)
    assert kinds(found) == CHANGED
    hello = found.packages[1]
    assert hello.before is not None
    assert hello.after is not None
    assert (hello.before.version, hello.after.version, hello.growth) == ("1.0-1", "1.2-1", 20 * 1024)
    assert [(entry.version, entry.urgency, entry.text) for entry in hello.entries] == [
        ("1.2-1", "high", "  * Change of 1.2-1."),
        ("1.1-1", "high", "  * Change of 1.1-1."),
    ]


def test_a_downgrade_says_what_it_takes_away(updated: World) -> None:
    found = told(updated, NEW, OLD)
    hello = next(change for change in found.packages if change.name == "hello")
    assert hello.kind == "downgraded"
    assert [entry.version for entry in hello.entries] == ["1.2-1", "1.1-1"]


def test_files_differ_by_content_and_mode_and_those_of_the_same_bytes_do_not(updated: World) -> None:
    found = {change.path: change for change in told(updated, OLD, NEW).files}
    text = found["usr/share/hello/text"]
    assert [name for name, _, _ in text.aspects] == ["mode", "content"]
    assert ("mode", "0644", "0640") in text.aspects
    assert "usr/share/hello/same" not in found
    assert found["var/lib/dpkg/info/new.list"].kind == "added"
    assert found["var/lib/dpkg/info/gone.list"].kind == "removed"


def test_owners_differ(world: World) -> None:
    (world.manifests / "words").parent.mkdir(exist_ok=True)
    (world.manifests / "words").write_text("words\n")
    for owner in (33, 0):
        world.build(world.manifest(f"of-{owner}", files=[{"from": "words", "to": "/srv/words", "owner": str(owner)}]))
    assert told(world, "of-33", "of-0").files == (
        FileChange("srv/words", "changed", (("owner", "33:33", "0:0"),), (6, 6)),
    )


def test_configurations_and_layers_differ(updated: World) -> None:
    found = told(updated, OLD, NEW)
    assert {(change.name, change.before, change.after) for change in found.config} == {
        ("env A", "1", None),
        ("user", "1", "2"),
    }
    below = len(updated.image("ground").manifest.layers)
    assert found.layers is not None
    assert found.layers.kept == below
    assert found.layers.added > 0


def test_an_image_is_not_different_from_itself(updated: World) -> None:
    assert not told(updated, NEW, NEW)


def test_locks_differ_by_packages_with_changelogs_of_what_the_cache_has(updated: World) -> None:
    old, new = (str(updated.manifests / f"{name}.lock.json") for name in ("old", "image"))
    found = told(updated, old, new)
    assert kinds(found) == CHANGED
    assert [entry.version for entry in found.packages[1].entries] == ["1.2-1", "1.1-1"]
    assert (found.files, found.config, found.layers) == ((), (), None)
    assert found.packages[0].before is not None
    growth = found.packages[0].growth
    assert growth is not None
    assert found.packages[0].before.size == -growth > 0


def test_locks_on_another_base_say_so(updated: World, tmp_path: Path) -> None:
    new, other = updated.manifests / "image.lock.json", tmp_path / "other.lock.json"
    digest = next(iter(json.loads(new.read_text())["platforms"].values()))["base"]
    other.write_text(new.read_text().replace(digest, f"sha256:{'0' * 64}"))
    found = told(updated, str(other), str(new))
    assert [(change.name, change.before, change.after) for change in found.config] == [
        ("base", f"sha256:{'0' * 64}", digest)
    ]


def test_an_image_is_what_its_lock_says_base_included(updated: World) -> None:
    lock = str(updated.manifests / "image.lock.json")
    assert not told(updated, lock, NEW)
    assert not told(updated, NEW, lock)
    found = told(updated, OLD, lock)
    assert kinds(found) == CHANGED
    assert [change.growth for change in found.packages] == [None, None, None]
    assert [entry.version for entry in found.packages[1].entries] == ["1.2-1", "1.1-1"]


def test_a_lock_whose_base_is_not_here_is_held_against_its_own_packages(updated: World, tmp_path: Path) -> None:
    world = updated.with_settings(store=tmp_path / "elsewhere")
    image, lock = f"oci:{tmp_path}/out:it", str(updated.manifests / "image.lock.json")
    imgforge.copy(OLD, image, settings=updated.settings)
    assert kinds(told(world, image, lock)) == CHANGED[1:]


def test_a_package_of_other_bytes_and_the_same_version_is_a_rebuilt_one(world: World) -> None:
    for number in (1, 2):
        world.archive.suites.clear()
        world.archive.suite("extra")
        world.package("hello", "1.0-1", files={"usr/share/n": b"%d" % number})
        world.build(world.manifest(f"number-{number}", packages=["hello"]))
    assert kinds(told(world, "number-1", "number-2")) == [("hello", "rebuilt")]


def test_an_image_of_a_registry_is_compared_with_one_of_the_store(updated: World, host: str, tmp_path: Path) -> None:
    reference = f"docker://{host}/apps/hello:1"
    imgforge.push(OLD, reference, settings=updated.settings)
    found = told(updated, reference, NEW)
    assert attrs.evolve(found, before=OLD) == told(updated, OLD, NEW)
    cold = updated.with_settings(cache=tmp_path / "cold")
    assert attrs.evolve(told(cold, reference, NEW), before=OLD).files == found.files


@pytest.mark.parametrize("name", ["none.lock.json", "old.lock.json"])
def test_what_is_no_lock_is_refused(world: World, name: str) -> None:
    world.manifests.mkdir(exist_ok=True)
    (world.manifests / "old.lock.json").write_text("{}")
    with pytest.raises(UsageError if name == "none.lock.json" else ManifestError):
        told(world, str(world.manifests / name), NEW)


def test_a_platform_that_a_lock_has_not_is_refused(updated: World) -> None:
    lock = str(updated.manifests / "image.lock.json")
    with pytest.raises(UsageError, match="expected something for linux/s390x, got linux/"):
        imgforge.diff(lock, lock, settings=updated.settings, platform="linux/s390x")


def test_the_command_prints_text_or_json_and_fails_only_where_asked(
    updated: World, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"--store={updated.settings.store}", f"--cache={updated.settings.cache}")

    def perform(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["diff", *words, *places]), capsys.readouterr().out

    code, out = perform(OLD, NEW)
    assert code == 0
    assert "  ↑ hello 1.0-1 → 1.2-1 (+20.5 kB)\n      1.2-1 (high)\n        * Change of 1.2-1.\n" in out
    assert "  ~ user: 1 → 2\n" in out
    assert "Change of" not in perform(OLD, NEW, "--no-changelogs")[1]
    code, out = perform(OLD, NEW, "--json", "--exit-code")
    assert code == 3
    assert [change["name"] for change in json.loads(out)["packages"]] == ["gone", "hello", "new"]
    assert perform(NEW, NEW, "--exit-code")[0] == 0


@pytest.mark.parametrize(("stated", "growth"), [("", None), ("Installed-Size: 0\n", 0), ("installed-size: 7\n", 7168)])
def test_a_size_that_no_one_stated_is_unknown_and_not_zero(world: World, stated: str, growth: int | None) -> None:
    stanza = f"Package: odd\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n{stated}"
    for name, text in (("without", "\n"), ("with", stanza)):
        images.put(images.build_image({"var/lib/dpkg/status": text.encode()}), world.layout, name)
    found = told(world, "without", "with")
    assert [change.growth for change in found.packages] == [growth]
    assert found.to_json()["packages"][0]["growth"] == growth
    shown = world.command("diff", "without", "with").stdout
    assert ("size unknown" in shown) == (growth is None)
    assert ("0 B" in shown.split("files:")[0]) == (growth == 0)
    listed = world.command("inspect", "with").stdout
    assert ("unknown" in listed) == (growth is None)


def test_a_lock_beside_an_image_shows_unknown_sizes(updated: World) -> None:
    done = updated.command("diff", OLD, str(updated.manifests / "image.lock.json"), "--no-changelogs")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "packages: 1 added, 1 removed, 1 upgraded, sizes unknown"
    assert done.stdout.count("(size unknown)") == 3
    assert "0 B" not in done.stdout
