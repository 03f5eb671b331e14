"""Provenance: the SLSA v1 predicate of an in-toto statement. Pure.

Source: https://slsa.dev/spec/v1.0/provenance. The manifest, which people write, is an external parameter. The lock and
everything in it are resolved dependencies, by digest. Choices of the build are internal parameters.
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
"""The build type; docs/evidence.md documents its parameters."""


@attrs.frozen
class InputFile:
    """An input file of the build: the manifest, the lock, or a file for the files layer."""

    name: str
    digest: Digest


@attrs.frozen(kw_only=True)
class Invocation:
    """The invocation of a build.

    Attributes:
        builder: URI of the build platform, which is trusted to report builds truthfully.
        manifest: the manifest.
        lock: the lock; None if it was not saved to a file.
        inputs: other files, in order.
        parameters: command-line options as pairs, sorted.
        internal: choices of the build itself, such as the sandbox mode and the compressor.
        id: ID of this run on the build platform; may be empty.
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
