"""Entries of a file tree, and the validation of paths from archives.

Entries describe files in an image or a package, not on this machine. Paths are strings relative to the image's root, as
in ``usr/bin/env``: no leading slash or ``./``, and no empty, ``.`` or ``..`` component. Bytes that are not UTF-8 are
preserved by ``surrogateescape``. Paths are not PurePosixPath, because a build has tens of thousands of entries, and
creating that many path objects takes longer than parsing the tar headers (docs/decisions).
"""

from __future__ import annotations

import enum
import re

import attrs

from imgforge.errors import IntegrityError

ROOT = "."
"""The path of the root directory."""

PATH_MAX = 4096
"""Maximum length of a path on Linux, in bytes (limits.h PATH_MAX). Longer names in archives are refused."""

NAME_MAX = 255
"""Maximum length of a path component on Linux, in bytes (limits.h NAME_MAX)."""

WHITEOUT = ".wh."
"""Prefix of whiteouts, by which a layer deletes files of lower layers (OCI image-spec, layer.md, "Whiteouts")."""

RESERVED = (
    "trusted.overlay.",
    "user.overlay.",
    "user.imgforge.",
    "user.fuseoverlayfs.",
    "user.containers.override_stat",
)
"""Prefixes of attributes that overlayfs, fuse-overlayfs, containers/storage and imgforge reserve.

Source: Documentation/filesystems/overlayfs.rst; ``override_stat`` of fuse-overlayfs and containers/storage. Such
attributes determine what a directory hides or who owns a file, so they are never accepted from an archive.
"""

_UNUSUAL = re.compile(r"\A[/.]|/[/.]|\0")


class Kind(enum.Enum):
    """The type of an entry."""

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER = "char"
    BLOCK = "block"
    FIFO = "fifo"


class UnsafePathError(IntegrityError):
    """A path would escape the root, or cannot exist."""


@attrs.frozen
class Entry:
    """A file, directory, link or device.

    Attributes:
        path: see the module's docstring; `ROOT` for the root directory.
        kind: the type of the entry.
        mode: permission bits, 0 to 0o7777.
        uid: numeric owner.
        gid: numeric group.
        mtime: seconds since the epoch.
        size: bytes of content; 0 unless a file.
        target: the unmodified target of a symlink, or the validated path of a hard link's target.
        device: major and minor number of a device node.
        xattrs: extended attributes, sorted by name.
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
        """The path of the parent directory."""
        return self.path.rpartition("/")[0] or ROOT


def reserved(entry: Entry) -> str:
    """Return the first reserved attribute of an entry (`RESERVED`); empty if it has none."""
    return next((name for name, _ in entry.xattrs if name.startswith(RESERVED)), "")


def text(name: bytes) -> str:
    """Decode a file name losslessly."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: str) -> bytes:
    """Encode a file name that was decoded by `text`."""
    return name.encode("utf-8", "surrogateescape")


def is_whiteout(path: str) -> bool:
    """Return whether a path has a whiteout component. A layer cannot contain files of such names."""
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
    """Validate and normalize the path of an archive member.

    Args:
        name: the name in the archive; a leading ``./`` and trailing or double slashes are dropped.
        what: name of the archive, for error messages.

    Raises:
        UnsafePathError: the name is absolute, empty, too long, or has a ``..`` or a NUL.
    """
    plain = name.removeprefix("./")
    if plain.isascii() and 0 < len(plain) <= NAME_MAX and not _UNUSUAL.search(plain):
        return plain.removesuffix("/")  # fast path for nearly all names: it would pass all checks below
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
