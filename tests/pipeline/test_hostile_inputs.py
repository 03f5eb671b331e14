"""Hostile manifests, locks, indices and contents of bases, by the command line: one clear message with a place."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.archives import Archive
from builders.attacks import Arena
from builders.debs import build_deb
from builders.worlds import World

pytestmark = [pytest.mark.root, pytest.mark.attack]

USAGE, RESOLVE, FETCH, INTEGRITY, BUILD, STORE = 2, 4, 5, 6, 8, 10

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n"
    for n in range(1, 30)
)

MANIFESTS = {
    "nothing": b"",
    "aliases without end": ALIASES.encode(),
    "brackets without end": b"[" * 100_000,
    "bytes that are no text": b"imgforge: 1\nname: \xff\n",
    "a NUL": b"imgforge: 1\nname: a\0b\n",
    "too many bytes": b"# " + b"x" * (5 << 20),
    "two documents": b"imgforge: 1\nname: image\nbase: good\n---\nimgforge: 1\n",
    "a tag that would run": b"imgforge: 1\nname: !!python/name:os.system image\nbase: good\n",
    "a key twice": b"imgforge: 1\nname: image\nname: image\nbase: good\n",
    "another version": b"imgforge: 2\nname: image\nbase: good\n",
    "a base that is itself": b"imgforge: 1\nname: image\nbase: image\n",
    "a file that climbs": b"imgforge: 1\nname: image\nbase: good\nfiles: [{from: ../../etc/passwd, to: /x}]\n",
    "a file by a link to the outside": b"imgforge: 1\nname: image\nbase: good\nfiles: [{from: out, to: /x}]\n",
    "a file through a link": b"imgforge: 1\nname: image\nbase: good\nfiles: [{from: dir/secret, to: /x}]\n",
    "a pipe": b"imgforge: 1\nname: image\nbase: good\nfiles: [{from: pipe, to: /x}]\n",
    "a directory with a pipe": b"imgforge: 1\nname: image\nbase: good\nfiles: [{from: pipes, to: /x}]\n",
    "a file of /proc": b"imgforge: 1\nname: image\nbase: good\nfiles: [{dir: /proc/self/x}]\n",
    "an edit of nothing": b"imgforge: 1\nname: image\nbase: good\nedits: [{ini: /etc/none, section: a, set: {b: c}}]\n",
    "keys by a link to the outside": (
        b"imgforge: 1\nname: image\nbase: scratch\npackages: [a1]\n"
        b"sources: {x: {suites: [x], components: [main], uris: ['file:///x'], signed-by: out}}\n"
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_manifest_is_refused_with_its_place(arena: Arena, name: str) -> None:
    manifests = arena.world.manifests
    if not (manifests / "pipe").exists():
        (manifests / "out").symlink_to(arena.canary / "home" / "secret")
        (manifests / "dir").symlink_to(arena.canary / "home")
        (manifests / "pipes").mkdir()
        os.mkfifo(manifests / "pipe")
        os.mkfifo(manifests / "pipes" / "one")
    arena.world.path_of().write_bytes(MANIFESTS[name])
    try:
        arena.refused(code=USAGE, says=r"image\.yaml:\d+:\d+: ")
    finally:
        arena.world.path_of().unlink()


def test_a_copied_file_named_as_a_whiteout_is_refused(arena: Arena) -> None:
    source = arena.world.manifests / "source"
    source.mkdir()
    (source / ".wh.passwd").write_text("")
    arena.world.manifest(base="good", files=[{"from": "source", "to": "/etc"}])
    arena.refused(code=BUILD, says=r"/etc/\.wh\.passwd: no layer can hold it")


def piped(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("what", ["manifest", "lock"])
@pytest.mark.parametrize("instead", [piped, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
def test_what_is_no_file_is_not_waited_for(arena: Arena, what: str, instead: Callable[[Path], None]) -> None:
    path = arena.world.manifest("odd", base="good", files=[{"dir": "/srv/x"}])
    place = path if what == "manifest" else path.with_suffix(".lock.json")
    place.unlink(missing_ok=True)
    instead(place)
    try:
        arena.refused("odd", code=(USAGE, STORE), says=r"odd\.(yaml|lock\.json)")
    finally:
        place.rmdir() if place.is_dir() else place.unlink()


LOCKS = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "brackets": b"[" * 100_000,
    "another version": b'{"imgforge-lock": 99, "name": "image", "platforms": {}}',
    "a key twice": b'{"imgforge-lock": 1, "imgforge-lock": 1, "name": "image", "platforms": {}}',
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_hostile_lock_is_refused_by_its_name(arena: Arena, name: str) -> None:
    path = arena.world.manifest(base="good", packages=["good"])
    path.with_suffix(".lock.json").write_bytes(LOCKS[name])
    try:
        arena.refused(code=(USAGE, STORE), says=r"image\.lock\.json")
    finally:
        path.with_suffix(".lock.json").unlink()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"path": "pool', '"path": "../../../../pool'),
        ('"path": "pool', '"path": "/pool'),
        ('"path": "pool', '"path": "pool\\u0000'),
        ('"size": ', '"size": -'),
        ('"size": ', '"size": 99999999999999999999'),
        ('"digest": "sha256:', '"digest": "md5:'),
        ('"name": "sibling"', '"name": "../sibling"'),
    ],
)
def test_a_lock_with_an_absurd_value_is_refused(arena: Arena, old: str, new: str) -> None:
    arena.smuggle("sibling", build_deb("sibling", "1.0", architecture="all"))
    path = arena.world.manifest(packages=["sibling"])
    assert arena.world.command("lock", str(path)).returncode == 0
    lock = path.with_suffix(".lock.json")
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, new))
    try:
        arena.refused("image", "--locked", code=USAGE, says=r"image\.lock\.json:\d+:\d+: ")
    finally:
        lock.unlink()


def test_a_package_with_the_right_name_and_other_bytes_is_never_used(arena: Arena) -> None:
    arena.smuggle("swapped", build_deb("swapped", "1.0", architecture="all"))
    path = arena.world.manifest(packages=["swapped"])
    assert arena.world.command("lock", str(path)).returncode == 0
    arena.smuggle("swapped", build_deb("swapped", "1.0", architecture="all", files={"usr/share/evil": b"evil"}))
    assert arena.world.command("lock", str(path)).returncode == 0
    listed = arena.world.archive.suite("extra").debs["main"][-1]
    (arena.world.archive.path / listed.path).write_bytes(build_deb("swapped", "1.0", architecture="all"))
    arena.refused("image", "--locked", code=(FETCH, INTEGRITY), says=r"swapped_1\.0_all\.deb: expected ")


@pytest.fixture
def besieged(ground: Archive, warm_cache: Path, place: Path) -> Arena:
    """An arena of its own, whose archive a test spoils."""
    arena = Arena.of(World.on(ground, place, cache=warm_cache))
    arena.world.package("sibling")
    arena.world.manifest(packages=["sibling"])
    return arena


def stanza(**fields: str) -> str:
    said = {
        "Package": "evil",
        "Version": "1.0",
        "Architecture": "all",
        "Filename": "pool/e/evil.deb",
        "Size": "10",
        "SHA256": "0" * 64,
        **fields,
    }
    return "\n" + "".join(f"{name}: {value}\n" for name, value in said.items() if value)


STANZAS = {
    "a path that climbs": stanza(Filename="../../../../etc/passwd"),
    "an absolute path": stanza(Filename="/etc/passwd"),
    "no size": stanza(Size=""),
    "a negative size": stanza(Size="-1"),
    "an absurd size": stanza(Size="9" * 40),
    "no hash that counts": stanza(SHA256="", MD5sum="0" * 32),
    "a hash that is none": stanza(SHA256="x" * 64),
    "a version that is none": stanza(Version="1 0"),
    "a relation that is none": stanza(Depends="a (>> "),
    "a package twice": stanza() + stanza(SHA256="1" * 64),
    "a name that climbs": stanza(Package="../evil"),
    "a field twice": stanza() + "Size: 11\n",
}


@pytest.mark.parametrize("name", STANZAS)
def test_a_hostile_stanza_is_refused_when_it_is_asked_for(besieged: Arena, name: str) -> None:
    suite = besieged.world.archive.suite("extra")
    suite.extra["main/amd64"] = STANZAS[name]
    besieged.world.archive.publish()
    besieged.world.manifest(packages=["evil"])
    # Forms that APT reads, such as a leading slash, name a file of the archive: it is not there, or not what is listed.
    besieged.refused(code=(RESOLVE, INTEGRITY, FETCH), says="evil|extra/main")


def replaced(archive: Archive, data: bytes, names: str) -> None:
    for path in archive.path.glob(names):
        if path.is_file():
            path.write_bytes(data)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", "dists/extra/main/**/*"),
        (gzip.compress(bytes(64 << 20)), "dists/extra/main/**/*"),
        (b"<html>", "dists/extra/main/**/*"),
        (b"", "dists/extra/*Release*"),
        (b"<html>", "dists/extra/*Release*"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\n" * 1000, "dists/extra/*Release*"),
        (b"x" * (64 << 20), "dists/extra/*Release*"),
    ],
)
def test_an_archive_of_other_bytes_is_refused_by_its_url(besieged: Arena, data: bytes, names: str) -> None:
    replaced(besieged.world.archive, data, names)
    besieged.refused(code=(FETCH, INTEGRITY), says=f"{besieged.world.archive.url}/dists/extra|extra")
