"""The sources of an image: those that its manifest names, and those that its base carries in itself."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

import attrs

from imgforge.apt import sources
from imgforge.apt.sources import Source
from imgforge.errors import IntegrityError
from imgforge.manifest.files import ManifestFile
from imgforge.rootfs.facts import Facts

_TRUSTED = "etc/apt/trusted.gpg.d"


def of_manifest(file: ManifestFile) -> tuple[Source, ...]:
    """Return the sources that a manifest names, with their keys."""
    return tuple(
        Source(
            name=spec.name,
            suites=spec.suites,
            components=spec.components,
            uris=spec.uris,
            keys=file.keys(PurePosixPath(spec.signed_by), position=spec.position),
            check_valid_until=not spec.allow_expired,
            check_suite=not spec.allow_suite_mismatch,
            check_strength=not spec.allow_weak_key,
        )
        for spec in file.manifest.sources
    )


def of_base(facts: Facts, *, without: Collection[str] = ()) -> tuple[Source, ...]:
    """Return the sources that a base carries in itself.

    Args:
        facts: of the base.
        without: names of sources that a manifest on the base replaces: their files of the same name are left out.

    Raises:
        IntegrityError: a file of sources is malformed, or a keyring is missing.
    """
    found: list[Source] = []
    files = [
        ("etc/apt/sources.list", facts.contents.get("etc/apt/sources.list", b"")),
        *facts.below("etc/apt/sources.list.d"),
    ]
    replaced = {path_of(name) for name in without}
    for path, data in files:
        if path in replaced:
            continue
        if path.endswith((".list", ".sources")):
            found += sources.parse(data.decode("utf-8", "surrogateescape"), file="/" + path)

    def read(path: str) -> bytes:
        keyring = facts.contents.get(path.lstrip("/"))
        if keyring is None:
            raise IntegrityError(f"{path}: the base's sources name this keyring, and the base does not have it")
        return keyring

    def trusted() -> bytes:
        return b"\n".join(data for _, data in facts.below(_TRUSTED))

    complete = (sources.with_keys(source, read, default=trusted) for source in _with_own_names(found))
    return tuple(attrs.evolve(source, carried=True) for source in complete)


def _with_own_names(found: Iterable[Source], *, taken: Iterable[str] = ()) -> tuple[Source, ...]:
    """Return sources each with a name that no other has: a lock means a source by its name."""
    names, unique = set(taken), []
    for source in found:
        numbered = (f"{source.name}-{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain((source.name,), numbered) if name not in names)
        names.add(name)
        unique.append(attrs.evolve(source, name=name))
    return tuple(unique)


def path_of(name: str) -> str:
    """Return where an image keeps a source of its manifest."""
    return f"etc/apt/sources.list.d/{name}.sources"


def for_image(file: ManifestFile, facts: Facts) -> tuple[Source, ...]:
    """Return the sources that the packages of an image come from."""
    own = of_manifest(file)
    if own and not file.manifest.base_sources:
        return own
    return joined(own, of_base(facts, without={source.name for source in own}))


def joined(own: tuple[Source, ...], carried: tuple[Source, ...]) -> tuple[Source, ...]:
    """Return the sources of a manifest with those of its base before them, as they stand in the image.

    A source of the base gives way to one of the manifest that is the same by suites, components and keys. The base's
    come first: APT takes the first of two equal packages.
    """
    identities = {source.plain.identity for source in own}
    below = (source for source in carried if source.plain.identity not in identities)
    return (*_with_own_names(below, taken=(source.name for source in own)), *own)


def replaced(file: ManifestFile, facts: Facts) -> tuple[Source, ...]:
    """Return the sources of the base that packages do not come from because of what the manifest says."""
    kept = {source.identity for source in for_image(file, facts)}
    return tuple(source for source in of_base(facts) if source.identity not in kept)
