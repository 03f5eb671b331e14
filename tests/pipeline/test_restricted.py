"""A service that builds manifests of strangers: what its settings do not list is not opened; errors say where."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from builders.worlds import World

import imgforge
from imgforge.access import RestrictedError
from imgforge.errors import ImgforgeError, ManifestError, UsageError
from imgforge.settings import Settings

pytestmark = pytest.mark.attack

SECRET = "a secret of the machine\n"


@attrs.frozen
class Tree:
    """A checkout of a stranger's, beside files that are not his."""

    path: Path
    settings: Settings

    @property
    def manifest(self) -> Path:
        return self.path / "app.yaml"

    @property
    def outside(self) -> Path:
        return self.path.parent / "outside"

    def write(self, **keys: Any) -> None:
        self.manifest.write_text(json.dumps({"imgforge": 1, "name": "app", "base": "scratch", **keys}, indent=1))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text(SECRET)
    settings = Settings.restricted(
        roots=(tmp_path / "tree",),
        hosts=("registry.example.org", "mirrors.wikimedia.org"),
        copied=1000,
        store=tmp_path / "store",
        cache=tmp_path / "cache",
        manifests=(),
        policy=None,
    )
    return Tree(tmp_path / "tree", settings)


def based(base: str) -> Callable[[Tree], None]:
    return lambda tree: tree.write(base=base.format(out=tree.outside, tree=tree.path))


def drawn(uri: str) -> Callable[[Tree], None]:
    def write(tree: Tree) -> None:
        (tree.path / "k.asc").write_text("no key")
        source = {"suites": ["x"], "components": ["main"], "uris": [uri.format(out=tree.outside)], "signed-by": "k.asc"}
        tree.write(sources={"x": source})

    return write


def copying(make: Callable[[Path, Path], object], name: str = "given") -> Callable[[Tree], None]:
    def write(tree: Tree) -> None:
        tree.write(files=[{"from": name, "to": "/srv/x"}])
        make(tree.path / "given", tree.outside / "secret")

    return write


def locked(make: Callable[[Path, Path], object]) -> Callable[[Tree], None]:
    def write(tree: Tree) -> None:
        tree.write()
        make(tree.path / "app.lock.json", tree.outside / "secret")

    return write


def keyed(make: Callable[[Path, Path], object]) -> Callable[[Tree], None]:
    def write(tree: Tree) -> None:
        source = {"suites": ["x"], "components": ["main"], "signed-by": "k.asc"}
        tree.write(sources={"x": {**source, "uris": ["https://mirrors.wikimedia.org/debian"]}})
        make(tree.path / "k.asc", tree.outside / "secret")

    return write


def itself(make: Callable[[Path, Path], object]) -> Callable[[Tree], None]:
    def write(tree: Tree) -> None:
        (tree.outside / "app.yaml").write_text(json.dumps({"imgforge": 1, "name": "app", "base": "scratch"}))
        make(tree.manifest, tree.outside / "app.yaml")

    return write


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def link_to(target: str) -> Callable[[Path, Path], None]:
    return lambda path, _outside: path.symlink_to(target)


def pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def directory_of(path: Path, outside: Path) -> None:
    path.symlink_to(outside.parent)


def sparse(path: Path, _outside: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


ATTACKS: dict[str, Callable[[Tree], None]] = {
    "a layout anywhere": based("oci:/var/lib/images:x"),
    "a layout that climbs": based("oci:../../outside:x"),
    "a layout in the tree, by a transport that is not listed": based("oci:{tree}:x"),
    "a layout in /proc": based("oci:/proc/self/cwd:x"),
    "an archive anywhere": based("oci-archive:/etc/passwd"),
    "an archive of Docker's": based("docker-archive:{out}/secret"),
    "an archive that is a device": based("oci-archive:/dev/zero"),
    "an image of the service's store": based("other@sha256:" + "0" * 64),
    "a registry on this machine": based("docker://127.0.0.1:5000/x"),
    "a database on this machine": based("docker://127.0.0.1:6379/x"),
    "a registry by the name of this machine": based("docker://localhost:5000/x"),
    "a registry by a decimal number": based("docker://2130706433:5000/x"),
    "a registry by a hexadecimal number": based("docker://0x7f000001/x"),
    "a registry by an octal number": based("docker://0177.0.0.1/x"),
    "a registry by a short address": based("docker://127.1/x"),
    "a registry by a mapped address": based("docker://[::ffff:127.0.0.1]:5000/x"),
    "a registry by IPv6": based("docker://[::1]:5000/x"),
    "the metadata of a cloud": based("docker://169.254.169.254/x"),
    "a registry that is not listed": based("docker://other.example.org/x"),
    "a listed registry by another port": based("docker://registry.example.org:22/x"),
    "a name that begins like a listed one": based("docker://registry.example.org.evil.example/x"),
    "a mirror of files": drawn("file:/etc"),
    "a mirror of files outside": drawn("file:{out}"),
    "a mirror in /proc": drawn("file:/proc/self/root"),
    "a mirror on this machine": drawn("http://127.0.0.1:8080/debian"),
    "a mirror at a short address": drawn("http://127.1/debian"),
    "a mirror at the metadata of a cloud": drawn("http://169.254.169.254/latest"),
    "a mirror with a listed name as a user": drawn("http://mirrors.wikimedia.org@127.0.0.1/debian"),
    "a mirror that is not listed": drawn("https://mirror.example.org/debian"),
    "a copy that is a link outside": copying(link),
    "a copy that climbs": copying(link, name="../outside/secret"),
    "a copy by an absolute path": copying(link, name="/etc/passwd"),
    "a copy through a directory that is a link": copying(directory_of, name="given/secret"),
    "a copy of the environment": copying(link_to("/proc/self/environ")),
    "a copy of a device": copying(link_to("/dev/zero")),
    "a copy of a pipe": copying(pipe),
    "a copy of a terabyte": copying(sparse),
    "a copy of a loop": copying(link_to("given")),
    "a lock that is a link outside": locked(link),
    "a lock that is the environment": locked(link_to("/proc/self/environ")),
    "a lock that is a device": locked(link_to("/dev/zero")),
    "a lock that is a pipe": locked(pipe),
    "a lock that is a loop": locked(link_to("app.lock.json")),
    "a lock without an end": locked(sparse),
    "keys that are a link outside": keyed(link),
    "keys that are the environment": keyed(link_to("/proc/self/environ")),
    "keys that are a device": keyed(link_to("/dev/zero")),
    "keys that are a pipe": keyed(pipe),
    "keys without an end": keyed(sparse),
    "a manifest that is a link outside": itself(link),
    "a manifest that is a pipe": itself(pipe),
    "a manifest that is a device": itself(link_to("/dev/zero")),
    "a manifest that is the environment": itself(link_to("/proc/self/environ")),
    "a manifest without an end": itself(sparse),
}

VERBS: dict[str, Callable[[Path, Settings], object]] = {
    "build": lambda path, settings: imgforge.build(path, settings=settings),
    "lock": lambda path, settings: imgforge.lock(path, settings=settings),
    "plan": lambda path, settings: imgforge.plan(path, settings=settings),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_not_listed_is_not_opened(tree: Tree, attack: str) -> None:
    ATTACKS[attack](tree)
    with pytest.raises(ImgforgeError) as caught:
        imgforge.build(tree.manifest, settings=tree.settings)
    assert caught.value.exit_code in (2, 5, 7)
    told = "\n".join((str(caught.value), *getattr(caught.value, "__notes__", ())))
    assert SECRET.strip() not in told
    assert str(tree.path) in told or "app.yaml" in told, "it says where"
    assert (tree.outside / "secret").read_text() == SECRET
    assert not (tree.settings.store / "blobs").exists() or not list((tree.settings.store / "blobs").glob("*/*"))


NAMED = [name for name, attack in ATTACKS.items() if attack.__qualname__.startswith(("based", "drawn"))]


@pytest.mark.parametrize("attack", NAMED)
@pytest.mark.parametrize("verb", ["lock", "plan"])
def test_what_a_manifest_names_is_refused_with_its_place(tree: Tree, attack: str, verb: str) -> None:
    ATTACKS[attack](tree)
    with pytest.raises((RestrictedError, ManifestError), match=r"app\.yaml:\d+:\d+: ") as caught:
        VERBS[verb](tree.manifest, tree.settings)
    is_restriction = re.search(r"\((transports|hosts|roots)", str(caught.value))
    assert is_restriction or caught.value.exit_code == 2, "one that no manifest may have"


@pytest.mark.parametrize(
    "reference",
    ["oci:/etc", "oci-archive:/dev/zero", "docker-archive:/etc/passwd", "docker://127.0.0.1:1/x", "store-name"],
)
def test_a_reference_is_restricted_whoever_names_it(tree: Tree, reference: str) -> None:
    for verb in (imgforge.inspect, imgforge.sbom):
        with pytest.raises(RestrictedError):
            verb(reference, settings=tree.settings)


def test_a_layout_below_a_root_has_no_links(tree: Tree) -> None:
    settings = attrs.evolve(tree.settings, access=attrs.evolve(tree.settings.access, transports=("oci",)))
    (tree.path / "base").mkdir()
    (tree.path / "base" / "index.json").symlink_to(tree.outside / "secret")
    tree.write(base=f"oci:{tree.path / 'base'}:x")
    with pytest.raises(RestrictedError, match=r"'index\.json' in it is a symlink"):
        imgforge.build(tree.manifest, settings=settings)


def test_a_network_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"networks: '172\.16\.0\.0/99'"):
        Settings.restricted(roots=(tmp_path,), hosts=(), networks=("172.16.0.0/99",))


@pytest.mark.root
def test_what_is_listed_is_built(world: World) -> None:
    access = Settings.restricted(
        roots=(world.manifests, world.archive.path, world.ground.path), hosts=(), store=world.path, cache=world.path
    ).access
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    (world.manifests / "given").write_text("x\n")
    world.manifest(packages=["hello"], files=[{"from": "given", "to": "/srv/given"}])
    free = world.build().digest
    assert world.with_settings(access=access).at(world.path / "again").build().digest == free
