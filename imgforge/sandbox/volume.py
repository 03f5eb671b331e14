"""A volume: a file or directory of this machine that a program sees, and where."""

from __future__ import annotations

import posixpath
from pathlib import Path

import attrs

from imgforge.errors import UsageError

RESERVED = ("dev", "proc", "sys")
"""Directories of a root over which and in which nothing of the caller is mounted."""

_MODES = {"ro": False, "rw": True}
_EXPECTED = "expected SOURCE:TARGET, SOURCE:TARGET:ro or SOURCE:TARGET:rw"


def _as_source(value: str | Path) -> Path:
    return Path(value).absolute()


def _as_target(value: str) -> str:
    """Return a path of the image without ``..`` and the like.

    Raises:
        UsageError: nothing may be mounted there.
    """
    path = posixpath.normpath(value).replace("//", "/") if value else ""
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"volume target {value[:200]!r}: expected an absolute path")
    if path == "/" or path.split("/")[1] in RESERVED:
        raise UsageError(f"volume target {value[:200]!r}: nothing is mounted over /, /dev, /proc or /sys")
    return path


@attrs.frozen
class Volume:
    """A file or directory of this machine, and where a program sees it.

    Attributes:
        source: on this machine; it must exist.
        target: the absolute path inside.
        is_writable: whether the program may change it.
    """

    source: Path = attrs.field(converter=_as_source)
    target: str = attrs.field(converter=_as_target)
    is_writable: bool = False

    @classmethod
    def parse(cls, text: str) -> Volume:
        """Read ``SOURCE:TARGET``, read-only, or with ``:ro`` or ``:rw``; a colon may be in the source alone.

        Raises:
            UsageError: the text has another form.
        """
        first, _, last = text.rpartition(":")
        rest, mode = (first, last) if last in _MODES else (text, "ro")
        source, _, target = rest.rpartition(":")
        if not source or not target:
            raise UsageError(f"volume {text[:200]!r}: {_EXPECTED}")
        return cls(Path(source), target, _MODES[mode])


@attrs.frozen
class Source:
    """The source of a volume, opened.

    Attributes:
        volume: whose.
        tree: descriptor of the detached mount.
        is_directory: whether the target has to be one.
    """

    volume: Volume
    tree: int
    is_directory: bool
