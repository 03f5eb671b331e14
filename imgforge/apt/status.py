"""dpkg's status file, read: which packages a root filesystem has.

Source: https://www.debian.org/doc/debian-policy/ch-relationships.html and dpkg(1), "Information about packages".
"""

from __future__ import annotations

import functools

from imgforge.apt.package import Package, described, fields
from imgforge.apt.tagfile import StanzaError

_ABSENT = frozenset({"not-installed", "config-files"})
_STATES = _ABSENT | {
    "half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed",
}  # fmt: skip


@functools.lru_cache(maxsize=2)
def parse_status(text: bytes | str, *, what: str = "dpkg/status") -> tuple[Package, ...]:
    """Return the installed packages, in the order of the file.

    Packages that were removed and left their configuration behind are not among them: they satisfy nothing.

    Args:
        text: the whole file.
        what: its name, for messages.

    Raises:
        StanzaError: a stanza is malformed, or a package stands there twice.
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    installed: dict[tuple[str, str], Package] = {}
    for part in data.split(b"\n\n"):
        stanza = part.strip(b"\n")
        if not stanza.strip():
            continue
        found = fields(stanza, what=what, repeated="refuse")
        words = found.get("Status", "install ok installed").split()
        if len(words) != 3 or words[2] not in _STATES:
            raise StanzaError(f"{what}: field 'Status': expected three words and a known state, got {words!r}")
        if words[2] in _ABSENT:
            continue
        package = described(found, stanza, what=what, index=None)
        if installed.setdefault((package.name, package.architecture), package) is not package:
            raise StanzaError(f"{what}: {package.name}:{package.architecture}: is there twice")
    return tuple(installed.values())
