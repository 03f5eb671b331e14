"""What an image says of the private inputs that it holds, as a build puts it into manifest, config and layers.

Light: an image that holds nothing private imports no room for it, and has the digest that it would have without this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs

from imgforge import late
from imgforge.image import Image, Layer, packages_of_step

taint = late.module("imgforge.policy.taint")

PREFIX = "org.wikimedia.imgforge.private"
"""How the annotations and labels begin (`policy.taint`)."""

Pairs = tuple[tuple[str, str], ...]


@attrs.frozen
class Marks:
    """What is said of an image; nothing where nothing is private.

    Attributes:
        image: annotations of its manifest and labels of its config: what it holds, its bases' too.
        files: annotations of the layer of what its manifest brings.
        packages: names of private packages, each with its source's.
        state: annotations of a layer that any package may have written to.
    """

    image: Pairs = ()
    files: Pairs = ()
    packages: Pairs = ()
    state: Pairs = ()

    def on_packages(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """Return package and state layers with what they hold."""
        return tuple(self._on(layer) for layer in layers) if self.state else layers

    def on_files(self, layer: Layer) -> Layer:
        """Return the layer of what the manifest brings with what it holds."""
        return _annotated(layer, self.files)

    def _on(self, layer: Layer) -> Layer:
        named = packages_of_step(layer.created_by)
        if not named:
            return _annotated(layer, self.state)  # a script of a private package may have copied from it
        held = {source for package, source in self.packages if package in named}
        return _annotated(layer, taint.dump(taint.Taint(taint.SOURCE, source) for source in held))


def _annotated(layer: Layer, pairs: Pairs) -> Layer:
    if not pairs:
        return layer
    descriptor = layer.descriptor
    return attrs.evolve(layer, descriptor=attrs.evolve(descriptor, annotations=(*descriptor.annotations, *pairs)))


def is_marked(image: Image) -> bool:
    """Tell whether an image says that it holds something private, or can be installed from such a source."""
    pairs = (*image.manifest.annotations, *image.config.execution.labels)
    layers = (pair for layer in image.manifest.layers for pair in layer.annotations)
    return any(name.startswith(PREFIX) for name, _ in (*pairs, *layers))


def dump(marks: Marks, *, until: int | None = None) -> bytes:
    """Return marks as JSON, with the last second in which they count; None for ever."""
    return json.dumps((until, attrs.astuple(marks))).encode()


def load(data: bytes, *, now: int) -> Marks | None:
    """Return what `dump` wrote; None where it does not count any more."""
    until, (image, files, packages, state) = json.loads(data)
    if until is not None and now > until:
        return None
    return Marks(_pairs(image), _pairs(files), _pairs(packages), _pairs(state))


def _pairs(rows: Iterable[list[str]]) -> Pairs:
    return tuple((name, text) for name, text in rows)
