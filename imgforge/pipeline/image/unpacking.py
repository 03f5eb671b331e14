"""The trees that show an image's layers: unpacked once, each on top of those below, and kept in the cache."""

from __future__ import annotations

from pathlib import Path

from imgforge.errors import IntegrityError
from imgforge.pipeline.image.base import Base, chain_id
from imgforge.pipeline.image.tars import Tars, prove
from imgforge.report import Reporter, Step, running
from imgforge.store.cache import Cache
from imgforge.workshop.client import Workshop


def trees_of(base: Base, *, cache: Cache, workshop: Workshop, reporter: Reporter) -> tuple[Path, ...]:
    """Return a tree for each layer of the base, lowest first, unpacking those that the cache lacks.

    Raises:
        IntegrityError: a layer is not what the image says, or tries to write outside its tree.
    """
    numbers = range(len(base.image.config.diff_ids))
    kind = workshop.tree_kind
    if not numbers or all(cache.get(kind, _key(base, number)) for number in numbers):
        prove(base, cache=cache, reporter=reporter)
        return tuple(cache.place(kind, _key(base, number)) for number in numbers)
    with cache.lock(kind, _key(base, 0)):  # images that share layers are unpacked in turn: none twice
        return _unpacked(base, cache=cache, workshop=workshop, reporter=reporter)


def _unpacked(base: Base, *, cache: Cache, workshop: Workshop, reporter: Reporter) -> tuple[Path, ...]:
    numbers = range(len(base.image.config.diff_ids))
    kind, trees = workshop.tree_kind, list[Path]()
    missing = [number for number in numbers if cache.get(kind, _key(base, number)) is None]
    with Tars(base, missing, cache=cache, reporter=reporter) as tars:
        for number in numbers:
            target = cache.place(kind, _key(base, number))
            with tars.take(number) as tar:
                _extract(base, number, tar, target, workshop=workshop, lowers=tuple(trees), reporter=reporter)
            trees.append(target)
    return tuple(trees)


def _key(base: Base, number: int) -> str:
    """Return the name of a layer's tree: what lies below decides about hard links, whiteouts and directories in it."""
    return chain_id(base.image.config.diff_ids[: number + 1]).replace(":", "-")


def _extract(
    base: Base,
    number: int,
    tar: Path | None,
    target: Path,
    *,
    workshop: Workshop,
    lowers: tuple[Path, ...],
    reporter: Reporter,
) -> None:
    """Unpack a layer's tar; without one its tree is there."""
    if tar is None:
        return
    size = base.image.manifest.layers[number].size
    try:
        with running(reporter, Step("extract", f"{base.name} layer {number + 1}", size)):
            workshop.extract((tar,), target, lowers=lowers)
    except IntegrityError as error:
        raise IntegrityError(f"{base.name}: layer {number + 1}: {error}") from None
