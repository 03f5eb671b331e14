"""What a build knows about its image. Values only.

`Knowledge` depends on the image alone, so two builds of one lock have equal knowledge. What differs between runs
(durations, cache hits) is in `Measurements`.
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
    """The APT source of a package, as recorded in the lock.

    Attributes:
        source: its name in the manifest.
        identity: suites, components and keys (`apt.sources.Source.identity`).
        path: path of the ``.deb`` below the archive's root.
    """

    source: str
    identity: str
    path: str


@attrs.frozen
class Proof:
    """The signature that a package was verified by: of an index that lists its digest, or of its lock.

    Attributes:
        signers: fingerprints of the certificates that signed the index, or of the key that signed the lock.
        suite: suite of the index; empty for a signed lock.
        component: component of the index; empty for a flat archive or a signed lock.
        date: Date of the index's Release, in seconds since the epoch; 0 for a signed lock.
    """

    signers: tuple[str, ...]
    suite: str = ""
    component: str = ""
    date: int = 0

    def members(self) -> dict[str, Any]:
        """Return the members of its JSON object."""
        if not self.suite:
            return {"signers": list(self.signers)}
        place = {"suite": self.suite, "component": self.component, "released": rfc3339(self.date)}
        return {**{key: value for key, value in place.items() if value}, "signers": list(self.signers)}


@attrs.frozen
class LockedDeb:
    """A package in a lock.

    Attributes:
        size: size of the ``.deb`` in bytes.
        digest: digest of the ``.deb``.
        origin: where it came from.
        proof: the signature that it was verified by; None if this machine has verified none and only the lock lists it.
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
        state: third word of dpkg's ``Status``: ``installed``, or ``config-files`` for a removed package.
        built_using: other sources whose code it contains (``Built-Using``, ``Static-Built-Using``).
        maintainer: value of the field.
        installed_size: in bytes, as declared by the package.
        locked: its entry in the lock; None for packages of a foreign base, whose lock is unknown.
        licence: None if debian/copyright is missing or not machine-readable.
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
    """An image that this one is based on; `name` is the reference that was used for it."""

    name: str
    digest: Digest


@attrs.frozen
class Layer:
    """A layer of the image.

    Attributes:
        digest: digest of the compressed layer.
        diff_id: digest of the uncompressed layer.
        size: compressed size in bytes.
        created_by: command that created it, from the history.
        packages: names of the packages whose files it contains.
        is_base: whether it comes from the base.
    """

    digest: Digest
    diff_id: Digest
    size: int
    created_by: str = ""
    packages: tuple[str, ...] = ()
    is_base: bool = False


@attrs.frozen
class Distribution:
    """``ID`` and ``VERSION_ID`` of the image's os-release."""

    id: str = "debian"
    version: str = ""


@attrs.frozen
class Tool:
    """The tool that built the image."""

    name: str
    version: str


def _in_order(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


def sorted_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return pairs sorted by their first text."""
    return tuple(sorted(pairs))


@attrs.frozen(kw_only=True)
class Knowledge:
    """The knowledge about an image.

    Attributes:
        name: name of its manifest.
        digest: digest of its OCI manifest.
        platform: such as ``linux/amd64``.
        created: the config's ``created``, in seconds since the epoch.
        distribution: from its os-release.
        tool: the tool that built it.
        packages: all packages that dpkg lists, sorted by name and architecture.
        sources: pairs of name and identity of the APT sources of locked packages.
        base: the chain of bases, nearest first; empty for an image from scratch.
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
    """Wall-clock duration of a build stage, in seconds."""

    stage: str
    subject: str
    seconds: float


@attrs.frozen
class ScriptRun:
    """A script run inside the image: seconds, and changed paths; empty if only known for all runs together."""

    label: str
    seconds: float
    changed: tuple[str, ...] = ()


@attrs.frozen
class Effects:
    """The combined changes by all maintainer scripts to the image's tree: sorted paths.

    Attributes:
        made: paths that are new.
        changed: paths whose content or metadata changed.
        removed: paths that were removed.
    """

    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@attrs.frozen
class Measurements:
    """Measurements of one build.

    Attributes:
        started: seconds since the epoch.
        finished: seconds since the epoch.
        timings: in order.
        runs: in order.
        cached: what was taken from the cache.
        made: what was built.
        effects: the changes made by scripts.
    """

    started: int
    finished: int
    timings: tuple[Timing, ...] = ()
    runs: tuple[ScriptRun, ...] = ()
    cached: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    effects: Effects = Effects()


def rfc3339(when: int) -> str:
    """Format seconds since the epoch as RFC 3339 in UTC."""
    return dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
