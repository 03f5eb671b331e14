"""What a record of a build names as locked, and what this machine has seen vouch for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from imgforge.apt import listings
from imgforge.attest import dpkg
from imgforge.attest.knowledge import LockedDeb, Origin, Proof
from imgforge.digest import Digest
from imgforge.pipeline.lock import signers
from imgforge.store.cache import Cache


@attrs.frozen
class _Named:
    """A package of a record, as `apt.listings` wants it."""

    name: str
    version: str
    architecture: str
    size: int


def locked(record: dict[str, Any], *, cache: Cache) -> Iterator[tuple[dpkg.Key, LockedDeb]]:
    """Yield what a record says of packages, and what this machine has seen vouch for them."""
    sources = {name: (set(suites), set(parts), set(keys)) for name, suites, parts, keys in record.get("sources", ())}
    by_lock = signers.remembered(Digest.parse(record["lock"][1]), cache=cache)
    for name, version, architecture, size, digest, source, identity, path in record["packages"]:
        deb = Digest.parse(digest)
        suites, parts, keys = sources.get(source, (set(), set(), set()))
        seen = (
            Proof(tuple(sorted(keys.intersection(one.signers))), one.suite, one.component, one.date)
            for one in listings.recall(_Named(name, version, architecture, size), deb, cache=cache)
            if one.suite in suites and (not one.component or one.component in parts) and keys.intersection(one.signers)
        )
        proof = max(seen, key=lambda one: one.date, default=Proof(by_lock) if by_lock else None)
        yield (name, version, architecture), LockedDeb(size, deb, Origin(source, identity, path), proof)
