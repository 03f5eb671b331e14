"""Who vouches for images where they were pushed: signs them, and what is known of them, and says nothing twice.

What a key has said of an image in a repository is remembered in the cache by the digests of what is attached there. As
long as the registry lists all of that, there is nothing to sign, and no reason to unlock the key and to write the
documents again, which takes longer than the rest of a push in which nothing is new.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.oci.reference import Reference
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.registry import registries
from imgforge.registry.client import Client
from imgforge.settings import Settings
from imgforge.signing import opening
from imgforge.signing.keys import KeyService
from imgforge.store.cache import Cache

evidence = late.module("imgforge.pipeline.attest.evidence")

_KIND = "said"
_FORMAT = 1
"""Raise it when other documents are attached: what was said before is then looked at again."""


class Witness:
    """Vouches for images of registries.

    Args:
        key: the URI of the private key.
        settings: the cache, the time, and who hears of progress.
        client: to talk to registries with.
        is_telling: whether what is known of images is signed, too.

    Raises:
        SigningKeyError: there is no such key.
    """

    def __init__(self, key: str, *, settings: Settings, client: Client, is_telling: bool) -> None:
        self._key = key
        self._material = opening.material(key)
        self._settings = settings
        self._cache = Cache(settings.cache)
        self._client = client
        self._is_telling = is_telling
        self._images: dict[Digest, Base] = {}
        self._told: dict[Digest, Mapping[str, Mapping[str, Any]]] = {}

    @functools.cached_property
    def signer(self) -> KeyService:
        """The key, unlocked.

        Raises:
            PassphraseError: there is no passphrase, or another one is wanted.
            SigningKeyError: it is no key, or cannot be used.
        """
        return opening.open_key(self._key)

    def prepare(self, target: Reference, images: Iterable[Base]) -> None:
        """Unlock the key and write what is known of images, before anything moves, unless all was said there before.

        Args:
            target: where they go.
            images: those that are going to be vouched for.

        Raises:
            ImgforgeError: the key cannot be used, or an image cannot be read.
        """
        self._images.update((image.digest, image) for image in images)
        if all(self._entry(attrs.evolve(target, digest=digest)) is not None for digest in self._images):
            return
        with ThreadPoolExecutor(1, thread_name_prefix="key") as worker:  # scrypt takes a tenth of a second
            unlocked = worker.submit(lambda: self.signer)
            for digest in self._images:
                self._documents(digest)
            unlocked.result()

    def vouch(self, target: Reference, digest: Digest) -> tuple[str, ...]:
        """Sign an image or index, and what is known of it; return the kinds of documents that were attached.

        Args:
            target: where it is.
            digest: of the image.
        """
        where = attrs.evolve(target, digest=digest)
        entry = self._entry(where)
        if entry is not None and entry <= registries.attached(self._client, where, among=entry):
            return ()
        beside, now = registries.Beside(self._client, where), self._settings.now
        documents = self._documents(digest)
        statements = {evidence.DOCUMENTS[kind]: predicate for kind, predicate in documents.items()}
        new = beside.vouch(self.signer, created=now, statements=statements)
        attached = tuple(kind for kind in documents if evidence.DOCUMENTS[kind] in new)
        if self._material is not None:
            said = sorted(registries.attached(self._client, where))
            self._cache.put(_KIND, self._name(where), json.dumps(said).encode())
        return attached

    def _documents(self, digest: Digest) -> Mapping[str, Mapping[str, Any]]:
        """Return every document about an image that was built here; of others nothing is known: nobody guesses."""
        image = self._images.get(digest)
        if image is None or not self._is_telling:
            return {}
        if digest not in self._told:
            with self._cache.using():
                self._told[digest] = evidence.documents(image, cache=self._cache, reporter=self._settings.reporter)
            if not self._told[digest]:
                text = "nothing is known here of how it was built: no evidence is attached"
                self._settings.reporter.warned(f"{image.name}: {text}")
        return self._told[digest]

    def _entry(self, where: Reference) -> frozenset[str] | None:
        """Return what was attached to an image when all had been said; None when that is not known."""
        if self._material is None:
            return None
        found = self._cache.read(_KIND, self._name(where))
        return frozenset(json.loads(found)) if found else None

    def _name(self, where: Reference) -> str:
        """Return what names an entry: the key, the place, and what is known of the image."""
        known = self._cache.read("evidence", where.digest.hex) if where.digest and self._is_telling else None
        hasher = hashlib.sha256(repr((_FORMAT, str(where), known is not None)).encode())
        for part in (self._material or b"", known or b""):
            hasher.update(hashlib.sha256(part).digest())
        return hasher.hexdigest()
