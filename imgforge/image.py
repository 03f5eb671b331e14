"""The Image value: a manifest and a config that belong together, and how a new one is put together.

An image is its manifest's bytes; layers are named by descriptor and diff_id, and their bytes are asked for elsewhere.
`assemble` is a pure function: the same base, layers and settings give the same digest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import attrs

from imgforge.codec.source import Aside, forget
from imgforge.codec.stream import decompress
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci import media
from imgforge.oci.config import History, ImageConfig, Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest, parse
from imgforge.oci.platform import Platform
from imgforge.oci.verified import verified

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"

LAYER_CAP = 64 << 30
"""Bytes of a layer's tar that are accepted."""

_PACKAGES_STEP = "imgforge: packages"

LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: RFC 3339 has years of four digits."""


@attrs.frozen
class Layer:
    """A layer of an image.

    Attributes:
        descriptor: of its bytes as they are stored.
        diff_id: the digest of its tar.
        created_by: for the history: what made it.
        comment: for the history: what a person may want to know.
    """

    descriptor: Descriptor
    diff_id: Digest
    created_by: str = ""
    comment: str = ""


@attrs.frozen
class Image:
    """A manifest and the config that it names.

    Raises:
        IntegrityError: they do not belong together.
    """

    manifest: Manifest
    config: ImageConfig

    def __attrs_post_init__(self) -> None:
        """Refuse a config that is another one, or has another number of layers."""
        what = f"image {self.digest}"
        if self.config.digest != self.manifest.config.digest or len(self.config.raw) != self.manifest.config.size:
            raise IntegrityError(f"{what}: expected config {self.manifest.config.digest}, got {self.config.digest}")
        layers, diff_ids = len(self.manifest.layers), len(self.config.diff_ids)
        if layers != diff_ids:
            raise IntegrityError(f"{what}: expected {diff_ids} layers as its config says, got {layers}")
        for layer in self.manifest.layers:
            media.oci_layer(layer.media_type, what=what)

    @classmethod
    def load(
        cls, read: Callable[[Digest], bytes], descriptor: Descriptor, *, platform: Platform | None, what: str
    ) -> Image:
        """Read the image that a descriptor stands for, or the one for a platform where it stands for an index.

        Args:
            read: returns a blob's bytes, checked against its digest and capped.
            descriptor: of a manifest or an index.
            platform: what the image must run on; None to take it as it is, which an index does not allow.
            what: the image's name in messages.

        Raises:
            UsageError: the index has none for the platform, or more than one and no platform was named.
            IntegrityError: something is not what its format says, or is for another platform, or is no image.
        """
        document = parse(read(descriptor.digest), what=f"{what}: {descriptor.digest}")
        if isinstance(document, Index):
            chosen = document.select(platform, what=what)
            document = Manifest.parse(read(chosen.digest), what=f"{what}: {chosen.digest}")
        if document.config.media_type not in media.CONFIGS:
            raise IntegrityError(f"{what}: expected an image, got a config of type {document.config.media_type!r}")
        config = ImageConfig.parse(read(document.config.digest), what=f"{what}: config")
        if platform and not platform.is_met_by(config.platform):
            raise IntegrityError(f"{what}: expected an image for {platform}, got {config.platform}")
        try:
            return cls(document, config)
        except IntegrityError as error:
            raise IntegrityError(f"{what}: {error}") from None

    @property
    def digest(self) -> Digest:
        """The digest of the manifest: the image's identity."""
        return self.manifest.digest

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's descriptor, with the platform."""
        return attrs.evolve(self.manifest.descriptor, platform=self.config.platform)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, lowest first, each with the step of the history that made it, if the config tells."""
        steps = [step for step in self.config.full_history if not step.is_empty]
        found = zip(self.manifest.layers, self.config.diff_ids, steps, strict=True)
        return tuple(Layer(descriptor, diff_id, step.created_by, step.comment) for descriptor, diff_id, step in found)


@attrs.frozen
class Base:
    """The image that another is made on, and the reference by which it was named."""

    image: Image
    name: str


def assemble(
    layers: Iterable[Layer],
    *,
    base: Base | None,
    platform: Platform,
    epoch: int,
    changes: Overrides,
    annotations: tuple[tuple[str, str], ...] = (),
) -> Image:
    """Put an image together.

    The base's layers keep their bytes; Docker's media types become OCI's, since one manifest has one kind.
    The base's history is kept; then comes one step for each layer and one empty step for each change of the config.

    Args:
        layers: the new ones, lowest first.
        base: what they lie on; None for an image from scratch.
        platform: what the image runs on; the base's must be one for it.
        epoch: seconds since the epoch, for `created`.
        changes: how the image is run, as it differs from the base.
        annotations: of the manifest; the standard ones of image-spec's annotations.md come by themselves
            (`created`, `base.name`, `base.digest`), and one that is given here wins.

    Raises:
        IntegrityError: the base is for another platform.
    """
    if base and not platform.is_met_by(base.image.config.platform):
        raise IntegrityError(f"base {base.name}: expected {platform}, got {base.image.config.platform}")
    created = timestamp(epoch)
    above = tuple(layers)
    below = base.image.layers if base else ()
    diff_ids = tuple(layer.diff_id for layer in (*below, *above))
    old = base.image.config if base else ImageConfig(b"", platform, ())
    history = (*old.full_history, *_steps(above, changes, created))
    execution = old.execution.override(changes)
    config = ImageConfig.make(old.platform, diff_ids, history=history, execution=execution, created=created)
    standard = ((CREATED, created), *(((BASE_NAME, base.name), (BASE_DIGEST, str(base.image.digest))) if base else ()))
    descriptors = tuple(_as_oci(layer.descriptor) for layer in (*below, *above))
    named = tuple((dict(standard) | dict(annotations)).items())
    return Image(Manifest.make(config.descriptor, descriptors, annotations=named), config)


def _steps(layers: tuple[Layer, ...], changes: Overrides, created: str) -> Iterator[History]:
    for layer in layers:
        yield History(created, layer.created_by, layer.comment)
    for line in changes.describe():
        yield History(created, f"imgforge: {line}", is_empty=True)


def packages_step(packages: Iterable[tuple[str, str]]) -> str:
    """Return the history's text for a layer of packages, given their names and versions; sorted."""
    return " ".join((_PACKAGES_STEP, *(f"{name}={version}" for name, version in sorted(packages))))


def packages_of_step(text: str) -> frozenset[str]:
    """Return the names that `packages_step` put into the history's text; nothing for a text of another kind."""
    if not text.startswith(f"{_PACKAGES_STEP} "):
        return frozenset()
    return frozenset(word.partition("=")[0] for word in text.split() if "=" in word)


def open_tar(
    layer: Layer,
    open_blob: Callable[[Descriptor], BinaryIO],
    *,
    cap: int = LAYER_CAP,
    threads: int = 1,
    aside: Aside = forget,
) -> BinaryIO:
    """Open a layer as its tar, which raises IntegrityError when it turns out not to have the diff_id.

    Whoever reads it must read to the end (`imgforge.oci.verified.drain`), past the end of the archive.

    Args:
        layer: which.
        open_blob: opens the bytes that a descriptor names, verified.
        cap: bytes of the tar that are accepted.
        threads: how many may decompress.
        aside: gets what the compressed bytes carry that is no part of the tar.
    """
    what = f"layer {layer.descriptor.digest}"
    tar = decompress(open_blob(layer.descriptor), what=what, cap=cap, threads=threads, aside=aside)
    return verified(tar, digest=layer.diff_id, size=None, what=f"{what}: diff_id")


def timestamp(epoch: int) -> str:
    """Return seconds since the epoch as RFC 3339 text in UTC.

    Raises:
        IntegrityError: it is before 1970 or after 9999.
    """
    if not 0 <= epoch <= LAST_SECOND:
        raise IntegrityError(f"epoch {epoch}: expected 0 to {LAST_SECOND} seconds")
    return dt.datetime.fromtimestamp(epoch, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_oci(layer: Descriptor) -> Descriptor:
    return attrs.evolve(layer, media_type=media.oci_layer(layer.media_type, what=str(layer.digest)))
