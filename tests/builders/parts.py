"""The three members of the smallest package, for tests that spoil one of them."""

from __future__ import annotations

import tarfile

from builders import debs
from imgforge.tree import Entry, Kind

FIELDS = {"Package": "a", "Version": "1", "Architecture": "all"}
BINARY = ("debian-binary", b"2.0\n")


def control_tar(text: str | None = None, *more: tuple[Entry, bytes]) -> bytes:
    """Return a control.tar of a control file, the good one unless a text is given, and more."""
    control = debs.control_text(FIELDS) if text is None else text
    return debs.build_tar([(Entry("control", Kind.FILE), control.encode("utf-8", "surrogateescape")), *more])


CONTROL = ("control.tar", control_tar())
DATA = ("data.tar", debs.build_tar([(Entry("x", Kind.FILE), b"1")]))


def odd_tar(path: str, *, kind: bytes, link: str = "") -> bytes:
    """Return a tar of one header that `debs.build_tar` would not write."""
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, link
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
