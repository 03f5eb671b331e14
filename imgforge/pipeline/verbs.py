"""The verbs of the façade, each a few lines on the builder."""

from __future__ import annotations

from pathlib import Path

from imgforge.oci.reference import Reference
from imgforge.pipeline import chain as chains
from imgforge.pipeline.builder import Builder, Built, Mode
from imgforge.pipeline.locking import Locked
from imgforge.settings import Settings
from imgforge.transport import table as transports


def lock(manifest: str | Path, *, settings: Settings, upgrade: tuple[str, ...] | None = None) -> Locked:
    """Write the lock of a manifest beside it: exactly what to install.

    Args:
        manifest: its path or its name.
        settings: places and mirrors.
        upgrade: packages whose locked versions are given up; empty for all.

    Raises:
        ResolveError: no set of packages answers the manifest.
        FetchError: a source cannot be had.
    """
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    with Builder(settings) as builder:
        return builder.lock(chain, Mode(upgrade=upgrade))


def build(
    manifest: str | Path,
    *,
    settings: Settings,
    locked: bool = False,
    upgrade: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] = (),
) -> Built:
    """Build the image of a manifest, its bases first, into the store.

    Args:
        manifest: its path or its name.
        settings: places, mirrors, sandbox.
        locked: fail when a lock does not fit instead of refreshing it.
        upgrade: packages whose locked versions are given up; empty for all.
        outputs: references to write the image to besides the store, such as ``oci:DIR:TAG``.

    Raises:
        StaleLockError: `locked`, and the lock does not fit.
        ImgforgeError: what else stood in the way, by class.
    """
    references = tuple(Reference.parse(output) for output in outputs)
    chain = chains.of(chains.find(manifest, settings=settings), settings=settings)
    with Builder(settings) as builder:
        built = builder.build(chain, Mode(locked=locked, upgrade=upgrade))
        table = transports.transports(builder.store)
        for reference in references:
            transports.write(
                built.image,
                lambda blob: builder.store.open_verified(blob.digest, blob.size),
                reference=reference,
                table=table,
            )
        return built
