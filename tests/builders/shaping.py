"""What an image of another tool is made of, and how it is written: tars, a config, a layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import zstandard

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"

Files = Mapping[str, tuple[tarfile.TarInfo, bytes]]
"""Members by path without a leading slash, parents first, each with its content."""


@attrs.frozen
class Shape:
    """An image before it is written.

    Attributes:
        layers: tars, lowest first.
        config: but for the diff_ids.
        is_docker: whether the media types are Docker's.
        compression: of the layers: ``gzip``, ``zstd`` or ``none``.
        manifest: further members.
        index: further descriptors of the index.
        config_type: the config's media type, layer_type the layers', and diff_ids, where a test wants others.
    """

    layers: tuple[bytes, ...]
    config: Mapping[str, Any]
    is_docker: bool = False
    compression: str = "gzip"
    manifest: Mapping[str, Any] = attrs.field(factory=dict)
    index: tuple[Mapping[str, Any], ...] = ()
    config_type: str = ""
    layer_type: str = ""
    diff_ids: tuple[str, ...] | None = None


def write(shape: Shape, path: Path) -> None:
    """Write an image as a layout, by the name ``base``."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    suffix = {"gzip": "gzip", "zstd": "zstd", "none": ""}[shape.compression]
    layer_type = (
        f"{DOCKER}.image.rootfs.diff.tar{suffix and f'.{suffix}'}"
        if shape.is_docker
        else f"{OCI}.layer.v1.tar{suffix and f'+{suffix}'}"
    )
    packed = [add(_packed(tar, shape.compression), shape.layer_type or layer_type) for tar in shape.layers]
    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in shape.layers]
    config = {
        **shape.config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids if shape.diff_ids is None else shape.diff_ids},
    }
    config_type = f"{DOCKER}.container.image.v1+json" if shape.is_docker else f"{OCI}.config.v1+json"
    manifest_type = f"{DOCKER}.distribution.manifest.v2+json" if shape.is_docker else f"{OCI}.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": add(_json(config), shape.config_type or config_type),
        "layers": packed,
        **shape.manifest,
    }
    named = {**add(_json(manifest), manifest_type), "annotations": {"org.opencontainers.image.ref.name": "base"}}
    (path / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named, *shape.index]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def tar(
    files: Files,
    *,
    root: str = "",
    form: int = tarfile.PAX_FORMAT,
    times: float = 0,
    records: Mapping[str, str] | None = None,
) -> bytes:
    """Return the tar of files.

    Args:
        files: see `Files`.
        root: what names begin with; with a slash the root has an entry.
        form: of `tarfile`.
        times: fraction of a second that each modification time has.
        records: further pax records of each file.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        if root:
            archive.addfile(info(root, kind=tarfile.DIRTYPE, mode=0o755, mtime=0))
        for path, (one, data) in files.items():
            link = f"{root}{one.linkname}" if one.islnk() else one.linkname
            member = changed(one, name=f"{root}{path}", linkname=link, size=len(data), pax_headers=dict(records or {}))
            member.mtime = one.mtime + times
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def app(**fields: Any) -> Files:
    """Return what each tool puts on its base."""
    return parents({"srv/app.txt": (info("x", **fields), b"app\n")}, **fields)


def parents(files: Files, **fields: Any) -> Files:
    """Return files with the directories that are above them, parents first."""
    above = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
    made = {path: (info(path, kind=tarfile.DIRTYPE, mode=0o755, **fields), b"") for path in above if path not in files}
    return dict(sorted({**files, **made}.items(), key=lambda item: item[0].count("/") if item[1][0].isdir() else 99))


def info(name: str, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, **fields: Any) -> tarfile.TarInfo:
    """Return a member."""
    made = tarfile.TarInfo(name)
    made.type, made.mode = kind, mode
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def changed(one: tarfile.TarInfo, **fields: Any) -> tarfile.TarInfo:
    """Return a member with other fields."""
    made = tarfile.TarInfo(one.name)
    for key in ("mode", "uid", "gid", "mtime", "type", "linkname", "uname", "gname", "devmajor", "devminor"):
        setattr(made, key, getattr(one, key))
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def _packed(data: bytes, compression: str) -> bytes:
    if compression == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    return gzip.compress(data, 1) if compression == "gzip" else data


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
