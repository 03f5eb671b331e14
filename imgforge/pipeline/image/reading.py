"""Reading images: the facts of their trees, and single files.

Each layer is read at most once, ever: what was found is cached by its diff_id, and used for a blob only when its bytes
were seen to have that diff_id (`imgforge.pipeline.image.proving`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from imgforge import record
from imgforge.codec import BombError, decompress
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.pipeline.image import proving
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.image.tars import Tars, prove
from imgforge.report import Reporter
from imgforge.rootfs import facts
from imgforge.rootfs.facts import Facts
from imgforge.rootfs.folding import FoldError, Folding
from imgforge.store.cache import Cache
from imgforge.tar import LAYER, TarError, reader
from imgforge.tree import Entry, Kind


def facts_of(base: Base, *, cache: Cache, reporter: Reporter) -> Facts:
    """Return what is known of the base's tree, reading each layer at most once, ever."""
    if not base.image.config.diff_ids:
        return facts.EMPTY
    key = f"{base.chain_id.replace(':', '-')}-{facts.FORMAT}-{record.VERSION}"
    found = cache.read("image-facts", key)
    if found is not None:
        prove(base, cache=cache, reporter=reporter)
        return _load(found)
    folded = _folded(base, cache=cache, reporter=reporter)
    cache.put("image-facts", key, _dump(folded))
    return folded


def _folded(base: Base, *, cache: Cache, reporter: Reporter) -> Facts:
    """Put the facts of all layers together; those that are not known come from the pass that proves the layer."""
    folding, size = Folding(), 0
    known = [_known(diff_id, cache) for diff_id in base.image.config.diff_ids]
    missing = [number for number, found in enumerate(known) if not found]
    with Tars(base, missing, cache=cache, reporter=reporter) as tars:
        for number, found in enumerate(known):
            with tars.take(number) as tar:
                layer = _load(found) if tar is None else _scan(base, number, tar, cache=cache)
            size += sum(entry.size for entry in layer.sequence)
            _check_size(base, size)
            try:
                folding.add(layer)
            except FoldError as error:
                raise FoldError(f"{base.name}: layer {number + 1}: {error}") from None
    return folding.facts()


def _check_size(base: Base, size: int) -> None:
    """Refuse an image whose files are too large together; `Tars` counts the bytes of tars, which have no holes."""
    if size > base.limits.image:
        text = f"{base.name}: its files, sparse ones with their holes, have more than {base.limits.shown('image')}"
        raise proving.explained(BombError(text), "image")


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
        found = (
            content.read() if entry.kind is Kind.FILE else None
            for entry, content in members(base, number, stream)
            if entry.path == path
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
                entries = members(base, number, stream)
                found |= {entry.path: content.read() for entry, content in entries if _is_file(entry, here)}
    return found


def _is_file(entry: Entry, wanted: set[str]) -> bool:
    return entry.kind is Kind.FILE and entry.path in wanted


def open_layer(base: Base, number: int) -> BinaryIO:
    """Open a layer of an image, counted from 0, as its tar."""
    descriptor = base.image.manifest.layers[number]
    cap = base.limits.unpacked(descriptor.size)
    return decompress(base.open_blob(descriptor), what=f"{base.name}: layer {number + 1}", cap=cap)


def members(base: Base, number: int, stream: BinaryIO) -> Iterator[tuple[Entry, BinaryIO]]:
    """Yield the entries of a layer, counted from 0, from its tar: in every form that runtimes unpack.

    Whatever reads layers of an image reads them so, and sees the tree that is unpacked.

    Raises:
        TarError: it is not a tar that is accepted, or its files, with their holes, are larger than a layer may be.
    """
    limits = attrs.evolve(reader.LIMITS, single=base.limits.layer, total=base.limits.layer)
    return reader.read(stream, what=f"{base.name}: layer {number + 1}", limits=limits, forms=LAYER)


def layer_facts(base: Base, number: int, *, cache: Cache, reporter: Reporter) -> Facts:
    """Return what is known of one layer of an image, counted from 0, reading it at most once, ever."""
    found = _known(base.image.config.diff_ids[number], cache)
    wanted = () if found else (number,)
    with Tars(base, wanted, among=(number,), cache=cache, reporter=reporter) as tars, tars.take(number) as tar:
        return _load(found) if tar is None else _scan(base, number, tar, cache=cache)


def _known(diff_id: Digest, cache: Cache) -> bytes:
    return cache.read("layer-facts", _facts_key(diff_id)) or b""


def _scan(base: Base, number: int, tar: Path, *, cache: Cache) -> Facts:
    what = f"{base.name}: layer {number + 1}"
    with tar.open("rb") as stream:
        try:
            read = facts.scan(members(base, number, stream))
        except TarError as error:
            error.add_note("the base image is damaged or hostile; build or pull it again")
            raise
        except IntegrityError as error:
            raise IntegrityError(f"{what}: {error}") from None
    remember(base.image.config.diff_ids[number], read, cache=cache)
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
