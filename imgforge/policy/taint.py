"""Private inputs: which of them an image or a layer holds bytes of, and how an image carries that to those built on it.

A source or file is private where the manifest says ``private: true``, a source also where the policy does. What an
image holds stands in an annotation of its manifest, and of each layer's descriptor; so do the identities of the private
sources that it carries in ``/etc/apt``, because the next image may install from them. Both stand in labels of its
config, too: Docker's formats have no annotations, and whoever builds on an image with another tool inherits its labels.
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
"""The annotation and label that lists what an image or layer holds: a JSON list of ``kind:name``."""

CARRIES = "org.wikimedia.imgforge.private-sources"
"""The annotation and label that lists the private sources to be installed from: a JSON list of `Source.identity`."""

SOURCE, FILE, PATCHES, UNKNOWN = "source", "file", "patches", "unknown"


@attrs.frozen(order=True)
class Taint:
    """A private input.

    Attributes:
        kind: one of this module's constants.
        name: of the source; or the path of the file or directory, as the manifest has it.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return ``the private source 'x'``."""
        return (
            "something private that cannot be read"
            if self.kind == UNKNOWN
            else f"the private {self.kind} {self.name!r}"
        )

    def place(self, places: Places) -> Position | None:
        """Return where a manifest brings it in: its source or file, else its base."""
        for item in places.manifest.files if places.manifest else ():
            if self.kind == FILE and isinstance(item, CopyFiles) and str(item.source) == self.name:
                return item.position
        return places.at(f"sources.{self.name}", "base") if self.kind == SOURCE else places.at("base")


def dump(taints: Iterable[Taint]) -> tuple[tuple[str, str], ...]:
    """Return the annotation for what is held; none when nothing is."""
    names = sorted({f"{taint.kind}:{taint.name}" for taint in taints})
    return ((HOLDS, _json(names)),) if names else ()


def parse(annotations: Mapping[str, str]) -> tuple[Taint, ...]:
    """Return what an image or layer says that it holds; what cannot be read is private."""
    if HOLDS not in annotations:
        return ()
    pairs = [name.partition(":") for name in _names(annotations[HOLDS])]
    is_known = {kind in (SOURCE, FILE, PATCHES) and bool(name) for kind, _, name in pairs}
    held = {Taint(kind, name) for kind, _, name in pairs if kind in (SOURCE, FILE, PATCHES) and name}
    return tuple(sorted(held)) if is_known == {True} else (*sorted(held), Taint(UNKNOWN, ""))


def merged(*marks: Mapping[str, str]) -> dict[str, str]:
    """Return annotations and labels of one image as one: what stands in any of them is held, or carried.

    Args:
        marks: annotations of its manifest and of its layers, and its labels; other keys are left out.
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
    """Return those sources that are private, by the manifest, the policy or the base that carries them.

    Args:
        policy: a rule with ``private: true`` makes every source private that it allows a part of.
        sources: those that the image draws from.
        manifest: the image's.
        base: the annotations of the base's manifest.
    """
    marked = {spec.name for spec in manifest.sources if spec.private}
    carried = set(_names(base.get(CARRIES, "[]")))
    return tuple(
        source
        for source in sources
        if source.name in marked or source.identity in carried or _is_private(policy, SourceUse.of(source))
    )


def carries(private: Iterable[Source], *, base: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the annotation for the private sources that an image passes on; none when there are none.

    Args:
        private: see `private_sources`.
        base: the annotations of the base's manifest.
    """
    identities = sorted({*(source.identity for source in private), *_names(base.get(CARRIES, "[]"))})
    return ((CARRIES, _json(identities)),) if identities else ()


def of_packages(packages: Iterable[LockedPackage], private: Iterable[Source]) -> tuple[Taint, ...]:
    """Return what packages, those of a layer or of a lock, bring from private sources."""
    names = {source.name for source in private}
    return tuple(sorted({Taint(SOURCE, package.source) for package in packages if package.source in names}))


def of_files(manifest: Manifest) -> tuple[Taint, ...]:
    """Return what private files a manifest copies: those of its files layer."""
    private = (item for item in manifest.files if isinstance(item, CopyFiles) and item.private)
    return tuple(sorted({Taint(FILE, str(item.source)) for item in private}))


def of_image(
    manifest: Manifest, packages: Iterable[LockedPackage], private: Iterable[Source], *, base: Mapping[str, str]
) -> tuple[Taint, ...]:
    """Return everything private that an image holds: its base's too, even what it deletes.

    Args:
        manifest: the image's.
        packages: of its lock.
        private: see `private_sources`.
        base: the annotations of the base's manifest.
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
