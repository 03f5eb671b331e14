"""The fragment: the normalised content of one .deb, a pure function of its bytes and of the path rules.

A fragment's tar holds everything but directories: those are shared between packages, so they are written
once per layer (`imgforge.layer.group`) and fragments can be concatenated. It also holds what dpkg keeps of
a package below ``/var/lib/dpkg/info``. What scripts do is not here: that is the state layer.

Sources: deb(5); dpkg's `tarobject`, `pkg_infodb` and `write_filehash_except` for what an unpack leaves behind;
deb-triggers(5); deb-conffiles(5).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, TypeAlias, cast

import attrs

from imgforge.deb.package import DebPackage
from imgforge.layer.rules import PathRules
from imgforge.tar import writer
from imgforge.tree import ROOT, Entry, Kind, raw

FORMAT = 8
"""Raise it when the bytes of a fragment change for the same .deb, or when a .deb that had one is refused: every cached
one is then made anew."""

INFO = "var/lib/dpkg/info"

_MASTERS = ("usr/share/base-passwd/passwd.master", "usr/share/base-passwd/group.master")
"""What base-passwd makes /etc/passwd and /etc/group of (update-passwd(8))."""

_MASTER_MAX = 1 << 20

_OBSOLETE = "remove-on-upgrade "

Members: TypeAlias = dict[str, tuple[Entry, bytes]]
"""The control files of a package, by name."""

_CHUNK = 1 << 20


@attrs.frozen
class Fragment:
    """What is known of a fragment besides its bytes.

    Attributes:
        package: binary package name.
        version: its version.
        architecture: its architecture.
        info_name: the stem of its files in ``info/``: ``name`` or ``name:arch`` for ``Multi-Arch: same``.
        control: the control stanza, as the package has it.
        conffile_lines: path (absolute) and MD5 of each conffile, in the package's order; no MD5 of one that the package
            no longer ships, and that dpkg removes when it upgrades an earlier version (``remove-on-upgrade``).
        preinst: the text of its preinst script, empty where it has none.
        templates: the text of its debconf templates, which a preinst may ask for; empty where it has no preinst.
        config: the text of its debconf config script, likewise.
        pre_depends: the field Pre-Depends.
        depends: the field Depends.
        provides: the field Provides.
        source: source package name.
        triggers: the text of its ``triggers`` control file.
        timestamp: newest member time of the .deb, seconds since the epoch.
        directories: its directories, placed, in the package's order.
        entries: everything else, placed, in the tar's order.
        shipped: every path the package ships, as it names them (absolute): what activates file triggers.
        owners: path, user and group by name, of entries and directories whose owners have names that may mean others
            than their numbers; a name may be empty.
        accounts: the texts of the first /etc/passwd and /etc/group, if this is base-passwd; else empty.
        size: bytes of the tar.
    """

    package: str
    version: str
    architecture: str
    info_name: str
    control: str
    conffile_lines: tuple[tuple[str, str], ...]
    preinst: str
    templates: str
    config: str
    pre_depends: str
    depends: str
    provides: str
    source: str
    triggers: str
    timestamp: int
    directories: tuple[Entry, ...]
    entries: tuple[Entry, ...]
    shipped: tuple[str, ...]
    owners: tuple[tuple[str, str, str], ...]
    accounts: tuple[str, str]
    size: int

    @property
    def conffiles(self) -> tuple[tuple[str, str], ...]:
        """The path (absolute) and MD5 of each conffile that is in the image, in the package's order."""
        return tuple((path, digest) for path, digest in self.conffile_lines if digest)


class _Hashed:
    """A content reader that takes the MD5 of what passes, when dpkg will want it."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        data = self._content.read(size)
        self.md5.update(data)
        return data


def write(deb: DebPackage, sink: BinaryIO, *, rules: PathRules, threads: int = 1) -> Fragment:
    """Write the fragment's tar, without the end-of-archive blocks, and return what is known of it.

    Args:
        deb: an opened package, its content not read yet.
        sink: takes the bytes.
        rules: the image's path aliases and filters.
        threads: how many may decompress.

    Raises:
        DebError: the package is not what deb(5) says, or is hostile.
    """
    members = {entry.path: (entry, data) for entry, data in deb.members}
    names: dict[str, tuple[str, str]] = {}
    content = _Content(deb.entries(threads=threads, names=names), rules=rules, members=members, names=names)
    counter = _Counting(sink)
    tar = writer.Writer(counter)
    for entry, stream in content.files():
        tar.add(entry, stream)
    name = info_name(deb.name, deb.architecture, deb.control.get("Multi-Arch", ""))
    info = tuple(_info_files(name, members, content=content, timestamp=deb.timestamp))
    for entry, data in info:
        tar.add(entry, data)
    infos = tuple(entry for entry, _ in info)
    return _described(deb, members, content, name=name, infos=infos, size=counter.written)


def _described(
    deb: DebPackage, members: Members, content: _Content, *, name: str, infos: tuple[Entry, ...], size: int
) -> Fragment:
    return Fragment(
        package=deb.name,
        version=deb.version,
        architecture=deb.architecture,
        info_name=name,
        control=_text(members, "control"),
        conffile_lines=content.conffile_lines(),
        preinst=_text(members, "preinst"),
        templates=_text(members, "templates") if "preinst" in members else "",
        config=_text(members, "config") if "preinst" in members else "",
        pre_depends=deb.control.get("Pre-Depends", ""),
        depends=deb.control.get("Depends", ""),
        provides=deb.control.get("Provides", ""),
        source=deb.control.get("Source", deb.name).split(" ", 1)[0],
        triggers=_text(members, "triggers"),
        timestamp=deb.timestamp,
        directories=tuple(content.directories),
        entries=(*content.entries, *infos),
        shipped=tuple(content.shipped),
        owners=tuple(content.owners),
        accounts=(content.masters.get(_MASTERS[0], ""), content.masters.get(_MASTERS[1], "")),
        size=size,
    )


def info_name(package: str, architecture: str, multi_arch: str) -> str:
    """Return the stem under which dpkg keeps a package's control files (dpkg's `pkg_infodb_get_file`)."""
    return f"{package}:{architecture}" if multi_arch == "same" else package


class _Counting:
    """Passes bytes on and counts them."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.written = 0

    def write(self, data: bytes) -> int:
        self.written += len(data)
        return self._sink.write(data)


class _Content:
    """The walk over data.tar: what enters the image, and what dpkg's database says of it."""

    def __init__(
        self,
        data: Iterable[tuple[Entry, BinaryIO]],
        *,
        rules: PathRules,
        members: Members,
        names: Mapping[str, tuple[str, str]],
    ) -> None:
        self._data = data
        self._rules = rules
        self._names = names
        self._conffiles = _conffiles(_text(members, "conffiles"))
        self._needs_md5 = set(self._conffiles) if "md5sums" in members else None
        self.md5: dict[str, str] = {}
        self.directories: list[Entry] = []
        self.entries: list[Entry] = []
        self._names_of_links: list[str] = []
        self._names_of_others: list[str] = []
        self.left_out: set[str] = set()
        self.owners: list[tuple[str, str, str]] = []
        self.masters: dict[str, str] = {}

    def files(self) -> Iterator[tuple[Entry, BinaryIO | None]]:
        """Yield every entry but directories, placed in the image."""
        for entry, stream in self._data:
            is_directory = entry.kind is Kind.DIRECTORY
            if not self._rules.admits(entry.path, is_directory=is_directory or entry.kind is Kind.SYMLINK):
                self.left_out.add(entry.path)
                continue
            named = self._names_of_links if entry.kind is Kind.SYMLINK else self._names_of_others
            named.append("/." if entry.path == ROOT else "/" + entry.path)
            placed = self._placed(entry)
            if entry.path in self._names and entry.kind is not Kind.HARDLINK:  # which has its target's owner
                self.owners.append((placed.path, *self._names[entry.path]))
            if is_directory:
                self.directories.append(placed)
                continue
            self.entries.append(placed)
            yield placed, self._watched(entry, stream)
            if entry.kind is Kind.FILE and self._last is not None:
                self.md5["/" + entry.path] = self._last.md5.hexdigest()

    @property
    def shipped(self) -> list[str]:
        """The paths in the order in which dpkg unpacks them: symlinks last (`tar_extractor`, lib/dpkg/tarfn.c)."""
        return [*self._names_of_others, *self._names_of_links]

    def _placed(self, entry: Entry) -> Entry:
        if entry.kind is Kind.SYMLINK and entry.path in self._rules.aliases:
            return entry  # since trixie, base-files ships the aliases themselves
        target = self._rules.place(entry.target) if entry.kind is Kind.HARDLINK else entry.target
        return attrs.evolve(entry, path=self._rules.place(entry.path), target=target)

    def _watched(self, entry: Entry, stream: BinaryIO) -> BinaryIO | None:
        self._last = None
        if entry.kind is not Kind.FILE:
            return None
        if entry.path in _MASTERS and entry.size <= _MASTER_MAX:
            data = stream.read()
            self.masters[entry.path] = data.decode("utf-8", "surrogateescape")
            stream = io.BytesIO(data)
        if self._needs_md5 is not None and "/" + entry.path not in self._needs_md5:
            return stream
        self._last = _Hashed(stream)
        return cast("BinaryIO", self._last)

    _last: _Hashed | None = None

    def conffile_lines(self) -> tuple[tuple[str, str], ...]:
        """Return path and MD5 of each conffile that is in the image or obsolete (Policy 10.7, dpkg's `Conffiles`)."""
        return tuple(
            (path, self.md5.get(path, "")) for path in self._conffiles if path in self.md5 or self._conffiles[path]
        )


def _conffiles(text: str) -> dict[str, bool]:
    """Return the paths of a ``conffiles`` file and whether each is marked remove-on-upgrade (deb-conffiles(5))."""
    lines = [line.strip() for line in text.split("\n")]
    paths = {line.removeprefix(_OBSOLETE).lstrip(): line.startswith(_OBSOLETE) for line in lines}
    return {path: is_obsolete for path, is_obsolete in paths.items() if path.startswith("/")}


def _text(members: Members, name: str) -> str:
    return members[name][1].decode("utf-8", "surrogateescape") if name in members else ""


def _info_files(name: str, members: Members, *, content: _Content, timestamp: int) -> Iterator[tuple[Entry, bytes]]:
    """Yield dpkg's database files of the package in the order of their names."""
    files = {
        member: (entry.mode, entry.mtime, data)
        for member, (entry, data) in members.items()
        if entry.kind is Kind.FILE and "/" not in member and member != "control"
    }
    files["list"] = (0o644, timestamp, _listing(content.shipped))
    if "md5sums" not in files:
        files["md5sums"] = (0o644, timestamp, _generated_md5sums(content))
    elif content.left_out:
        mode, mtime, data = files["md5sums"]
        files["md5sums"] = (mode, mtime, _trimmed_md5sums(data, content.left_out))
    for member in sorted(files):
        mode, mtime, data = files[member]
        path = f"{INFO}/{name}.{member}"
        yield Entry(path, Kind.FILE, mode=mode, mtime=mtime, size=len(data)), data


def _listing(shipped: list[str]) -> bytes:
    lines = shipped if shipped[:1] == ["/."] else ["/.", *shipped]
    return b"".join(raw(path) + b"\n" for path in lines)


def _generated_md5sums(content: _Content) -> bytes:
    """Return what dpkg writes for a package without ``md5sums``: every file that is no conffile."""
    conffiles = {path for path, digest in content.conffile_lines() if digest}
    lines = io.BytesIO()
    for path, digest in content.md5.items():
        if path not in conffiles:
            lines.write(digest.encode() + b"  " + raw(path[1:]) + b"\n")
    return lines.getvalue()


def _trimmed_md5sums(data: bytes, left_out: set[str]) -> bytes:
    """Drop the lines of filtered paths, so that ``dpkg --verify`` tells what the image really lacks."""
    absent = {raw(path) for path in left_out}
    return b"".join(line for line in data.splitlines(keepends=True) if line[34:].rstrip(b"\n") not in absent)
