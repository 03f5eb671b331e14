"""Who decides about a directory that several packages ship. Pure.

dpkg leaves an existing directory as it is (its `tarobject` returns early for one), so the base decides, then the
package that was unpacked first. Each layer repeats the directories above its files with these values: some
runtimes apply a layer without looking at those below it and would else show their own defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgforge.tree import ROOT, Entry, Kind

Directories = Mapping[str, Entry]


def parents(path: str) -> Iterable[str]:
    """Yield the directories above a path, the nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def implied(path: str, *, epoch: int) -> Entry:
    """Return a directory that nobody ships, as dpkg makes it."""
    return Entry(path, Kind.DIRECTORY, mode=0o755, mtime=epoch)


def completed(shipped: tuple[Entry, ...], paths: Iterable[str], *, epoch: int) -> tuple[Entry, ...]:
    """Return a package's directories, and those above its files that it does not ship, parents first.

    Args:
        shipped: its directories.
        paths: its other paths.
        epoch: the time of a directory that it does not ship.
    """
    own = {entry.path: entry for entry in shipped}
    missing = {parent for path in (*paths, *own) for parent in parents(path)} - own.keys()
    return tuple(own.get(path) or implied(path, epoch=epoch) for path in sorted(own.keys() | missing))


def decide(base: Directories, shipped: Iterable[tuple[Entry, ...]]) -> dict[str, Entry]:
    """Return the directories of packages, as the image has them.

    Args:
        base: directories of the base image, by path.
        shipped: each package's directories, in the order in which the packages are unpacked.
    """
    decided: dict[str, Entry] = {}
    for directories in shipped:
        for entry in directories:
            if entry.path != ROOT and entry.path not in decided:
                decided[entry.path] = base.get(entry.path, entry)
    return decided


def above(paths: Iterable[str], decided: Directories, base: Directories, *, epoch: int) -> tuple[Entry, ...]:
    """Return every directory above these paths, in tar order.

    Args:
        paths: the paths of a layer's entries, its own directories included.
        decided: what `decide` returned.
        base: directories of the base image.
        epoch: the time of a directory that nobody ships.
    """
    wanted = {parent for path in paths for parent in parents(path)}
    return tuple(decided.get(path) or base.get(path) or implied(path, epoch=epoch) for path in sorted(wanted))


def skeleton(decided: Directories, shown: Iterable[tuple[Entry, ...]], *, base: Directories) -> tuple[Entry, ...]:
    """Return the directories for which some package's own tree shows other values than the image has.

    Overlayfs shows a directory as the topmost tree has it; a tree of these entries, mounted above all
    packages, makes it show what was decided.

    Args:
        decided: what `decide` returned.
        shown: the directories of each package's tree; see `completed`.
        base: directories of the base image.
    """
    right = {**base, **decided}
    differing: set[str] = set()
    for directories in shown:
        for entry in directories:
            wanted = right.get(entry.path)
            if wanted is not None and (entry.mode, entry.uid, entry.gid) != (wanted.mode, wanted.uid, wanted.gid):
                differing.add(entry.path)
    paths = {parent for path in differing for parent in parents(path)} | differing
    return tuple(right[path] for path in sorted(paths) if path in right)
