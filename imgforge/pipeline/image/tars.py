"""The layers of an image as tars: each is decompressed once, several at once, and proven while it is.

One pass gives the proof of the diff_id (`imgforge.pipeline.image.proving`) and, where it is wanted, the tar for the
facts or the tree. zlib, zstd and hashlib release the interpreter's lock, so threads are enough. The tars come in the
order of the layers, because a layer's tree depends on those below it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from imgforge.codec import BombError
from imgforge.errors import StoreError
from imgforge.pipeline.image import proving
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.store.cache import Cache

_JOBS = 2
"""Threads: trees are unpacked meanwhile, by one process. Each may need 128 MiB, for the window of a zstd frame."""

_AHEAD = 128 << 20
"""Compressed bytes of layers that may be decompressed before the first of them is taken: bounds the disk they need."""

_LEAST_FREE = 64 << 20
"""Bytes that are left on the disk of the cache: a layer that needs them is refused before others notice."""


_CHECKED = 4 << 20
"""Bytes that a thread writes between two looks at the disk."""


class Tars:
    """Decompresses layers of an image ahead of their use; a context manager, in whose block they are taken in order.

    Args:
        base: the image.
        wanted: the layers, counted from 0, whose tars are needed. Of the others those without a proof are read, too.
        among: the layers that are taken; all of them by default.
        cache: remembers the proofs, and has room for the tars.
        reporter: gets a step ``read`` for each layer that is decompressed.
    """

    def __init__(
        self,
        base: Base,
        wanted: Collection[int],
        *,
        among: Sequence[int] | None = None,
        cache: Cache,
        reporter: Reporter,
    ) -> None:
        self._base = base
        self._wanted = frozenset(wanted)
        self._numbers = range(len(base.image.config.diff_ids)) if among is None else among
        self._cache = cache
        self._reporter = reporter
        self._budget = _Budget(base)
        self._resources = contextlib.ExitStack()
        self._waiting: deque[int] = deque()
        self._running: dict[int, concurrent.futures.Future[Path | None]] = {}
        self._weight = 0

    def __enter__(self) -> Self:
        self._waiting.extend(number for number in self._numbers if not self._is_known(number) or number in self._wanted)
        if self._waiting:
            self._scratch = self._resources.enter_context(self._cache.scratch())
            self._executor = concurrent.futures.ThreadPoolExecutor(_JOBS, thread_name_prefix="tars")
            self._resources.callback(self._executor.shutdown, wait=True, cancel_futures=True)
            self._resources.callback(self._budget.stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._resources.__exit__(kind, error, at)

    @contextlib.contextmanager
    def take(self, number: int) -> Iterator[Path | None]:
        """Wait until a layer is proven; give its tar, removed after the block, or None if it is not wanted.

        Layers are taken in ascending order, and may be left out.

        Raises:
            IntegrityError: it is not the layer that the config claims, or it is damaged.
            BombError: it, or the image, is larger than its limit.
            StoreError: the disk is full.
        """
        self._fill(number)
        future = self._running.pop(number, None)
        if future is None:
            yield None
            return
        path = future.result()
        self._weight -= self._size(number)
        self._fill(number)
        try:
            yield path
        finally:
            if path is not None:
                path.unlink()

    def prove(self) -> None:
        """Take all layers, for their proofs alone."""
        for number in self._numbers:
            with self.take(number):
                pass

    def _is_known(self, number: int) -> bool:
        return proving.is_known(self._base, number, cache=self._cache)

    def _size(self, number: int) -> int:
        return self._base.image.manifest.layers[number].size

    def _fill(self, last: int) -> None:
        """Start all layers up to one, and those after it that there is room for, at least one if none runs."""
        while self._waiting and (self._waiting[0] <= last or not self._running or self._has_room()):
            number = self._waiting.popleft()
            self._weight += self._size(number)
            self._running[number] = self._executor.submit(self._read, number)

    def _has_room(self) -> bool:
        return self._weight + self._size(self._waiting[0]) <= _AHEAD

    def _read(self, number: int) -> Path | None:
        if number not in self._wanted:
            proving.read(self._base, number, self._budget.add, cache=self._cache, reporter=self._reporter)
            return None
        path = self._scratch / f"{number}.tar"
        with path.open("xb") as file:
            proving.read(self._base, number, self._writer(file), cache=self._cache, reporter=self._reporter)
        return path

    def _writer(self, file: BinaryIO) -> proving.Sink:
        unchecked = 0

        def write(chunk: bytes) -> None:
            nonlocal unchecked
            self._budget.add(chunk)
            unchecked -= len(chunk)
            if unchecked < 0:
                _keep_free(self._scratch)
                unchecked = _CHECKED
            file.write(chunk)

        return write


def prove(base: Base, *, cache: Cache, reporter: Reporter) -> None:
    """Make sure that every layer of an image is the one that its config claims, reading each at most once, ever.

    Raises:
        IntegrityError: a layer is another one, or damaged.
    """
    with Tars(base, (), cache=cache, reporter=reporter) as tars:
        tars.prove()


class _Budget:
    """How much of an image was decompressed so far, by all threads, against its limit."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._bytes = 0
        self._lock = threading.Lock()
        self._is_stopped = False

    def stop(self) -> None:
        """Make whatever still reads end at its next piece: its result is not needed."""
        self._is_stopped = True

    def add(self, chunk: bytes) -> None:
        """Count a piece of a layer.

        Raises:
            BombError: the image is larger than its limit.
        """
        with self._lock:
            self._bytes += len(chunk)
            is_over = self._bytes > self._base.limits.image
        if is_over:
            most = self._base.limits.shown("image")
            raise proving.explained(BombError(f"{self._base.name}: its layers hold more than {most}"), "image")
        if self._is_stopped:
            raise concurrent.futures.CancelledError


def _keep_free(directory: Path) -> None:
    status = os.statvfs(directory)
    if status.f_bavail * status.f_frsize < _LEAST_FREE + _JOBS * _CHECKED:
        text = f"{directory}: disk full: a layer of an image needs more than is left"
        raise StoreError(text).because(errno.ENOSPC)
