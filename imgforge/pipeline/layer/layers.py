"""From fragments and tars to layer blobs in the store."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import BinaryIO

from imgforge.digest import Digest
from imgforge.layer.directories import above
from imgforge.layer.group import Group
from imgforge.oci.descriptor import Descriptor
from imgforge.pipeline.image import proving, reading
from imgforge.pipeline.layer.blobs import LayerBlob, LayerBlobs
from imgforge.pipeline.layer.compress import Compression
from imgforge.pipeline.layer.fragments import Fragments, Made
from imgforge.report import Reporter, Step, running
from imgforge.rootfs import facts
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.tar import reader, writer
from imgforge.tree import Entry

_CHUNK = 1 << 20


class LayerWriter:
    """Writes layers into the store, each at most once.

    Args:
        store: takes the blobs.
        cache: remembers which inputs gave which blob.
        compression: of the layers.
        compressors: compresses blocks.
        reporter: hears of progress.
    """

    def __init__(
        self, store: Layout, *, cache: Cache, compression: Compression, compressors: Executor, reporter: Reporter
    ) -> None:
        self._store = store
        self._cache = cache
        self._blobs = LayerBlobs(store, cache=cache, compression=compression)
        self._compression = compression
        self._compressors = compressors
        self._reporter = reporter

    def packages(
        self,
        group: Group,
        *,
        made: Mapping[str, Made],
        fragments: Fragments,
        decided: Mapping[str, Entry],
        base: Mapping[str, Entry],
    ) -> LayerBlob:
        """Write the layer of a group of packages.

        Args:
            group: which packages.
            made: their fragments, by key.
            fragments: finds the fragments' bytes.
            decided: the directories of all packages, as the image has them.
            base: the directories of the base.
        """
        members, directories, key = self._named(group, made=made, decided=decided, base=base)

        def pieces() -> Iterator[tuple[Callable[[], BinaryIO], Callable[[], BinaryIO] | None]]:
            yield lambda: io.BytesIO(directories), None
            for one in members:
                tar, compressed = fragments.tar(one), fragments.compressed(one)
                yield partial(_open, tar), partial(_open, compressed)
            yield lambda: io.BytesIO(writer.END), None

        def known() -> Facts:
            return facts.joined((_scanned(io.BytesIO(directories)), *(_facts_of(one, fragments) for one in members)))

        size = sum(piece.size for piece in group.pieces)
        return self._made_once(key, Step("layer", group.title, size), pieces, known)

    def has_packages(
        self, group: Group, *, made: Mapping[str, Made], decided: Mapping[str, Entry], base: Mapping[str, Entry]
    ) -> bool:
        """Tell whether the layer of a group is there already; see `packages`."""
        return self._blobs.recall(self._named(group, made=made, decided=decided, base=base)[2]) is not None

    def _named(
        self, group: Group, *, made: Mapping[str, Made], decided: Mapping[str, Entry], base: Mapping[str, Entry]
    ) -> tuple[tuple[Made, ...], bytes, str]:
        """Return the members of a group, the tar of their directories, and the key of their layer."""
        members = tuple(made[piece.key] for piece in group.pieces)
        directories = _directories(members, decided=decided, base=base)
        content = hashlib.sha256(directories).hexdigest()
        return members, directories, self._blobs.key("packages", content, *(one.key for one in members))

    def tar(self, path: Path, *, key: str, title: str) -> LayerBlob:
        """Write the layer whose whole tar is a file."""

        def pieces() -> Iterator[tuple[Callable[[], BinaryIO], None]]:
            yield partial(_open, path), None

        def known() -> Facts:
            with path.open("rb") as tar:
                return _scanned(tar)

        return self._made_once(self._blobs.tar_key(key), Step("layer", title), pieces, known)

    def _made_once(
        self,
        key: str,
        step: Step,
        pieces: Callable[[], Iterator[tuple[Callable[[], BinaryIO], Callable[[], BinaryIO] | None]]],
        known: Callable[[], Facts],
    ) -> LayerBlob:
        recalled = self._blobs.recall(key)
        if recalled is not None:
            return recalled
        hasher = hashlib.sha256()
        with running(self._reporter, step), self._store.ingest() as sink:
            for open_plain, open_compressed in pieces():
                self._add(open_plain, open_compressed, hasher=hasher, sink=sink)
        blob = LayerBlob(
            Descriptor(self._compression.media_type, sink.blob.digest, sink.blob.size),
            Digest("sha256", hasher.hexdigest()),
        )
        proving.remember(blob.descriptor.digest, blob.diff_id, cache=self._cache)
        reading.remember(blob.diff_id, known(), cache=self._cache)
        self._blobs.remember(key, blob)
        return blob

    def _add(
        self,
        open_plain: Callable[[], BinaryIO],
        open_compressed: Callable[[], BinaryIO] | None,
        *,
        hasher: hashlib._Hash,
        sink: BinaryIO,
    ) -> None:
        if open_compressed is None:
            with open_plain() as plain, self._compression.open(sink.write, self._compressors) as compressing:
                while chunk := plain.read(_CHUNK):
                    hasher.update(chunk)
                    compressing.write(chunk)
            return
        with open_plain() as plain:
            while chunk := plain.read(_CHUNK):
                hasher.update(chunk)
        with open_compressed() as compressed:
            shutil.copyfileobj(compressed, sink, _CHUNK)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _scanned(tar: BinaryIO) -> Facts:
    return facts.scan(reader.read(tar, what="a layer that was just written"))


def _facts_of(made: Made, fragments: Fragments) -> Facts:
    """Return what is known of a fragment; its tar is read only where it has a file whose content counts."""
    entries = made.fragment.entries
    if any(facts.is_wanted(entry.path) for entry in entries):
        with fragments.tar(made).open("rb") as tar:
            return _scanned(tar)
    return Facts({entry.path: entry for entry in entries}, {})


def _directories(members: tuple[Made, ...], *, decided: Mapping[str, Entry], base: Mapping[str, Entry]) -> bytes:
    """Return the tar of the directories of a layer: those its packages ship, and those above its files."""
    shipped = {entry.path for one in members for entry in one.fragment.directories if entry.path in decided}
    paths = [*(entry.path for one in members for entry in one.fragment.entries), *(f"{path}/x" for path in shipped)]
    newest = max(one.fragment.timestamp for one in members)
    tar = io.BytesIO()
    output = writer.Writer(tar)
    for entry in above(paths, decided, base, epoch=newest):
        output.add(entry, None)
    return tar.getvalue()
