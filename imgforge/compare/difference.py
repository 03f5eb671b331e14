"""All differences between two sides; as JSON for programs and as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from imgforge.compare import files, packages
from imgforge.compare.config import ConfigChange, LayerChange
from imgforge.compare.files import FileChange
from imgforge.compare.packages import Held, PackageChange

FILES_SHOWN = 40
"""Maximum number of paths to list for people."""

_SIGNS = {
    packages.ADDED: "+",
    packages.REMOVED: "-",
    packages.UPGRADED: "↑",
    packages.DOWNGRADED: "↓",
    packages.REBUILT: "~",
    files.CHANGED: "~",
}


@attrs.frozen
class Difference:
    """All differences between two sides.

    Attributes:
        before: name of the first side.
        after: name of the second side.
        packages: sorted by name.
        files: sorted by path; empty for locks.
        config: sorted by name; empty for locks.
        layers: None for locks.
    """

    before: str
    after: str
    packages: tuple[PackageChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    config: tuple[ConfigChange, ...] = ()
    layers: LayerChange | None = None

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.packages or self.files or self.config)

    def described(self, *, changelogs: bool = True, every_file: bool = False) -> tuple[str, ...]:
        """Return the differences as text; see `lines`."""
        return tuple(lines(self, changelogs=changelogs, every_file=every_file))

    def to_json(self) -> dict[str, Any]:
        """Return the differences as a JSON object."""
        members: dict[str, Any] = {
            "before": self.before,
            "after": self.after,
            "packages": [_package(change) for change in self.packages],
            "files": [
                {
                    "path": f"/{change.path}",
                    "kind": change.kind,
                    "size": list(change.size),
                    "changed": {name: [was, now] for name, was, now in change.aspects},
                }
                for change in self.files
            ],
            "config": [attrs.asdict(change) for change in self.config],
        }
        if self.layers:
            members["layers"] = attrs.asdict(self.layers) | {"size": list(self.layers.size)}
        return members


def _package(change: PackageChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "kind": change.kind,
        "before": _held(change.before),
        "after": _held(change.after),
        "growth": change.growth,
        "changelog": [attrs.asdict(entry) for entry in change.entries],
    }


def _held(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    members = {
        "version": held.version,
        "architecture": held.architecture,
        "size": held.size,
        "source": held.source,
        "digest": held.identity,
    }
    return {key: value for key, value in members.items() if value != ""}


def lines(difference: Difference, *, changelogs: bool = True, every_file: bool = False) -> Iterator[str]:
    """Yield the differences as text.

    Args:
        difference: the differences.
        changelogs: whether to include changelog entries.
        every_file: whether to list more than `FILES_SHOWN` paths.
    """
    if not difference:
        yield f"{difference.before} and {difference.after}: no difference"
    yield from _packages(difference, changelogs=changelogs)
    yield from _config(difference)
    yield from _files(difference, every_file=every_file)
    if difference.layers:
        layers = difference.layers
        yield f"layers: {layers.kept} kept, {layers.dropped} dropped, {layers.added} added"
        yield f"  {size(layers.size[0])} before, {size(layers.size[1])} after, {size(layers.download)} to transfer"


def _packages(difference: Difference, *, changelogs: bool) -> Iterator[str]:
    if not difference.packages:
        return
    kinds = _counted(change.kind for change in difference.packages)
    yield f"packages: {kinds}, {_sum([change.growth for change in difference.packages])}"
    for change in difference.packages:
        held = [held.version for held in (change.before, change.after) if held]
        yield f"  {_SIGNS[change.kind]} {change.name} {' → '.join(dict.fromkeys(held))} ({_growth(change.growth)})"
        for entry in change.entries if changelogs else ():
            yield f"      {entry.version} ({entry.urgency})"
            yield from (f"      {line}" for line in entry.text.split("\n") if line.strip())


def _config(difference: Difference) -> Iterator[str]:
    if difference.config:
        yield "config:"
    for change in difference.config:
        if change.before is None:
            yield f"  + {change.name}: {change.after}"
        elif change.after is None:
            yield f"  - {change.name}: {change.before}"
        else:
            yield f"  ~ {change.name}: {change.before} → {change.after}"


def _files(difference: Difference, *, every_file: bool) -> Iterator[str]:
    if not difference.files:
        return
    growth = sum(after - before for before, after in (change.size for change in difference.files))
    yield f"files: {_counted(change.kind for change in difference.files)}, {signed(growth)}"
    shown = difference.files if every_file else difference.files[:FILES_SHOWN]
    for change in shown:
        aspects = ", ".join(f"{name} {was} → {now}" for name, was, now in change.aspects)
        yield f"  {_SIGNS[change.kind]} /{change.path}{f' ({aspects})' if aspects else ''}"
    if len(shown) < len(difference.files):
        yield f"  and {len(difference.files) - len(shown)} more"


def _growth(count: int | None) -> str:
    return "size unknown" if count is None else signed(count)


def _sum(growths: Sequence[int | None]) -> str:
    known = [growth for growth in growths if growth is not None]
    missing = len(growths) - len(known)
    if not known:
        return "sizes unknown"
    return f"{signed(sum(known))}, {missing} of unknown size" if missing else signed(sum(known))


def _counted(kinds: Iterator[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds).items()))


def size(count: int) -> str:
    """Format a size in bytes for people."""
    number, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if abs(number) < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if unit == "B" or abs(number) >= 99.95 else f"{number:.1f} {unit}"


def signed(count: int) -> str:
    """Format a size in bytes with its sign."""
    return f"{'+' if count > 0 else '-' if count < 0 else '±'}{size(abs(count))}"
