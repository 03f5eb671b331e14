"""What the cases of unpacking are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from builders.archives import describe
from builders.debs import Content, build_deb
from imgforge.tree import Entry, Kind

DIVERT = "dpkg-divert --add --rename --package"


def deb(name: str, files: Mapping[str, Content], version: str = "1.0", **options: Any) -> bytes:
    return build_deb(name, version, files=files, **{"architecture": "all", "compression": "gzip", **options})


def link(target: str) -> Entry:
    return Entry("", Kind.SYMLINK, mode=0o777, target=target)


def directory(mode: int, gid: int = 0) -> Entry:
    return Entry("", Kind.DIRECTORY, mode=mode, gid=gid)


def executable(text: str) -> Content:
    return Entry("", Kind.FILE, mode=0o755), text.encode()


@attrs.frozen
class Case:
    """What is installed on what.

    Attributes:
        new: the packages, in the order in which dpkg is to get them.
        old: what the base has.
        asked: what the manifest asks for; by default all of the new packages.
        one_by_one: dpkg gets each package after the one before is configured.
    """

    new: tuple[bytes, ...]
    old: tuple[bytes, ...] = ()
    asked: tuple[str, ...] = ()
    one_by_one: bool = False


def helped(words: str) -> dict[str, str]:
    """Return the scripts that call dpkg-maintscript-helper(1)."""
    return dict.fromkeys(("preinst", "postinst"), f'dpkg-maintscript-helper {words} -- "$@"')


def names(debs: tuple[bytes, ...]) -> list[str]:
    """Return the names of packages."""
    return [describe(one).field("Package") for one in debs]
