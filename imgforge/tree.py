"""One entry of a file tree, and the one function that decides whether a path from an archive is safe.

Entries describe files inside an image or a package, never files of this machine. Paths are text relative to
the image's root, in the form ``usr/bin/env``: no leading slash or ``./``, no empty, ``.`` or ``..`` part.
Bytes that are not UTF-8 are kept through ``surrogateescape``, so that every name survives a round trip.
Text rather than PurePosixPath: a build handles tens of thousands of entries, and the path objects alone cost
more than the tar headers (docs/decisions).
"""

from __future__ import annotations

import enum
import re

import attrs

from imgforge.errors import IntegrityError

ROOT = "."
"""The path of the root directory itself."""

PATH_MAX = 4096
"""Linux's limit of a path, in bytes (limits.h PATH_MAX); a longer name in an archive is refused."""

NAME_MAX = 255
"""Linux's limit of one part of a path, in bytes (limits.h NAME_MAX)."""

WHITEOUT = ".wh."
"""How a name begins that a layer gives to what it deletes (OCI image-spec, layer.md, "Whiteouts")."""

RESERVED = (
    "trusted.overlay.",
    "user.overlay.",
    "user.imgforge.",
    "user.fuseoverlayfs.",
    "user.containers.override_stat",
)
"""How the attributes begin that overlayfs, fuse-overlayfs, containers/storage and imgforge keep for themselves.

Source: Documentation/filesystems/overlayfs.rst; fuse-overlayfs' and containers/storage's ``override_stat``. A record in
one of them says what a directory hides or who owns a file, so none from an archive is ever taken for one.
"""

_UNUSUAL = re.compile(r"\A[/.]|/[/.]|\0")


class Kind(enum.Enum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER = "char"
    BLOCK = "block"
    FIFO = "fifo"


class UnsafePathError(IntegrityError):
    """A path that would leave the root, or that no file can have."""


@attrs.frozen
class Entry:
    """One file, directory, link or device of a tree.

    Attributes:
        path: where, see the module's text; `ROOT` for the root directory.
        kind: what it is.
        mode: permission bits, 0 to 0o7777.
        uid: numeric owner.
        gid: numeric group.
        mtime: whole seconds since the epoch.
        size: bytes of content; 0 unless a file.
        target: a symlink's text as it stands, or the safe path that a hard link names.
        device: major and minor number of a device node.
        xattrs: extended attributes in order of their names.
    """

    path: str
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def parent(self) -> str:
        """The path of the directory that holds this entry."""
        return self.path.rpartition("/")[0] or ROOT


def reserved(entry: Entry) -> str:
    """Return the first attribute of an entry that no archive may bring (`RESERVED`); empty when there is none."""
    return next((name for name, _ in entry.xattrs if name.startswith(RESERVED)), "")


def text(name: bytes) -> str:
    """Return a file name as text from which the same bytes can be had again."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: str) -> bytes:
    """Return the bytes of a file name that `text` made."""
    return name.encode("utf-8", "surrogateescape")


def is_whiteout(path: str) -> bool:
    """Tell whether a part of a path means a deletion in a layer: no layer can hold a file of such a name."""
    return WHITEOUT in path and any(part.startswith(WHITEOUT) for part in path.split("/"))


def below_root(name: str) -> str:
    """Return a name without its leading slashes, as dpkg takes it."""
    return (name.lstrip("/") or ROOT) if name.startswith("/") else name


def inside_root(name: str) -> str:
    """Return a name with the root as its ``/``, and each ``..`` taken back by the part before it.

    Without a look at symlinks, as Docker, containerd and umoci do (Go's path.Clean). A ``..`` that nothing is before
    stays: `safe_path` refuses it, as Docker does, where the others would take it for the root.
    """
    if not name.startswith("/") and ".." not in name:
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or ROOT


def safe_path(name: str, *, what: str) -> str:
    """Return the path of an archive member in this module's form.

    Args:
        name: the name as the archive has it; a leading ``./`` and trailing or doubled slashes are dropped.
        what: the archive, for the message.

    Raises:
        UnsafePathError: the name is absolute, empty, too long, or has a ``..`` or a NUL.
    """
    plain = name.removeprefix("./")
    if plain.isascii() and 0 < len(plain) <= NAME_MAX and not _UNUSUAL.search(plain):
        return plain.removesuffix("/")  # as nearly all are: nothing below could find fault with it
    if name.startswith("/"):
        raise UnsafePathError(f"{what}: {name!r}: an absolute path is refused")
    if "\0" in name or not name:
        raise UnsafePathError(f"{what}: {name!r}: expected a path, got an empty name or a NUL")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnsafePathError(f"{what}: {name!r}: a path with '..' is refused")
    path = "/".join(parts) or ROOT
    if len(raw(path)) >= PATH_MAX or any(len(raw(part)) > NAME_MAX for part in parts):
        raise UnsafePathError(f"{what}: {name[:80]!r}…: longer than Linux allows")
    return path
