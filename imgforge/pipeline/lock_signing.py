"""Signing a lock: what a key vouches for is held against signed indices first, so that nobody signs an edited lock."""

from __future__ import annotations

from imgforge.errors import UsageError
from imgforge.lock import Lock
from imgforge.manifest.files import ManifestFile
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.lock import signers, sources
from imgforge.pipeline.policy.holding import hold
from imgforge.policy.refusal import refuse
from imgforge.settings import Settings
from imgforge.signing import blob
from imgforge.signing.keys import KeyService


def sign(
    file: ManifestFile, lock: Lock, base: Base | None, *, key: KeyService, builder: Builder, settings: Settings
) -> None:
    """Write the signature of a lock beside it, as ``cosign verify-blob --bundle`` reads it.

    The lock is written in its one canonical form if it is there in another: the signature covers its bytes.

    Args:
        file: the manifest.
        lock: its lock, all platforms.
        base: what the manifest stands on; None from scratch.
        key: signs.
        builder: reads indices.
        settings: the time.

    Raises:
        RefusedError: no signed index lists a package of it.
        UsageError: the lock could not be written beside its manifest.
    """
    drawn = sources.for_image(file, builder.forge.facts(base))
    found, seek = builder.governor.found, builder.forge.seek
    for locked in lock.locked:
        held = hold(found, file, lock=lock, locked=locked, drawn=drawn, seek=seek, now=settings.now)
        refuse(held.refusals)
    text = lock.dump().encode()
    if not file.lock.is_file():
        raise UsageError(f"{file.lock}: expected a lock to sign, got none: its directory cannot be written")
    if file.lock.read_bytes() != text:
        signers.write(file.lock, text)
    path = signers.path_of(file)
    signers.write(path, blob.sign(text, key) + b"\n")
    settings.reporter.noted(f"wrote {path}")
