"""Compare the execution parameters and the layers of two images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from imgforge.oci.config import ImageConfig
from imgforge.oci.manifest import Manifest


@attrs.frozen(order=True)
class ConfigChange:
    """A setting that differs.

    Attributes:
        name: such as ``user``, ``env PATH``, ``label org.example.team``.
        before: as text; None if not set.
        after: as text; None if not set.
    """

    name: str
    before: str | None
    after: str | None


@attrs.frozen
class LayerChange:
    """What a client with the first image must download for the second.

    Attributes:
        kept: number of layers in both images, by digest.
        dropped: number of layers only in the first.
        added: number of layers only in the second.
        download: total size of the added layers, in bytes.
        size: total sizes of the layers of both images, in bytes.
    """

    kept: int
    dropped: int
    added: int
    download: int
    size: tuple[int, int]


def compare(before: ImageConfig, after: ImageConfig) -> tuple[ConfigChange, ...]:
    """Return the differences in execution parameters, sorted by name."""
    one, other = (dict(_settings(image)) for image in (before, after))
    names = sorted(one.keys() | other.keys())
    return tuple(
        ConfigChange(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)
    )


def _settings(config: ImageConfig) -> Iterator[tuple[str, str]]:
    run = config.execution
    yield "platform", str(config.platform)
    for name, value in (("user", run.user), ("workdir", run.workdir), ("stop-signal", run.stop_signal)):
        if value:
            yield name, value
    for name, argv in (("entrypoint", run.entrypoint), ("cmd", run.cmd)):
        if argv is not None:
            yield name, " ".join(argv)
    yield from ((f"env {name}", value) for name, value in run.env)
    yield from ((f"label {name}", value) for name, value in run.labels)
    yield from ((f"port {port}", "exposed") for port in run.ports)
    yield from ((f"volume {volume}", "declared") for volume in run.volumes)


def layers(before: Manifest, after: Manifest) -> LayerChange:
    """Compare the layers of two images."""
    one, other = _sizes(before), _sizes(after)
    return LayerChange(
        kept=len(one.keys() & other.keys()),
        dropped=len(one.keys() - other.keys()),
        added=len(other.keys() - one.keys()),
        download=sum(other[digest] for digest in other.keys() - one.keys()),
        size=(sum(one.values()), sum(other.values())),
    )


def _sizes(manifest: Manifest) -> Mapping[str, int]:
    return {str(layer.digest): layer.size for layer in manifest.layers}
