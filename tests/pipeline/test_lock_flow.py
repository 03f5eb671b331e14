"""Locks in whole builds: used when they fit, made when there are none, refreshed no further than asked."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from builders import servers
from builders.debs import build_deb
from builders.releases import DAY, release, versions
from builders.servers import Fault
from builders.worlds import World

from imgforge.errors import BuildError

pytestmark = pytest.mark.root

STALE = 3


def test_a_build_makes_a_lock_and_then_keeps_to_it(pair: World) -> None:
    first = pair.build()
    lock = pair.path_of().with_suffix(".lock.json").read_bytes()
    release(pair, "2.0", "apple", "pear")
    assert pair.build(locked=True).digest == first.digest
    assert pair.build().digest == first.digest
    assert pair.path_of().with_suffix(".lock.json").read_bytes() == lock


def test_the_same_packages_locked_another_day_give_the_same_digest(pair: World) -> None:
    first = pair.build()
    pair.path_of().with_suffix(".lock.json").unlink()
    release(pair, "9.0", "something-else")
    assert pair.with_settings(now=pair.settings.now + 300 * DAY).build().digest == first.digest


def test_an_upgrade_takes_what_is_new(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "apple", "pear")
    built = pair.build(upgrade=())
    assert versions(pair) == {"apple": "2.0", "pear": "2.0"}
    assert built.lock.changes == ("changed apple:all=1.0 to 2.0", "changed pear:all=1.0 to 2.0")
    assert pair.image().text("usr/share/pear/file") == "2.0"


def test_an_upgrade_of_one_package_leaves_the_others(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "apple", "pear")
    done = pair.command("build", str(pair.path_of()), "--upgrade", "apple")
    assert done.returncode == 0, done.stderr
    assert versions(pair) == {"apple": "2.0", "pear": "1.0"}
    assert pair.image().text("usr/share/pear/file") == "1.0"


def test_an_upgrade_brings_what_the_new_version_needs(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "pear")
    pair.offer(build_deb("apple", "2.0", architecture="all", depends="pear (>= 2)"))
    pair.build(upgrade=("apple",))
    assert versions(pair) == {"apple": "2.0", "pear": "2.0"}


def test_a_new_package_takes_with_it_what_it_needs_newer_and_nothing_else(pair: World) -> None:
    release(pair, "1.0", "cherry", "fig")
    pair.manifest(packages=["apple", "cherry", "fig", "pear"])
    pair.build()
    release(pair, "2.0", "apple", "cherry", "fig", "pear")
    pair.offer(build_deb("plum", "2.0", architecture="all", depends="pear (>= 2)", fields={"Breaks": "fig (<< 2)"}))
    pair.manifest(packages=["apple", "cherry", "fig", "pear", "plum"])
    pair.build()
    assert versions(pair) == {"apple": "1.0", "cherry": "1.0", "fig": "2.0", "pear": "2.0", "plum": "2.0"}


def test_a_manifest_that_asks_for_more_than_the_lock_has_gets_it(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "apple", "pear")
    pair.manifest(packages=["apple", {"name": "pear", "version": ">= 2"}])
    pair.build()
    assert versions(pair) == {"apple": "1.0", "pear": "2.0"}


def test_a_changed_manifest_changes_no_more_than_it_must(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "apple", "pear", "plum")
    pair.manifest(packages=["apple", "pear", "plum"])
    pair.build()
    assert versions(pair) == {"apple": "1.0", "pear": "1.0", "plum": "2.0"}


def test_a_stale_lock_is_refused_under_locked_and_told_why(pair: World) -> None:
    pair.build()
    lock = pair.path_of().with_suffix(".lock.json").read_bytes()
    pair.manifest(packages=["apple", "plum"])
    done = pair.command("build", str(pair.path_of()), "--locked")
    assert (done.returncode, done.stdout) == (STALE, "")
    for words in (
        "no longer asked: package pear",
        "newly asked: package plum",
        f" {pair.path_of()}` to refresh it",
    ):
        assert words in done.stderr
    assert pair.path_of().with_suffix(".lock.json").read_bytes() == lock


def test_a_missing_lock_is_refused_under_locked_and_none_is_made(pair: World) -> None:
    done = pair.command("build", str(pair.path_of()), "--locked")
    assert (done.returncode, done.stdout) == (STALE, "")
    assert not pair.path_of().with_suffix(".lock.json").exists()


def test_a_lock_on_another_base_is_stale(pair: World) -> None:
    release(pair, "1.0", "below")
    pair.manifest("middle", packages=["below"])
    pair.manifest(base="middle", packages=["apple"])
    pair.build()
    release(pair, "2.0", "below")
    pair.build("middle", upgrade=())
    done = pair.command("build", str(pair.path_of()), "--locked")
    assert done.returncode == STALE
    assert "base was sha256:" in done.stderr


@pytest.mark.parametrize("verb", ["lock", "build"])
def test_a_lock_that_cannot_be_made_leaves_the_old_one(pair: World, verb: str) -> None:
    pair.build()
    lock = pair.path_of().with_suffix(".lock.json").read_bytes()
    pair.manifest(packages=["apple", "no-such"])
    assert pair.command(verb, str(pair.path_of())).returncode == 4
    assert pair.path_of().with_suffix(".lock.json").read_bytes() == lock
    assert sorted(path.name for path in pair.manifests.iterdir() if path.name.startswith(".")) == []


def test_a_full_disk_leaves_the_old_lock_whole(pair: World) -> None:
    pair.build()
    release(pair, "2.0", "apple", "pear")
    small = pair.path / "small"
    small.mkdir()
    script = """
        mount -t tmpfs -o size=64k tmpfs "$1"; cp "$2"/* "$1"; head -c 1m /dev/zero > "$1/fill"; shift 2
        "$@"; echo "code $?"; ls -A "$MOUNTED" | grep -v fill; cat "$MOUNTED/image.lock.json"
    """
    words = pair.words("lock", str(small / "image.yaml"), "--upgrade")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(small), str(pair.manifests), *words],
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "MOUNTED": str(small), "IMGFORGE_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    code, *names = done.stdout.partition("{")[0].split("\n")[:-1]
    assert code == "code 10", done.stderr
    assert "No space left on device" in done.stderr
    assert not [name for name in names if name.startswith(".")]
    assert done.stdout.endswith(pair.path_of().with_suffix(".lock.json").read_text())


def test_a_directory_that_refuses_a_lock_is_no_reason_not_to_build(pair: World) -> None:
    pair.build()
    elsewhere = pair.path / "read-only"
    shutil.copytree(pair.manifests, elsewhere, ignore=shutil.ignore_patterns("image.lock.json"))
    words = pair.words("build", str(elsewhere / "image.yaml"))
    mounted = 'mount --bind -o ro "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", str(elsewhere), *words],
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "IMGFORGE_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "image.lock.json: the directory is not writable" in done.stderr


def test_an_archive_that_is_published_meanwhile_heals_by_itself(pair: World) -> None:
    """The InRelease that comes first is older than the indices that are there by then."""
    older = (pair.archive.path / "dists/extra/InRelease").read_bytes()
    for path in (pair.archive.path / "dists/extra/main").rglob("by-hash/*/*"):
        path.unlink()
    release(pair, "2.0", "apple")
    archive = pair.archive.path.rename(pair.path / "moved")
    with servers.serve(archive) as server:
        server.fault("dists/extra/InRelease", Fault(body=older))
        pair.with_settings(mirrors=(("extra", server.url),)).build()
    assert versions(pair) == {"apple": "2.0", "pear": "1.0"}


def test_a_failed_build_keeps_its_lock_for_the_next(pair: World) -> None:
    pair.package("broken", scripts={"postinst": "exit 1"})
    pair.manifest(packages=["broken"])
    with pytest.raises(BuildError):
        pair.build()
    assert versions(pair) == {"broken": "1.0"}
