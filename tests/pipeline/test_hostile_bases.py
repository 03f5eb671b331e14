"""Hostile bases, by the command line: layouts, manifests, configs and layers of somebody else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from builders import trees
from builders.attacks import Arena
from builders.trees import directory, file, hardlink, symlink

pytestmark = [pytest.mark.root, pytest.mark.attack]

USAGE, INTEGRITY, STORE = 2, 6, 10
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


@attrs.define
class Layout:
    """A layout that is made by hand, each part of which a test may spoil before it is written."""

    path: Path
    layers: list[bytes] = attrs.Factory(list)
    layer_type: str = f"{OCI}.layer.v1.tar+gzip"
    config: dict[str, Any] = attrs.Factory(dict)
    manifest: dict[str, Any] = attrs.Factory(dict)
    index: dict[str, Any] = attrs.Factory(dict)

    def add(self, data: bytes) -> dict[str, Any]:
        """Add a blob and return its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (self.path / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def blob(self, described: dict[str, Any]) -> Path:
        return self.path / "blobs" / str(described["digest"]).replace(":", "/")

    def write(self) -> dict[str, Any]:
        """Write everything and return the image's manifest."""
        layers = [self.add(gzip.compress(data)) | {"mediaType": self.layer_type} for data in self.layers]
        diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in self.layers]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}, **self.config}
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.add(as_json(config)) | {"mediaType": f"{OCI}.config.v1+json"},
            "layers": layers,
            **self.manifest,
        }
        self.write_index(self.add(as_json(manifest)) | {"mediaType": manifest["mediaType"]})
        return manifest

    def write_index(self, described: dict[str, Any]) -> None:
        named = described | {"annotations": {"org.opencontainers.image.ref.name": "base"}}
        (self.path / "index.json").write_bytes(as_json({"schemaVersion": 2, "manifests": [named], **self.index}))
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def layout(arena: Arena, tmp_path: Path) -> Layout:
    """A good base of one layer; the manifest ``image`` stands on it."""
    unique = file("etc/unique", bytes(tmp_path))  # or the store would have the layer, and not look at this one
    passwd = file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
    base = Layout(tmp_path / "base", [trees.archive([directory("etc"), passwd, unique])])
    arena.world.manifest(base=f"oci:{base.path}:base", files=[{"dir": "/srv/app"}])
    return base


def test_a_good_base_is_one(arena: Arena, layout: Layout) -> None:
    layout.write()
    arena.world.manifest("standing", base=f"oci:{layout.path}:base", files=[{"dir": "/srv/app"}])
    arena.world.build("standing")
    assert arena.world.image("standing").line("srv/app") == "dir 0755 0:0"


def overwritten(part: str, data: bytes) -> Callable[[Layout], None]:
    """Return what writes other bytes into a blob of the manifest."""

    def change(layout: Layout) -> None:
        manifest = layout.write()
        described = manifest["layers"][0] if part == "layer" else manifest["config"]
        layout.blob(described).write_bytes(data)

    return change


def with_manifest(**members: Any) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.manifest = members
        layout.write()

    return change


def with_config(**members: Any) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.config = members
        layout.write()

    return change


def with_tar(tar: bytes) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.layers.append(tar)
        layout.write()

    return change


def with_layer(*pairs: trees.Pair) -> Callable[[Layout], None]:
    return with_tar(trees.archive(list(pairs)))


def with_document(data: bytes, kind: str = f"{OCI}.manifest.v1+json") -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.write_index(layout.add(data) | {"mediaType": kind})

    return change


def nested(layout: Layout, depth: int = 50) -> None:
    """Write indexes that lead to indexes."""
    layout.write()
    inner = json.loads((layout.path / "index.json").read_text())["manifests"][0]
    for _ in range(depth):
        kind = f"{OCI}.index.v1+json"
        platform = {"platform": {"os": "linux", "architecture": "amd64"}}
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": [inner | platform]}
        inner = layout.add(as_json(index)) | {"mediaType": kind}
    layout.write_index(inner)


def circular(layout: Layout) -> None:
    """Write an index that claims to be in itself: only wrong bytes can."""
    kind = f"{OCI}.index.v1+json"
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    described = layout.add(b"{}") | {"mediaType": kind}
    index = as_json({"schemaVersion": 2, "mediaType": kind, "manifests": [described | platform]})
    layout.blob(described).write_bytes(index)
    layout.write_index(described | {"size": len(index)})


def piped(layout: Layout) -> None:
    described = layout.write()["layers"][0]
    layout.blob(described).unlink()
    os.mkfifo(layout.blob(described))


def missing(layout: Layout) -> None:
    layout.blob(layout.write()["layers"][0]).unlink()


def linked(layout: Layout) -> None:
    described = layout.write()["layers"][0]
    layout.blob(described).unlink()
    layout.blob(described).symlink_to("/etc/passwd")


def resized(layout: Layout) -> None:
    manifest = layout.write()
    layout.manifest = {"layers": [layer | {"size": layer["size"] + 1} for layer in manifest["layers"]]}
    layout.write()


def other_index(text: bytes) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.write()
        (layout.path / "index.json").write_bytes(text)

    return change


def other_version(layout: Layout) -> None:
    layout.write()
    (layout.path / "oci-layout").write_text('{"imageLayoutVersion": "9.9"}')


def typed(kind: str) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        layout.layer_type = kind
        layout.write()

    return change


DAMAGED: dict[str, tuple[Callable[[Layout], object], int | tuple[int, ...]]] = {
    "nothing is there": (lambda layout: layout.path.mkdir(), STORE),
    "another version of layouts": (other_version, (INTEGRITY, STORE)),
    "an index that is no JSON": (other_index(b"{"), INTEGRITY),
    "an index that is an array": (other_index(b"[]"), INTEGRITY),
    "an index with a key twice": (other_index(b'{"schemaVersion": 2, "manifests": [], "manifests": []}'), INTEGRITY),
    "an index without the name": (other_index(b'{"schemaVersion": 2, "manifests": []}'), STORE),
    "an index too deep for anybody": (other_index(b"[" * 100_000), INTEGRITY),
    "a huge index": (other_index(b'{"schemaVersion": 2, "x": "' + b"x" * (5 << 20) + b'"}'), INTEGRITY),
    "indexes in indexes": (nested, INTEGRITY),
    "an index in itself": (circular, INTEGRITY),
    "a huge manifest": (with_document(b'{"x": "' + b"x" * (5 << 20) + b'"}'), INTEGRITY),
    "a manifest that is no JSON": (with_document(b"\x00\x01"), INTEGRITY),
    "a manifest of Docker's first schema": (with_document(b'{"schemaVersion": 1, "fsLayers": []}'), INTEGRITY),
    "a manifest without a config": (with_manifest(config=None), INTEGRITY),
    "a config that climbs": (with_manifest(config={"digest": "sha256:../../../../etc/passwd", "size": 1}), INTEGRITY),
    "a config of another hash": (with_manifest(config={"digest": "md5:" + "0" * 32, "size": 1}), INTEGRITY),
    "a config of negative size": (
        with_manifest(config={"mediaType": f"{OCI}.config.v1+json", "digest": "sha256:" + "0" * 64, "size": -1}),
        INTEGRITY,
    ),
    "a config with other bytes": (overwritten("config", b"{}"), INTEGRITY),
    "a config without layers": (with_config(rootfs={"type": "layers", "diff_ids": []}), INTEGRITY),
    "a config of other layers": (with_config(rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}), INTEGRITY),
    "a config for another machine": (with_config(architecture="s390x"), (USAGE, INTEGRITY)),
    "a config with a number for a user": (with_config(config={"User": 7}), INTEGRITY),
    "a layer with other bytes": (overwritten("layer", b"x" * 10), INTEGRITY),
    "a layer of another size": (resized, INTEGRITY),
    "a layer that is missing": (missing, STORE),
    "a layer that is a pipe": (piped, STORE),
    "a layer that is a link to somewhere": (linked, INTEGRITY),
    "a layer of a type that nobody knows": (typed("application/x-what"), INTEGRITY),
    "a layer that is elsewhere": (typed(f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip"), INTEGRITY),
    "a layer that is no tar": (with_tar(b"x" * 1024), INTEGRITY),
    "a layer that is cut": (with_tar(trees.archive([file("x", b"x" * 2000)])[:1024]), INTEGRITY),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_base_that_is_none_is_refused_by_its_name(arena: Arena, layout: Layout, name: str) -> None:
    change, code = DAMAGED[name]
    change(layout)
    arena.refused(code=code, says=str(layout.path))


CLIMBING: dict[str, tuple[trees.Pair, ...]] = {
    "a file that climbs": (file("../../../../tmp/croak", b"x"),),
    "a hard link that climbs": (hardlink("etc/x", "../../../../etc/passwd"),),
    "a hard link to nothing": (hardlink("etc/x", "etc/none"),),
    "a hard link to a directory": (hardlink("srv-x", "etc"),),
    "a hard link to itself": (hardlink("etc/x", "etc/x"),),
    "a loop of links": (symlink("a", "b"), symlink("b", "a"), file("a/x", b"x")),
    "a whiteout of nothing": (file("etc/.wh."),),
    "a whiteout that is a directory": (directory("etc/.wh.x"),),
    "a whiteout that climbs": (file("etc/.wh..."),),
    "a tree deeper than an image may be": (file("d/" * 300 + "x"),),
}


@pytest.mark.parametrize("name", CLIMBING)
def test_a_base_whose_layer_does_not_fit_together_is_refused(arena: Arena, layout: Layout, name: str) -> None:
    with_layer(*CLIMBING[name])(layout)
    arena.world.manifest(base=f"oci:{layout.path}:base", files=[{"dir": "/srv/app"}])
    arena.attempt(
        "run",
        f"oci:{layout.path}:base",
        "--",
        "/bin/true",
        code=(INTEGRITY, STORE),
        says=f"{layout.path}:base: layer 2: ",
    )
