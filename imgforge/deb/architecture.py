"""Debian architecture names and the wildcards that relations put in their lists.

Every name stands for four things: ABI, C library, kernel, processor. A wildcard gives some of the four and says
``any`` for the others: ``linux-any``, ``any-amd64``, ``musl-any-any``.
Source: Debian Policy 11.1 and 11.1.1; dpkg's tables tupletable and ostable.
"""

from __future__ import annotations

import functools

# Names whose tuple does not follow from their parts (dpkg's data/tupletable).
_IRREGULAR = {
    "arm64ilp32": ("ilp32", "gnu", "linux", "arm64"),
    "armel": ("eabi", "gnu", "linux", "arm"),
    "armhf": ("eabihf", "gnu", "linux", "arm"),
    "kfreebsd-armhf": ("eabihf", "gnu", "kfreebsd", "arm"),
    "mips64": ("abi64", "gnu", "linux", "mips64"),
    "mips64el": ("abi64", "gnu", "linux", "mips64el"),
    "mips64r6": ("abi64", "gnu", "linux", "mips64r6"),
    "mips64r6el": ("abi64", "gnu", "linux", "mips64r6el"),
    "mipsn32": ("abin32", "gnu", "linux", "mips64"),
    "mipsn32el": ("abin32", "gnu", "linux", "mips64el"),
    "mipsn32r6": ("abin32", "gnu", "linux", "mips64r6"),
    "mipsn32r6el": ("abin32", "gnu", "linux", "mips64r6el"),
    "musl-linux-armhf": ("eabihf", "musl", "linux", "arm"),
    "powerpcspe": ("spe", "gnu", "linux", "powerpc"),
    "uclibc-linux-armel": ("eabi", "uclibc", "linux", "arm"),
    "uclinux-armel": ("eabi", "uclibc", "uclinux", "arm"),
    "x32": ("x32", "gnu", "linux", "amd64"),
}

_SYSTEMS = {
    "": ("gnu", "linux"),
    "linux": ("gnu", "linux"),
    "musl-linux": ("musl", "linux"),
    "uclibc-linux": ("uclibc", "linux"),
    "uclinux": ("uclibc", "uclinux"),
    "hurd": ("gnu", "hurd"),
    "kfreebsd": ("gnu", "kfreebsd"),
    "knetbsd": ("gnu", "knetbsd"),
    "kopensolaris": ("gnu", "kopensolaris"),
    "aix": ("sysv", "aix"),
    "solaris": ("sysv", "solaris"),
    "darwin": ("bsd", "darwin"),
    "dragonflybsd": ("bsd", "dragonflybsd"),
    "freebsd": ("bsd", "freebsd"),
    "netbsd": ("bsd", "netbsd"),
    "openbsd": ("bsd", "openbsd"),
    "mint": ("tos", "mint"),
}

_ANY = "any"


@functools.lru_cache(maxsize=256)
def _parts(name: str) -> tuple[str, str, str, str] | None:
    """Return ABI, C library, kernel and processor of a name; None for a system that nobody knows.

    A processor that dpkg does not know yet is taken as one: new ones arrive more often than imgforge does.
    """
    name = name.removeprefix("linux-")
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    system, _, processor = name.rpartition("-")
    known = _SYSTEMS.get(system)
    return None if known is None else ("base", *known, processor)


def matches(architecture: str, wildcard: str) -> bool:
    """Tell whether an architecture is the one named, or one of those that a wildcard stands for."""
    if wildcard in (architecture, _ANY):
        return True
    given = wildcard.split("-", 3)
    wanted = (_ANY,) * (4 - len(given)) + tuple(given) if _ANY in given else _parts(wildcard)
    got = _parts(architecture)
    if wanted is None or got is None:
        return False
    return all(part in (_ANY, mine) for part, mine in zip(wanted, got, strict=True))
