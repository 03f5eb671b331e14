"""APT's pins: which version of a package is preferred, as apt_preferences(5) defines it.

A pin with package names gives a priority to single versions; a pin for ``*`` gives one to everything that an index
lists. The first pin that fits decides, and one that names packages goes before one for ``*``.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Sequence

import attrs

from imgforge.apt.package import Package
from imgforge.apt.values import IndexFile
from imgforge.deb.architecture import matches
from imgforge.errors import UsageError

INSTALLED = 100
"""The priority of what is installed and in no index."""

DEFAULT = 500
"""The priority of what an ordinary suite lists."""

DOWNGRADE = 1000
"""From this priority on a version older than the installed one may be chosen."""

_NEVER = -(1 << 15)
_PRIORITY_MAX = (1 << 15) - 1
_KINDS = ("release", "version", "origin")
_RELEASE_KEYS = {"v": "version", "o": "origin", "a": "archive", "n": "codename", "l": "label"}


class PinError(UsageError):
    """A pin is not what apt_preferences(5) says."""


def _is_kind(_instance: Pin, _attribute: attrs.Attribute[str], value: str) -> None:
    if value not in _KINDS:
        raise PinError(f"pin: kind {value!r}: expected one of {', '.join(_KINDS)}")


def _is_priority(_instance: Pin, _attribute: attrs.Attribute[int], value: int) -> None:
    if value == 0 or not _NEVER <= value <= _PRIORITY_MAX:
        raise PinError(f"pin: priority {value}: expected a number from {_NEVER + 1} to {_PRIORITY_MAX} other than 0")


@attrs.frozen
class Pin:
    """One record of a preferences file, for one pattern of package names.

    Attributes:
        package: a name, a glob, or ``/regex/``; with ``src:`` before it, of a source package; ``*`` for everything.
        kind: ``release``, ``version`` or ``origin``.
        value: what follows the kind: ``a=stable,l=Debian``, ``5.36*``, a host's name.
        priority: not 0; negative means never; ``Pin-Priority: never`` is `Pin.NEVER`.
    """

    NEVER = _NEVER

    package: str
    kind: str = attrs.field(validator=_is_kind)
    value: str
    priority: int = attrs.field(validator=_is_priority)


def parse(text: str, *, file: str) -> tuple[Pin, ...]:
    """Read a preferences file.

    Raises:
        PinError: a record lacks a field or has one that cannot be read; the text names file and line.
    """
    pins: list[Pin] = []
    line = 1
    for block in re.split(r"\n[ \t]*(?=\n)", text):
        pins += _record(block, file=file, line=line + (len(block) - len(block.lstrip("\n"))))
        line += block.count("\n") + 1
    return tuple(pins)


def _record(block: str, *, file: str, line: int) -> tuple[Pin, ...]:
    lines = [text for text in block.strip("\n").split("\n") if text and not text.startswith("#")]
    if not lines:
        return ()
    found: dict[str, str] = {}
    for text in lines:
        if text[0] in " \t" and found:
            last = next(reversed(found))
            found[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise PinError(f"{file}:{line}: expected 'Field: value', got {text[:80]!r}")
        found[name.strip().lower()] = value.strip()
    for field in ("package", "pin", "pin-priority"):
        if not found.get(field):
            raise PinError(f"{file}:{line}: field '{field.title()}' is absent")
    if found["pin-priority"] == "never" and found["package"] != "*":
        raise PinError(f"{file}:{line}: priority 'never' is for 'Package: *' only")
    kind, _, value = found["pin"].partition(" ")
    try:
        priority = _NEVER if found["pin-priority"] == "never" else int(found["pin-priority"])
        return tuple(Pin(name, kind.lower(), value.strip(), priority) for name in found["package"].split())
    except (PinError, ValueError) as error:
        raise PinError(f"{file}:{line}: {error}") from None


class Preferences:
    """The pins of one resolve, and the priorities that follow from them."""

    def __init__(self, pins: Sequence[Pin], *, architecture: str) -> None:
        """Sort the pins into those for everything and those for single packages, each in their order.

        Args:
            pins: in the order of the preferences files.
            architecture: the machine's, as Debian calls it.
        """
        self._architecture = architecture
        self._general = tuple(pin for pin in pins if pin.package == "*" and pin.kind != "version")
        self._specific = tuple(pin for pin in pins if pin.package != "*")

    def of_version(self, packages: Sequence[Package], *, is_installed: bool) -> int:
        """Return the priority of one version.

        Args:
            packages: that version as each index lists it; empty for one that is installed and in no index.
            is_installed: the version is installed.
        """
        files = [self.of_index(package.index) for package in packages if package.index is not None]
        if is_installed:
            files.append(self._of_installed())
        highest = max(files, default=0)
        for pin in self._specific:
            if packages and highest != _NEVER and self._fits(pin, packages, is_installed=is_installed):
                return pin.priority
        return highest

    def of_index(self, file: IndexFile) -> int:
        """Return the priority of everything that an index lists."""
        fitting = [pin.priority for pin in self._general if _fits_index(pin, file)]
        if _NEVER in fitting:
            return _NEVER
        if fitting:
            return fitting[0]
        if file.suite.not_automatic:
            return 100 if file.suite.but_automatic_upgrades else 1
        return DEFAULT

    def _fits(self, pin: Pin, packages: Sequence[Package], *, is_installed: bool) -> bool:
        package = packages[0]
        # What follows the last colon is an architecture, in a pattern too (policy.cc, CreatePin).
        pattern, colon, architecture = pin.package.removeprefix("src:").rpartition(":")
        if colon and not matches(self._architecture, architecture):
            return False
        name = package.source_name if pin.package.startswith("src:") else package.name
        if not _fits_name(pattern if colon else architecture, name):
            return False
        if pin.kind == "version":
            return _fits_text(pin.value, package.version)
        listed = any(one.index is not None and _fits_index(pin, one.index) for one in packages)
        return listed or (is_installed and _fits_status(pin))

    def _of_installed(self) -> int:
        return next((pin.priority for pin in self._general if _fits_status(pin)), INSTALLED)


def _fits_name(pattern: str, name: str) -> bool:
    """Tell whether a name is meant; unlike in a pattern, case matters in a plain name."""
    is_pattern = any(one in pattern for one in "*[?") or (pattern.startswith("/") and pattern.endswith("/"))
    return _fits_text(pattern, name) if is_pattern else pattern == name


def _fits_index(pin: Pin, file: IndexFile) -> bool:
    if pin.kind == "origin":
        return file.site is not None and _fits_text(pin.value.strip('"'), file.site)
    if pin.value == "*":
        return True
    if "=" not in pin.value:
        if pin.value[:1].isdigit():
            return _fits_text(pin.value, file.suite.version)
        return _fits_text(pin.value, file.suite.archive) or _fits_text(pin.value, file.suite.codename)
    wanted = _release_parts(pin.value)
    found = {key: getattr(file.suite, name) for key, name in _RELEASE_KEYS.items()}
    found |= {"c": file.component, "b": file.architecture}
    return bool(wanted) and all(_fits_text(pattern, found[key]) for key, pattern in wanted.items())


def _fits_status(pin: Pin) -> bool:
    """Tell whether a pin fits dpkg's status, which has no Release file; APT calls its archive and component "now"."""
    if pin.kind != "release":
        return False
    if "=" not in pin.value:
        return not pin.value[:1].isdigit() and _fits_text(pin.value, "now")
    wanted = _release_parts(pin.value)
    return wanted.keys() <= {"a", "c"} and all(_fits_text(pattern, "now") for pattern in wanted.values())


def _release_parts(value: str) -> dict[str, str]:
    """Return the parts of a release that APT knows, by letter; what it does not know says nothing."""
    parts = (part.strip() for part in value.split(","))
    known = {*_RELEASE_KEYS, "c", "b"}
    return {
        part[0].lower(): part[2:] for part in parts if len(part) > 2 and part[1] == "=" and part[0].lower() in known
    }


@functools.lru_cache(maxsize=1 << 12)
def _pattern(pattern: str) -> re.Pattern[str]:
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            return re.compile(pattern[1:-1], re.IGNORECASE)
        except re.error as error:
            raise PinError(f"pin: pattern {pattern!r}: {error}") from None
    return re.compile(fnmatch.translate(pattern), re.IGNORECASE)


def _fits_text(pattern: str, text: str) -> bool:
    found = _pattern(pattern)
    return (found.search(text) if pattern.startswith("/") and pattern.endswith("/") else found.match(text)) is not None
