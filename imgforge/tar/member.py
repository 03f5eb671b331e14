"""One member's header, with the pax records before it, as an `Entry`.

Docker, containerd, umoci and podman read layers with Go's archive/tar: where the formats leave a choice, it is Go's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from imgforge.tar import form
from imgforge.tar.form import TarError
from imgforge.tree import PATH_MAX, ROOT, Entry, Kind, below_root, inside_root, safe_path, text

_ID_MAX = (1 << 32) - 2  # 4294967295 is -1: chown(2) would leave the owner as it is
_TIME_MAX = 1 << 40
_DEVICE_MAX = (0xFFF, 0xFFFFF)  # linux/kdev_t.h: 12 bits of major, 20 of minor
_LINKS = (Kind.HARDLINK, Kind.SYMLINK)
_DEVICES = (Kind.CHARACTER, Kind.BLOCK)


@attrs.frozen(kw_only=True)
class Forms:
    """What an archive may have beside what all readers agree on.

    Attributes:
        name: brings a member's name, or what a hard link names, below the root; `safe_path` judges the result.
        is_sparse: whether files may be stored without their holes.
    """

    name: Callable[[str], str] | None = None
    is_sparse: bool = False


PLAIN = Forms()
"""What imgforge writes."""

PACKAGE = Forms(name=below_root)
"""What dpkg unpacks: it drops leading slashes (dpkg, lib/dpkg/path.c, ``path_skip_slash_dotslash``)."""

LAYER = Forms(name=inside_root, is_sparse=True)
"""What container runtimes unpack (docs/decisions/0041)."""


def entry_of(block: bytes, extended: Mapping[bytes, bytes], *, forms: Forms, what: str) -> Entry:
    """Make an entry of a header and the pax records that go before it.

    Raises:
        TarError: a field is wrong or out of range.
        UnsafePathError: its name, or that of a hard link's target, would leave the root.
    """
    name, mode, uid, gid, size, mtime, _, flag, link, _, _, _, major, minor, prefix = form.FIELDS.unpack(block)
    path = extended.get(b"path") or form.string(name)
    if prefix[0] and not extended.get(b"path") and (above := form.prefix(block)):
        path = above + b"/" + path
    kind = form.KINDS.get(flag)
    if kind is None:
        raise TarError(f"{what}: {text(path)!r}: an entry of type {text(flag)!r} is refused")
    if kind is Kind.FILE and path.endswith(b"/"):
        if flag != b"\0":
            raise TarError(f"{what}: {text(path)!r}: a file whose name ends in a slash")
        kind = Kind.DIRECTORY  # before 1988 tar had no other way to say it
    given = text(path)
    where = safe_path(forms.name(given) if forms.name else given, what=what)
    named = f"{what}: {where!r}"
    if where == ROOT and kind is not Kind.DIRECTORY:
        raise TarError(f"{named}: the root must be a directory")
    return Entry(
        path=where,
        kind=kind,
        mode=form.number(mode, what=named) & 0o7777,
        uid=_owner(extended, b"uid", uid, what=named),
        gid=_owner(extended, b"gid", gid, what=named),
        mtime=_time(extended, mtime, what=named),
        size=_size(kind, _value(extended, b"size", size, what=named), what=named),
        target=_target(kind, extended.get(b"linkpath") or form.string(link), forms, what=named)
        if kind in _LINKS
        else "",
        device=_device(major, minor, what=named) if kind in _DEVICES else (0, 0),
        xattrs=form.xattrs(extended, what=named) if extended else (),
    )


def _value(extended: Mapping[bytes, bytes], key: bytes, field: bytes, *, what: str) -> int:
    """Return a number from the pax records, else from the header."""
    value = extended.get(key) if extended else None
    return form.decimal(value, what=what) if value else form.number(field, what=what)


def _owner(extended: Mapping[bytes, bytes], key: bytes, field: bytes, *, what: str) -> int:
    """Return a uid or gid that a file can have."""
    value = _value(extended, key, field, what=what)
    if not 0 <= value <= _ID_MAX:
        raise TarError(f"{what}: owner {value} is out of range")
    return value


def _time(extended: Mapping[bytes, bytes], field: bytes, *, what: str) -> int:
    """Return the modification time in whole seconds."""
    value = extended.get(b"mtime")
    time = form.seconds(value, what=what) if value else form.number(field, what=what)
    if not -_TIME_MAX < time < _TIME_MAX:
        raise TarError(f"{what}: modification time {time} is out of range")
    return time


def _size(kind: Kind, size: int, *, what: str) -> int:
    """Return the size of a file's content; nothing else may have content, as readers disagree where it would end."""
    if size < 0 or (size and kind is not Kind.FILE):
        raise TarError(f"{what}: a {kind.value} with a size of {size} bytes")
    return size


def _target(kind: Kind, target: bytes, forms: Forms, *, what: str) -> str:
    """Return what a link names: a symlink's text as it stands, or a hard link's safe path."""
    if kind is Kind.HARDLINK:
        given = text(target)
        path = safe_path(forms.name(given) if forms.name else given, what=f"{what}: hard link")
        if path == ROOT:
            raise TarError(f"{what}: a hard link to the root")
        return path
    if not target or b"\0" in target or len(target) >= PATH_MAX:
        raise TarError(f"{what}: a symlink to nothing, to a NUL, or longer than Linux allows")
    return text(target)


def _device(major: bytes, minor: bytes, *, what: str) -> tuple[int, int]:
    """Return the numbers of a device node."""
    numbers = (form.number(major, what=what), form.number(minor, what=what))
    if not all(0 <= value <= limit for value, limit in zip(numbers, _DEVICE_MAX, strict=True)):
        raise TarError(f"{what}: device {numbers} is out of range")
    return numbers
