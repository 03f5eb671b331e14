"""Compare the files of two trees: added, removed and changed ones, with the aspects that changed.

A tree knows the layer of each entry. An entry from a layer that both images share is unchanged without reading it.
Files of equal size from different layers are `undecided` until they are hashed. Timestamps are ignored, because rebuilt
packages always have new ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import attrs

from imgforge.digest import Digest
from imgforge.rootfs import folding
from imgforge.rootfs.facts import Facts
from imgforge.tree import Entry, Kind

ADDED, REMOVED, CHANGED = "added", "removed", "changed"

_CHUNK = 1 << 20


@attrs.frozen
class Tree:
    """An image's final tree.

    Attributes:
        entries: by path.
        layers: the diff_id of each entry's layer, by path.
    """

    entries: Mapping[str, Entry] = attrs.field(repr=False)
    layers: Mapping[str, Digest] = attrs.field(repr=False)

    @classmethod
    def of(cls, layers: Sequence[tuple[Digest, Facts]]) -> Tree:
        """Stack layers to a tree.

        Args:
            layers: diff_id and facts of each layer, lowest first.
        """
        folded = folding.fold(layer for _, layer in layers)
        owners: dict[str, Digest] = {}
        for diff_id, layer in layers:
            owners.update(dict.fromkeys(layer.entries.keys() & folded.entries.keys(), diff_id))
        return cls(folded.entries, owners)


@attrs.frozen(order=True)
class FileChange:
    """A path that differs.

    Attributes:
        path: without leading slash.
        kind: one of this module's constants.
        aspects: for a changed path: name, before and after of each aspect.
        size: bytes before and after.
    """

    path: str
    kind: str
    aspects: tuple[tuple[str, str, str], ...] = ()
    size: tuple[int, int] = (0, 0)


def undecided(before: Tree, after: Tree) -> frozenset[str]:
    """Return the files that can only be compared by reading them."""
    return frozenset(
        path
        for path, was, now in _common(before, after)
        if was.kind is Kind.FILE and now.kind is Kind.FILE and was.size == now.size and was.size
    )


def hashes(members: Iterable[tuple[Entry, BinaryIO]], wanted: frozenset[str]) -> dict[str, str]:
    """Return the SHA-256 hashes of selected files in a layer.

    Args:
        members: the entries of the layer, with their content.
        wanted: paths of the files to hash.
    """
    found = {}
    for entry, content in members:
        if entry.kind is Kind.FILE and entry.path in wanted:
            hasher = hashlib.sha256()
            while chunk := content.read(_CHUNK):
                hasher.update(chunk)
            found[entry.path] = hasher.hexdigest()
    return found


def compare(
    before: Tree, after: Tree, *, hashed: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
) -> tuple[FileChange, ...]:
    """Return the differences, sorted by path.

    Args:
        before: the first tree.
        after: the second tree.
        hashed: hashes of the `undecided` files in both trees; a file without a hash counts as unchanged.
    """
    changes = [
        FileChange(path, REMOVED, size=(before.entries[path].size, 0))
        for path in before.entries.keys() - after.entries.keys()
    ]
    changes += [
        FileChange(path, ADDED, size=(0, after.entries[path].size))
        for path in after.entries.keys() - before.entries.keys()
    ]
    for path, was, now in _common(before, after):
        aspects = tuple(_aspects(was, now, (hashed[0].get(path, ""), hashed[1].get(path, ""))))
        if aspects:
            changes.append(FileChange(path, CHANGED, aspects, (was.size, now.size)))
    return tuple(sorted(changes))


def _common(before: Tree, after: Tree) -> Iterator[tuple[str, Entry, Entry]]:
    """Yield paths that are in both trees, but from different layers."""
    for path in sorted(before.entries.keys() & after.entries.keys()):
        if before.layers.get(path) is None or before.layers.get(path) != after.layers.get(path):
            yield path, before.entries[path], after.entries[path]


def _aspects(was: Entry, now: Entry, hashed: tuple[str, str]) -> Iterator[tuple[str, str, str]]:
    if was.kind is not now.kind:
        yield "kind", was.kind.value, now.kind.value
        return
    pairs = (
        ("mode", f"{was.mode:04o}", f"{now.mode:04o}"),
        ("owner", f"{was.uid}:{was.gid}", f"{now.uid}:{now.gid}"),
        ("size", str(was.size), str(now.size)),
        ("target", was.target, now.target),
        ("device", "{}:{}".format(*was.device), "{}:{}".format(*now.device)),
        ("attributes", _names(was), _names(now)),
    )
    yield from ((name, one, other) for name, one, other in pairs if one != other)
    if was.xattrs != now.xattrs and _names(was) == _names(now):
        yield "attributes", "other values", "of the same names"
    if was.size == now.size and hashed[0] != hashed[1]:
        yield "content", hashed[0][:12], hashed[1][:12]


def _names(entry: Entry) -> str:
    return " ".join(name for name, _ in entry.xattrs)
