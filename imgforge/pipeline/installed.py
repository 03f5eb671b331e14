"""What installing gave, and how the cache remembers it."""

from __future__ import annotations

import json

import attrs

from imgforge.digest import Digest
from imgforge.image import Layer
from imgforge.oci.descriptor import Descriptor


@attrs.frozen
class Installed:
    """What installing gave.

    Attributes:
        layers: package layers and the state layer, lowest first.
        epoch: seconds since 1970: the newest of the packages and the base.
        state: key of the configured state, "" where nothing was to be configured.
        fragments: keys of the fragments of the package layers, in order of installation.
        reused: how many of the layers were there already.
    """

    layers: tuple[Layer, ...]
    epoch: int
    state: str = ""
    fragments: tuple[str, ...] = ()
    reused: int = attrs.field(default=0, eq=False)


def dump(installed: Installed) -> bytes:
    """Return the value as JSON."""
    layers = [
        {
            "media_type": layer.descriptor.media_type,
            "digest": str(layer.descriptor.digest),
            "size": layer.descriptor.size,
            "diff_id": str(layer.diff_id),
            "created_by": layer.created_by,
            "comment": layer.comment,
        }
        for layer in installed.layers
    ]
    row = {"layers": layers, "epoch": installed.epoch, "state": installed.state, "fragments": installed.fragments}
    return json.dumps(row).encode()


def load(data: bytes) -> Installed:
    """Return what `dump` wrote."""
    row = json.loads(data)
    layers = tuple(
        Layer(
            Descriptor(layer["media_type"], Digest.parse(layer["digest"]), layer["size"]),
            Digest.parse(layer["diff_id"]),
            layer["created_by"],
            layer["comment"],
        )
        for layer in row["layers"]
    )
    return Installed(layers, row["epoch"], row["state"], tuple(row["fragments"]))
