"""The index of a layout: which names it has, and what they stand for.

Source: OCI image-spec v1.1, image-layout.md, "index.json file". What other tools wrote into it stays as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from imgforge.digest import Digest
from imgforge.document import disk
from imgforge.errors import StoreError
from imgforge.oci import media, reference
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import Node, dump, parse
from imgforge.store.atomic import storing

_VERSION = "1.0.0"
_CAP = 64 << 20
"""Bytes of an index that are read: a store of many images has a longer one than a registry would take."""

MARKER = dump({"imageLayoutVersion": _VERSION})
"""The content of ``oci-layout``."""


@attrs.frozen
class Names:
    """What an ``index.json`` lists.

    Attributes:
        path: the layout, for messages.
        members: the document, other tools' members included.
        descriptors: its manifests.
    """

    path: Path
    members: Mapping[str, Any] = attrs.field(repr=False)
    descriptors: tuple[Descriptor, ...]

    @classmethod
    def empty(cls, path: Path) -> Self:
        """Return the index of a new layout."""
        return cls(path, {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": []}, ())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the index of a layout.

        Raises:
            StoreError: this is no OCI image layout of a version that is known, or it cannot be read.
            DocumentError: the index is not what its format says.
        """
        try:
            marker = _head(path / "oci-layout")
            index = _head(path / "index.json")
        except StoreError as error:
            error.add_note(f"expected an OCI image layout in {path}")
            raise
        return cls.parse(path, marker=marker, index=index)

    @classmethod
    def parse(cls, path: Path, *, marker: bytes, index: bytes) -> Self:
        """Read the two files of a layout, wherever they were found.

        Raises:
            StoreError: the layout's version is not known.
            DocumentError: one of them is not what its format says.
        """
        version = parse(marker, what=f"{path}/oci-layout").need("imageLayoutVersion")
        if version.text() != _VERSION:
            raise StoreError(f"{version.where}: expected {_VERSION!r}, got {version.text()[:80]!r}")
        node = parse(index, what=f"{path}/index.json", cap=_CAP)
        return cls(path, node.value, _descriptors(node))

    def dump(self) -> bytes:
        """Return the bytes of the document."""
        return dump(self.members)

    def resolve(self, name: str | Digest) -> Descriptor:
        """Return what a name or digest stands for; of an empty name, the only image there is.

        Raises:
            StoreError: there is none, or, for an empty name, more than one.
        """
        found = [entry for entry in self.descriptors if name in ("", entry.name, entry.digest)]
        if not found or (not name and len({entry.digest for entry in found}) > 1):
            names = sorted({entry.name or str(entry.digest) for entry in self.descriptors})
            wanted = f"image {str(name)!r}" if name else "one image"
            error = StoreError(f"{self.path}: expected {wanted}, got no such one")
            for close in difflib.get_close_matches(str(name), names, n=1):
                error.add_note(f"did you mean {close!r}?")
            error.add_note(f"images there: {(', '.join(names) or 'none')[:2000]}")
            raise error
        return found[0]

    def with_name(self, name: str, descriptor: Descriptor) -> Names:
        """Return the index with a name for an image, which no other has then.

        Raises:
            UsageError: the specification's grammar does not allow the name.
        """
        named = descriptor.named(reference.check_name(name))
        same = [entry for entry in self.descriptors if entry.name == name]
        if len(same) == 1 and same[0].digest == descriptor.digest:
            return self
        return self._with_entries([*self._others(name), named.to_json()])

    def without(self, *names: str | Digest) -> Names:
        """Return the index without some names, and without every name of some digests."""
        return self._with_entries(self._others(*names))

    def _others(self, *names: str | Digest) -> list[Any]:
        pairs = zip(self.members["manifests"], self.descriptors, strict=True)
        return [member for member, entry in pairs if entry.name not in names and entry.digest not in names]

    def _with_entries(self, entries: list[Any]) -> Names:
        members = {**self.members, "manifests": entries}
        return Names(self.path, members, _descriptors(Node(f"{self.path}/index.json", members)))


def _descriptors(node: Node) -> tuple[Descriptor, ...]:
    return tuple(Descriptor.read(entry) for entry in node.need("manifests").items())


def _head(path: Path) -> bytes:
    with storing(path), disk.open_file(path) as stream:
        return stream.read(_CAP + 1)
