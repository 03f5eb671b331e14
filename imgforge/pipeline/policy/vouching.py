"""Whose signatures an image has: the policy's keys, by the names that the policy gives them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable

from imgforge.digest import Digest
from imgforge.fetch.request import NotFoundError
from imgforge.oci.config import ImageConfig
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.registry import registries
from imgforge.pipeline.registry.registries import Beside
from imgforge.policy import taint
from imgforge.policy.files import PolicyFile
from imgforge.policy.taint import Taint
from imgforge.registry.client import Client
from imgforge.signing.errors import SignatureError
from imgforge.signing.keys import PublicKey
from imgforge.signing.verify import Trust, Verified
from imgforge.store.cache import Cache

_KIND = "signers"


def keys(found: PolicyFile, names: Iterable[str]) -> dict[str, PublicKey]:
    """Return the policy's keys of these names.

    Raises:
        UsageError, ManifestError: a key cannot be read.
        SigningKeyError: it is none.
    """
    return {name: PublicKey.parse(found.key(name), what=f"key {name!r} of the policy") for name in names}


def named(among: dict[str, PublicKey], signers: Iterable[PublicKey]) -> frozenset[str]:
    """Return the names of those keys that are among the signers'."""
    prints = {signer.fingerprint for signer in signers}
    return frozenset(name for name, key in among.items() if key.fingerprint in prints)


def signatures(beside: Beside, among: dict[str, PublicKey], *, now: int, what: str) -> tuple[Verified, ...]:
    """Return the good signatures of an image in its registry by these keys; none when there are none.

    Args:
        beside: what the registry has beside the image.
        among: the keys that count.
        now: seconds since 1970.
        what: the image's name in messages.
    """
    if not among:
        return ()
    with contextlib.suppress(SignatureError):
        return beside.verify(Trust(tuple(among.values()), now), what=what)
    return ()


def signers(among: dict[str, PublicKey], *, reference: Reference, client: Client, now: int) -> frozenset[str]:
    """Return the names of the keys that have signed an image, as its registry tells; none where it is not there.

    Args:
        among: the keys that count.
        reference: of the image; elsewhere than in a registry nothing is signed.
        client: to ask with.
        now: seconds since 1970.
    """
    if reference.transport != DOCKER or not among:
        return frozenset()  # signatures are kept beside an image in its registry
    try:
        beside = registries.Beside(client, reference)
    except NotFoundError:
        return frozenset()
    good = signatures(beside, among, now=now, what=str(reference))
    return named(among, (one.key for one in good))


def signers_of_index(
    among: dict[str, PublicKey], *, reference: Reference, digest: Digest, client: Client, now: int
) -> frozenset[str]:
    """Return the names of the keys that have signed an index which names an image: who signs a tag signs the index.

    Args:
        among: the keys that count.
        reference: what may stand for an index.
        digest: of the image.
        client: to ask with.
        now: seconds since 1970.
    """
    try:
        beside = registries.Beside(client, reference)
    except NotFoundError:
        return frozenset()
    top = beside.document(beside.digest)
    if not isinstance(top, Index) or digest not in {one.digest for one in top.manifests}:
        return frozenset()
    good = signatures(beside, among, now=now, what=str(reference))
    return named(among, (one.key for one in good))


def remember(names: Iterable[str], among: dict[str, PublicKey], reference: Reference, *, cache: Cache) -> None:
    """Keep who has signed an image; see `remembered`."""
    for name in names:
        cache.put(_KIND, _key(among[name], reference), b"")


def remembered(among: dict[str, PublicKey], reference: Reference, *, cache: Cache, now: int) -> frozenset[str]:
    """Return the names of the keys that are known to have signed an image, and have not expired.

    Args:
        among: the keys that count.
        reference: of the image, by digest.
        cache: has what `remember` put there.
        now: seconds since 1970.
    """
    valid = {name: key for name, key in among.items() if key.not_after is None or now <= key.not_after}
    return frozenset(name for name, key in valid.items() if cache.get(_KIND, _key(key, reference)) is not None)


def _key(key: PublicKey, reference: Reference) -> str:
    where = f"{reference.transport} {reference.location} {reference.name} {reference.digest}"
    return hashlib.sha256(f"{key.fingerprint} {where}".encode()).hexdigest()


def taints(beside: Beside) -> tuple[Taint, ...]:
    """Return what private bytes an image of a registry says that it holds; of an index, any of its images."""
    top = beside.document(beside.digest)
    manifests = [top] if isinstance(top, Manifest) else [beside.document(one.digest) for one in top.manifests]
    marks = [dict(top.annotations)]
    for manifest in manifests:
        if isinstance(manifest, Index):
            continue
        marks += [dict(manifest.annotations), *(dict(layer.annotations) for layer in manifest.layers)]
        config = ImageConfig.parse(beside.read(manifest.config), what="config")
        marks.append(dict(config.execution.labels))
    return taint.parse(taint.merged(*marks))
