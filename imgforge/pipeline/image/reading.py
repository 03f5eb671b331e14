"""Reading images: the facts of their trees, the trees that show their layers, and single files.

Each layer is read at most once, ever: what was found is cached by its diff_id, and used for a blob only when its bytes
were seen to have that diff_id (`imgforge.pipeline.image.proving`).
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from imgforge import record
from imgforge.codec import BombError, decompress
from imgforge.digest import Digest
from imgforge.errors import IntegrityError, StoreError
from imgforge.pipeline.image import proving
from imgforge.pipeline.image.base import Base, chain_id
from imgforge.report import Reporter, Step, running
from imgforge.rootfs import facts
from imgforge.rootfs.facts import Facts
from imgforge.rootfs.folding import FoldError, Folding
from imgforge.store.cache import Cache
from imgforge.tar import TarError, reader
from imgforge.tree import Entry, Kind
from imgforge.workshop.client import Workshop

_LEAST_FREE = 64 << 20
"""Bytes that are left on the disk of the cache: a layer that needs them is refused before others notice."""


def facts_of(base: Base, *, cache: Cache, reporter: Reporter) -> Facts:
    """Return what is known of the base's tree, reading each layer at most once, ever."""
    if not base.image.config.diff_ids:
        return facts.EMPTY
    proving.prove(base, cache=cache, reporter=reporter)
    key = f"{base.chain_id.replace(':', '-')}-{facts.FORMAT}-{record.VERSION}"
    found = cache.read("image-facts", key)
    if found is not None:
        return _load(found)
    folding = Folding()
    for number in range(len(base.image.config.diff_ids)):
        layer = layer_facts(base, number, cache=cache, reporter=reporter)
        try:
            folding.add(layer)
        except FoldError as error:
            raise FoldError(f"{base.name}: layer {number + 1}: {error}") from None
    folded = folding.facts()
    cache.put("image-facts", key, _dump(folded))
    return folded


def trees_of(base: Base, *, cache: Cache, workshop: Workshop, reporter: Reporter) -> tuple[Path, ...]:
    """Return a tree for each layer of the base, lowest first, unpacking those that the cache lacks.

    Raises:
        IntegrityError: a layer is not what the image says, or tries to write outside its tree.
    """
    proving.prove(base, cache=cache, reporter=reporter)
    trees: list[Path] = []
    unpacked = _Unpacked(base)
    for number in range(len(base.image.config.diff_ids)):
        tree = cache.get(workshop.tree_kind, _tree_key(base, number))
        if tree is None:
            tree = _unpack(
                base, number, tuple(trees), unpacked=unpacked, cache=cache, workshop=workshop, reporter=reporter
            )
        trees.append(tree)
    return tuple(trees)


class _Unpacked:
    """How much of an image was unpacked so far, against its limit."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._bytes = 0

    def add(self, tar: Path) -> None:
        """Count a layer.

        Raises:
            BombError: the image is larger than its limit.
        """
        self._bytes += tar.stat().st_size
        if self._bytes > self._base.limits.image:
            raise proving.explained(
                BombError(f"{self._base.name}: its layers hold more than {self._base.limits.shown('image')}"), "image"
            )


def _tree_key(base: Base, number: int) -> str:
    """Return the name of a layer's tree: what lies below decides about hard links, whiteouts and directories in it."""
    return chain_id(base.image.config.diff_ids[: number + 1]).replace(":", "-")


def read_file(base: Base, path: str, *, cache: Cache, reporter: Reporter) -> bytes | None:
    """Return the content of a regular file of the image; None where there is none."""
    for number in reversed(range(len(base.image.config.diff_ids))):
        layer = layer_facts(base, number, cache=cache, reporter=reporter)
        entry = layer.entries.get(path)
        if entry is not None and entry.kind is Kind.HARDLINK:
            path = entry.target
            entry = layer.entries.get(path)
        if entry is not None:
            return _content(base, number, path, is_once=not layer.stream)
    return None


def _content(base: Base, number: int, path: str, *, is_once: bool) -> bytes | None:
    """Return the content of a layer's last file of a path."""
    with open_layer(base, number) as stream:
        members = reader.read(stream, what=base.name)
        found = (
            content.read() if entry.kind is Kind.FILE else None for entry, content in members if entry.path == path
        )
        return next(found, None) if is_once else functools.reduce(lambda _before, last: last, found, None)


def read_files(base: Base, paths: Iterable[str], *, cache: Cache, reporter: Reporter) -> dict[str, bytes]:
    """Return the content of regular files of the image, each layer opened once; what is no such file is left out.

    Args:
        base: the image.
        paths: as they are in its tree, symlinks followed.
        cache: keeps the facts of layers.
        reporter: hears when a layer must be read.
    """
    rest, found = set(paths), dict[str, bytes]()
    for number in reversed(range(len(base.image.config.diff_ids))):
        here = rest & layer_facts(base, number, cache=cache, reporter=reporter).entries.keys()
        rest -= here
        if here:
            with open_layer(base, number) as stream:
                members = reader.read(stream, what=base.name)
                found |= {entry.path: content.read() for entry, content in members if _is_file(entry, here)}
    return found


def _is_file(entry: Entry, wanted: set[str]) -> bool:
    return entry.kind is Kind.FILE and entry.path in wanted


def _unpack(
    base: Base,
    number: int,
    lowers: tuple[Path, ...],
    *,
    unpacked: _Unpacked,
    cache: Cache,
    workshop: Workshop,
    reporter: Reporter,
) -> Path:
    descriptor, key = base.image.manifest.layers[number], _tree_key(base, number)
    with (
        running(reporter, Step("extract", f"{base.name} layer {number + 1}", descriptor.size)),
        cache.lock(workshop.tree_kind, key),
    ):
        target = cache.place(workshop.tree_kind, key)
        if not target.is_dir():
            with cache.scratch() as scratch:
                tar = _uncompressed(base, number, scratch / "layer.tar", cache=cache)
                unpacked.add(tar)
                _extract(tar, target, workshop=workshop, lowers=lowers, what=f"{base.name}: layer {number + 1}")
    return target


def _extract(tar: Path, target: Path, *, workshop: Workshop, lowers: tuple[Path, ...], what: str) -> None:
    try:
        workshop.extract((tar,), target, lowers=lowers)
    except IntegrityError as error:
        raise IntegrityError(f"{what}: {error}") from None


def _uncompressed(base: Base, number: int, target: Path, *, cache: Cache) -> Path:
    """Write a layer's tar to a file, and make sure that it is the one that the configuration names."""

    def write(chunk: bytes) -> None:
        _keep_free(target, len(chunk))
        file.write(chunk)

    with target.open("xb") as file:
        proving.read(base, number, write, cache=cache)
    return target


def _keep_free(target: Path, size: int) -> None:
    status = os.statvfs(target.parent)
    if status.f_bavail * status.f_frsize - size < _LEAST_FREE:
        text = f"{target.parent}: disk full: a layer of an image needs more than is left"
        raise StoreError(text).because(errno.ENOSPC)


def open_layer(base: Base, number: int) -> BinaryIO:
    """Open a layer of an image, counted from 0, as its tar."""
    descriptor = base.image.manifest.layers[number]
    cap = base.limits.unpacked(descriptor.size)
    return decompress(base.open_blob(descriptor), what=f"{base.name}: layer {number + 1}", cap=cap)


def layer_facts(base: Base, number: int, *, cache: Cache, reporter: Reporter) -> Facts:
    """Return what is known of one layer of an image, counted from 0, reading it at most once, ever."""
    claimed = base.image.config.diff_ids[number]
    found = cache.read("layer-facts", _facts_key(claimed))
    if found is not None:
        proving.layer(base, number, cache=cache, reporter=reporter)
        return _load(found)
    what = f"{base.name}: layer {number + 1}"
    with (
        running(reporter, Step("read", what, base.image.manifest.layers[number].size)),
        cache.scratch() as scratch,
        _uncompressed(base, number, scratch / "layer.tar", cache=cache).open("rb") as stream,
    ):
        try:
            read = facts.scan(reader.read(stream, what=what))
        except TarError as error:
            error.add_note("the base image is damaged or hostile; build or pull it again")
            raise
        except IntegrityError as error:
            raise IntegrityError(f"{what}: {error}") from None
    remember(claimed, read, cache=cache)
    return read


def remember(diff_id: Digest, read: Facts, *, cache: Cache) -> None:
    """Keep what is known of a layer, so that nobody has to read it."""
    cache.put("layer-facts", _facts_key(diff_id), _dump(read))


def _facts_key(diff_id: Digest) -> str:
    return f"{diff_id.hex}-{facts.FORMAT}-{record.VERSION}"


def _dump(read: Facts) -> bytes:
    entries = record.dump(record.rows(read.entries.values()))
    return record.dump((entries, dict(read.contents), record.rows(read.stream)))


def _load(data: bytes) -> Facts:
    entries, contents, stream = record.load(data)
    return Facts(record.Entries(entries), contents, record.entries(stream))  # who only locks asks for no entry
