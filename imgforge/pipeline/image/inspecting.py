"""What each layer of an image holds: packages with their sizes, files, bytes. Of any image, whoever made it.

A package is in the layer that brought its file list (``dpkg/info/NAME.list``), whose version the next status file at or
above says. What a status file adds that no layer since the last one listed is in the status file's own layer. A package
in `status.d` is in the layer with its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from imgforge.apt.package import Package
from imgforge.apt.status import parse_status
from imgforge.digest import Digest
from imgforge.image import Layer
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.rootfs.facts import STATUS, STATUS_PARTS, Facts
from imgforge.store.cache import Cache
from imgforge.tree import Kind

_LIST = re.compile(r"var/lib/dpkg/info/([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?\.list")

_Key = tuple[str, str]
"""A package's name and architecture; the latter is empty in a list's name unless several may be installed."""

_Status = dict[_Key, Package]


@attrs.frozen(order=True)
class LayerPackage:
    """A package that a layer brought or replaced.

    Attributes:
        version: empty where no status file names the package.
        size: bytes, as the package says of itself (``Installed-Size``); None where it does not.
    """

    name: str
    version: str = ""
    architecture: str = ""
    size: int | None = attrs.field(default=None, order=False)


@attrs.frozen
class LayerContents:
    """A layer and what it holds.

    Attributes:
        digest: of its bytes as they are stored.
        diff_id: of its tar.
        size: bytes as they are stored.
        content: bytes of its files.
        files: how many entries it has.
        created_by: what made it, as the image's history says.
        comment: likewise.
        packages: that it brought or replaced, in the order of names.
        removed: names of packages that are gone since the layers below.
    """

    digest: Digest
    diff_id: Digest
    size: int
    content: int
    files: int
    created_by: str
    comment: str
    packages: tuple[LayerPackage, ...]
    removed: tuple[str, ...]


def layers(image: Base, *, cache: Cache, reporter: Reporter) -> tuple[LayerContents, ...]:
    """Return the layers of an image, lowest first, reading each at most once, ever.

    Raises:
        StanzaError: a status file is malformed.
        IntegrityError: a layer is not what the image says.
    """
    known = [
        reading.layer_facts(image, number, cache=cache, reporter=reporter)
        for number in range(len(image.image.config.diff_ids))
    ]
    statuses = [_status(facts, image.name) for facts in known]
    found, before, listed = [], _Status(), set[str]()
    for number, (layer, facts) in enumerate(zip(image.image.layers, known, strict=True)):
        above = next((status for status in statuses[number:] if status is not None), before)
        own = _listed(facts)
        listed |= {name for name, _ in own}
        packages, removed = {*_named(own, above), *_apart(facts, image.name)}, set[str]()
        status = statuses[number]
        if status is not None:
            packages |= {
                _told(one) for key, one in status.items() if one.name not in listed and _is_new(key, one, before)
            }
            removed = {name for name, _ in before} - {name for name, _ in status}
            before, listed = status, set()
        found.append(_contents(layer, facts, packages, removed))
    return tuple(found)


def _status(facts: Facts, what: str) -> _Status | None:
    if STATUS not in facts.contents:
        return None
    packages = parse_status(facts.contents[STATUS], what=f"{what}: {STATUS}")
    return {(package.name, package.architecture): package for package in packages}


def _apart(facts: Facts, what: str) -> Iterable[LayerPackage]:
    """Return the packages of a layer's ``status.d``."""
    return map(_told, parse_status(facts.package_parts, what=f"{what}: {STATUS_PARTS}"))


def _listed(facts: Facts) -> set[_Key]:
    matches = (_LIST.fullmatch(path) for path, entry in facts.entries.items() if entry.kind is Kind.FILE)
    return {(match[1], match[2] or "") for match in matches if match}


def _named(listed: Iterable[_Key], status: _Status) -> Iterable[LayerPackage]:
    by_name = {package.name: package for package in status.values()}
    for name, architecture in listed:
        package = status.get((name, architecture)) or by_name.get(name)
        yield _told(package) if package else LayerPackage(name, architecture=architecture)


def _is_new(key: _Key, package: Package, before: _Status) -> bool:
    return key not in before or before[key].version != package.version


def _told(package: Package) -> LayerPackage:
    return LayerPackage(package.name, package.version, package.architecture, package.installed_bytes)


def _contents(layer: Layer, facts: Facts, packages: set[LayerPackage], removed: set[str]) -> LayerContents:
    return LayerContents(
        layer.descriptor.digest,
        layer.diff_id,
        layer.descriptor.size,
        content=sum(entry.size for entry in facts.entries.values()),
        files=len(facts.entries),
        created_by=layer.created_by,
        comment=layer.comment,
        packages=tuple(sorted(packages)),
        removed=tuple(sorted(removed)),
    )
