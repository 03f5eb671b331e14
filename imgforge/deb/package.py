"""A `.deb`: its control data at once, its files as a stream.

Nothing is unpacked and nothing is copied whole: what `entries` yields comes straight out of the decompressor. Every
rule of deb(5) is kept, and where dpkg shrugs at what could mean two things, the package is refused.
Source: deb(5), deb-control(5); dpkg's dpkg-deb/extract.c and src/main/unpack.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from imgforge import codec, tar
from imgforge.deb import ar, triggers
from imgforge.deb import control as control_data
from imgforge.deb import version as versions
from imgforge.deb.control import Stanza
from imgforge.deb.errors import (
    CompressionError,
    ControlArchiveError,
    ControlFieldError,
    ControlSizeError,
    DuplicateMemberError,
    FormatVersionError,
    MemberOrderError,
    MismatchError,
    MissingMemberError,
    TrailingBytesError,
)
from imgforge.deb.files import Tree
from imgforge.tree import ROOT, Entry, Kind, text

_FORMAT_MAX = 1024
_CHUNK = 1 << 20

# deb(5) names the compressions of each tar. What a member holds must be what its name says: dpkg goes by the name.
# lzma has no magic: see `codec.is_lzma`.
_MAGICS = {"": b"", ".gz": b"\x1f\x8b\x08", ".xz": b"\xfd7zXZ\0", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh"}
_CONTROL = ("", ".gz", ".xz", ".zst")
_DATA = ("", ".gz", ".xz", ".zst", ".bz2", ".lzma")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
# dpkg's MAXCONTROLFILENAME is 100; the name becomes part of a file name in its database.
_CONTROL_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+._-]{0,99}")
# What dpkg's database adds to a stanza; a package that brings its own would say that it is installed.
_DATABASE = ("Status", "Config-Version", "Conffiles", "Triggers-Pending", "Triggers-Awaited")


@attrs.frozen
class Limits:
    """How much a package may hold before it is refused.

    Attributes:
        stanza: bytes of the file `control`.
        control: bytes that come out of control.tar.
        control_files: members of control.tar.
        data: bytes that come out of data.tar.
        entries: entries of data.tar.
    """

    stanza: int = 1 << 20
    control: int = 32 << 20
    control_files: int = 256
    data: int = 32 << 30
    entries: int = 1_000_000


LIMITS = Limits()


@attrs.frozen(eq=False)
class DebPackage:
    """An opened package; usable as long as its stream is open.

    Attributes:
        control: the control file.
        members: all control files, `control` among them, in the archive's order; entries of kind file.
        timestamp: when it was built: the newest time of an ar member, in whole seconds since the epoch.
    """

    control: Stanza
    members: tuple[tuple[Entry, bytes], ...]
    timestamp: int
    _what: str
    _stream: BinaryIO
    _data: ar.Member
    _limits: Limits

    @property
    def name(self) -> str:
        """The package's name."""
        return self.control["Package"]

    @property
    def version(self) -> str:
        """The package's version."""
        return self.control["Version"]

    @property
    def architecture(self) -> str:
        """The architecture that it was built for, or ``all``."""
        return self.control["Architecture"]

    def member(self, name: str) -> bytes | None:
        """Return a control file (``postinst``, ``conffiles``, ``triggers``), None when there is none."""
        return next((content for entry, content in self.members if entry.path == name), None)

    def expect(self, *, name: str, version: str, architecture: str) -> None:
        """Accept the package only when it is the one that was promised.

        Raises:
            MismatchError: its control file says otherwise.
        """
        promised = (name, version, architecture)
        got = (self.name, self.version, self.architecture)
        if got != promised:
            raise MismatchError(f"{self._what}: expected {' '.join(promised)}, got {' '.join(got)}")

    def entries(self, *, threads: int = 1, names: tar.Names | None = None) -> Iterator[tuple[Entry, BinaryIO]]:
        """Yield the package's files in its order; a content can be read until the next entry is asked for.

        A name may begin with slashes, which count for nothing (dpkg's `path_skip_slash_dotslash`).

        Can be called again, which decompresses again; two walks at once are possible but slow.

        Args:
            threads: how many may decompress.
            names: see `tar.read`.

        Raises:
            DataTreeError: the entries are no tree.
            TrailingBytesError: something follows the archive's end.
            IntegrityError: it is damaged, too large, or not a tar that is accepted.
        """
        what = f"{self._what}: {self._data.name}"
        section = ar.Section(self._stream, self._data)
        is_lzma = self._data.name.endswith(".lzma")
        stream = codec.decompress(section, what=what, cap=self._limits.data, threads=threads, is_lzma=is_lzma)
        limits = tar.Limits(entries=self._limits.entries, single=self._limits.data, total=self._limits.data)
        tree = Tree(what)
        for entry, content in tar.read(stream, what=what, limits=limits, forms=tar.PACKAGE, names=names):
            tree.add(entry)
            yield entry, content
        _expect_end(stream, what=what)


def open_deb(stream: BinaryIO, *, what: str, limits: Limits = LIMITS) -> DebPackage:
    """Read a package's control data and find its files.

    Args:
        stream: the whole package, seekable; stays the caller's.
        what: the package's name in messages.
        limits: see `Limits`.

    Raises:
        DebError: one of its subclasses says what is wrong.
        IntegrityError: control.tar is damaged or a bomb.
        VersionError: the version is none.
        DebControlError: the control file is malformed.
    """
    members = ar.members(stream, what=what)
    control, data = _parts(members, what=what)
    _check_format(ar.Section(stream, members[0]).read(_FORMAT_MAX), what=what)
    _check_compression(stream, control, allowed=_CONTROL, what=what)
    _check_compression(stream, data, allowed=_DATA, what=what)
    files = _control_files(stream, control, what=what, limits=limits)
    stanza = _stanza(files, what=what)
    for entry, content in files:
        if entry.path == "triggers":
            triggers.parse(text(content), what=f"{what}: triggers")
    return DebPackage(stanza, files, max(member.mtime for member in members), what, stream, data, limits)


def _stem(member: ar.Member) -> str:
    return next((stem for stem in ("control.tar", "data.tar") if member.name.startswith(stem)), member.name)


def _parts(members: tuple[ar.Member, ...], *, what: str) -> tuple[ar.Member, ar.Member]:
    """Return control.tar and data.tar, in whatever compression, of a package whose members stand in order.

    deb(5): a name that starts with an underscore may stand between the three and is passed over, and so is
    anything after data.tar; any other newcomer means that this reader is too old.
    """
    stems = [_stem(member) for member in members]
    required = ["debian-binary", "control.tar", "data.tar"]
    for stem in required:
        if stem not in stems:
            raise MissingMemberError(f"{what}: no {stem}")
    for name in stems:
        if stems.count(name) > 1:
            raise DuplicateMemberError(f"{what}: {name} is there twice")
    until_data = [stem for stem in stems[: stems.index("data.tar") + 1] if not stem.startswith("_")]
    if until_data != required or stems[0] != required[0]:
        raise MemberOrderError(f"{what}: expected {', '.join(required)}, got {', '.join(stems)}")
    return members[stems.index("control.tar")], members[stems.index("data.tar")]


def _check_format(data: bytes, *, what: str) -> None:
    """Accept any minor number of format 2, as deb(5) asks; further lines are for later readers."""
    if not re.match(rb"2\.[0-9]+\n", data):
        raise FormatVersionError(f"{what}: debian-binary: expected '2.0', got {text(data[:20])!r}")


def _check_compression(stream: BinaryIO, member: ar.Member, *, allowed: tuple[str, ...], what: str) -> None:
    extension = member.name.removeprefix(_stem(member))
    if extension not in allowed:
        raise CompressionError(f"{what}: {member.name}: expected one of the endings {' '.join(filter(None, allowed))}")
    begin = ar.Section(stream, member).read(codec.LZMA_HEADER)
    if extension == ".lzma" and codec.is_lzma(begin):
        return
    got = next((ending for ending, magic in _MAGICS.items() if magic and begin.startswith(magic)), "")
    if got != extension:
        raise CompressionError(f"{what}: {member.name}: begins like {got or 'no compression'}")


def _control_files(
    stream: BinaryIO, member: ar.Member, *, what: str, limits: Limits
) -> tuple[tuple[Entry, bytes], ...]:
    """Return the files of control.tar."""
    where = f"{what}: {member.name}"
    source = codec.decompress(ar.Section(stream, member), what=where, cap=limits.control)
    bounds = tar.Limits(entries=limits.control_files, single=limits.control, total=limits.control)
    files: dict[str, tuple[Entry, bytes]] = {}
    for entry, content in tar.read(source, what=where, limits=bounds):
        if entry.path == ROOT:
            continue
        # dpkg writes its own list of files under the name `list`.
        if entry.kind is not Kind.FILE or not _CONTROL_FILE.fullmatch(entry.path) or entry.path == "list":
            raise ControlArchiveError(f"{where}: {entry.path!r}: expected a control file, got a {entry.kind.value}")
        if entry.path in files:
            raise ControlArchiveError(f"{where}: {entry.path!r} is there twice")
        if entry.path == "control" and entry.size > limits.stanza:
            raise ControlSizeError(f"{where}: control has {entry.size} bytes, at most {limits.stanza} are accepted")
        files[entry.path] = (entry, content.read())
    _expect_end(source, what=where)
    return tuple(files.values())


def _stanza(files: tuple[tuple[Entry, bytes], ...], *, what: str) -> Stanza:
    """Return the control file's only stanza."""
    raw = next((content for entry, content in files if entry.path == "control"), None)
    if raw is None:
        raise ControlArchiveError(f"{what}: control.tar has no file 'control'")
    where = f"{what}: control"
    stanzas = control_data.parse(text(raw), file=where)
    if len(stanzas) != 1 or not raw.endswith(b"\n"):
        raise ControlFieldError(f"{where}: expected one stanza that ends with a newline, got {len(stanzas)}")
    stanza = stanzas[0]
    for field, form in (("Package", _NAME), ("Version", None), ("Architecture", _ARCHITECTURE)):
        value = stanza.get(field, "")
        if not value or (form and not form.fullmatch(value)):
            raise ControlFieldError(f"{where}: {field}: expected a value that dpkg accepts, got {value[:80]!r}")
    versions.validate(stanza["Version"])
    for field in _DATABASE:
        if field in stanza:
            raise ControlFieldError(f"{where}:{stanza.line_of(field)}: {field}: not a package's to say")
    return stanza


def _expect_end(stream: BinaryIO, *, what: str) -> None:
    """Read a tar's padding to its end: the decompressor checks its sums there."""
    while data := stream.read(_CHUNK):
        if data.strip(b"\0"):
            raise TrailingBytesError(f"{what}: something follows the end of the archive")
