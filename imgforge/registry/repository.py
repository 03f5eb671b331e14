"""A repository: where in which registry images live; and what a client remembers of what it met there."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import attrs

from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.oci.reference import DOCKER, Reference

_HUB = "docker.io"
_HUB_NAMES = frozenset({_HUB, "index.docker.io", "registry-1.docker.io"})
_HUB_SERVER = "registry-1.docker.io"

_CANDIDATES = 3
"""Repositories that are tried as the source of a mount; each that fails costs a round trip."""


@attrs.frozen(order=True)
class Repository:
    """A name in a registry.

    Attributes:
        host: with a port or not, as people write it.
        name: the path below it.
    """

    host: str
    name: str

    @classmethod
    def of(cls, reference: Reference) -> Repository:
        """Return the repository of a reference. ``docker.io/debian`` is short for ``docker.io/library/debian``.

        Raises:
            UsageError: the reference is of no registry.
        """
        if reference.transport != DOCKER:
            raise UsageError(f"{reference}: expected docker://HOST/REPOSITORY")
        host = canonical(reference.location)
        short = host == _HUB and "/" not in reference.name
        return cls(host, f"library/{reference.name}" if short else reference.name)

    @property
    def server(self) -> str:
        """The host and port that serve the repository."""
        return _HUB_SERVER if self.host == _HUB else self.host

    def __str__(self) -> str:
        """Return ``docker://HOST/NAME``."""
        return f"docker://{self.host}/{self.name}"


def canonical(host: str) -> str:
    """Return the one name of a registry that has several, in lower case."""
    lower = host.lower()
    return _HUB if lower in _HUB_NAMES else lower


class Seen:
    """What was seen of registries: who holds a blob, who lists referrers, who limits requests; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[str, Digest], dict[str, None]] = {}
        self._listing: dict[Repository, bool] = {}
        self._limits: dict[str, int] = {}

    def note_listing(self, repository: Repository, *, is_there: bool) -> None:
        """Note whether a repository has the referrers API."""
        with self._lock:
            self._listing[repository] = is_there

    def is_listing(self, repository: Repository) -> bool | None:
        """Return whether a repository has the referrers API; None when it was not asked."""
        with self._lock:
            return self._listing.get(repository)

    def note_limit(self, repository: Repository, size: int) -> None:
        """Note that a registry refused a request of more bytes than this as too large."""
        with self._lock:
            self._limits[repository.host] = min(size, self._limits.get(repository.host, size))

    def limit(self, repository: Repository, most: int) -> int:
        """Return how many bytes to send at once, `most` at most."""
        with self._lock:
            return min(most, self._limits.get(repository.host, most))

    def remember(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Note that a repository holds these blobs."""
        with self._lock:
            for digest in digests:
                self._names.setdefault((repository.host, digest), {})[repository.name] = None

    def elsewhere(self, repository: Repository, digest: Digest, *, also: Iterable[str] = ()) -> tuple[str, ...]:
        """Return other repositories of the same registry that may hold a blob, best first.

        Args:
            repository: that lacks it.
            digest: the blob's.
            also: names that the caller knows of; they come last.
        """
        with self._lock:
            names = dict.fromkeys((*self._names.get((repository.host, digest), {}), *also))
        names.pop(repository.name, None)
        return tuple(names)[:_CANDIDATES]
