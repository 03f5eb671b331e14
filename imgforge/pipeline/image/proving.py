"""Proof that a layer's bytes have the diff_id that its image's config claims.

Whatever the cache knows by diff_id or chain id (facts, trees, states, layers on top) is believed for a blob only after
its bytes were decompressed here and hashed: a config is a stranger's text, and can claim the diff_ids of a known image
for other bytes. Which blob has which diff_id is remembered, since both are digests of bytes that were seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

from imgforge import late
from imgforge.codec import BombError
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter, Step, running
from imgforge.store.cache import Cache

codec = late.module("imgforge.codec")

KIND = "diff-ids"
"""The kind of cache entry; its key is the digest of a layer's bytes as they are stored, and the algorithm."""

Sink: TypeAlias = Callable[[bytes], object]

_FORMAT = 1
_CHUNK = 256 << 10  # larger ones cost a page fault for each page, in every thread


def layer(image: Base, number: int, *, cache: Cache, reporter: Reporter) -> Digest:
    """Return the diff_id of a layer, counted from 0, which its bytes have been seen to have.

    Raises:
        IntegrityError: the config claims another one, or the layer is damaged.
    """
    if (seen := _recall(image, number, cache)) is None:
        return read(image, number, _drop, cache=cache, reporter=reporter)
    return _expect(image, number, seen)


def is_known(image: Base, number: int, *, cache: Cache) -> bool:
    """Tell whether a layer's bytes have been seen to have the diff_id that the config claims.

    Raises:
        IntegrityError: they have been seen to have another one.
    """
    seen = _recall(image, number, cache)
    return seen is not None and bool(_expect(image, number, seen))


def read(image: Base, number: int, sink: Sink, *, cache: Cache, reporter: Reporter) -> Digest:
    """Give a layer's tar to a sink and return its diff_id, which is the one that the config claims.

    Raises:
        IntegrityError: it is another one, or the layer is damaged; the sink has had the bytes then.
    """
    descriptor, claimed = image.image.manifest.layers[number], image.image.config.diff_ids[number]
    hasher = hashlib.new(claimed.algorithm)
    blob: BinaryIO
    with (
        running(reporter, Step("read", f"{image.name} layer {number + 1}", descriptor.size)),
        image.open_blob(descriptor) as blob,
    ):
        tar = codec.decompress(blob, what=_what(image, number), cap=image.limits.unpacked(descriptor.size))
        for chunk in _chunks(tar):
            hasher.update(chunk)
            sink(chunk)
        while blob.read(_CHUNK):  # so that the blob's own digest has been compared, too
            pass
    seen = Digest(claimed.algorithm, hasher.hexdigest())
    remember(descriptor.digest, seen, cache=cache)
    return _expect(image, number, seen)


def _chunks(tar: BinaryIO) -> Iterator[bytes]:
    """Yield what a layer holds.

    Raises:
        BombError: it is larger than its limit.
    """
    try:
        while chunk := tar.read(_CHUNK):
            yield chunk
    except BombError as error:
        raise explained(error, "layer") from None


def explained(error: BombError, name: str) -> BombError:
    """Return the error with a hint at the limit that was exceeded."""
    error.add_note(f"raise `{name}` below `limits:` in the configuration file if that much is right")
    return error


def remember(blob: Digest, diff_id: Digest, *, cache: Cache) -> None:
    """Keep the diff_id of a blob whose bytes were written or verified just now, with the tar that they hold."""
    cache.put(KIND, _key(blob, diff_id.algorithm), str(diff_id).encode())


def _recall(image: Base, number: int, cache: Cache) -> Digest | None:
    claimed = image.image.config.diff_ids[number]
    found = cache.read(KIND, _key(image.image.manifest.layers[number].digest, claimed.algorithm))
    return Digest.parse(found.decode("ascii", "replace")) if found is not None else None


def _expect(image: Base, number: int, seen: Digest) -> Digest:
    claimed = image.image.config.diff_ids[number]
    if seen != claimed:
        raise IntegrityError(f"{_what(image, number)}: expected diff_id {claimed}, got {seen}")
    return seen


def _key(blob: Digest, algorithm: str) -> str:
    return f"{blob.hex}-{algorithm}-{_FORMAT}"


def _what(image: Base, number: int) -> str:
    return f"{image.name}: layer {number + 1}"


def _drop(_chunk: bytes) -> None:
    """Keep nothing."""
