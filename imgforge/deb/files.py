"""What makes the entries of data.tar a tree that can be unpacked in one order and one way only."""

from __future__ import annotations

from imgforge.deb.errors import DataTreeError, DeviceNodeError
from imgforge.tree import ROOT, Entry, Kind, is_whiteout, reserved


class Tree:
    """Takes the entries of one package in their order and refuses what dpkg-deb never builds.

    A path that comes twice, or something below a symlink, lets two unpackers make different trees, or one of them
    write through the link; a hard link to what the package did not bring would rename a file of the image; a name
    that means a deletion in a layer would delete one; an attribute of overlayfs would hide a directory (dpkg reads no
    attributes at all).

    Args:
        what: the archive's name in messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        # Directories that are only known as parents so far are None.
        self._kinds: dict[str, Kind | None] = {ROOT: None}

    def add(self, entry: Entry) -> None:
        """Take the next entry.

        Raises:
            DataTreeError: it does not fit to those before.
            DeviceNodeError: it is a device. Debian Policy 10.6: packages must not contain device files.
        """
        if entry.kind in (Kind.CHARACTER, Kind.BLOCK):
            number = ":".join(map(str, entry.device))
            raise DeviceNodeError(
                f"{self._what}: {entry.path!r}: a device node ({entry.kind.value} {number}) is refused"
            )
        if is_whiteout(entry.path):
            raise DataTreeError(f"{self._what}: {entry.path!r}: no layer can hold it: the name means a deletion there")
        if "\n" in entry.path:  # dpkg's database has one path a line (dpkg's lib/dpkg/tarfn.c and src/main/archives.c)
            raise DataTreeError(f"{self._what}: {entry.path!r}: a newline in a path is refused")
        if name := reserved(entry):
            raise DataTreeError(f"{self._what}: {entry.path!r}: attribute {name!r}: no package may bring it")
        known = self._kinds.get(entry.path, ...)
        if known not in (..., None) or (known is None and entry.kind is not Kind.DIRECTORY):
            raise DataTreeError(
                f"{self._what}: {entry.path!r} is there twice, or has something below and is no directory"
            )
        if entry.kind is Kind.HARDLINK and self._kinds.get(entry.target) not in (Kind.FILE, Kind.HARDLINK):
            raise DataTreeError(f"{self._what}: {entry.path!r}: a hard link to {entry.target!r}, no file before it")
        self._imply(entry)
        self._kinds[entry.path] = entry.kind

    def _imply(self, entry: Entry) -> None:
        """Note the directories above an entry."""
        parent = entry.parent
        while parent not in self._kinds:
            self._kinds[parent] = None
            parent = parent.rpartition("/")[0] or ROOT
        if self._kinds[parent] not in (None, Kind.DIRECTORY):
            raise DataTreeError(f"{self._what}: {entry.path!r}: {parent!r} above it is no directory")
