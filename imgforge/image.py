"""Images: a manifest with its config, and how a new image is assembled.

The manifest's bytes define the image. Layers are identified by descriptor and diff_id; their content is read elsewhere.
`assemble` is pure: the same base, layers and settings give the same digest.
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
"""Maximum uncompressed size of a layer, in bytes."""

_PACKAGES_STEP = "imgforge: packages"

LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: years in RFC 3339 have four digits."""


@attrs.frozen
class Layer:
    """A layer of an image.

    Attributes:
        descriptor: descriptor of the stored blob.
        diff_id: digest of the uncompressed tar.
        created_by: the history's ``created_by``.
        comment: the history's ``comment``.
    """

    descriptor: Descriptor
    diff_id: Digest
    created_by: str = ""
    comment: str = ""


@attrs.frozen
class Image:
    """A manifest and its config.

    Raises:
        IntegrityError: the config does not belong to the manifest.
    """

    manifest: Manifest
    config: ImageConfig

    def __attrs_post_init__(self) -> None:
        """Check the config's digest and size, and the number of layers."""
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
        """Read the image of a descriptor; from an index, the image for a platform.

        Args:
            read: returns the bytes of a blob, verified and limited in size.
            descriptor: descriptor of a manifest or an index.
            platform: required platform; None accepts any, if there is only one.
            what: name of the image, for error messages.

        Raises:
            UsageError: an index has no image for the platform, or several without a requested platform.
            IntegrityError: malformed data, another platform, or not an image.
        """
        document = parse(read(descriptor.digest), what=f"{what}: {descriptor.digest}")
        if isinstance(document, Index):
            chosen = document.select(platform, what=what)
            document = Manifest.parse(read(chosen.digest), what=f"{what}: {chosen.digest}")
        if not media.is_config(document.config.media_type, of=document.media_type):
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
        """The digest of the manifest, which identifies the image."""
        return self.manifest.digest

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's descriptor, with the platform if the config has a complete one."""
        platform = self.config.platform
        return attrs.evolve(self.manifest.descriptor, platform=platform if platform.architecture else None)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, lowest first, with their history if the config has one."""
        steps = [step for step in self.config.full_history if not step.is_empty]
        found = zip(self.manifest.layers, self.config.diff_ids, steps, strict=True)
        return tuple(Layer(descriptor, diff_id, step.created_by, step.comment) for descriptor, diff_id, step in found)


@attrs.frozen
class Base:
    """The base of an image, and the reference that was used for it."""

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
    """Assemble an image.

    The base's layers are kept; Docker media types become OCI's, because a manifest has only one kind. The base's
    history is kept, followed by one entry per new layer and one empty entry per change of the config.

    Args:
        layers: the new layers, lowest first.
        base: None for an image from scratch.
        platform: the platform of the image; the base must match.
        epoch: seconds since the epoch, for `created`.
        changes: changes to the base's execution parameters.
        annotations: annotations of the manifest. Those of image-spec's annotations.md are set by default (`created`,
            `base.name`, `base.digest`); annotations given here take precedence.

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
    known, execution = _known(old.platform, platform), old.execution.override(changes)
    config = ImageConfig.make(known, diff_ids, history=history, execution=execution, created=created)
    standard = ((CREATED, created), *(((BASE_NAME, base.name), (BASE_DIGEST, str(base.image.digest))) if base else ()))
    descriptors = tuple(_as_oci(layer.descriptor) for layer in (*below, *above))
    named = tuple((dict(standard) | dict(annotations)).items())
    return Image(Manifest.make(config.descriptor, descriptors, annotations=named), config)


def _known(found: Platform, wanted: Platform) -> Platform:
    """Return the platform of a base; the requested one when its config has no architecture."""
    return found if found.architecture else wanted


def _steps(layers: tuple[Layer, ...], changes: Overrides, created: str) -> Iterator[History]:
    for layer in layers:
        yield History(created, layer.created_by, layer.comment)
    for line in changes.describe():
        yield History(created, f"imgforge: {line}", is_empty=True)


def packages_step(packages: Iterable[tuple[str, str]]) -> str:
    """Return the history's text for a layer of packages, sorted, given pairs of name and version."""
    return " ".join((_PACKAGES_STEP, *(f"{name}={version}" for name, version in sorted(packages))))


def packages_of_step(text: str) -> frozenset[str]:
    """Return the package names in a history text written by `packages_step`; empty for other texts."""
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
    """Open a layer as an uncompressed tar. Reading raises IntegrityError if it does not match the diff_id.

    Only a stream that is read to its end is verified, past the end of the archive: see `imgforge.oci.verified.drain`.

    Args:
        layer: the layer.
        open_blob: opens a blob; its content is verified.
        cap: maximum size of the tar, in bytes.
        threads: maximum number of threads for decompression.
        aside: called with data of the compressed stream that is not content.
    """
    what = f"layer {layer.descriptor.digest}"
    tar = decompress(open_blob(layer.descriptor), what=what, cap=cap, threads=threads, aside=aside)
    return verified(tar, digest=layer.diff_id, size=None, what=f"{what}: diff_id")


def timestamp(epoch: int) -> str:
    """Format seconds since the epoch as RFC 3339 in UTC.

    Raises:
        IntegrityError: before 1970 or after 9999.
    """
    if not 0 <= epoch <= LAST_SECOND:
        raise IntegrityError(f"epoch {epoch}: expected 0 to {LAST_SECOND} seconds")
    return dt.datetime.fromtimestamp(epoch, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_oci(layer: Descriptor) -> Descriptor:
    return attrs.evolve(layer, media_type=media.oci_layer(layer.media_type, what=str(layer.digest)))
