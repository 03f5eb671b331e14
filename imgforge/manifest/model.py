"""The manifest, version 1: what a person writes to have an image.

Source of its keys: docs/manifest.md, which is checked against this class, as is the JSON Schema beside this file.
Annotations are not postponed here, because `checked` reads them when the class is made.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import attrs

from imgforge.document import names
from imgforge.document.rule import ContradictionError, Distinct, Keyed, checked
from imgforge.errors import Position
from imgforge.manifest import rules
from imgforge.manifest.parts import (
    Account,
    AppendText,
    Config,
    CopyFiles,
    EditIni,
    Layers,
    MakeDirectory,
    MakeLink,
    PackageName,
    PackageRequest,
    Pin,
    SourceSpec,
    Target,
)

VERSION = 1
"""The format's version, which a manifest gives as ``imgforge: 1``."""

SCRATCH = "scratch"
"""The base of an image that starts from nothing."""


@attrs.frozen(kw_only=True, field_transformer=checked)
class Manifest:
    """Everything that decides about one image, but for the versions of its packages, which the lock decides.

    Attributes:
        positions: where each value stands, by its path as in messages (``packages[3].name``); for later errors.
    """

    name: Annotated[str, names.IMAGE] = attrs.field(metadata={"doc": "the image's name in the store"})
    base: Annotated[str, names.BASE] = attrs.field(
        metadata={"doc": "another manifest's name, an image in the store, a reference such as oci:DIR:TAG, or scratch"}
    )
    sources: Annotated[tuple[SourceSpec, ...], Keyed("name")] = attrs.field(
        default=(),
        metadata={"doc": "APT sources by name; a policy must allow them where there is a base that has its own"},
    )
    base_sources: bool = attrs.field(
        default=True, metadata={"doc": "whether packages come from the base's APT sources, too"}
    )
    packages: Annotated[tuple[PackageRequest, ...], Distinct("name")] = attrs.field(
        default=(), metadata={"doc": "packages that the image must hold; what they depend on comes along"}
    )
    recommends: bool = attrs.field(default=False, metadata={"doc": "install what packages recommend, too"})
    without: Annotated[tuple[PackageName, ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "packages that are never installed"}
    )
    pins: tuple[Pin, ...] = attrs.field(default=(), metadata={"doc": "which versions are preferred, as APT's pins"})
    exclude: Annotated[tuple[Annotated[str, names.GLOB], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "paths that packages do not install, as dpkg's path-exclude"}
    )
    include: Annotated[tuple[Annotated[str, names.GLOB], ...], Distinct()] = attrs.field(
        default=(), metadata={"doc": "paths that they install although excluded, as dpkg's path-include"}
    )
    accounts: Annotated[tuple[Account, ...], Keyed("name"), Distinct("uid")] = attrs.field(
        default=(), metadata={"doc": "users and their groups, by name"}
    )
    files: tuple[CopyFiles | MakeLink | MakeDirectory, ...] = attrs.field(
        default=(), metadata={"doc": "what is copied or made in the image, in this order"}
    )
    edits: tuple[EditIni | AppendText, ...] = attrs.field(
        default=(), metadata={"doc": "changes of files that packages bring, in this order"}
    )
    alternatives: tuple[tuple[Annotated[str, rules.ALTERNATIVE], Target], ...] = attrs.field(
        default=(), metadata={"doc": "chosen alternatives: name and path, as update-alternatives --set"}
    )
    config: Config = attrs.field(factory=Config, metadata={"doc": "how the image runs"})
    layers: Layers = attrs.field(factory=Layers, metadata={"doc": "how packages are grouped into layers"})
    compression: Literal["gzip", "zstd"] = attrs.field(
        default="gzip", metadata={"doc": "of new layers; every tool reads gzip"}
    )
    platforms: Annotated[tuple[Annotated[str, names.PLATFORM], ...], Distinct()] = attrs.field(
        default=("linux/amd64",), metadata={"doc": "the platforms that it is built for"}
    )
    positions: Mapping[str, Position] = attrs.field(factory=dict, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse parts that contradict each other."""
        places = [
            (f"without[{index}]", f"{name!r} is asked for in 'packages'")
            for index, name in enumerate(self.without)
            if name in {request.name for request in self.packages}
        ]
        if self.is_from_scratch and self.packages and not self.sources:
            places.append(("packages", "need 'sources', because base is 'scratch'"))
        if not self.base_sources and not self.sources:
            places.append(("base-sources", "'false' needs 'sources'"))
        if not self.platforms:
            places.append(("platforms", "must name a platform"))
        if places:
            raise ContradictionError(tuple(places))

    @property
    def is_from_scratch(self) -> bool:
        """Whether the image starts from nothing."""
        return self.base == SCRATCH


def debian_architecture(platform: str) -> str:
    """Return Debian's name of a platform's architecture: ``amd64`` for ``linux/amd64``."""
    return names.PLATFORMS[platform]
