"""What a refresh of a lock would change: versions, and how urgent their changelogs say they are."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen
class Change:
    """One package that a refresh would change.

    Attributes:
        name: of the package.
        before: the version in the lock, empty when it is new.
        after: the version now, empty when it would go; the same when the archive has other bytes under it.
        urgency: the highest that its changelog names since; empty when it does not say, or when it counts in versions
            of the source package and the source of the locked version is not known.
    """

    name: str
    before: str
    after: str
    urgency: str = ""

    def __str__(self) -> str:
        urgency = f" (urgency {self.urgency})" if self.urgency else ""
        if not self.before:
            return f"{self.name}: new, {self.after}"
        if self.before == self.after:
            return f"{self.name}: {self.before}, other bytes of the same version"
        return f"{self.name}: {self.before} -> {self.after or 'gone'}{urgency}"


@attrs.frozen
class Freshness:
    """How a lock stands against what the sources offer now.

    Attributes:
        name: of the image.
        path: of the lock.
        changes: what a refresh would change, by name; nothing when the lock is fresh.
        stale: why the lock does not answer its manifest any more; nothing when it does.
    """

    name: str
    path: Path
    changes: tuple[Change, ...] = ()
    stale: tuple[str, ...] = ()
