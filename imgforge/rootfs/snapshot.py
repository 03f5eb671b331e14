"""What a root looked like before scripts ran in it, for machines where it cannot be an overlay.

Not a copy: inode and change time of every path, which nothing but the kernel sets. What differs is then compared
with the trees the root was copied from, so that the answer is `imgforge.rootfs.capture`'s.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import attrs

from imgforge.rootfs.compare import NOTHING_SHIPPED, Comparison, Found, Opener, Shipped, in_order
from imgforge.rootfs.directories import join
from imgforge.rootfs.owners import Owners
from imgforge.rootfs.stack import Stack
from imgforge.tree import Entry, raw, text


@attrs.frozen
class Snapshot:
    """Inode and change time (nanoseconds) by path."""

    stamps: Mapping[bytes, tuple[int, int]]


def snapshot(root: Path) -> Snapshot:
    """Look at every path below `root`."""
    return Snapshot({name: _stamp(status) for name, _, status in _walk(b"", os.fsencode(root))})


def merge(now: Snapshot, *, kept: Snapshot, changed: AbstractSet[str]) -> Snapshot:
    """Return a snapshot in which what was changed before still counts as changed.

    Args:
        now: the later snapshot.
        kept: the earlier one.
        changed: what `changed_paths` said in between.
    """
    names = {raw(path) for path in changed}
    stamps = {name: stamp for name, stamp in now.stamps.items() if name not in names}
    return Snapshot(stamps | {name: stamp for name, stamp in kept.stamps.items() if name in names})


def changed_paths(root: Path, before: Snapshot) -> frozenset[str]:
    """Return every path that was made, changed or deleted; also directories in which something was."""
    now = snapshot(root).stamps
    either = now.keys() | before.stamps.keys()
    return frozenset(text(name) for name in either if now.get(name) != before.stamps.get(name))


def is_changed(status: os.stat_result, path: str, before: Snapshot) -> bool:
    """Whether one path, whose lstat is `status` now, was made or changed."""
    return before.stamps.get(raw(path)) != _stamp(status)


def changes(
    root: Path,
    before: Snapshot,
    *,
    owners: Owners,
    lowers: Sequence[Path],
    epoch: int,
    shipped: Shipped = NOTHING_SHIPPED,
) -> Iterator[tuple[Entry, Opener]]:
    """Yield what differs, as `imgforge.rootfs.capture.capture` does.

    Args:
        root: nothing writes to it any more.
        before: the snapshot.
        owners: how ownership is kept.
        lowers: the trees that `root` was copied from, the lowest first.
        epoch: seconds since 1970.
        shipped: the times that packages say.
    """
    stack = Stack(lowers, mark=owners.mark)
    comparison = Comparison(stack, owners=owners, epoch=epoch, shipped=shipped)
    found: list[Found] = []
    changed_directories = [b""]
    for name, disk, status in _walk(b"", os.fsencode(root)):
        if before.stamps.get(name) == _stamp(status):
            continue
        change = comparison.changed(disk, status, name)
        if change is not None:
            found.append(change)
        if stat.S_ISDIR(status.st_mode):
            changed_directories.append(name)
    for directory in changed_directories:
        there = set(os.listdir(join(os.fsencode(root), directory)))
        gone = (child for child in stack.names(directory) if child not in there)
        found.extend(comparison.hidden(join(directory, child)) for child in gone)
    return in_order(found)


def _walk(name: bytes, disk: bytes) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    """Yield every path below a directory: in the image, on this machine, and its lstat."""
    for child in os.listdir(disk):
        inner, where = join(name, child), disk + b"/" + child
        status = os.lstat(where)
        yield inner, where, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(inner, where)


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_ctime_ns
