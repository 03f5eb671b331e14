"""Rules for names that several kinds of documents use: packages, versions, digests, platforms, paths."""

from __future__ import annotations

import re

from imgforge.document.rule import Rule
from imgforge.tree import NAME_MAX, PATH_MAX

PLATFORMS = {
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/386": "i386",
    "linux/arm/v7": "armhf",
    "linux/arm/v5": "armel",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
    "linux/mips64le": "mips64el",
}
"""Debian architectures by platform (OCI image-spec, image-index.md, "platform"; dpkg's tupletable)."""

_MOUNTED = ("proc", "sys", "dev")
_PART = r"(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f]+"


def _fits(text: str) -> str:
    """Return a problem if a path is longer than Linux allows, else an empty text."""
    lengths = [len(part.encode()) for part in text.split("/")]
    return "longer than Linux allows" if max(lengths) > NAME_MAX or sum(lengths) + len(lengths) > PATH_MAX else ""


def _can_be_written(text: str) -> str:
    """Return why nothing can be added at a path of an image, or an empty text."""
    first = text.split("/")[1]
    return f"/{first} is mounted when the image runs" if first in _MOUNTED else _fits(text)


def _is_reference(text: str) -> str:
    """Return why a base is neither a name nor a reference, or an empty text."""
    return "" if re.fullmatch(r"[!-~]+", text) else "it contains a space or a character outside ASCII"


PACKAGE = Rule("a package's name such as 'python3-flask'", r"[a-z0-9][a-z0-9+.\-]+")
"""Debian Policy 5.6.1."""

VERSION = Rule("a package's version such as '1:2.3-4'", r"([0-9]+:)?[0-9][A-Za-z0-9.+~:\-]*", is_written=True)
"""deb-version(7)."""

RELATION = Rule(
    "a relation such as '>= 20' (one of << <= = >= >>, then a version)",
    r"(<<|<=|=|>=|>>) *([0-9]+:)?[0-9][A-Za-z0-9.+~:\-]*",
)
"""Debian Policy 7.1."""

ARCHITECTURE = Rule("a Debian architecture such as 'amd64' or 'all'", r"[a-z0-9][a-z0-9\-]*")

DIGEST = Rule("a digest such as 'sha256:<64 hex>'", r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

PLATFORM = Rule("a platform such as 'linux/amd64'", choices=tuple(PLATFORMS))

IMAGE = Rule(
    "an image's name such as 'hello-python' (lower case letters and digits, with single . _ or - between)",
    r"(?=.{1,128}$)[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*",
)
"""A path component of an OCI repository name (distribution-spec, "Pulling manifests")."""

BASE = Rule(
    "'scratch', the name of a manifest or image, or a reference such as 'oci:DIR:TAG'",
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._\-]{0,127})?(@sha256:[0-9a-f]{64})?"
    r"|(oci|oci-archive|docker-archive):.+|docker://.+",
    reason=_is_reference,
)

IMAGE_PATH = Rule("an absolute path without '.', '..' or '//', such as '/srv/app'", rf"/|(/{_PART})+", reason=_fits)
"""A path inside the image."""

TARGET = Rule(IMAGE_PATH.expected, IMAGE_PATH.pattern, reason=_can_be_written)
"""A path inside the image where something is added."""

SOURCE_PATH = Rule(
    "a path below the manifest's directory, without '.', '..' or '//'", rf"{_PART}(/{_PART})*", reason=_fits
)
"""A path on this disk, relative to the document."""

GLOB = Rule("a pattern that starts with '/', such as '/usr/share/doc/*'", r"(/(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f]*)+")
"""dpkg's path-exclude (dpkg(1)): * and ? match slashes too."""
