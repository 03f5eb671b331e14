"""What a build knows of its image, kept when it is made and told when somebody asks.

A record in the cache, named by the image's digest, says what the lock named, what else went in, and what the
build that made the image measured. The records of an image and of its bases, and dpkg's list in the image, are all
that the documents of `attest` are made of.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from imgforge.apt.sources import Source
from imgforge.attest import cyclonedx, dpkg, report, slsa, spdx
from imgforge.attest.knowledge import (
    BaseImage,
    Distribution,
    Effects,
    Knowledge,
    Layer,
    Measurements,
    ScriptRun,
    Timing,
    Tool,
)
from imgforge.attest.slsa import InputFile, Invocation
from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.image import TITLE, Image
from imgforge.lock import PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import CopyFiles
from imgforge.pipeline.attest import proofs
from imgforge.pipeline.attest.stopwatch import Lap
from imgforge.pipeline.image import base as bases
from imgforge.pipeline.image import copyrights, reading
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.layer import installed
from imgforge.pipeline.layer.material import Material
from imgforge.pipeline.lock.locking import Locked
from imgforge.report import Reporter, Step
from imgforge.rootfs.facts import OPAQUE, Facts
from imgforge.store.cache import Cache
from imgforge.tree import WHITEOUT

KIND = "evidence"
"""Of the records, in the cache."""

BUILDER = "https://imgforge.wikimedia.org/builders/local"
"""Who builds where nobody says otherwise: somebody's own machine, trusted as far as the key that signs."""

DOCUMENTS = {
    "spdx": spdx.PREDICATE_TYPE,
    "cyclonedx": cyclonedx.PREDICATE_TYPE,
    "provenance": slsa.PREDICATE_TYPE,
    "report": report.PREDICATE_TYPE,
}
"""The documents, and the predicate type by which each is attached to an image."""

_SBOMS = {"spdx": spdx.document, "cyclonedx": cyclonedx.document}
_MADE = frozenset({"configure", "layer"})
_STATE = "state"
"""What the history says of the layer of what scripts did."""


@attrs.frozen(kw_only=True)
class Work:
    """What went into an image, and what making it took.

    Attributes:
        file: the manifest.
        taken: what it copied.
        base: what it stands on; None from scratch.
        locked: where the lock lies.
        packages: what was installed.
        drawn: the sources of the packages, with their keys.
        options: what the caller asked for.
        started: when the whole run started, in seconds since 1970.
        lap: when in the run this image was made, and its steps.
        sandbox: the rung on which packages were configured; empty where none were.
    """

    file: ManifestFile
    taken: Material
    base: Base | None
    locked: Locked
    packages: PlatformLock
    drawn: tuple[Source, ...]
    options: tuple[tuple[str, str], ...]
    started: int
    lap: Lap
    sandbox: str = ""


def remember(image: Image, work: Work, *, cache: Cache) -> None:
    """Keep what is known of an image."""
    cache.put(KIND, image.digest.hex, json.dumps(_record(image, work)).encode())


def share(digest: Digest, other: Digest, *, cache: Cache) -> None:
    """Keep what is known of an image for the same image with another manifest, too."""
    known = cache.read(KIND, digest.hex)
    if known is not None and cache.get(KIND, other.hex) is None:
        cache.put(KIND, other.hex, known)


def document(kind: str, image: Base, *, cache: Cache, reporter: Reporter) -> dict[str, Any]:
    """Return one of `DOCUMENTS`.

    Args:
        kind: which.
        image: about which.
        cache: holds the records.
        reporter: hears of layers that must be read.

    Raises:
        UsageError: it tells of a build, and the image was not built with this cache.
    """
    known = knowledge(image, cache=cache, reporter=reporter)
    found = _read(image.digest, cache=cache)
    if kind in _SBOMS:
        if found is None:
            reporter.noted(
                f"{image.name}: not built with this cache: the SBOM names no sources; docker://… may have more"
            )
        return _SBOMS[kind](known)
    if found is None:
        error = UsageError(f"{image.name}: nothing is known here of how it was built, got it from elsewhere")
        error.add_note("build it with this cache, or ask for what is attached to it: docker://…")
        raise error
    return _of_build(kind, known, found, _measurements(found, image, cache=cache, reporter=reporter))


def documents(image: Base, *, cache: Cache, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Return all of `DOCUMENTS` about an image that was built with this cache (`is_known`).

    Args:
        image: about which.
        cache: holds the records.
        reporter: hears of layers that must be read.
    """
    found = _read(image.digest, cache=cache)
    if found is None:
        return {}
    known = knowledge(image, cache=cache, reporter=reporter)
    measured = _measurements(found, image, cache=cache, reporter=reporter)
    return {
        kind: _SBOMS[kind](known) if kind in _SBOMS else _of_build(kind, known, found, measured) for kind in DOCUMENTS
    }


def _of_build(kind: str, known: Knowledge, found: dict[str, Any], measured: Measurements) -> dict[str, Any]:
    return report.document(known, measured) if kind == "report" else slsa.predicate(known, _invocation(found), measured)


def is_known(digest: Digest, *, cache: Cache) -> bool:
    """Tell whether the cache knows how an image was built."""
    return cache.get(KIND, digest.hex) is not None


def debs_of(digest: Digest, *, cache: Cache) -> dict[dpkg.Key, Digest]:
    """Return the digest of the ``.deb`` of each package of an image and its bases, as far as builds here know them."""
    records = tuple(_records(digest, cache=cache))
    known = itertools.chain.from_iterable(proofs.locked(record, cache=cache) for record in reversed(records))
    return {key: locked.digest for key, locked in known}


def knowledge(image: Base, *, cache: Cache, reporter: Reporter) -> Knowledge:
    """Return what is known of an image: what dpkg lists in it, and what locks say of that.

    A package is vouched for where this machine has seen a signed index that lists it, or a good signature of its lock.

    An image that was not built with this cache has nobody who vouches for its packages.
    """
    facts = reading.facts_of(image, cache=cache, reporter=reporter)
    records = tuple(_records(image.digest, cache=cache))
    locked = dict(itertools.chain.from_iterable(proofs.locked(record, cache=cache) for record in reversed(records)))
    texts = copyrights.of_image(image, facts, cache=cache, reporter=reporter)
    packages = dpkg.packages(facts.packages.decode("utf-8", "surrogateescape"), locked=locked, copyrights=texts)
    origins = {one.locked.origin for one in packages if one.locked}
    return Knowledge(
        name=dict(image.image.manifest.annotations).get(TITLE, image.name),
        digest=image.digest,
        platform=str(image.image.config.platform),
        created=bases.epoch(image),
        distribution=_distribution(facts),
        tool=Tool("imgforge", records[0]["tool"] if records else _version()),
        packages=packages,
        sources=tuple({(origin.source, origin.identity) for origin in origins}),
        base=tuple(BaseImage(one["base"][0], Digest.parse(one["base"][1])) for one in records if one["base"]),
        layers=tuple(_layers(image.image, records[0]["below"] if records else 0)),
    )


def _version() -> str:
    return importlib.metadata.version("imgforge")


def _record(image: Image, work: Work) -> dict[str, Any]:
    identities = {source.name: source.identity for source in work.packages.sources}
    lock = work.locked.lock.dump().encode()
    return {
        "tool": _version(),
        "manifest": (work.file.path.name, str(work.file.digest)),
        "lock": (work.locked.path.name, str(Digest.of(lock))),
        "inputs": list(_inputs(work.file, work.taken)),
        "base": (work.base.name, str(work.base.digest)) if work.base else None,
        "below": len(work.base.image.manifest.layers) if work.base else 0,
        "sources": [
            (one.name, one.suites, one.components, one.fingerprints) for one in work.drawn if one.name in identities
        ],
        "packages": [
            (*_key(one), one.size, str(one.digest), one.source, identities[one.source], str(one.path))
            for one in work.packages.packages
        ],
        "options": work.options,
        "internal": [
            ("compression", work.file.manifest.compression),
            *([("sandbox", work.sandbox)] if work.sandbox else []),
        ],
        "times": [work.started + int(moment) for moment in (work.lap.began, work.lap.ended)],
        "timings": [(one.stage, one.subject, one.seconds) for one in _timings(work.lap.steps)],
        "made": [step.subject for step, _ in work.lap.steps if step.stage in _MADE],
        "titles": [layer.comment for layer in image.layers],
    }


def _key(one: Any) -> tuple[str, str, str]:
    return one.name, one.version, one.architecture


def _inputs(file: ManifestFile, taken: Material) -> Iterator[tuple[str, str]]:
    """Yield what the manifest's directory gave: keys of sources, and regular files."""
    for spec in file.manifest.sources:
        yield str(spec.signed_by), str(Digest.of(file.keys(spec.signed_by, position=spec.position)))
    copied = ((file.manifest.files[number], one) for number, copies in taken.copies.items() for one in copies)
    for item, one in copied:
        if isinstance(item, CopyFiles) and one.digest is not None:
            yield str(item.source / one.name), str(one.digest)


def _timings(steps: Iterable[tuple[Step, float]]) -> Iterator[Timing]:
    """Yield the time of each stage; what ran in several threads at once counts several times."""
    stages: dict[str, list[tuple[Step, float]]] = {}
    for step, seconds in steps:
        stages.setdefault(step.stage, []).append((step, seconds))
    for stage, ended in stages.items():
        subject = ended[0][0].subject if len(ended) == 1 else f"{len(ended)} times"
        yield Timing(stage, subject, sum(seconds for _, seconds in ended))


def _read(digest: Digest, *, cache: Cache) -> dict[str, Any] | None:
    known = cache.read(KIND, digest.hex)
    found: dict[str, Any] | None = json.loads(known) if known else None
    return found


def _records(digest: Digest, *, cache: Cache) -> Iterator[dict[str, Any]]:
    """Yield the records of an image and of its bases, the nearest first, as far down as there are some."""
    while found := _read(digest, cache=cache):
        yield found
        if not found["base"]:
            return
        digest = Digest.parse(found["base"][1])


def _layers(image: Image, below: int) -> Iterator[Layer]:
    for number, layer in enumerate(image.layers):
        step = layer.created_by
        words = step.split() if step.startswith("imgforge: packages ") else []
        packages = tuple(word.partition("=")[0] for word in words if "=" in word)
        descriptor = layer.descriptor
        yield Layer(descriptor.digest, layer.diff_id, descriptor.size, step, packages, is_base=number < below)


def _distribution(facts: Facts) -> Distribution:
    lines = (line.partition("=") for line in facts.text("usr/lib/os-release").splitlines())
    said = {key: value.strip("\"'") for key, _, value in lines}
    return Distribution(said.get("ID", "debian"), said.get("VERSION_ID", ""))


def _measurements(record: dict[str, Any], image: Base, *, cache: Cache, reporter: Reporter) -> Measurements:
    own = image.image.config.diff_ids[record["below"] :]
    runs = (run for diff_id in own for run in installed.runs_of(diff_id, cache=cache))
    made, (started, finished) = set(record["made"]), record["times"]
    return Measurements(
        started,
        finished,
        timings=tuple(Timing(*row) for row in record["timings"]),
        runs=tuple(ScriptRun(run.label, run.seconds) for run in runs),
        cached=tuple(title for title in record["titles"][record["below"] :] if title not in made),
        made=tuple(record["made"]),
        effects=_effects(record, image, cache=cache, reporter=reporter),
    )


def _effects(record: dict[str, Any], image: Base, *, cache: Cache, reporter: Reporter) -> Effects:
    """Return what scripts did: the state layer holds that, and nothing else (docs/layout.md)."""
    below: set[str] = set()
    for number, title in enumerate(record["titles"]):
        entries = reading.layer_facts(image, number, cache=cache, reporter=reporter).entries
        if title == _STATE and number >= record["below"]:
            whiteouts = {path for path in entries if path.rpartition("/")[2].startswith(WHITEOUT)}
            shown, removed = entries.keys() - whiteouts, {_hidden(path) for path in whiteouts}
            return Effects(tuple(sorted(shown - below)), tuple(sorted(shown & below)), tuple(sorted(removed)))
        below |= entries.keys()
    return Effects()


def _hidden(whiteout: str) -> str:
    """Return what a whiteout hides; of an opaque one, the directory whose earlier content it hides."""
    directory, _, name = whiteout.rpartition("/")
    return directory if name == OPAQUE else f"{directory}/{name.removeprefix(WHITEOUT)}".lstrip("/")


def _invocation(record: dict[str, Any]) -> Invocation:
    return Invocation(
        builder=BUILDER,
        manifest=_file(record["manifest"]),
        lock=_file(record["lock"]),
        inputs=tuple(_file(row) for row in record["inputs"]),
        parameters=tuple((key, value) for key, value in record["options"]),
        internal=tuple((key, value) for key, value in record["internal"]),
    )


def _file(row: list[str]) -> InputFile:
    return InputFile(row[0], Digest.parse(row[1]))
