"""Entries in one word each, tars of them, and trees as mappings that a failed test can print."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from imgforge.rootfs.stack import Stack
from imgforge.tar import Writer
from imgforge.tree import Entry, Kind

Pair = tuple[Entry, bytes]
TIME = 1_600_000_000

_NAMES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def file(path: str, content: bytes = b"", **fields: Any) -> Pair:
    return Entry(path, Kind.FILE, size=len(content), **{"mtime": TIME, **fields}), content


def directory(path: str, **fields: Any) -> Pair:
    return Entry(path, Kind.DIRECTORY, **{"mode": 0o755, "mtime": TIME, **fields}), b""


def symlink(path: str, target: str, **fields: Any) -> Pair:
    return Entry(path, Kind.SYMLINK, target=target, **{"mode": 0o777, "mtime": TIME, **fields}), b""


def hardlink(path: str, target: str, **fields: Any) -> Pair:
    return Entry(path, Kind.HARDLINK, target=target, **{"mtime": TIME, **fields}), b""


def device(path: str, major: int, minor: int, **fields: Any) -> Pair:
    return Entry(path, Kind.CHARACTER, device=(major, minor), **{"mtime": TIME, **fields}), b""


def fifo(path: str, **fields: Any) -> Pair:
    return Entry(path, Kind.FIFO, **{"mtime": TIME, **fields}), b""


def whiteout(path: str) -> Pair:
    parent, _, name = path.rpartition("/")
    return file(f"{parent}/.wh.{name}".lstrip("/"))


def opaque(path: str) -> Pair:
    return file(f"{path}/.wh..wh..opq".lstrip("/"))


def members(pairs: list[Pair]) -> Iterator[tuple[Entry, BinaryIO]]:
    for entry, content in pairs:
        yield entry, io.BytesIO(content)


def archive(pairs: list[Pair]) -> bytes:
    stream = io.BytesIO()
    with Writer(stream) as writer:
        for entry, content in pairs:
            writer.add(entry, content)
    return stream.getvalue()


def view(root: Path, *, times: bool = False) -> dict[str, str]:
    """Return every path below a root: ``{"/etc/": "dir 0755 0:0", "/etc/os-release": "file 0644 0:0 3fa9c1d2"}``."""
    found: dict[str, str] = {}
    for parent, directories, files in os.walk(os.fsencode(root)):
        for name in (*directories, *files):
            disk = parent + b"/" + name
            _put(found, os.path.relpath(disk, os.fsencode(root)), disk, times=times)
    return dict(sorted(found.items()))


def stack_view(stack: Stack, *, times: bool = False) -> dict[str, str]:
    """Return what trees that lie over each other show."""
    found: dict[str, str] = {}
    queue = [b""]
    while queue:
        parent = queue.pop()
        for name in stack.names(parent):
            path = parent + b"/" + name if parent else name
            place = stack.find(path)
            assert place is not None
            _put(found, path, place.disk, times=times)
            if place.is_directory:
                queue.append(path)
    return dict(sorted(found.items()))


def _put(found: dict[str, str], path: bytes, disk: bytes, *, times: bool) -> None:
    status = os.lstat(disk)
    slash = "/" if stat.S_ISDIR(status.st_mode) else ""
    text = f"{_NAMES[stat.S_IFMT(status.st_mode)]} {stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid}"
    if stat.S_ISREG(status.st_mode):
        text += f" {hashlib.sha256(Path(os.fsdecode(disk)).read_bytes()).hexdigest()[:8]}"
    elif stat.S_ISLNK(status.st_mode):
        text += f" -> {Path(os.fsdecode(disk)).readlink()}"
    elif stat.S_ISCHR(status.st_mode):
        text += f" {os.major(status.st_rdev)},{os.minor(status.st_rdev)}"
    if times:
        text += f" @{status.st_mtime_ns}"
    found[f"/{os.fsdecode(path)}{slash}"] = text


def plain(pair: Pair, **fields: Any) -> Pair:
    """Return a pair with other fields."""
    return attrs.evolve(pair[0], **fields), pair[1]
