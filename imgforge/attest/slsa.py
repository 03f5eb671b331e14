"""Provenance: SLSA v1, the predicate of an in-toto statement. Pure.

Source: https://slsa.dev/spec/v1.0/provenance. The external parameters are what a person wrote (the manifest); the lock
and everything that it names are resolved dependencies, each by digest; internal parameters are what the build chose.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from imgforge.attest import purl
from imgforge.attest.knowledge import Knowledge, Measurements, Package, rfc3339, sorted_pairs
from imgforge.digest import Digest

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
MEDIA_TYPE: Final = "application/vnd.in-toto+json"
BUILD_TYPE: Final = "https://imgforge.wikimedia.org/build/v1"
"""What the parameters mean: docs/evidence.md."""


@attrs.frozen
class InputFile:
    """A file that went into the build: the manifest, the lock, an input of a files layer."""

    name: str
    digest: Digest


@attrs.frozen(kw_only=True)
class Invocation:
    """Who built, and what was asked for.

    Attributes:
        builder: a URI that names who runs the build and is trusted to say the truth about it.
        manifest: what a person wrote.
        lock: what the manifest came to; None where it was not kept in a file.
        inputs: other files, in order.
        parameters: what was asked on the command line: pairs, sorted.
        internal: what the build chose by itself: the sandbox's rung, the compressor.
        id: of this run, from the system that ran it; may be empty.
    """

    builder: str
    manifest: InputFile
    lock: InputFile | None = None
    inputs: tuple[InputFile, ...] = ()
    parameters: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=sorted_pairs)
    internal: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=sorted_pairs)
    id: str = ""


def predicate(known: Knowledge, invocation: Invocation, measured: Measurements) -> dict[str, Any]:
    """Return the provenance of an image as a JSON object."""
    metadata = {
        "invocationId": invocation.id,
        "startedOn": rfc3339(measured.started),
        "finishedOn": rfc3339(measured.finished),
    }
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "manifest": _file(invocation.manifest),
                "platform": known.platform,
                "options": dict(invocation.parameters),
            },
            "internalParameters": dict(invocation.internal),
            "resolvedDependencies": _dependencies(known, invocation),
        },
        "runDetails": {
            "builder": {"id": invocation.builder, "version": {known.tool.name: known.tool.version}},
            "metadata": {key: value for key, value in metadata.items() if value},
        },
    }


def _dependencies(known: Knowledge, invocation: Invocation) -> list[dict[str, Any]]:
    files = [*([invocation.lock] if invocation.lock else []), *invocation.inputs]
    bases = [
        {"name": base.name, "uri": purl.image(base.name, base.digest), "digest": _digest(base.digest)}
        for base in known.base[:1]
    ]
    debs = [_package(one, known) for one in known.packages if one.locked]
    return [*(_file(one) for one in files), *bases, *debs]


def _package(one: Package, known: Knowledge) -> dict[str, Any]:
    locked = one.locked
    members: dict[str, Any] = {"name": one.name, "uri": purl.package(one, known.distribution)}
    if locked is not None:
        proof = locked.proof.members() if locked.proof else {}
        origin = {"source": locked.origin.source, "path": locked.origin.path}
        members["digest"] = _digest(locked.digest)
        members["annotations"] = {**origin, "checked": locked.checked, **proof}
    return members


def _file(one: InputFile) -> dict[str, Any]:
    return {"name": one.name, "digest": _digest(one.digest)}


def _digest(digest: Digest) -> dict[str, str]:
    return {digest.algorithm: digest.hex}
