"""Small Packages files in memory, as an `Index` or a `Universe` of imgforge, for tests of what is chosen from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from imgforge.apt.index import Index, tabulate
from imgforge.apt.package import Package
from imgforge.apt.pins import Pin
from imgforge.apt.status import parse_status
from imgforge.apt.universe import Universe
from imgforge.apt.values import IndexFile, Suite
from imgforge.digest import Digest

STABLE = Suite(archive="stable", codename="stone", version="1.0", origin="Tests", label="Tests")


def stanza(
    name: str, version: str = "1", *, architecture: str = "amd64", fields: Mapping[str, str] | None = None
) -> str:
    """Return a stanza of a Packages file. Fields given replace the ones made up; an empty value leaves one out."""
    digest = hashlib.sha256(f"{name} {version} {architecture}".encode()).hexdigest()
    made = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        "Priority": "optional",
        "Filename": f"pool/{name}_{version.replace(':', '%3a')}_{architecture}.deb",
        "Size": "1000",
        "SHA256": digest,
    }
    return "".join(f"{field}: {value}\n" for field, value in {**made, **(fields or {})}.items() if value)


def described(line: str) -> str:
    """Return the stanza that a line describes: ``app 1.0 || Depends: lib (>= 2), other || Priority: required``."""
    head, *parts = line.split(" || ")
    name, _, version = head.strip().partition(" ")
    fields = dict(part.strip().split(": ", 1) for part in parts)
    return stanza(name, version or "1", architecture=fields.pop("Architecture", "amd64"), fields=fields)


def index_of(
    lines: Sequence[str], *, suite: Suite = STABLE, bases: tuple[str, ...] = ("https://mirrors.wikimedia.org/debian",)
) -> Index:
    """Return an index of packages that lines describe; see `described`."""
    data = "\n".join(map(described, lines)).encode()
    return parsed(data, suite=suite, bases=bases)


def parsed(data: bytes, *, suite: Suite = STABLE, bases: tuple[str, ...] = ()) -> Index:
    """Return the index of a file's bytes."""
    site = urlsplit(bases[0]).hostname if bases else None
    file = IndexFile(Path("Packages"), Digest.of(data), "tests", suite, suite.codename, "main", "amd64", bases, site)
    return Index(data, tabulate(data, what="Packages"), file=file)


def universe(
    *lines: str, pins: Sequence[Pin] = (), prefer: Mapping[str, str] | None = None, architecture: str = "amd64"
) -> Universe:
    """Return a universe of one index of packages that lines describe; see `described`."""
    return Universe([index_of(lines)], architecture=architecture, pins=pins, prefer=prefer)


def installed(*lines: str) -> tuple[Package, ...]:
    """Return installed packages that lines describe, as dpkg's status would list them."""
    return parse_status(status(*lines))


def status(*lines: str) -> str:
    """Return dpkg's status with packages that lines describe."""
    return "\n".join(f"{described(line)}Status: install ok installed\n" for line in lines)
