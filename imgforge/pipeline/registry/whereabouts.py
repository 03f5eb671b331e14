"""Which repositories of a registry got which layers from here: they are mounted into the next one, and not sent again.

An image names its base by the manifest's name, which says nothing about where the base was pushed. The cache remembers
that for each layer; a registry that has it there no more is sent it, as if nothing had been known.
"""

from __future__ import annotations

import hashlib

from imgforge.digest import Digest
from imgforge.oci.manifest import Manifest
from imgforge.oci.reference import DOCKER, Reference
from imgforge.registry.client import Client
from imgforge.registry.repository import Repository
from imgforge.store.cache import Cache

_KIND = "whereabouts"


def recall(manifest: Manifest, target: Reference, *, client: Client, cache: Cache) -> None:
    """Tell a client where the layers of an image are that goes to a registry."""
    if target.transport != DOCKER:
        return
    host = Repository.of(target).host
    for layer in manifest.layers:
        found = cache.read(_KIND, _key(host, layer.digest))
        if found is not None:
            client.seen.remember(Repository(host, found.decode()), (layer.digest,))


def remember(manifest: Manifest, target: Reference, *, cache: Cache) -> None:
    """Keep where the layers of an image are that went to a registry; the first place of each is as good as the last."""
    if target.transport != DOCKER:
        return
    repository = Repository.of(target)
    for layer in manifest.layers:
        key = _key(repository.host, layer.digest)
        if cache.get(_KIND, key) is None:
            cache.put(_KIND, key, repository.name.encode())


def _key(host: str, digest: Digest) -> str:
    return hashlib.sha256(f"{host} {digest}".encode()).hexdigest()
