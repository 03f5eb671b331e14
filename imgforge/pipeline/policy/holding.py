"""A lock, held against what was signed: the indices of its sources, or a signature of the lock itself.

Whoever can write the lock can write any digest into it. Under a policy with `sources` a package of a lock enters an
image only if an index lists it that a key of its source signed, or if a key that the policy names signed the lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs

from imgforge.apt.sources import Source
from imgforge.lock import Lock, LockedPackage, PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.model import debian_architecture
from imgforge.pipeline.lock import locking, signers
from imgforge.pipeline.lock.listed import Listed
from imgforge.pipeline.policy import vouching
from imgforge.policy.files import PolicyFile
from imgforge.policy.refusal import MOST, Refusal
from imgforge.policy.subject import Parts, Places
from imgforge.signing import blob
from imgforge.signing.errors import SignatureError
from imgforge.signing.keys import PublicKey
from imgforge.signing.verify import Trust


class Seek(Protocol):
    """Looks packages up in signed indices: `pipeline.lock.listed.seek`."""

    def __call__(
        self, packages: tuple[LockedPackage, ...], drawn: tuple[Source, ...], architecture: str, *, is_reading: bool
    ) -> Listed:
        """Return what lists the packages; without reading, what is remembered of that."""


_RULE = "sources.signed"
_FAILURES = 4


@attrs.frozen
class Held:
    """What came of it.

    Attributes:
        refusals: why packages may not be used; nothing when all may.
        parts: the suites and components that list each package, as far as they are known.
        until: the last second in which this holds; None for ever.
        signer: the key that signed the lock; None where that is not what counts.
    """

    refusals: tuple[Refusal, ...] = ()
    parts: Parts = attrs.field(factory=dict)
    until: int | None = None
    signer: PublicKey | None = None


def hold(
    found: PolicyFile,
    file: ManifestFile,
    *,
    lock: Lock,
    locked: PlatformLock,
    drawn: tuple[Source, ...],
    seek: Seek,
    now: int,
) -> Held:
    """Hold a lock against signed indices, unless a key that the policy names signed it.

    Args:
        found: the policy.
        file: the manifest.
        lock: the whole lock.
        locked: the part of it that is used.
        drawn: the sources of the image.
        seek: looks packages up.
        now: seconds since the epoch.
    """
    places = Places(file.manifest)
    strangers = tuple(_strangers(locked, drawn, places))
    if strangers:
        return Held(strangers)
    architecture = debian_architecture(locked.platform)
    signer, why = _signer(found, file, lock, now=now)
    listed = seek(locked.packages, drawn, architecture, is_reading=signer is None)
    if signer is not None:
        return Held((), listed.parts, signer.not_after, signer)
    missing = [package for package in locked.packages if package not in listed.parts]
    return Held(tuple(_refusals(missing, listed, file, why)), listed.parts, listed.until)


def _strangers(locked: PlatformLock, drawn: tuple[Source, ...], places: Places) -> Iterator[Refusal]:
    """Refuse sources of a lock that are not the image's: by name, suites, components and keys."""
    own = {source.name: source.identity for source in drawn}
    used = {package.source for package in locked.packages}
    for source in locked.sources:
        if source.name in used and own.get(source.name) != source.identity:
            got = "other suites, components or keys" if source.name in own else "it is none of the image's sources"
            text = f"source {source.name!r} of the lock: expected a source of the manifest or its base, got {got}"
            yield Refusal("sources.lock", places.at(f"sources.{source.name}", "base"), text, hint="lock again")


def _signer(found: PolicyFile, file: ManifestFile, lock: Lock, *, now: int) -> tuple[PublicKey | None, str]:
    """Return the policy's key that signed a lock, or None and why there is none."""
    names = found.policy.locks.names
    path, raw = signers.path_of(file), signers.read(file)
    if not names or raw is None:
        return None, ""
    keys = vouching.keys(found, names)
    try:
        return blob.verify(raw, lock.dump().encode(), trust=Trust(tuple(keys.values()), now), what=str(path)), ""
    except SignatureError as error:
        return None, str(error)


def _refusals(missing: list[LockedPackage], listed: Listed, file: ManifestFile, why: str) -> Iterator[Refusal]:
    """Say which packages nothing vouches for, what was looked at, and what to do."""
    places = Places(file.manifest)
    hint = (
        f"take what the archive lists now (`{locking.command(file.path, '--upgrade')}`), name a dated copy of the "
        "archive that lists it (`--snapshot URI`), or sign the lock with a key of the policy's `locks` (docs/lock.md)"
    )
    for package in missing[:MOST]:
        text = f"package {package.name!r} {package.version}: no index that a key of source {package.source!r} signed"
        failures = "".join(f"; {failure}" for failure in listed.failures.get(package.source, ())[:_FAILURES])
        where = places.package(package.name, package.source)
        yield Refusal(_RULE, where, f"{text} lists {package.digest}{failures}", hint=hint)
    if len(missing) > MOST:
        yield Refusal(_RULE, places.at("packages", "base"), f"and {len(missing) - MOST} packages more")
    if missing and why:
        yield Refusal(_RULE, places.at("packages", "base"), f"the signature of the lock does not count: {why}")
