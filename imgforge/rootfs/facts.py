"""What is known of a layer or an image without mounting it: its entries, and the few files that decide about more.

Pure: members in, facts out. The facts of a layer depend on its bytes alone and are cached by its diff_id;
folding the layers of an image follows the rules of OCI image-spec, layer.md, "Applying Changesets".
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import attrs

from imgforge.tree import ROOT, WHITEOUT, Entry, Kind

FORMAT = 2
"""Raise it when facts of the same layer, or how they are kept, change."""

OPAQUE = ".wh..wh..opq"

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
    "var/lib/dpkg/triggers/*",
)
"""The files whose content the build of a dependent image asks for."""

CONTENT_LIMIT = 16 << 20
"""Bytes of one such file that are read at most; dpkg's status of 4,000 packages has 4 MB."""


@attrs.frozen
class Facts:
    """Entries by path, in the order of the tar, and the content of the wanted files.

    Of a layer, whiteouts are entries like others; of an image they have been applied.
    """

    entries: Mapping[str, Entry]
    contents: Mapping[str, bytes]

    def directories(self) -> dict[str, Entry]:
        """Return the directories by path."""
        return {path: entry for path, entry in self.entries.items() if entry.kind is Kind.DIRECTORY}

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
    """Read a layer's members once and return its facts."""
    entries: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    for entry, stream in members:
        entries[entry.path] = entry
        if entry.kind is Kind.FILE and entry.size <= CONTENT_LIMIT and is_wanted(entry.path):
            contents[entry.path] = stream.read()
    return Facts(entries, contents)


def joined(parts: Iterable[Facts]) -> Facts:
    """Return the facts of a layer that consists of these parts, one after the other."""
    entries: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    for part in parts:
        entries.update(part.entries)
        contents.update(part.contents)
    return Facts(entries, contents)


def fold(layers: Iterable[Facts]) -> Facts:
    """Return the facts of the image that these layers, lowest first, make."""
    entries: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    implied: set[str] = set()  # directories that no layer has an entry for
    for layer in layers:
        _apply_whiteouts(layer, entries, contents)
        for path, entry in layer.entries.items():
            if path.rpartition("/")[2].startswith(WHITEOUT) or path == ROOT:
                continue
            before = entries.get(path)
            was_directory = path in implied if before is None else before.kind is Kind.DIRECTORY
            if was_directory and entry.kind is not Kind.DIRECTORY:
                _forget_below(path, entries, contents)
            entries[path] = entry
            implied.update(_without_entries(path, entries))
            contents.pop(path, None)
            if path in layer.contents:
                contents[path] = layer.contents[path]
    return Facts(entries, contents)


def _without_entries(path: str, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the directories right above a path that have no entry, the deepest first."""
    while path := path.rpartition("/")[0]:
        if path in entries:
            return
        yield path


def _apply_whiteouts(layer: Facts, entries: dict[str, Entry], contents: dict[str, bytes]) -> None:
    for path in layer.entries:
        directory, _, name = path.rpartition("/")
        if name == OPAQUE:
            _forget_below(directory, entries, contents)
        elif name.startswith(WHITEOUT):
            hidden = f"{directory}/{name.removeprefix(WHITEOUT)}".lstrip("/")
            entries.pop(hidden, None)
            contents.pop(hidden, None)
            _forget_below(hidden, entries, contents)


def _forget_below(directory: str, entries: dict[str, Entry], contents: dict[str, bytes]) -> None:
    prefix = f"{directory}/" if directory else ""
    for path in [path for path in entries if path.startswith(prefix)]:
        del entries[path]
        contents.pop(path, None)
