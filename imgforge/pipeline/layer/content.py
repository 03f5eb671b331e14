"""The files layer: what the manifest itself puts into the image, above all packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from imgforge.apt import sources as apt_sources
from imgforge.apt.sources import Source
from imgforge.errors import BuildError, IntegrityError
from imgforge.layer.directories import implied, parents
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import Account, AppendText, CopyFiles, EditIni, MakeDirectory, MakeLink, Pin
from imgforge.pipeline.layer.material import Copied, Material, problem
from imgforge.pipeline.layer.view import View
from imgforge.pipeline.lock import sources
from imgforge.rootfs import accounts, ini
from imgforge.rootfs.accounts import GROUP, GSHADOW, PASSWD, SHADOW, AccountError
from imgforge.tar import writer
from imgforge.tree import Entry, Kind, is_whiteout

DPKG_RULES = "etc/dpkg/dpkg.cfg.d/imgforge"
"""Where an image keeps its path filters, so that packages installed in it later are filtered, too."""

PREFERENCES = "etc/apt/preferences.d/imgforge.pref"
"""Where an image keeps its pins and those of its bases: they count in what stands on it (apt_preferences(5))."""

_ACCOUNT_FILES = (PASSWD, GROUP, SHADOW, GSHADOW)
_CHUNK = 1 << 20


@attrs.frozen
class Piece:
    """One entry of the layer, and where its content is: in memory or in a file of this machine."""

    entry: Entry
    content: bytes | Copied = b""


def write(file: ManifestFile, material: Material, view: View, *, target: Path, epoch: int) -> None:
    """Write the layer's tar.

    Args:
        file: the manifest.
        material: what it copies.
        view: the image so far.
        target: the tar.
        epoch: seconds since 1970, the time of every file.

    Raises:
        ManifestError: an account, an owner or an edit does not fit the image.
        BuildError: a name is one that no layer can hold, or a file is not what it was when it was read.
    """
    pieces = _Layer(file, material, view, epoch=epoch).pieces()
    with target.open("xb") as sink:
        tar = writer.Writer(sink)
        for piece in pieces:
            _add(tar, piece)
        tar.close()


def _add(tar: writer.Writer, piece: Piece) -> None:
    if isinstance(piece.content, Copied):
        with piece.content.open() as content:
            try:
                tar.add(piece.entry, content)
            except IntegrityError:
                raise piece.content.changed() from None
    else:
        tar.add(piece.entry, piece.content if piece.entry.kind is Kind.FILE else None)


class _Layer:
    """The layer while it is put together: what comes later replaces what came before."""

    def __init__(self, file: ManifestFile, material: Material, view: View, *, epoch: int) -> None:
        self._file = file
        self._material = material
        self._view = view
        self._epoch = epoch
        self._pieces: dict[str, Piece] = {}
        self._accounts: dict[str, str] = {}

    def pieces(self) -> list[Piece]:
        """Return everything in tar order, with the directories above each path."""
        manifest = self._file.manifest
        for source, path in _sources(self._file):
            self._add_text(path, source)
        self._add_pins()
        self._add_rules()
        self._add_accounts(manifest.accounts)
        for number, item in enumerate(manifest.files):
            match item:
                case CopyFiles():
                    self._copy(item, self._material.copies[number])
                case MakeLink():
                    path = self._place(item.path)
                    self._put(Piece(Entry(path, Kind.SYMLINK, mode=0o777, target=str(item.target), mtime=self._epoch)))
                case MakeDirectory():
                    self._make_directory(item)
        for edit in manifest.edits:
            self._edit(edit)
        return self._with_parents()

    def _with_parents(self) -> list[Piece]:
        above = {parent for path in self._pieces for parent in parents(path)} - self._pieces.keys()
        for path in above:
            entry = self._view.directory(path) or implied(path, epoch=self._epoch)
            self._pieces[path] = Piece(entry)
        return [self._pieces[path] for path in sorted(self._pieces)]

    def _put(self, piece: Piece) -> None:
        if is_whiteout(piece.entry.path):
            raise BuildError(f"/{piece.entry.path}: no layer can hold it: the name means a deletion there")
        self._pieces[piece.entry.path] = piece

    def _place(self, path: object) -> str:
        """Return where a path of the manifest lies, once the image's own symlinks above it are followed."""
        return self._view.place(str(path).lstrip("/"))

    def _add_text(self, path: str, data: bytes) -> None:
        placed = self._view.place(path)
        before = self._pieces.get(placed)
        entry = before.entry if before else self._view.entry(placed)
        kept = (entry.mode, entry.uid, entry.gid) if entry is not None and entry.kind is Kind.FILE else (0o644, 0, 0)
        mode, uid, gid = kept
        self._put(Piece(Entry(placed, Kind.FILE, mode=mode, uid=uid, gid=gid, mtime=self._epoch, size=len(data)), data))

    def _add_rules(self) -> None:
        """Add the filters to those that the base keeps at the same place."""
        manifest = self._file.manifest
        lines = [f"path-exclude={glob}" for glob in manifest.exclude]
        lines += [f"path-include={glob}" for glob in manifest.include]
        if lines:
            self._add_text(
                DPKG_RULES, (self._read(DPKG_RULES) or b"") + "".join(f"{line}\n" for line in lines).encode()
            )

    def _add_pins(self) -> None:
        """Put the pins before those that the base keeps at the same place: APT takes the first that fits."""
        pins = self._file.manifest.pins
        if pins:
            below = self._read(PREFERENCES) or b""
            self._add_text(PREFERENCES, b"\n".join((*(_record(pin).encode() for pin in pins), *filter(None, [below]))))

    def _add_accounts(self, wanted: tuple[Account, ...]) -> None:
        files = {path: data.decode(errors="surrogateescape") for path in _ACCOUNT_FILES if (data := self._read(path))}
        before = dict(files)
        for account in wanted:
            new = accounts.Account(
                account.name, account.uid, account.group_id, str(account.home), str(account.shell), account.groups
            )
            try:
                files = accounts.add(files, new, epoch=self._epoch)
            except AccountError as error:
                raise problem(account.position, f"accounts.{account.name}: {error}") from None
        for path, text in files.items():
            if before.get(path) != text:
                self._add_text(path, text.encode(errors="surrogateescape"))
        self._accounts = files

    def _read(self, path: str) -> bytes | None:
        placed = self._view.place(path)
        piece = self._pieces.get(placed)
        if piece is not None and isinstance(piece.content, bytes) and piece.entry.kind is Kind.FILE:
            return piece.content
        if piece is not None and isinstance(piece.content, Copied):
            return piece.content.read()
        return self._view.read(placed)

    def _owner(self, item: CopyFiles | MakeDirectory) -> tuple[int, int]:
        users, groups = accounts.ids(self._accounts, PASSWD), accounts.ids(self._accounts, GROUP)
        if item.owner.isdigit():
            own = (int(item.owner), int(item.owner))
        elif item.owner in users:
            own = users[item.owner]
        elif item.owner == "root":
            own = (0, 0)
        else:
            raise problem(item.position, f"owner: the image has no user {item.owner!r}")
        if item.group is None:
            return own
        if item.group.isdigit():
            return own[0], int(item.group)
        if item.group == "root":
            return own[0], 0
        if item.group not in groups:
            raise problem(item.position, f"group: the image has no group {item.group!r}")
        return own[0], groups[item.group][1]

    def _make_directory(self, item: MakeDirectory) -> None:
        uid, gid = self._owner(item)
        path = self._place(item.path)
        self._put(Piece(Entry(path, Kind.DIRECTORY, mode=item.mode, uid=uid, gid=gid, mtime=self._epoch)))

    def _copy(self, item: CopyFiles, copies: tuple[Copied, ...]) -> None:
        uid, gid = self._owner(item)
        for one in copies:
            placed = self._place(f"{item.path}/{one.name}" if one.name else item.path)
            entry = Entry(placed, one.kind, uid=uid, gid=gid, mtime=self._epoch)
            if one.kind is Kind.SYMLINK:
                self._put(Piece(attrs.evolve(entry, mode=0o777, target=one.target)))
            elif one.kind is Kind.DIRECTORY:
                self._put(Piece(attrs.evolve(entry, mode=_directory_mode(item.mode))))
            else:
                mode = one.mode if item.mode is None else item.mode
                self._put(Piece(attrs.evolve(entry, mode=mode, size=one.size), one))

    def _edit(self, edit: EditIni | AppendText) -> None:
        path = self._view.resolve(str(edit.path).lstrip("/"))
        before = self._read(path)
        if isinstance(edit, AppendText):
            self._add_text(path, (before or b"") + edit.text.encode())
            return
        if before is None:
            raise problem(edit.position, f"ini: the image has no file {str(edit.path)!r}")
        text = before.decode(errors="surrogateescape")
        changed = ini.set_values(text, edit.values, section=edit.section)
        self._add_text(path, changed.encode(errors="surrogateescape"))


def _sources(file: ManifestFile) -> Iterator[tuple[bytes, str]]:
    """Yield the files that make an image carry its sources: keyrings and deb822 stanzas."""
    for source in sources.of_manifest(file):
        is_armored = source.keys.lstrip().startswith(b"-----BEGIN")
        keyring = f"etc/apt/keyrings/{source.name}.{'asc' if is_armored else 'gpg'}"
        yield source.keys, keyring
        yield _stanza(source, keyring).encode(), sources.path_of(source.name)


def _record(pin: Pin) -> str:
    """Return a pin as a record of apt_preferences(5)."""
    packages = " ".join(pin.packages)
    return f"Package: {packages}\nPin: {pin.kind} {pin.value}\nPin-Priority: {pin.priority}\n"


def _stanza(source: Source, keyring: str) -> str:
    return apt_sources.dump(source, signed_by=f"/{keyring}")


def _directory_mode(mode: int | None) -> int:
    return 0o755 if mode is None else mode | (mode & 0o444) >> 2
