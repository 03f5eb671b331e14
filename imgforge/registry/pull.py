"""Pulling: what a tag or digest stands for, and the bytes of a blob, resumed where a connection broke.

Source: distribution-spec v1.1, spec.md, "Pull". Tags are asked for past all caches; what is named by its digest may
come from any, since it is compared.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import attrs

from imgforge.digest import Digest, check
from imgforge.fetch import parallel
from imgforge.fetch.request import PassingError, RefusedError, WrongBytesError
from imgforge.fetch.response import announced, chunks
from imgforge.fetch.wire import Response
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest, parse
from imgforge.oci.verified import verified
from imgforge.registry.answer import Answer, DeniedError
from imgforge.registry.client import FRESH, Call, Client, Tries
from imgforge.registry.repository import Repository
from imgforge.report import Progress, Step, running

ACCEPT = ("Accept", f"{media.MANIFEST}, {media.INDEX}, {media.DOCKER_MANIFEST}, {media.DOCKER_LIST}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")

Name = str | Digest
"""A tag, or the digest of a manifest."""


def manifest(client: Client, repository: Repository, *, name: Name, cap: int = document.CAP) -> Manifest | Index:
    """Return the manifest or index that a tag or digest stands for, of at most `cap` bytes.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it is not what its digest, the registry or its format says.
        FetchError: it cannot be had.
    """
    call = manifest_call("GET", repository, name=name, is_fresh=not isinstance(name, Digest))
    answer = client.ask(call, cap=cap)
    expected = name if isinstance(name, Digest) else answer.digest
    if expected:
        check(answer.data, expected, what=call.what)
    found = parse(answer.data, what=call.what)
    if isinstance(found, Manifest):
        client.seen.remember(repository, (blob.digest for blob in found.blobs))
    return found


def find(client: Client, repository: Repository, *, tag: str) -> Digest | None:
    """Return the digest that a tag stands for now; None when there is no such tag.

    The registry's word is taken for it: whoever uses the digest compares.

    Raises:
        FetchError: the registry does not say.
    """
    answer = look(client, repository, name=tag)
    if answer.status == 404:
        return None
    if answer.data:
        return Digest.of(answer.data)
    return answer.digest or manifest(client, repository, name=tag).digest


def look(client: Client, repository: Repository, *, name: Name) -> Answer:
    """Return the answer to whether there is a manifest, 200 or 404; some registries refuse HEAD, and are asked by GET.

    Raises:
        FetchError: the registry does not say.
    """
    expected = frozenset({200, 404})
    try:
        return client.ask(manifest_call("HEAD", repository, name=name, is_fresh=True), expected=expected)
    except DeniedError:
        raise
    except RefusedError:
        return client.ask(manifest_call("GET", repository, name=name, is_fresh=True), expected=expected)


def manifest_call(method: str, repository: Repository, *, name: Name, is_fresh: bool, is_push: bool = False) -> Call:
    """Return the call about a manifest; a fresh one is answered by the registry, and by no cache before it."""
    what = f"{repository}@{name}" if isinstance(name, Digest) else f"{repository}:{name}"
    headers = (ACCEPT, *(FRESH if is_fresh else ()))
    return Call(method, repository, f"manifests/{quote(str(name), safe=':')}", what, headers=headers, is_push=is_push)


def read_blob(client: Client, repository: Repository, *, digest: Digest, cap: int = document.CAP) -> bytes:
    """Return a small blob's bytes, checked.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it is longer than `cap` bytes, or not what its digest says.
        FetchError: it cannot be had.
    """
    call = Call("GET", repository, f"blobs/{digest}", f"{repository}: blob {digest}")
    return check(client.ask(call, cap=cap).data, digest, what=call.what)


def open_blob(client: Client, repository: Repository, *, blob: Descriptor) -> BinaryIO:
    """Open a blob as a stream that raises IntegrityError at the first sign that its bytes are wrong.

    Nothing is asked before the first byte is read. A connection that breaks is opened again where it broke.

    Args:
        client: to ask with.
        repository: that holds it.
        blob: its digest and its size, which is all that is ever read.

    Raises (while it is read):
        NotFoundError: there is none.
        IntegrityError: it is not what its descriptor says.
        FetchError: it cannot be had.
    """
    what = f"{repository}: blob {blob.digest}"
    raw = _Resumed(client, Call("GET", repository, f"blobs/{blob.digest}", what), blob=blob)
    return verified(cast("BinaryIO", raw), digest=blob.digest, size=blob.size, what=what)


class _Resumed(io.RawIOBase):
    """The bytes of a blob over as many connections as it takes."""

    def __init__(self, client: Client, call: Call, *, blob: Descriptor) -> None:
        self._client = client
        self._call = call
        self._size = blob.size
        self._step = Step("pull", blob.digest.short, blob.size)
        self._stack = contextlib.ExitStack()
        self._progress: Progress | None = None
        self._position = 0
        self._opened_at = 0
        self._tries = Tries(client.patience, what=call.what, reporter=client.reporter)
        self._response: Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that this is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there; connect, and connect again, when nothing is."""
        while not self._rest:
            try:
                chunk = self._next()
            except PassingError as error:
                self._hang_up()
                self._tries.after(error, progress=self._position - self._opened_at)
                continue
            if not chunk:
                return 0
            self._rest = memoryview(chunk)
        view = memoryview(buffer).cast("B")
        taken = min(len(view), len(self._rest))
        view[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def _next(self) -> bytes:
        """Return the next piece that comes; nothing at the end."""
        if self._response is None and self._position >= self._size:
            return b""
        response = self._response or self._connect()
        with parallel.interruptible(response.interrupt):
            chunk = next(self._chunks, b"")
        if not chunk and self._position < self._size:
            raise PassingError(f"connection closed after {self._position} of {self._size} bytes")
        self._position += len(chunk)
        if self._progress:
            self._progress.advance(len(chunk))
        return chunk

    def _connect(self) -> Response:
        if self._progress is None:
            self._progress = self._stack.enter_context(running(self._client.reporter, self._step))
        position = self._opened_at = self._position
        headers = (("Range", f"bytes={position}-"),) if position else ()
        call = attrs.evolve(self._call, headers=headers)
        response = self._response = self._client.open(call, expected=frozenset({200, 206, 416}))
        status = response.status
        if status == 416 or (status == 206 and not _is_from(response, position)):
            raise PassingError(f"asked from byte {position}, got another part (HTTP {status})")
        length = announced(response.headers)
        if length not in (None, self._size - (position if status == 206 else 0)):
            self._hang_up()
            raise WrongBytesError(f"{self._call.what}: expected {self._size} bytes, the registry has another number")
        self._chunks = chunks(response, self._client.patience)
        if status == 200 and position:
            self._chunks = _after(self._chunks, position)
        return response

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response = None

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        self._stack.close()
        super().close()


def _is_from(response: Response, position: int) -> bool:
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return found is not None and int(found[1]) == position


def _after(pieces: Iterator[bytes], position: int) -> Iterator[bytes]:
    """Yield pieces without their first bytes, for a server that knows no ranges."""
    for piece in pieces:
        if len(piece) > position:
            yield piece[position:]
        position = max(0, position - len(piece))
