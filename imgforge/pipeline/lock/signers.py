"""The signature beside a lock, and which keys were found to have signed which lock. What it means: `policy.holding`."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from imgforge.digest import Digest
from imgforge.errors import StoreError
from imgforge.lock import Lock
from imgforge.manifest.files import ManifestFile
from imgforge.store.cache import Cache

CAP = 64 << 10
"""The most bytes of a signature that are read; one more shows that it is too long."""

_KIND = "lock-signers"


def path_of(file: ManifestFile) -> Path:
    """Return where the signature of a manifest's lock is."""
    return file.lock.with_name(f"{file.lock.name}.sig")


def read(file: ManifestFile) -> bytes | None:
    """Return the bytes of a lock's signature; None where there is no such file, or none that can be read."""
    path = path_of(file)
    try:
        if not path.is_file():  # a pipe or a device may have no end
            return None
        with path.open("rb") as stream:
            return stream.read(CAP + 1)
    except OSError:
        return None


def write(path: Path, data: bytes) -> None:
    """Write a file beside a manifest, whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def remember(lock: Lock, fingerprint: str, *, cache: Cache) -> None:
    """Keep that a key of the policy signed a lock."""
    digest = Digest.of(lock.dump().encode())
    known = remembered(digest, cache=cache)
    if fingerprint not in known:
        cache.put(_KIND, digest.hex, _written((*known, fingerprint)))


def remembered(digest: Digest, *, cache: Cache) -> tuple[str, ...]:
    """Return the fingerprints of keys that are known to have signed the lock with this digest."""
    found = cache.read(_KIND, digest.hex)
    if found is None:
        return ()
    try:
        return tuple(map(str, json.loads(found)))
    except (ValueError, TypeError):
        return ()


def _written(fingerprints: Iterable[str]) -> bytes:
    return json.dumps(sorted(fingerprints)).encode()
