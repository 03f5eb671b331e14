"""Good inputs that fuzzing starts from."""

from __future__ import annotations

import json
from pathlib import Path

from builders.debs import build_tar
from builders.tarballs import member, old_sparse, pax, tar_of
from builders.trees import directory, file, hardlink, opaque, symlink, whiteout

ROOT = Path(__file__).parents[2]
KEYS = (ROOT / "manifests" / "keys" / "debian-bookworm.asc").read_bytes()
POLICY = (ROOT / "tests" / "data" / "policy" / "policy.yaml").read_bytes()


def json_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


DIGEST = "sha256:" + "a" * 64
DESCRIPTOR = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 3}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {**DESCRIPTOR, "mediaType": "application/vnd.oci.image.config.v1+json"},
    "layers": [DESCRIPTOR],
    "annotations": {"a": "b"},
}
INDEX = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [
        {**DESCRIPTOR, "mediaType": MANIFEST["mediaType"], "platform": {"os": "linux", "architecture": "amd64"}}
    ],
}
CONFIG = {
    "created": "2024-01-01T00:00:00Z",
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=b"], "Cmd": ["x"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"l": "v"}},
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created_by": "x", "empty_layer": True}],
}
LAYER = build_tar(
    [
        directory("etc"),
        file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
        symlink("bin", "usr/bin"),
        hardlink("etc/copy", "etc/passwd"),
        whiteout("etc/gone"),
        opaque("etc"),
    ]
)
SPARSE = (
    tar_of(
        old_sparse(b"/opt/s", [(number * 600, b"ab") for number in range(30)], size=20_000), member(b"a/../b", b"1")
    ),
    tar_of(
        pax({b"GNU.sparse.size": b"40", b"GNU.sparse.numblocks": b"1", b"GNU.sparse.map": b"3,5"}),
        member(b"s", b"12345"),
    ),
    tar_of(
        pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"40"}),
        member(b"s", b"1\n3\n5\n".ljust(512, b"\0") + b"12345"),
    ),
)
ENVELOPE = {"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [{"sig": "AAAA"}]}
SHIPPED = tuple(path.read_bytes() for path in sorted((ROOT / "manifests").rglob("*.yaml")))
RELEASE = (
    b"Origin: x\nSuite: stable\nCodename: stone\nDate: Mon, 01 Jan 2024 00:00:00 UTC\nArchitectures: amd64\n"
    b"Components: main\nSHA256:\n " + b"a" * 64 + b" 12 main/binary-amd64/Packages\n"
)
LOCK = json_bytes(
    {
        "imgforge-lock": 1,
        "platforms": {"linux/amd64": {"asked": DIGEST, "base": DIGEST, "epoch": 1, "sources": [], "packages": []}},
    }
)

SIGNED = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n"
    b"-----BEGIN PGP SIGNATURE-----\n\nwsB=\n-----END PGP SIGNATURE-----\n"
)
TOKEN = b"password = hunter2hunter2\nAKIA" + b"Q" * 16
