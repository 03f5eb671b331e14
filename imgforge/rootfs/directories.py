"""The directories of a tree that is being unpacked, opened one below the other and never through a symlink.

An archive may name ``bin/env`` where ``bin`` is a symlink to ``usr/bin``, made by itself or by a layer below; others'
layers do. The symlink is followed here, by hand, with the tree's root as the world's: ``/`` and ``..`` end there. Every
directory is then opened with ``O_NOFOLLOW`` below the one that holds it, so that nothing outside can be reached even if
the resolution were wrong.
"""

from __future__ import annotations

import errno
import os
import stat

from imgforge.errors import IntegrityError
from imgforge.rootfs import attributes
from imgforge.rootfs.owners import SECOND, Owners
from imgforge.rootfs.stack import Place, Stack, is_whiteout
from imgforge.tree import PATH_MAX, text

HOPS = 40
"""Symlinks that one path may lead through, as in Linux (path_resolution(7), MAXSYMLINKS)."""

DEPTH = 256
"""Directories below each other; what walks a tree later may recurse."""

IMPLIED = 100_000
"""Directories that a layer may need without naming them: a name of 4 KB can ask for 2,000."""

_OPENED = 128  # descriptors, of 1,024 that a process usually may have
_RESOLVED = 2048
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class ExtractError(IntegrityError):
    """A layer that does not fit together, or tries to write where it must not."""


class Directories:
    """The tree's directories by their path, which is relative, in bytes, and empty for the root.

    Args:
        root: the tree, which exists.
        stack: the trees below it; a directory that a layer only passes through looks as it does there.
        owners: how ownership is kept.
        covers: whether the tree lies over others, so that whiteouts and opaque marks are written into it.
    """

    def __init__(self, root: bytes, *, stack: Stack, owners: Owners, covers: bool) -> None:
        self._stack = stack
        self._owners = owners
        self._covers = covers
        self._root = os.open(root, _FLAGS)
        self._open: dict[bytes, int] = {}
        self._real: dict[bytes, bytes] = {b"": b""}
        self._followed: set[bytes] = set()
        self._covered: set[bytes] = set()
        self._implied = 0
        self.times: dict[bytes, int] = {}
        """Modification time, in nanoseconds, that every touched directory is to have in the end."""
        self.made: set[bytes] = set()
        """Every path that the layer itself brought: its whiteouts spare that."""
        self._begin()

    def close(self) -> None:
        """Close every descriptor."""
        self.forget()
        os.close(self._root)

    def forget(self) -> None:
        """Close all but the root: a directory or a symlink went away."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        self._forget_links()

    def locate(self, path: bytes) -> tuple[bytes, bytes]:
        """Return the real path of the directory that holds `path`, symlinks in it followed, and the last part."""
        parent, _, name = path.rpartition(b"/")
        return self._resolve(parent), name

    def place(self, path: bytes) -> tuple[int, bytes, bytes]:
        """Return an open directory, made when missing, the name in it, and the real path, of a path to be made."""
        parent, _, name = path.rpartition(b"/")
        real = self._real.get(parent)
        if real is None:
            if len(self._real) >= _RESOLVED:
                self._forget_links()
            real = self._resolve(parent)
            self._real[parent] = real
        descriptor = self._open.get(real)
        if descriptor is None:
            descriptor = self.open(real)
        return descriptor, name, join(real, name)

    def open(self, real: bytes) -> int:
        """Return a directory's descriptor, which stays open until a later call; it is made when missing.

        Raises:
            ExtractError: something else is in its place.
        """
        descriptor = self._walk(real, make=True)
        if descriptor is None:
            raise ExtractError(f"{text(real)!r}: is no directory")
        return descriptor

    def existing(self, real: bytes) -> int | None:
        """Return a directory's descriptor, None when the tree itself has no such directory."""
        return self._walk(real, make=False)

    def below(self, real: bytes) -> Place | None:
        """Return what the trees below show at a path, unless this tree's directories hide it."""
        parent = real
        while parent and self._covered:
            parent = parent.rpartition(b"/")[0]
            if parent in self._covered:
                return None
        return self._stack.find(real)

    def make(self, descriptor: int, name: bytes, real: bytes) -> int:
        """Make a directory that is not there, and open it; its metadata are the caller's affair."""
        os.mkdir(name, 0o700, dir_fd=descriptor)
        opened = os.open(name, _FLAGS, dir_fd=descriptor)
        self._keep(real, opened)
        return opened

    def bring(self, real: bytes) -> None:
        """Note that the layer itself brings something to a path, maybe in place of a symlink of a tree below."""
        self.made.add(real)
        if real in self._followed:
            self._forget_links()

    def hide(self, descriptor: int, real: bytes) -> None:
        """Mark an open directory so that it hides what the trees below have there."""
        if self._covers:
            os.setxattr(descriptor, f"{self._owners.mark}opaque", b"y")
            self.cover(real)

    def is_covered(self, real: bytes) -> bool:
        """Whether `cover` was said of this path."""
        return real in self._covered

    def cover(self, real: bytes) -> None:
        """Note that nothing of the trees below shows under a path any more; the marks are the caller's affair."""
        self._covered.add(real)

    def _forget_links(self) -> None:
        """Resolve paths anew."""
        self._real = {b"": b""}
        self._followed.clear()

    def _begin(self) -> None:
        """Make a fresh root look like the one below it, or like any other root."""
        if os.listdir(self._root):
            self.times[b""] = os.fstat(self._root).st_mtime_ns
        else:
            self._imitate(self._root, b"")

    def _resolve(self, path: bytes) -> bytes:
        """Return where a directory really is, symlinks followed with the root as the world's."""
        parent, _, name = path.rpartition(b"/")
        known = self._real.get(path)
        if known is not None:
            return known
        real = self._real.get(parent)
        rest = [name] if real is not None else path.split(b"/")[::-1]
        real = real or b""
        hops = 0
        while rest:
            part = rest.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                real = real.rpartition(b"/")[0]
                continue
            target = self._target(real, part)
            if target is None:
                real = join(real, part)
                _check(real)
                continue
            self._followed.add(join(real, part))
            hops += 1
            if hops > HOPS:
                raise ExtractError(f"{text(path)!r}: leads through more than {HOPS} symlinks")
            rest.extend(reversed(target.split(b"/")))
            if target.startswith(b"/"):
                real = b""
        return real

    def _target(self, parent: bytes, name: bytes) -> bytes | None:
        """Return the text of a symlink; None of a directory and of what is not there.

        Raises:
            ExtractError: it is something else, which cannot hold a file.
        """
        descriptor = self.existing(parent)
        if descriptor is not None:
            try:
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                pass
            else:
                if stat.S_ISLNK(mode.st_mode):
                    return os.readlink(name, dir_fd=descriptor)
                if stat.S_ISDIR(mode.st_mode) or (self._covers and is_whiteout(mode)):
                    return None
                raise ExtractError(f"{text(join(parent, name))!r}: is no directory, and cannot hold a file")
        place = self.below(join(parent, name))
        if place is None or place.is_directory:
            return None
        if stat.S_ISLNK(place.status.st_mode):
            return os.readlink(place.disk)
        raise ExtractError(f"{text(join(parent, name))!r}: is no directory, and cannot hold a file")

    def _walk(self, real: bytes, *, make: bool) -> int | None:
        """Return a directory's descriptor, opened from the nearest one above it that is open."""
        if not real:
            return self._root
        path, missing = real, []
        while path and path not in self._open:
            path, _, name = path.rpartition(b"/")
            missing.append(name)
        descriptor = self._open[path] if path else self._root
        for name in reversed(missing):
            path = join(path, name)
            entered = self._enter(descriptor, name, path, make=make)
            if entered is None:
                return None
            descriptor = entered
        return descriptor

    def _enter(self, descriptor: int, name: bytes, real: bytes, *, make: bool) -> int | None:
        """Open a directory in another one; when it is missing, make it as `make` says."""
        try:
            opened = os.open(name, _FLAGS, dir_fd=descriptor)
        except FileNotFoundError:
            return self._imply(descriptor, name, real) if make else None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not make or not (self._covers and is_whiteout(status)):
                return None
            os.unlink(name, dir_fd=descriptor)
            self.cover(real)
            opened = self._imply(descriptor, name, real)
            self.hide(opened, real)
            return opened
        self.times.setdefault(real, os.fstat(opened).st_mtime_ns)
        self._keep(real, opened)
        return opened

    def _imply(self, descriptor: int, name: bytes, real: bytes) -> int:
        """Make a directory that the layer needs and does not name."""
        self._implied += 1
        if self._implied > IMPLIED:
            raise ExtractError(f"{text(real)!r}: more than {IMPLIED} directories that no entry names")
        opened = self.make(descriptor, name, real)
        if not self._imitate(opened, real):
            self.made.add(real)
        return opened

    def _imitate(self, opened: int, real: bytes) -> bool:
        """Give a directory the metadata that it has in the trees below, since overlay shows the topmost one's.

        Returns:
            whether it is there at all; else it looks like any directory.
        """
        place = None if self.is_covered(real) else self.below(real)
        if place is None or not place.is_directory:
            self._owners.give(opened, 0, 0)
            os.fchmod(opened, 0o755)
            self.times[real] = 0  # any constant will do; the time of unpacking would differ each time
            return False
        self._owners.give(opened, *self._owners.of(place.disk, place.status))
        os.fchmod(opened, stat.S_IMODE(place.status.st_mode))
        attributes.write(opened, attributes.read(place.disk))
        self.times[real] = place.status.st_mtime_ns // SECOND * SECOND
        return True

    def _keep(self, real: bytes, opened: int) -> None:
        """Remember an open directory; the one that was opened first makes room."""
        if len(self._open) >= _OPENED:
            oldest = next(iter(self._open))
            os.close(self._open.pop(oldest))
        self._open[real] = opened


def _check(real: bytes) -> None:
    """Refuse a path that symlinks made longer than any tool can use, or that is too deep."""
    if len(real) >= PATH_MAX or real.count(b"/") >= DEPTH:
        raise ExtractError(f"{text(real[:80])!r}…: deeper than {DEPTH} directories, or longer than Linux allows")


def join(directory: bytes, name: bytes) -> bytes:
    """Return the path of a name in a directory."""
    return directory + b"/" + name if directory else name
