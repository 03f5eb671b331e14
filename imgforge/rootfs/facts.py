"""What is known of a layer or an image without mounting it: its entries, and the few files that decide about more.

Pure: members in, facts out. The facts of a layer depend on its bytes alone and are cached by its diff_id, which its
bytes must have been seen to have (`imgforge.pipeline.image.proving`). `imgforge.rootfs.folding` puts layers together.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import attrs

from imgforge.errors import IntegrityError
from imgforge.tree import Entry, Kind, reserved

FORMAT = 4
"""Raise it when facts of the same layer, or how they are kept, change."""

OPAQUE = ".wh..wh..opq"

STATUS = "var/lib/dpkg/status"
"""dpkg's list of packages."""

STATUS_PARTS = "var/lib/dpkg/status.d"
"""Where images without dpkg (distroless, Bazel's rules) list their packages, one file each."""

_INSTALLED = b"Status: install ok installed\n"
_STATED = re.compile(rb"^Status:", re.IGNORECASE | re.MULTILINE)

WANTED = (
    "etc/apt/keyrings/*",
    "etc/apt/preferences",
    "etc/apt/preferences.d/*",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/apt/trusted.gpg.d/*",
    "etc/dpkg/dpkg.cfg.d/*",
    "etc/group",
    "etc/gshadow",
    "etc/passwd",
    "etc/shadow",
    "usr/lib/os-release",
    "usr/share/keyrings/*",
    "var/lib/apt/extended_states",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/statoverride",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/*",
    "var/lib/dpkg/triggers/*",
)
"""The files whose content the build of a dependent image asks for."""

CONTENT_LIMIT = 16 << 20
"""Bytes of one such file that are read at most; dpkg's status of 4,000 packages has 4 MB."""


@attrs.frozen
class Facts:
    """What is known of a layer, or of the image that several make.

    Attributes:
        entries: by path, in the order of the tar; the last one of each path. Of a layer, whiteouts are entries like
            others; of an image they have been applied.
        contents: of the wanted files.
        stream: of a layer that has a path twice, every entry in the order of the tar; otherwise empty.
    """

    entries: Mapping[str, Entry]
    contents: Mapping[str, bytes]
    stream: tuple[Entry, ...] = ()

    @property
    def sequence(self) -> Iterable[Entry]:
        """Every entry in the order of the tar."""
        return self.stream or self.entries.values()

    def directories(self) -> dict[str, Entry]:
        """Return the directories by path."""
        return {path: entry for path, entry in self.entries.items() if entry.kind is Kind.DIRECTORY}

    @property
    def packages(self) -> bytes:
        """The stanzas of all packages: dpkg's status file and ``status.d``."""
        status, parts = self.contents.get(STATUS, b""), self.package_parts
        return status.rstrip(b"\n") + b"\n\n" + parts if status and parts else status or parts

    @property
    def package_parts(self) -> bytes:
        """The stanzas of ``status.d``, in the form of a status file."""
        parts = (data.strip(b"\n") for path, data in self.below(STATUS_PARTS) if not path.endswith(".md5sums"))
        listed = (part if _STATED.search(part) else _INSTALLED + part for part in parts if part)
        return b"".join(b"%b\n\n" % part for part in listed)

    def text(self, path: str) -> str:
        """Return a wanted file as text, empty where there is none."""
        return self.contents.get(path, b"").decode("utf-8", "surrogateescape")

    def below(self, directory: str) -> Iterator[tuple[str, bytes]]:
        """Yield the wanted files in a directory, by path."""
        for path in sorted(self.contents):
            if path.rpartition("/")[0] == directory:
                yield path, self.contents[path]


EMPTY = Facts({}, {})


def is_wanted(path: str) -> bool:
    """Tell whether a file's content belongs to the facts."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in _candidates(path))


_BY_TOP: dict[str, tuple[str, ...]] = {}
for _pattern in WANTED:
    _top = "/".join(_pattern.split("/")[:2])
    _BY_TOP[_top] = (*_BY_TOP.get(_top, ()), _pattern)


def _candidates(path: str) -> tuple[str, ...]:
    return _BY_TOP.get("/".join(path.split("/", 2)[:2]), ())


def scan(members: Iterable[tuple[Entry, BinaryIO]]) -> Facts:
    """Read a layer's members once and return its facts.

    Raises:
        IntegrityError: an entry has an attribute that no layer may bring (`imgforge.tree.RESERVED`).
    """
    made = _Scan()
    for entry, stream in members:
        is_read = entry.kind is Kind.FILE and entry.size <= CONTENT_LIMIT and is_wanted(entry.path)
        made.add(entry, stream.read() if is_read else None)
    return made.facts()


def joined(parts: Iterable[Facts]) -> Facts:
    """Return the facts of a layer that consists of these parts, one after the other."""
    made = _Scan()
    for part in parts:
        for entry in part.sequence:
            made.add(entry, part.contents.get(entry.path))
    return made.facts()


class _Scan:
    """The facts of a layer while its entries come; a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._contents: dict[str, bytes] = {}
        self._all: list[Entry] = []

    def add(self, entry: Entry, content: bytes | None) -> None:
        if name := reserved(entry):
            raise IntegrityError(f"{entry.path!r}: attribute {name!r}: no layer may bring it")
        self._all.append(entry)
        self._entries.pop(entry.path, None)  # so that the order is that of the last ones
        self._contents.pop(entry.path, None)
        self._entries[entry.path] = entry
        if content is not None:
            self._contents[entry.path] = content

    def facts(self) -> Facts:
        is_plain = len(self._all) == len(self._entries)
        return Facts(self._entries, self._contents, () if is_plain else tuple(self._all))
