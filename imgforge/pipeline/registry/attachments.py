"""What is attached to an image goes with it from one repository to another, as with `cosign copy`.

These are the manifests behind cosign's tags (``sha256-….sig``, ``.att``, ``.sbom``) and the referrers: bundles, and
what others attach. Nothing is signed anew: a signature is of a digest, which stays the same. What the target has is
kept; a tag of signatures then holds those of both places.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.fetch.request import NotFoundError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.registry import pull, referrers
from imgforge.registry.client import Client
from imgforge.registry.push import push
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target
from imgforge.signing import cosign_tag

_MERGED = ("sig", "att")
_WHOLE = ("sbom",)


class Attachments:
    """Copies what is attached to images of one repository to another, which has the images.

    Args:
        client: to ask with.
        source: where from.
        target: where to.
    """

    def __init__(self, client: Client, *, source: Repository, target: Repository) -> None:
        self._client = client
        self._source = source
        self._target = target

    def copy(self, digest: Digest) -> int:
        """Copy what is attached to an image or index, and return how many manifests that took.

        Raises:
            FetchError: a registry does not give or take it.
        """
        if self._source == self._target:
            return 0
        tagged = [self._merge(cosign_tag.tag(digest, suffix)) for suffix in _MERGED]
        tagged += [self._take(cosign_tag.tag(digest, suffix)) for suffix in _WHOLE]
        listed = {one.digest: one for one in referrers.referrers(self._client, self._source, digest=digest)}
        there = {one.digest for one in referrers.referrers(self._client, self._target, digest=digest)}
        kept = referrers.present(self._client, self._target, there & set(listed))
        absent = frozenset(there & set(listed)) - kept
        found = (self._read(one) for one in listed if one not in kept)
        attached = tuple(one for one in found if one is not None and self._refers(one, digest))
        if attached:
            referrers.attach(attached, target=self._places({}), absent=absent)
        return sum(tagged) + len(attached)

    def _merge(self, tag: str) -> bool:
        """Add what a tag holds to what it holds at the target; tell whether anything was new."""
        found, existing = self._tagged(self._source, tag), self._tagged(self._target, tag)
        if found is None or (existing is not None and set(found.layers) <= set(existing.layers)):
            return False
        if existing is None:
            push(found, target=self._places({}), tag=tag)
            return True
        manifest, config = cosign_tag.merged(existing, found)
        push(manifest, target=self._places({manifest.config.digest: config}), tag=tag)
        return True

    def _take(self, tag: str) -> bool:
        """Copy what a tag holds, unless the target has something there."""
        found = self._tagged(self._source, tag)
        if found is None or self._tagged(self._target, tag) is not None:
            return False
        push(found, target=self._places({}), tag=tag)
        return True

    def _refers(self, found: Manifest, digest: Digest) -> bool:
        """Tell whether a manifest refers to an image, with a warning where it does not."""
        if found.subject is None or found.subject.digest != digest:
            self._client.reporter.warned(f"{self._source}: {found.digest.short} does not refer to {digest.short}")
            return False
        return True

    def _read(self, digest: Digest) -> Manifest | None:
        """Return a referrer; None, with a warning, where the list names what is gone or cannot be copied."""
        try:
            found = pull.manifest(self._client, self._source, name=digest)
        except (NotFoundError, IntegrityError) as error:
            why = "is listed, and gone" if isinstance(error, NotFoundError) else f"is not copied: {error}"
            self._client.reporter.warned(f"{self._source}: referrer {digest.short} {why}")
            return None
        if isinstance(found, Index):
            self._client.reporter.warned(f"{self._source}: referrer {digest.short} is an index, and not copied")
            return None
        return found

    def _tagged(self, repository: Repository, tag: str) -> Manifest | None:
        try:
            found = pull.manifest(self._client, repository, name=tag)
        except NotFoundError:
            return None
        return None if isinstance(found, Index) else found

    def _places(self, contents: dict[Digest, bytes]) -> Target:
        """Return where blobs go, which come from the source but for those that are given."""

        def open_blob(blob: Descriptor) -> BinaryIO:
            if blob.digest in contents:
                return io.BytesIO(contents[blob.digest])
            return pull.open_blob(self._client, self._source, blob=blob)

        mounts = (self._source.name,) if self._source.host == self._target.host else ()
        return Target(self._client, self._target, open_blob, mounts=mounts)
