"""The last good Release of each suite, kept in the cache.

It is trusted no more than one from a mirror: who uses what it says verifies its signature again. Only its Date is
believed: whoever can change it could as well delete the cache.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs

from imgforge.apt import release as releases
from imgforge.apt.sources import Source
from imgforge.digest import Digest
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
        date: its Date, seconds since the epoch; 0 when it was not verified yet.
    """

    data: bytes | None
    known: Known
    detached: bytes | None = None
    date: int = 0


class Shelf:
    """Where the Releases of one source are kept; a source with other keys has another shelf."""

    def __init__(self, cache: Cache, source: Source) -> None:
        self._cache = cache
        self._source = source

    def get(self, suite: str) -> Kept | None:
        """Return what is kept of a suite; None when there is nothing, or nothing that can be read."""
        path = self._cache.get(_KIND, self._key(suite))
        if path is None:
            return None
        try:
            with path.open("rb") as stream:
                return _parse(stream.read(_MAX))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, suite: str, kept: Kept) -> None:
        """Keep a suite's Release in the place of an older one."""
        document = {
            "url": kept.known.url,
            "etag": kept.known.etag,
            "modified": kept.known.modified,
            "date": kept.date,
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
        date=int(document["date"]),
    )
