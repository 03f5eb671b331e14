"""Taints: which private inputs an image or layer contains, and how that is passed on to images built on it.

A source or file is private if the manifest marks it ``private: true``; a policy can also mark sources. An image's
taints are stored in annotations of its manifest and of its layers' descriptors, together with the identities of the
private sources in its ``/etc/apt``, from which the next image may install. Both are also stored in labels of the
config: Docker's formats have no annotations, and images built with other tools inherit labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import attrs

from imgforge.apt.sources import Source
from imgforge.errors import Position
from imgforge.lock import LockedPackage
from imgforge.manifest.model import Manifest
from imgforge.manifest.parts import CopyFiles
from imgforge.policy import sources as source_rules
from imgforge.policy.model import Policy
from imgforge.policy.subject import Places, SourceUse

HOLDS = "org.wikimedia.imgforge.private"
"""Annotation and label with the private inputs of an image or layer: a JSON list of ``kind:name``."""

CARRIES = "org.wikimedia.imgforge.private-sources"
"""Annotation and label with the private sources that later images may use: a JSON list of `Source.identity`."""

SOURCE, FILE, PATCHES, UNKNOWN = "source", "file", "patches", "unknown"


@attrs.frozen(order=True)
class Taint:
    """A private input.

    Attributes:
        kind: one of this module's constants.
        name: the source's name, or the path of the file or directory as written in the manifest.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return e.g. ``the private source 'x'``."""
        return (
            "something private that cannot be read"
            if self.kind == UNKNOWN
            else f"the private {self.kind} {self.name!r}"
        )

    def place(self, places: Places) -> Position | None:
        """Return the position in the manifest of the source or file, else of the base."""
        for item in places.manifest.files if places.manifest else ():
            if self.kind == FILE and isinstance(item, CopyFiles) and str(item.source) == self.name:
                return item.position
        return places.at(f"sources.{self.name}", "base") if self.kind == SOURCE else places.at("base")


def dump(taints: Iterable[Taint]) -> tuple[tuple[str, str], ...]:
    """Return the annotation for taints; empty if there are none."""
    names = sorted({f"{taint.kind}:{taint.name}" for taint in taints})
    return ((HOLDS, _json(names)),) if names else ()


def parse(annotations: Mapping[str, str]) -> tuple[Taint, ...]:
    """Return the taints in annotations. Unreadable ones count as private."""
    if HOLDS not in annotations:
        return ()
    pairs = [name.partition(":") for name in _names(annotations[HOLDS])]
    is_known = {kind in (SOURCE, FILE, PATCHES) and bool(name) for kind, _, name in pairs}
    held = {Taint(kind, name) for kind, _, name in pairs if kind in (SOURCE, FILE, PATCHES) and name}
    return tuple(sorted(held)) if is_known == {True} else (*sorted(held), Taint(UNKNOWN, ""))


def merged(*marks: Mapping[str, str]) -> dict[str, str]:
    """Return the union of an image's annotations and labels.

    Args:
        marks: annotations of its manifest and layers, and its labels; other keys are dropped.
    """
    found: dict[str, str] = {}
    for key in (HOLDS, CARRIES):
        texts = {mapping[key] for mapping in marks if key in mapping}
        if texts:
            found[key] = _json(sorted({name for text in texts for name in _names(text) or ("",)}))
    return found


def private_sources(
    policy: Policy, sources: Iterable[Source], *, manifest: Manifest, base: Mapping[str, str]
) -> tuple[Source, ...]:
    """Return the sources that the manifest, the policy or the base marks as private.

    Args:
        policy: a rule with ``private: true`` makes every source private of which it allows a part.
        sources: the sources of the image.
        manifest: the image's manifest.
        base: annotations of the base's manifest.
    """
    marked = {spec.name for spec in manifest.sources if spec.private}
    carried = set(_names(base.get(CARRIES, "[]")))
    return tuple(
        source
        for source in sources
        if source.name in marked or source.identity in carried or _is_private(policy, SourceUse.of(source))
    )


def carries(private: Iterable[Source], *, base: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the annotation for the private sources that an image passes on; empty if there are none.

    Args:
        private: see `private_sources`.
        base: annotations of the base's manifest.
    """
    identities = sorted({*(source.identity for source in private), *_names(base.get(CARRIES, "[]"))})
    return ((CARRIES, _json(identities)),) if identities else ()


def of_packages(packages: Iterable[LockedPackage], private: Iterable[Source]) -> tuple[Taint, ...]:
    """Return the taints of packages, of a layer or a lock, that come from private sources."""
    names = {source.name for source in private}
    return tuple(sorted({Taint(SOURCE, package.source) for package in packages if package.source in names}))


def of_files(manifest: Manifest) -> tuple[Taint, ...]:
    """Return the taints of the private files that a manifest copies into its files layer."""
    private = (item for item in manifest.files if isinstance(item, CopyFiles) and item.private)
    return tuple(sorted({Taint(FILE, str(item.source)) for item in private}))


def of_image(
    manifest: Manifest, packages: Iterable[LockedPackage], private: Iterable[Source], *, base: Mapping[str, str]
) -> tuple[Taint, ...]:
    """Return all taints of an image, including those of its base, even of files that it deletes.

    Args:
        manifest: the image's manifest.
        packages: the packages of its lock.
        private: see `private_sources`.
        base: annotations of the base's manifest.
    """
    return tuple(sorted({*parse(base), *of_packages(packages, private), *of_files(manifest)}))


def _is_private(policy: Policy, source: SourceUse) -> bool:
    return any(rule.private for part in source.parts for rule in source_rules.rules_for(policy, source, part))


def _json(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False, separators=(",", ":"))


def _names(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text[: 1 << 20])
    except (ValueError, RecursionError):
        return ("",)
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ("",)
