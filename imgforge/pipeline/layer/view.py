"""An image as a tree that can be looked into without mounting or unpacking it."""

from __future__ import annotations

from imgforge.errors import BuildError
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.rootfs.facts import EMPTY
from imgforge.store.cache import Cache
from imgforge.tree import Entry, Kind

READ_LIMIT = 64 << 20
"""Bytes of one file that an edit may have."""

_LINKS_MAX = 40
"""Linux's limit of symlinks in one path (path_resolution(7))."""


class View:
    """What an image holds.

    Args:
        base: the image; None for one without layers.
        cache: keeps the facts of layers.
        reporter: hears when a layer must be read.
    """

    def __init__(self, base: Base | None, *, cache: Cache, reporter: Reporter) -> None:
        self._base = base
        self._cache = cache
        self._reporter = reporter
        self._facts = reading.facts_of(base, cache=cache, reporter=reporter) if base else EMPTY

    def entry(self, path: str) -> Entry | None:
        """Return what is at a path, links not followed."""
        return self._facts.entries.get(path)

    def directory(self, path: str) -> Entry | None:
        """Return the directory at a path; None where there is none."""
        found = self.entry(path)
        return found if found is not None and found.kind is Kind.DIRECTORY else None

    def place(self, path: str) -> str:
        """Return a path with the symlinks above its last part followed."""
        return self._follow(path, last=False)

    def resolve(self, path: str) -> str:
        """Return a path with all its symlinks followed."""
        return self._follow(path, last=True)

    def read(self, path: str) -> bytes | None:
        """Return the content of a regular file; None where there is none.

        Raises:
            BuildError: it is too large to be edited.
        """
        found = self.entry(path)
        if found is None or found.kind not in (Kind.FILE, Kind.HARDLINK) or self._base is None:
            return None
        if path in self._facts.contents:
            return self._facts.contents[path]
        if found.size > READ_LIMIT:
            raise BuildError(f"/{path}: expected at most {READ_LIMIT} bytes to edit, got {found.size}")
        return reading.read_file(self._base, path, cache=self._cache, reporter=self._reporter)

    def _follow(self, path: str, *, last: bool) -> str:
        rest, links = path.split("/"), 0
        done: list[str] = []
        while rest:
            part = rest.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join((*done, part))
            entry = self.entry(here)
            if entry is None or entry.kind is not Kind.SYMLINK or (not rest and not last):
                done.append(part)
                continue
            links += 1
            if links > _LINKS_MAX:
                raise BuildError(f"/{path}: too many levels of symbolic links in the image")
            done = [] if entry.target.startswith("/") else done
            rest = [*entry.target.split("/"), *rest]
        return "/".join(done)
