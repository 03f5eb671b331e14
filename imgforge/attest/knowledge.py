"""What a build knows about its image. Pure values.

`Knowledge` depends on the image alone, so two builds of one lock know the same; what differs between two runs (time
taken, caches) is in `Measurements`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import attrs

from imgforge.attest.licences import Licence
from imgforge.digest import Digest

LOCK_ALONE = "digest of the lock"
SIGNED_INDEX = "signed index"
SIGNED_LOCK = "signed lock"


@attrs.frozen(order=True)
class SourcePackage:
    """A source package, from which binary packages are built."""

    name: str
    version: str


@attrs.frozen
class Origin:
    """Which APT source a lock names for a package.

    Attributes:
        source: its name in the manifest.
        identity: suites, components and keys (`apt.sources.Source.identity`).
        path: of the ``.deb``, below the root of the archive.
    """

    source: str
    identity: str
    path: str


@attrs.frozen
class Proof:
    """What vouched for a package: a signed index that lists its digest, or a signature of its lock.

    Attributes:
        signers: fingerprints of the certificates that signed the index; of the key that signed the lock.
        suite: of the index; empty where it is the lock that is signed.
        component: of the index; empty in a flat archive, too.
        date: the Date of the index's Release, seconds since the epoch; 0 where it is the lock that is signed.
    """

    signers: tuple[str, ...]
    suite: str = ""
    component: str = ""
    date: int = 0

    def members(self) -> dict[str, Any]:
        """Return it as members of a JSON object."""
        if not self.suite:
            return {"signers": list(self.signers)}
        place = {"suite": self.suite, "component": self.component, "released": rfc3339(self.date)}
        return {**{key: value for key, value in place.items() if value}, "signers": list(self.signers)}


@attrs.frozen
class LockedDeb:
    """What the lock says of a package.

    Attributes:
        size: bytes of the ``.deb``.
        digest: of the ``.deb``.
        origin: where it came from.
        proof: what vouched for it, as far as this machine has seen that; None where the lock alone says so.
    """

    size: int
    digest: Digest
    origin: Origin
    proof: Proof | None = None

    @property
    def checked(self) -> str:
        """What the package was checked against."""
        if self.proof is None:
            return LOCK_ALONE
        return SIGNED_INDEX if self.proof.suite else SIGNED_LOCK


@attrs.frozen
class Package:
    """A package that dpkg lists in the image.

    Attributes:
        state: the third word of dpkg's ``Status``: ``installed``, or ``config-files`` for what was removed.
        built_using: sources whose code is in it besides its own (``Built-Using``, ``Static-Built-Using``).
        maintainer: as the field has it.
        installed_size: bytes, as the package says.
        locked: what the lock says; None for a package of a foreign base image, of which no lock is known.
        licence: None where debian/copyright is not machine-readable, or is not there.
    """

    name: str
    version: str
    architecture: str
    source: SourcePackage
    state: str = "installed"
    built_using: tuple[SourcePackage, ...] = ()
    maintainer: str = ""
    homepage: str = ""
    section: str = ""
    installed_size: int = 0
    locked: LockedDeb | None = None
    licence: Licence | None = None


@attrs.frozen
class BaseImage:
    """An image below; `name` is the reference by which it was named."""

    name: str
    digest: Digest


@attrs.frozen
class Layer:
    """A layer of the image.

    Attributes:
        digest: of its compressed bytes.
        diff_id: of its tar.
        size: in bytes, compressed.
        created_by: what made it.
        packages: names of the packages whose files it holds.
        is_base: whether it came with the base.
    """

    digest: Digest
    diff_id: Digest
    size: int
    created_by: str = ""
    packages: tuple[str, ...] = ()
    is_base: bool = False


@attrs.frozen
class Distribution:
    """What the image's os-release says of itself: ``ID`` and ``VERSION_ID``."""

    id: str = "debian"
    version: str = ""


@attrs.frozen
class Tool:
    """What built the image."""

    name: str
    version: str


def _in_order(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


def sorted_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return pairs in the order of their first texts."""
    return tuple(sorted(pairs))


@attrs.frozen(kw_only=True)
class Knowledge:
    """What is known of an image.

    Attributes:
        name: of its manifest.
        digest: of its OCI manifest.
        platform: ``linux/amd64``.
        created: seconds since the epoch, of the image: its config's ``created``.
        distribution: of its os-release.
        tool: what built it.
        packages: all of dpkg's list, sorted by name and architecture.
        sources: pairs of the name and the identity of each APT source that a lock names for one.
        base: the images below, the nearest first; empty from scratch.
        layers: lowest first.
    """

    name: str
    digest: Digest
    platform: str
    created: int
    distribution: Distribution
    tool: Tool
    packages: tuple[Package, ...] = attrs.field(converter=_in_order)
    sources: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=sorted_pairs)
    base: tuple[BaseImage, ...] = ()
    layers: tuple[Layer, ...] = ()


@attrs.frozen
class Timing:
    """How long a stage took, in seconds of wall clock."""

    stage: str
    subject: str
    seconds: float


@attrs.frozen
class ScriptRun:
    """What ran inside the image, how long, and which paths it changed; nothing where that is known of all together."""

    label: str
    seconds: float
    changed: tuple[str, ...] = ()


@attrs.frozen
class Effects:
    """What all scripts of an image's packages together did to its tree: paths, sorted.

    Attributes:
        made: that no layer below has.
        changed: that one has; content or values differ.
        removed: that are gone.
    """

    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@attrs.frozen
class Measurements:
    """What one run of the build measured.

    Attributes:
        started: seconds since the epoch.
        finished: seconds since the epoch.
        timings: in order.
        runs: in order.
        cached: what was taken from the cache.
        made: what had to be made.
        effects: of the scripts.
    """

    started: int
    finished: int
    timings: tuple[Timing, ...] = ()
    runs: tuple[ScriptRun, ...] = ()
    cached: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    effects: Effects = Effects()


def rfc3339(when: int) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC."""
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
