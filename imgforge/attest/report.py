"""The build report: content, origin and cost of an image. Pure.

Format version 1; the members are documented in docs/evidence.md. Sizes are in bytes, times in seconds.
"""

from __future__ import annotations

from typing import Any, Final

from imgforge.attest import purl
from imgforge.attest.knowledge import SIGNED_INDEX, SIGNED_LOCK, Knowledge, Layer, Measurements, Package, rfc3339

PREDICATE_TYPE: Final = "https://imgforge.wikimedia.org/report/v1"
MEDIA_TYPE: Final = "application/vnd.wikimedia.imgforge.report.v1+json"
VERSION: Final = 1


def document(known: Knowledge, measured: Measurements) -> dict[str, Any]:
    """Return the report of a build as a JSON object."""
    return {
        "imgforge-report": VERSION,
        "image": {
            "name": known.name,
            "digest": str(known.digest),
            "platform": known.platform,
            "created": rfc3339(known.created),
            "distribution": {"id": known.distribution.id, "version": known.distribution.version},
        },
        "tool": {"name": known.tool.name, "version": known.tool.version},
        "base": [{"name": base.name, "digest": str(base.digest)} for base in known.base],
        "sources": [
            {
                "name": name,
                "identity": identity,
                **_counts(name, known),
            }
            for name, identity in known.sources
        ],
        "layers": [_layer(layer) for layer in known.layers],
        "packages": [_package(one, known) for one in known.packages],
        "totals": {
            "packages": len(known.packages),
            "layers": sum(layer.size for layer in known.layers),
            "debs": sum(one.locked.size for one in known.packages if one.locked),
            "installed": sum(one.installed_size for one in known.packages),
        },
        "build": _build(measured),
    }


def _counts(source: str, known: Knowledge) -> dict[str, int]:
    """Return the number of locked packages from a source, and of those verified by a signed index."""
    own = [one.locked for one in known.packages if one.locked and one.locked.origin.source == source]
    return {"packages": len(own), "vouched": sum(1 for one in own if one.checked == SIGNED_INDEX)}


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "digest": str(layer.digest),
        "diff_id": str(layer.diff_id),
        "size": layer.size,
        "created_by": layer.created_by,
        "packages": list(layer.packages),
        "base": layer.is_base,
    }


def _package(one: Package, known: Knowledge) -> dict[str, Any]:
    members: dict[str, Any] = {
        "name": one.name,
        "version": one.version,
        "architecture": one.architecture,
        "state": one.state,
        "source": {"name": one.source.name, "version": one.source.version},
        "installed_size": one.installed_size,
        "purl": purl.package(one, known.distribution),
    }
    if one.built_using:
        members["built_using"] = [{"name": built.name, "version": built.version} for built in one.built_using]
    if one.licence:
        members["licence"] = one.licence.expression
    if one.locked:
        members["size"] = one.locked.size
        members["digest"] = str(one.locked.digest)
        members["apt_source"] = one.locked.origin.source
        members["checked"] = one.locked.checked
        if one.locked.proof:
            by_lock = one.locked.checked == SIGNED_LOCK
            members["vouched_by"] = ", ".join(one.locked.proof.signers) if by_lock else one.locked.origin.source
            members["proof"] = one.locked.proof.members()
    return members


def _build(measured: Measurements) -> dict[str, Any]:
    return {
        "started": rfc3339(measured.started),
        "finished": rfc3339(measured.finished),
        "stages": [
            {"stage": one.stage, "subject": one.subject, "seconds": round(one.seconds, 3)} for one in measured.timings
        ],
        "scripts": [
            {
                "label": run.label,
                "seconds": round(run.seconds, 3),
                **({"changed": list(run.changed)} if run.changed else {}),
            }
            for run in measured.runs
        ],
        "effects": {
            "made": list(measured.effects.made),
            "changed": list(measured.effects.changed),
            "removed": list(measured.effects.removed),
        },
        "cache": {"hits": list(measured.cached), "made": list(measured.made)},
    }
