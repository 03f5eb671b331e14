"""A registry in memory that behaves by a profile, and what a test sees and sets of it.

Source: OCI distribution-spec v1.1, spec.md. `Profile` holds what registries do differently.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

import attrs

from builders.simulator.profile import Profile
from builders.simulator.storage import Storage

CONFORMING = Profile(name="a registry that does all that the specification asks for")


@attrs.frozen
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


class Simulator(Storage):
    """A running registry.

    Attributes:
        host: its host and port.
        elsewhere: the host and port of the storage that it redirects to, which is not the registry's.
        profile: how it behaves.
        repositories: those that were made beforehand, where a push makes none.
        uploads: what came of each that is not closed.
        extents: of each upload, bytes of its first part.
        granted: what each token of its token server allows: pairs of a repository and an action.
        asked: what came.
        challenge: what is asked of those who do not say who they are; empty to do as the profile says.
        storage: where blobs are redirected to; empty to do as the profile says.
        answers: by the beginning of a path, without ``/v2``: status, headers and body of the next answers.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.host = self.elsewhere = ""
        self.profile = profile
        self.repositories: set[str] = set()
        self.uploads: dict[str, bytearray] = {}
        self.extents: dict[str, int] = {}
        self.granted: dict[str, frozenset[tuple[str, str]]] = {}
        self.asked: list[Asked] = []
        self.challenge = self.storage = ""
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}

    def change(self, **fields: Any) -> None:
        """Behave otherwise from now on; the names are those of a profile."""
        self.profile = attrs.evolve(self.profile, **fields)

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests came for paths that a pattern fits."""
        return sum(asked.method == method and re.search(pattern, asked.path) is not None for asked in self.asked)

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Remember a request that came."""
        self.asked.append(Asked(method, path, headers))

    @property
    def is_busy(self) -> bool:
        """Whether the request that came last is one too many."""
        every = self.profile.busy_every
        return bool(every) and len(self.asked) % every == 0

    def session_of(self, path: str) -> tuple[str, str] | None:
        """Return the repository and the upload that a path is of; None for other paths."""
        form = re.escape(self.profile.upload).replace(r"\{name\}", "(?P<name>.+)")
        found = re.fullmatch(form.replace(r"\{session\}", "(?P<session>[^/]+)"), path)
        return (found["name"], found["session"]) if found else None

    def has_repository(self, name: str) -> bool:
        """Return whether a repository was made, or holds anything."""
        return name in self.repositories or super().has_repository(name)

    def moves(self, tag: str) -> bool:
        """Return whether a tag that is there may stand for something else."""
        movable = self.profile.movable
        return not self.profile.immutable or (bool(movable.pattern) and movable.fullmatch(tag) is not None)

    def begin(self) -> str:
        """Begin an upload, and return what names it."""
        session = secrets.token_hex(8)
        self.uploads[session] = bytearray()
        return session
