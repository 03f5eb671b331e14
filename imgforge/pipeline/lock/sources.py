"""The sources of an image: those that its manifest names, or those that its base carries in itself."""

from __future__ import annotations

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
        )
        for spec in file.manifest.sources
    )


def of_base(facts: Facts) -> tuple[Source, ...]:
    """Return the sources that a base carries in itself: the limit of what an image on it draws from.

    Raises:
        IntegrityError: a file of sources is malformed, or a keyring is missing.
    """
    found: list[Source] = []
    files = [
        ("etc/apt/sources.list", facts.contents.get("etc/apt/sources.list", b"")),
        *facts.below("etc/apt/sources.list.d"),
    ]
    for path, data in files:
        if path.endswith((".list", ".sources")):
            found += sources.parse(data.decode("utf-8", "surrogateescape"), file="/" + path)

    def read(path: str) -> bytes:
        keyring = facts.contents.get(path.lstrip("/"))
        if keyring is None:
            raise IntegrityError(f"{path}: the base's sources name this keyring, and the base does not have it")
        return keyring

    def trusted() -> bytes:
        return b"\n".join(data for _, data in facts.below(_TRUSTED))

    return tuple(sources.with_keys(source, read, default=trusted) for source in _with_own_names(found))


def _with_own_names(found: list[Source]) -> tuple[Source, ...]:
    names: dict[str, int] = {}
    unique = []
    for source in found:
        count = names[source.name] = names.get(source.name, 0) + 1
        unique.append(source if count == 1 else attrs.evolve(source, name=f"{source.name}-{count}"))
    return tuple(unique)


def for_image(file: ManifestFile, facts: Facts) -> tuple[Source, ...]:
    """Return the sources that an image draws from: the manifest's own, else those that its base carries."""
    return of_manifest(file) or of_base(facts)
