"""Tiny real `.deb`s, made in memory and accepted by dpkg.

`build_deb` makes a good package. `build_ar`, `build_tar` and `compress` are its three steps, for tests that need
a bad one. Nothing here uses imgforge's own readers, so that a mistake cannot hide in both.
Source: deb(5), deb-control(5), ar's common format.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterable, Mapping

import attrs
import zstandard

from imgforge.tree import Entry, Kind

MTIME = 1_700_000_000
"""The time of every member and file unless a test says otherwise: 2023-11-14T22:13:20Z."""

EXTENSIONS = {"none": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst", "bzip2": ".bz2", "lzma": ".lzma"}

Content = bytes | Entry | tuple[Entry, bytes]
"""A file's bytes (mode 0644, root's), an entry without content, or an entry and its content."""

Names = Mapping[str, tuple[str, str]]

_TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
    Kind.CHARACTER: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}


def build_deb(
    name: str,
    version: str,
    *,
    architecture: str = "amd64",
    files: Mapping[str, Content] | None = None,
    depends: str = "",
    scripts: Mapping[str, str] | None = None,
    conffiles: tuple[str, ...] = (),
    triggers: str = "",
    fields: Mapping[str, str] | None = None,
    control_files: Mapping[str, str] | None = None,
    compression: str = "xz",
    data_compression: str = "",
    mtime: int = MTIME,
    names: Names | None = None,
    prefix: str = "./",
) -> bytes:
    """Return a whole `.deb`.

    Args beside the obvious:
        files: content by path (``usr/bin/x``), see `Content`; an entry's own `path` and `size` are not read. Missing
            parents become directories 0755 root:root.
        scripts: ``#!/bin/sh`` and ``set -e`` are put before a text that does not start with ``#!``.
        conffiles: absolute paths.
        fields: further control fields, or others in the place of the made ones; an empty value leaves one out.
        control_files: further members of control.tar (`templates`, `shlibs`, …).
        mtime: whole seconds since the epoch, for every file and ar member.
        names: user and group by path, where they are not ``root`` for 0.
        prefix: what the names of data.tar begin with.
    """
    tree = _with_parents(files or {}, mtime=mtime)
    control = {"Package": name, "Version": version, "Architecture": architecture, "Depends": depends}
    texts = {"control": control_text(control | _further_fields(name, tree) | dict(fields or {}))}
    texts |= {"md5sums": _md5sums(tree), "conffiles": "".join(f"{path}\n" for path in conffiles), "triggers": triggers}
    texts |= {script: _script(text) for script, text in (scripts or {}).items()} | dict(control_files or {})
    root = (Entry(".", Kind.DIRECTORY, mode=0o755, mtime=mtime), b"")
    entries = _control_entries(texts, executable=frozenset(scripts or {}), mtime=mtime)
    data = build_tar([root, *tree], names=names, prefix=prefix), data_compression or compression
    return _packed({"control": (build_tar([root, *entries]), compression), "data": data}, mtime=mtime)


def _packed(tars: Mapping[str, tuple[bytes, str]], *, mtime: int) -> bytes:
    members = [(f"{stem}.tar{EXTENSIONS[form]}", compress(tar, form)) for stem, (tar, form) in tars.items()]
    return build_ar([("debian-binary", b"2.0\n"), *members], mtime=mtime)


def control_text(fields: Mapping[str, str]) -> str:
    """Return a control file; fields with an empty value are left out."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def build_tar(
    entries: Iterable[tuple[Entry, bytes]],
    *,
    archive_format: int = tarfile.GNU_FORMAT,
    names: Names | None = None,
    prefix: str = "./",
) -> bytes:
    """Return a tar as dpkg-deb writes it: GNU format, names with ``./``, directories with a trailing slash."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=archive_format, errors="surrogateescape") as archive:
        for entry, content in entries:
            info = tarfile.TarInfo(prefix.rstrip("/") or "/" if entry.path == "." else f"{prefix}{entry.path}")
            info.type = _TYPES[entry.kind]
            info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
            info.devmajor, info.devminor = entry.device
            usual = "root" if entry.uid == 0 else "", "root" if entry.gid == 0 else ""
            info.uname, info.gname = (names or {}).get(entry.path, usual)
            info.linkname = f"{prefix}{entry.target}" if entry.kind is Kind.HARDLINK else entry.target
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def build_ar(members: Iterable[tuple[str, bytes]], *, mtime: int = MTIME) -> bytes:
    """Return an ar archive of the common format; members are padded to even offsets."""
    data = bytearray(b"!<arch>\n")
    for name, content in members:
        data += ar_header(name, str(len(content)), mtime=str(mtime)) + content + b"\n" * (len(content) & 1)
    return bytes(data)


def ar_header(name: str, size: str, *, mtime: str = str(MTIME), end: bytes = b"`\n") -> bytes:
    """Return the 60 bytes before a member; the texts stand in it as they are given."""
    return f"{name:<16}{mtime:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}".encode("latin-1") + end


def compress(data: bytes, compression: str) -> bytes:
    """Return the data in one of the compressions of `EXTENSIONS`."""
    if compression == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if compression == "xz":
        return lzma.compress(data, preset=0)
    if compression == "lzma":
        return lzma.compress(data, format=lzma.FORMAT_ALONE, preset=0)
    if compression == "bzip2":
        return bz2.compress(data)
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(data)
    return data


def _with_parents(files: Mapping[str, Content], *, mtime: int) -> list[tuple[Entry, bytes]]:
    tree: dict[str, tuple[Entry, bytes]] = {}
    for path, given in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            tree.setdefault(parent, (Entry(parent, Kind.DIRECTORY, mode=0o755, mtime=mtime), b""))
        tree[path] = _member(path, given, mtime=mtime)
    # A hard link follows the file that it names, or dpkg cannot make it.
    return sorted(tree.values(), key=lambda member: (member[0].kind is Kind.HARDLINK, member[0].path))


def _member(path: str, given: Content, *, mtime: int) -> tuple[Entry, bytes]:
    if isinstance(given, bytes):
        return Entry(path, Kind.FILE, mtime=mtime, size=len(given)), given
    entry, content = (given, b"") if isinstance(given, Entry) else given
    return attrs.evolve(entry, path=path, mtime=entry.mtime or mtime, size=len(content)), content


def _further_fields(name: str, tree: list[tuple[Entry, bytes]]) -> dict[str, str]:
    return {
        "Maintainer": "Nobody <nobody@example.org>",
        "Installed-Size": str(max(1, sum(_kibibytes(content) for _, content in tree))),
        "Section": "misc",
        "Priority": "optional",
        "Description": f"the test package {name}",
    }


def _control_entries(texts: Mapping[str, str], *, executable: frozenset[str], mtime: int) -> list[tuple[Entry, bytes]]:
    return [
        (
            Entry(path, Kind.FILE, mode=0o755 if path in executable else 0o644, mtime=mtime),
            text.encode("utf-8", "surrogateescape"),
        )
        for path, text in texts.items()
        if text
    ]


def _kibibytes(content: bytes) -> int:
    # deb-substvars(5): every file counts in whole KiB, everything else as 1.
    return max(1, -(-len(content) // 1024))


def _md5sums(tree: list[tuple[Entry, bytes]]) -> str:
    return "".join(
        f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {entry.path}\n"
        for entry, content in tree
        if entry.kind is Kind.FILE
    )


def _script(text: str) -> str:
    return text if text.startswith("#!") else f"#!/bin/sh\nset -e\n{text}\n"
