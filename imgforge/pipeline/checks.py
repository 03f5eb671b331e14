"""The verb that asks the policy alone, and what it answers. Light: what judges is imported when it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.oci.reference import Reference
from imgforge.pipeline import chain as chains
from imgforge.pipeline import expecting
from imgforge.pipeline.builder import Builder
from imgforge.settings import Settings
from imgforge.store.layout import Layout

checking = late.module("imgforge.pipeline.checking")


@attrs.frozen
class Refusal:
    """One thing that the policy forbids.

    Attributes:
        rule: the rule's name, such as ``image.setuid``.
        text: what is wrong: object first, then what was expected and what came.
        where: the offending place of a manifest, ``FILE:LINE:COLUMN``; empty when there is none.
        by: where the policy says so, likewise; empty where no policy has to.
        hint: what to do about it; may be empty.
        line: all of it but the hint, as an error would say it.
    """

    rule: str
    text: str
    where: str
    by: str
    hint: str
    line: str

    def __str__(self) -> str:
        return self.line


@attrs.frozen
class Checked:
    """What the policy says of a manifest or an image.

    Attributes:
        name: of the image.
        digest: of its manifest; None where a manifest was judged that need not be built.
        refusals: what the policy forbids; nothing when all is well.
        private: what private inputs it holds, for people: such an image goes to private repositories only.
    """

    name: str
    digest: Digest | None
    refusals: tuple[Refusal, ...]
    private: tuple[str, ...]


def check(target: str | Path, *, settings: Settings) -> Checked:
    """Judge a manifest, with its lock and its bases, or an image, by the policy; nothing is built and nothing written.

    Args:
        target: a manifest's path, a name in the store or a reference; or the name of a manifest.
        settings: name the policy, and say where images and manifests are.

    Raises:
        ImgforgeError: what stood in the way, by class; what the policy forbids is in the answer.
    """
    with Builder(settings) as builder:
        if _is_image(target, settings):
            answer = checking.image(str(target), builder=builder, settings=settings)
        else:
            chain = chains.of(chains.find(target, settings=settings), settings=settings)
            expecting.files(chain.files)
            answer = checking.manifest(chain, builder=builder, settings=settings)
    refusals = tuple(map(_told, answer.refusals))
    return Checked(answer.name, answer.digest, refusals, tuple(map(str, answer.held)))


def _told(refusal: Any) -> Refusal:
    """Return a `policy.refusal.Refusal` as text."""
    where, by = (str(place) if place else "" for place in (refusal.where, refusal.by))
    return Refusal(refusal.rule, refusal.text, where, by, refusal.hint, str(refusal))


def _is_image(target: str | Path, settings: Settings) -> bool:
    """Tell whether an image is meant: a reference, or a name of the store; a path is a manifest's."""
    if isinstance(target, Path) or Path(target).suffix in (".yaml", ".yml") or Path(target).is_dir():
        return False
    return ":" in target or "@" in target or Reference.parse(target).name in Layout(settings.store, is_own=True).names()
