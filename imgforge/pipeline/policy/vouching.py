"""Whose signatures an image has: the policy's keys, by the names that the policy gives them."""

from __future__ import annotations

import contextlib
import hashlib
import json
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

Signers = dict[str, int | None]
"""Names of a policy's keys, and until when their signatures count, in seconds since 1970; None for ever."""


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


def lasting(among: dict[str, PublicKey], good: Iterable[Verified]) -> Signers:
    """Return the names of those keys that made good signatures, and how long the longest of each counts."""
    found: Signers = {}
    for one in good:
        for name in named(among, [one.key]):
            known, expires = found.get(name, 0), one.claims.expires
            found[name] = None if known is None or expires is None else max(known, expires)
    return found


def signers(among: dict[str, PublicKey], *, reference: Reference, client: Client, now: int) -> Signers:
    """Return the names of the keys that have signed an image, as its registry lists; none where it is not there.

    Args:
        among: the keys that count.
        reference: of the image; elsewhere than in a registry nothing is signed.
        client: to ask with.
        now: seconds since 1970.
    """
    if reference.transport != DOCKER or not among:
        return {}  # signatures are kept beside an image in its registry
    try:
        beside = registries.Beside(client, reference)
    except NotFoundError:
        return {}
    return lasting(among, signatures(beside, among, now=now, what=str(reference)))


def signers_of_index(
    among: dict[str, PublicKey], *, reference: Reference, digest: Digest, client: Client, now: int
) -> Signers:
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
        return {}
    top = beside.document(beside.digest)
    if not isinstance(top, Index) or digest not in {one.digest for one in top.manifests}:
        return {}
    return lasting(among, signatures(beside, among, now=now, what=str(reference)))


def remember(found: Signers, among: dict[str, PublicKey], reference: Reference, *, cache: Cache) -> None:
    """Keep who has signed an image, and until when that counts; see `remembered`."""
    for name, expires in found.items():
        cache.put(_KIND, _key(among[name], reference), json.dumps({"expires": expires}).encode())


def remembered(among: dict[str, PublicKey], reference: Reference, *, cache: Cache, now: int) -> frozenset[str]:
    """Return the names of the keys that are known to have signed an image with signatures that count now.

    What is remembered is what was signed, not that it counts: the validity of the key and the expiry of the signature
    are compared with the time, each time.

    Args:
        among: the keys that count, as the policy names them now.
        reference: of the image, by digest.
        cache: has what `remember` put there.
        now: seconds since 1970.
    """
    valid = {name: key for name, key in among.items() if key.is_valid(now)}
    return frozenset(name for name, key in valid.items() if _counts(cache.read(_KIND, _key(key, reference)), now))


def _counts(record: bytes | None, now: int) -> bool:
    """Tell whether a remembered signature counts; one without its expiry, as older versions kept them, does not."""
    try:
        expires = json.loads(record)["expires"] if record is not None else 0
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return expires is None or (type(expires) is int and now <= expires)


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
