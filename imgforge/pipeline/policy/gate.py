"""The gate: what must be so before an image leaves this machine. All of it is asked before the first byte is sent."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from imgforge.errors import StoreError
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.policy import judging, vouching
from imgforge.pipeline.policy.governing import Governor, name_of
from imgforge.policy import publish, taint
from imgforge.policy.files import PolicyFile
from imgforge.policy.pattern import is_loopback
from imgforge.policy.refusal import Refusal, refuse
from imgforge.registry.client import Client
from imgforge.settings import Settings
from imgforge.signing.keys import KeyService
from imgforge.store.cache import Cache


@attrs.frozen
class Exit:
    """How an image would leave.

    Attributes:
        image: the image, and where it is now.
        source: what its place is called there.
        target: where it goes.
        signer: who will sign it there; None for nobody.
    """

    image: Base
    source: Reference
    target: Reference
    signer: KeyService | None = None


def allow(leaving: Exit, *, settings: Settings, client: Client, cache: Cache) -> None:
    """Let an image go to a registry, or refuse.

    First it is asked whether it may go there, which costs nothing or a look at its signatures there; then what it is
    like and what is found in its layers, which may cost a search. Where there is no policy, only what lies on this
    machine is searched: what comes from a registry is there already. A registry of this machine may then have anything.

    Raises:
        RefusedError: it must not.
    """
    governor = Governor(settings, cache=cache)
    found: PolicyFile = governor.found
    refuse(_refusals(found, leaving, settings=settings, client=client))
    image = leaving.image
    if governor.is_there:
        governor.image(image, name=name_of(image, otherwise=called(leaving.source, leaving.target)))
    elif not is_loopback(leaving.target):
        layers = () if leaving.source.transport == DOCKER else _here(leaving.image)
        refuse(judging.secrets(found, image, layers=layers, manifest=None, cache=cache, reporter=settings.reporter))


def _refusals(found: PolicyFile, leaving: Exit, *, settings: Settings, client: Client) -> tuple[Refusal, ...]:
    """Return why the image must not be where it goes, given who will sign it there and who has."""
    policy, target = found.policy, leaving.target
    taints = taint.parse(judging.marks_of(leaving.image))
    names = publish.keys_for(policy, target)
    among = vouching.keys(found, names)
    signers = vouching.named(among, [leaving.signer.public] if leaving.signer else [])
    refusals = publish.refusals(policy, target, signers=signers, taints=taints)
    if not any(refusal.rule == "publish.signed-by" for refusal in refusals):
        return refusals
    there = attrs.evolve(target, digest=leaving.image.digest)
    signers |= frozenset(vouching.signers(among, reference=there, client=client, now=settings.now))
    return publish.refusals(policy, target, signers=signers, taints=taints)


def called(*places: Reference) -> str:
    """Return the last part of the first name among places that have one."""
    names = (place.name.rpartition("/")[2].partition(":")[0] for place in places)
    return next(filter(None, names), "image")


def _here(image: Base) -> Iterator[int]:
    """Yield the numbers of the layers that lie on this machine: what only a registry has is not fetched."""
    for number, layer in enumerate(image.image.manifest.layers):
        try:
            image.open_blob(layer).close()
        except StoreError:
            continue
        yield number
