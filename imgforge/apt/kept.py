"""The last good Release of each suite, kept in the cache.

It is trusted no more than one from a mirror: read back, its signature is verified again.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs

from imgforge.apt import release as releases
from imgforge.apt.release import Release
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.fetch.request import Known
from imgforge.store.cache import Cache

_KIND = "releases"
_MAX = 4 * releases.RELEASE_MAX


@attrs.frozen
class Kept:
    """A Release file as it came.

    Attributes:
        data: the bytes of ``InRelease`` or ``Release``; None when a server said that there is nothing newer.
        known: what the server said of it.
        detached: the bytes of ``Release.gpg``, if that is what signs it.
        release: what it says; None when it was not verified yet.
    """

    data: bytes | None
    known: Known
    detached: bytes | None = None
    release: Release | None = None

    @property
    def date(self) -> int | None:
        """When it was made, seconds since the epoch."""
        return None if self.release is None else self.release.date


class Shelf:
    """Where the Releases of one source are kept; a source with other keys has another shelf."""

    def __init__(self, cache: Cache, source: Source) -> None:
        self._cache = cache
        self._source = source

    def get(self, suite: str) -> Kept | None:
        """Return what is kept of a suite; None when there is nothing, or nothing that holds."""
        path = self._cache.get(_KIND, self._key(suite))
        if path is None:
            return None
        try:
            with path.open("rb") as stream:
                kept = _parse(stream.read(_MAX))
            release = releases.verify(
                kept.data or b"", self._source.keys, suite=suite, now=0, allow_expired=True, detached=kept.detached
            )
        except (OSError, ValueError, KeyError, TypeError, IntegrityError):
            return None
        return attrs.evolve(kept, release=release)

    def put(self, suite: str, kept: Kept) -> None:
        """Keep a suite's Release in the place of an older one."""
        document = {
            "url": kept.known.url,
            "etag": kept.known.etag,
            "modified": kept.known.modified,
            "data": base64.b64encode(kept.data or b"").decode(),
            "detached": None if kept.detached is None else base64.b64encode(kept.detached).decode(),
        }
        self._cache.put(_KIND, self._key(suite), json.dumps(document, sort_keys=True).encode())

    def _key(self, suite: str) -> str:
        # Not the identity: a further component or suite of the same archive must not forget what was seen. The name
        # of a flat suite says nothing, as often as not it is "./".
        name = (suite, self._source.name) if suite.endswith("/") else (suite,)
        return Digest.of(" ".join((*name, *self._source.fingerprints)).encode()).hex


def _parse(data: bytes) -> Kept:
    document: dict[str, Any] = json.loads(data)
    detached = document["detached"]
    return Kept(
        data=base64.b64decode(document["data"], validate=True),
        known=Known(str(document["url"]), str(document["etag"]), str(document["modified"])),
        detached=None if detached is None else base64.b64decode(detached, validate=True),
    )
