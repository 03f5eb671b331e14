"""The copyright files of an image's packages, each layer read at most once, ever."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from imgforge import record
from imgforge.attest import licences
from imgforge.pipeline.image import proving, reading
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache
from imgforge.tree import Kind

FORMAT = 3
"""Raise it when other files of a layer are kept."""

_PLACE = re.compile(r"usr/share/doc/([^/]+)/copyright")
_MACHINE_READABLE = re.compile(rb"\s*Format", re.IGNORECASE)
_LINKS = 4
"""Symbolic links that are followed: Policy 12.5 allows one, to the directory of another package."""


def of_image(image: Base, facts: Facts, *, cache: Cache, reporter: Reporter) -> dict[str, str]:
    """Return the text of ``/usr/share/doc/NAME/copyright`` by NAME, where it is machine-readable.

    Args:
        image: whose.
        facts: of its tree.
        cache: keeps what was found in each layer.
        reporter: hears when a layer must be read.
    """
    contents: dict[str, bytes] = {}
    for number in range(len(image.image.config.diff_ids)):
        contents.update(_layer(image, number, cache=cache, reporter=reporter))
    names = (path.split("/")[3] for path in facts.entries if _PLACE.fullmatch(path) or _is_linked(path, facts))
    found = {name: contents.get(_resolved(f"usr/share/doc/{name}/copyright", facts)) for name in names}
    return {name: data.decode("utf-8", "replace") for name, data in found.items() if data}


def _is_linked(path: str, facts: Facts) -> bool:
    """Tell whether a path is the directory of a package's documents, and another's in truth."""
    return (
        posixpath.dirname(path) == "usr/share/doc"
        and path != "usr/share/doc"
        and facts.entries[path].kind is Kind.SYMLINK
    )


def _resolved(path: str, facts: Facts) -> str:
    for _ in range(_LINKS):
        for place in (posixpath.dirname(path), path):
            entry = facts.entries.get(place)
            if entry is not None and entry.kind is Kind.HARDLINK:
                return entry.target
            if entry is not None and entry.kind is Kind.SYMLINK:
                target = posixpath.normpath(posixpath.join("/", posixpath.dirname(place), entry.target)).lstrip("/")
                path = target + path.removeprefix(place)
                break
        else:
            return path
    return path


def _layer(image: Base, number: int, *, cache: Cache, reporter: Reporter) -> Mapping[str, bytes]:
    diff_id = proving.layer(image, number, cache=cache, reporter=reporter)
    key = f"{diff_id.hex}-{FORMAT}-{record.VERSION}"
    found = cache.read("copyrights", key)
    if found is not None:
        loaded: dict[str, bytes] = record.load(found)
        return loaded
    contents: dict[str, bytes] = {}
    with reading.open_layer(image, number) as stream:
        for entry, content in reading.members(image, number, stream):
            if entry.kind is Kind.FILE and entry.size <= licences.CAP and _PLACE.fullmatch(entry.path):
                data = content.read()
                # one in words is empty here, and hides one of a lower layer
                contents[entry.path] = data if _MACHINE_READABLE.match(data) else b""
    cache.put("copyrights", key, record.dump(contents))
    return contents
