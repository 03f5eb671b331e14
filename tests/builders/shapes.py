"""Images in the shapes that other build tools give them: their tars, times, configs, media types and annotations.

Each maker takes the files of a root filesystem and packs them as its tool does; what it does, and where that is
documented, is in its docstring.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builders.shaping import OCI, Files, Shape, app, changed, info, parents, tar


def docker(files: Files) -> Shape:
    """Return what ``docker build`` made before BuildKit.

    Docker's media types; a config with the container's (``container_config``, ``Image``, ``docker_version``); steps
    that made no layer in the history; names without a leading ``./``, a layer for each step.
    Source: Docker Image Specification v1.2, "Image JSON Description"; moby, builder/dockerfile/internals.go.
    """
    run = {"Hostname": "", "Domainname": "", "AttachStdin": False, "Image": f"sha256:{'0' * 64}", "OnBuild": None}
    run |= {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"], "Entrypoint": None, "Labels": {}, "Volumes": None}
    nop = '/bin/sh -c #(nop)  CMD ["sh"]'
    return Shape(
        (tar(files), tar(app(mtime=1_700_000_001))),
        {
            "architecture": "amd64",
            "config": run,
            "container": "f" * 64,
            "container_config": {**run, "Hostname": "ffffffffffff", "Cmd": ["/bin/sh", "-c", "#(nop) ", 'CMD ["sh"]']},
            "created": "2023-11-14T22:13:21.000000123Z",
            "docker_version": "20.10.24",
            "history": [
                {"created": "2023-11-14T22:13:20Z", "created_by": "/bin/sh -c #(nop) ADD file:0 in / "},
                {"created": "2023-11-14T22:13:20Z", "created_by": nop, "empty_layer": True},
                {"created": "2023-11-14T22:13:21Z", "created_by": "/bin/sh -c #(nop) COPY file:1 in /srv"},
            ],
            "os": "linux",
        },
        is_docker=True,
    )


def buildkit(files: Files) -> Shape:
    """Return what BuildKit makes.

    OCI's media types; fractions of seconds in pax records; ``buildkit.dockerfile.v0`` in the history; its cache in the
    config; an attestation beside the image in the index, for the platform ``unknown/unknown``.
    Source: moby/buildkit, docs/attestations/attestation-storage.md; cache/remotecache/v1.
    """
    attested = {
        "mediaType": f"{OCI}.manifest.v1+json",
        "digest": f"sha256:{'1' * 64}",
        "size": 7,
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    step = {"created": "2024-02-03T04:05:06.789Z", "comment": "buildkit.dockerfile.v0"}
    return Shape(
        (tar(files, times=0.25), tar(app(), times=0.75)),
        {
            "architecture": "amd64",
            "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"], "WorkingDir": "/", "ArgsEscaped": True},
            "created": "2024-02-03T04:05:06.789012345Z",
            "history": [
                {**step, "created_by": "ADD rootfs / # buildkit"},
                {**step, "created_by": "ENV A=b", "empty_layer": True},
                {**step, "created_by": "COPY app /srv # buildkit"},
            ],
            "moby.buildkit.cache.v0": "bnVsbA==",
            "os": "linux",
        },
        index=(attested,),
    )


def kaniko(files: Files) -> Shape:
    """Return what ``kaniko --reproducible`` makes.

    Go's zero time as ``created``; no times and no names of owners in the tars, an entry ``/`` for the root, all other
    names without a leading slash. Source: GoogleContainerTools/kaniko, README "--reproducible"; pkg/util/tar_util.go.
    """
    plain = {path: (changed(one, mtime=0, uname="", gname=""), data) for path, (one, data) in files.items()}
    return Shape(
        (tar(plain, root="/"), tar(app(), root="/")),
        {
            "architecture": "amd64",
            "author": "kaniko",
            "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"]},
            "created": "0001-01-01T00:00:00Z",
            "history": [
                {"created": "0001-01-01T00:00:00Z"},
                {"author": "kaniko", "created": "0001-01-01T00:00:00Z", "created_by": "COPY app /srv"},
            ],
            "os": "linux",
        },
        is_docker=True,
    )


def mkosi(files: Files) -> Shape:
    """Return what ``mkosi --format=oci`` makes.

    One layer with zstd, by GNU tar with ``--sparse``, extended attributes and without times in pax records; names begin
    with ``./``; a config that says no more than it must. Source: systemd/mkosi, mkosi/archive.py (``make_tar``),
    mkosi/__init__.py (``make_oci``).
    """
    with tempfile.TemporaryDirectory() as name:
        unpack = ["tar", "--extract", "--directory", name, "--numeric-owner", "--same-permissions"]
        subprocess.run(unpack, input=tar({**files, **app()}), check=True)
        with Path(name, "srv/holes").open("wb") as holes:
            holes.write(b"begin")
            holes.seek(1 << 20)
            holes.write(b"end")
        words = ["tar", "--create", "--file", "-", "--directory", name, "--xattrs", "--sparse", "--sort=name"]
        words += ["--format=posix", "--pax-option=delete=atime,delete=ctime,delete=mtime", "--numeric-owner", "."]
        made = subprocess.run(words, check=True, capture_output=True).stdout
    config = {"Cmd": ["/bin/sh"], "Labels": {"io.systemd.mkosi.version": "25"}}
    return Shape((made,), {"architecture": "amd64", "os": "linux", "config": config}, compression="zstd")


def rules_docker(files: Files) -> Shape:
    """Return what Bazel's ``container_image`` makes.

    1970 everywhere; GNU's tar format with names that begin with ``./``, and no directories but those that are named;
    a history that says ``bazel build``; members that are null.
    Source: bazelbuild/rules_docker, docs/container.md ("creation_time"), container/build_tar.py.
    """
    plain = {path: (changed(one, mtime=0, uname="", gname=""), data) for path, (one, data) in files.items()}
    bare = {path: member for path, member in plain.items() if not member[0].isdir()}
    step = {"author": "Bazel", "created": "1970-01-01T00:00:00Z", "created_by": "bazel build ..."}
    run = {"Env": ["PATH=/usr/bin:/bin", "=x"], "Cmd": ["sh"], "Labels": None, "User": "", "Entrypoint": None}
    return Shape(
        (tar(bare, root="./", form=tarfile.GNU_FORMAT), tar(app(), root="./", form=tarfile.GNU_FORMAT)),
        {
            "architecture": "amd64",
            "author": "Bazel",
            "config": run,
            "created": "1970-01-01T00:00:00Z",
            "history": [step, step],
            "os": "linux",
        },
        is_docker=True,
        manifest={"annotations": None},
    )


def rules_oci(files: Files) -> Shape:
    """Return what Bazel's ``oci_image`` makes of Debian's packages, and distroless with it.

    No dpkg, but ``/var/lib/dpkg/status.d`` with a control file, and sums, for each package; a layer for each package;
    uncompressed layers where the tars are; no history.
    Source: bazel-contrib/rules_oci, docs/image.md; GoogleContainerTools/distroless, PACKAGE_METADATA.md.
    """
    listed = {
        f"var/lib/dpkg/status.d/{name}": (
            info(f"var/lib/dpkg/status.d/{name}"),
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: A <a@example.org>\n"
            f"Source: {source}\nDescription: one\n more\n".encode(),
        )
        for name, version, source in (("libc6", "2.36-9", "glibc"), ("tzdata", "2024a-0+deb12u1", "tzdata"))
    }
    sums = {"var/lib/dpkg/status.d/libc6.md5sums": (info("x"), b"d41d8cd98f00b204e9800998ecf8427e  lib/x\n")}
    names = list(listed)
    parts = ({**files, names[0]: listed[names[0]], **sums}, {names[1]: listed[names[1]]}, app())
    return Shape(
        tuple(tar(part, root="./", form=tarfile.USTAR_FORMAT) for part in parts),
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], "User": ":0", "Env": ["PATH=/usr/bin:/bin"]},
            "history": None,
            "created": None,
        },
        compression="none",
    )


def ko(files: Files) -> Shape:
    """Return what ``ko build`` makes on a base.

    Names with a leading slash (``/ko-app/NAME``), directories too; mode 0555; 1970 as the time.
    Source: ko-build/ko, pkg/build/gobuild.go (``tarBinary``); docs/advanced/faq.md ("1970").
    """
    binary = {"ko-app": (info("ko-app", kind=tarfile.DIRTYPE, mode=0o555), b"")}
    binary["ko-app/app"] = (info("ko-app/app", mode=0o555), b"#!/bin/sh\ncat /srv/app.txt /srv/own.txt; echo $OWN\n")
    step = {"author": "ko", "created": "1970-01-01T00:00:00Z", "created_by": "ko build ko://example.org/app"}
    run = {"Entrypoint": ["/ko-app/app"], "Env": ["PATH=/usr/bin:/bin:/ko-app", "KO_DATA_PATH=/var/run/ko"]}
    return Shape(
        (tar(files), tar(binary, root="/"), tar(app(), root="/")),
        {
            "architecture": "amd64",
            "author": "github.com/ko-build/ko",
            "config": {**run, "User": "65532"},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "0001-01-01T00:00:00Z"}, {**step, "comment": "kodata"}, {**step, "comment": "go"}],
            "os": "linux",
        },
    )


def jib(files: Files) -> Shape:
    """Return what Jib makes of an application.

    A layer each for dependencies, resources and classes; every time is a second after 1970; long names in pax records;
    ``created`` is 1970. Source: GoogleContainerTools/jib, docs/faq.md, "Why is my image created 48+ years ago?".
    """
    step = {"author": "Jib", "created": "1970-01-01T00:00:00Z", "created_by": "jib-maven-plugin:3.4.0"}
    parts = ("libs/" + "long-" * 30 + ".jar", "resources/app.properties", "classes/app.class")
    layers = (tar(parents({f"app/{part}": (info("x", mtime=1), b"1")}, mtime=1)) for part in parts)
    return Shape(
        (tar(files), *layers, tar(app(mtime=1))),
        {
            "created": "1970-01-01T00:00:00Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": [],
                "Entrypoint": ["sh", "-c"],
                "Cmd": ["echo $0 jib"],
                "ExposedPorts": {},
                "Volumes": {},
            },
            "history": [{}, *({**step, "comment": comment} for comment in ("libs", "resources", "classes", "app"))],
        },
        is_docker=True,
    )


def buildpacks(files: Files) -> Shape:
    """Return what the lifecycle of Cloud Native Buildpacks exports.

    Names with a leading slash (``/layers``, ``/workspace``); everything of 1980-01-01T00:00:01Z, for a user of its own;
    large labels in JSON. Source: buildpacks/spec, platform.md, "Layers" and "Labels"; buildpacks/lifecycle, archive.
    """
    made = int(dt.datetime(1980, 1, 1, 0, 0, 1, tzinfo=dt.UTC).timestamp())
    own: dict[str, Any] = {"mtime": made, "uid": 1000, "gid": 1000}
    workspace = parents(
        {"workspace/index.txt": (info("x", **own), b"1"), "layers/a/b/env": (info("x", **own), b"")}, **own
    )
    metadata = json.dumps({"app": [{"sha": "sha256:" + "2" * 64}] * 200})
    return Shape(
        (tar(files), tar(workspace, root="/"), tar(app(mtime=made), root="/")),
        {
            "architecture": "amd64",
            "config": {
                "Entrypoint": ["/bin/sh", "-c"],
                "Cmd": ["echo cnb"],
                "Env": ["PATH=/usr/bin:/bin", "CNB_LAYERS_DIR=/layers", "CNB_APP_DIR=/workspace"],
                "Labels": {"io.buildpacks.lifecycle.metadata": metadata, "io.buildpacks.stack.id": "io.stack"},
                "User": "1000:1000",
                "WorkingDir": "/workspace",
            },
            "created": "1980-01-01T00:00:01Z",
            "history": [{}, {"created_by": "Application Layer"}, {"created_by": "Buildpacks Process Types"}],
            "os": "linux",
            "variant": "",
        },
        is_docker=True,
    )


def apko(files: Files) -> Shape:
    """Return what apko makes of Alpine's packages.

    One layer, pax records with the sums of apk, ``/lib/apk/db``; ``created`` 1970; no shell is taken for granted.
    Source: chainguard-dev/apko, README; pkg/build/oci/image.go.
    """
    listed = {
        "usr/lib/os-release": (info("x"), b'ID=wolfi\nNAME="Wolfi"\nVERSION_ID="20230201"\n'),
        "lib/apk/db/installed": (info("x"), b"C:Q1\nP:busybox\nV:1.36.1-r0\nA:x86_64\n\n"),
    }
    kept = {path: member for path, member in files.items() if path != "usr/lib/os-release"}
    step = {"author": "apko", "created": "1970-01-01T00:00:00Z", "created_by": "apko"}
    sums = {"APK-TOOLS.checksum.SHA1": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}
    return Shape(
        (tar(parents({**kept, **listed, **app()}, mtime=0), records=sums),),
        {
            "architecture": "amd64",
            "author": "github.com/chainguard-dev/apko",
            "config": {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo apko"], "User": "65532"},
            "created": "1970-01-01T00:00:00Z",
            "history": [{**step, "comment": "This is an apko single-layer image"}],
            "os": "linux",
        },
        manifest={"annotations": {"org.opencontainers.image.vendor": "Wolfi"}},
    )


DEBIAN: Mapping[str, Callable[[Files], Shape]] = {
    "docker": docker,
    "buildkit": buildkit,
    "kaniko": kaniko,
    "mkosi": mkosi,
}
"""Shapes for the files of a Debian."""

OTHERS: Mapping[str, Callable[[Files], Shape]] = {
    "rules_docker": rules_docker,
    "rules_oci": rules_oci,
    "ko": ko,
    "jib": jib,
    "buildpacks": buildpacks,
    "apko": apko,
}
"""Shapes for files without dpkg."""
