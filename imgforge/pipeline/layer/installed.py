"""What installing gave, and how the cache remembers it."""

from __future__ import annotations

import json

import attrs

from imgforge import record
from imgforge.digest import Digest
from imgforge.image import Layer
from imgforge.oci.descriptor import Descriptor
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.workshop.runs import ScriptRun


@attrs.frozen
class Installed:
    """What installing gave.

    Attributes:
        layers: package layers and the state layer, lowest first.
        epoch: seconds since 1970: the newest of the packages and the base.
        state: key of the configured state, "" where nothing was to be configured.
        fragments: keys of the fragments of the package layers, in order of installation.
        notes: what to tell of the configured state at each build.
        reused: how many of the layers were there already.
    """

    layers: tuple[Layer, ...]
    epoch: int
    state: str = ""
    fragments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
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
    return json.dumps({**row, "notes": installed.notes}).encode()


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
    return Installed(layers, row["epoch"], row["state"], tuple(row["fragments"]), tuple(row["notes"]))


def recall(key: str, *, cache: Cache, store: Layout) -> Installed | None:
    """Return what installing a wish of this key gave, if the store still has all of its layers."""
    known = cache.read("installs", key)
    if known is None:
        return None
    installed = load(known)
    if all(store.has(layer.descriptor.digest, layer.descriptor.size) for layer in installed.layers):
        return attrs.evolve(installed, reused=len(installed.layers))
    return None


def remember_runs(diff_id: Digest, runs: tuple[ScriptRun, ...], *, cache: Cache) -> None:
    """Keep what ran for a state layer where `runs_of` finds it."""
    cache.put("scripts", diff_id.hex, record.dump(tuple((run.label, run.seconds) for run in runs)))


def runs_of(diff_id: Digest, *, cache: Cache) -> tuple[ScriptRun, ...]:
    """Return what ran when a layer was made here; nothing for layers of packages, and of others."""
    known = cache.read("scripts", diff_id.hex)
    return tuple(ScriptRun(*row) for row in record.load(known)) if known else ()
