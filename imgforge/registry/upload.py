"""One blob on its way into a repository: found there, mounted from another, or sent, whole or in chunks.

Source: distribution-spec v1.1, spec.md, "Pushing blobs". An upload that broke is resumed where the registry says that
it stands. Debian's docker-registry (2.8) forgets an upload that broke within a chunk, and it begins anew.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Callable, Iterable
from typing import BinaryIO, Never

import attrs

from imgforge.errors import IntegrityError
from imgforge.fetch import parallel
from imgforge.fetch.request import NotFoundError, PassingError, RefusedError
from imgforge.fetch.response import announced
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.verified import verified
from imgforge.registry.answer import Answer, Location, codes
from imgforge.registry.client import FRESH, Call, Client, Tries
from imgforge.registry.repository import Repository
from imgforge.report import Progress, Step, running

CHUNK = 64 << 20
"""Bytes of the largest blob that is sent whole, and of a chunk of a larger one. Not every registry takes chunks."""

_RANGE = re.compile(r"(?:bytes[ =])?0-([0-9]{1,18})")
_BLOCK = 1 << 20
_STREAM = ("Content-Type", "application/octet-stream")
_CREATED, _ACCEPTED = 201, 202
_LOST = frozenset({400, 404, 405, 416})
"""What registries answer to a piece of an upload that they do not know (any more), or have another part of."""

_NO_CHUNKS = frozenset({411, 413, 501})
"""What some answer to a chunk of a size that they do not like, or to any."""

OpenBlob = Callable[[Descriptor], BinaryIO]
"""Opens the bytes that a descriptor names, as a stream that raises IntegrityError when they are others."""


class Way(enum.Enum):
    """How a blob came into a repository."""

    FOUND = "found"
    MOUNTED = "mounted"
    SENT = "sent"


class _Source:
    """The bytes of a blob from any position on; opened when first needed, and again to go back."""

    def __init__(self, blob: Descriptor, opener: OpenBlob) -> None:
        self._blob = blob
        self._opener = opener
        self._stream: BinaryIO | None = None
        self.position = 0

    def seek(self, position: int) -> None:
        if self._stream is None or position < self.position:
            self.close()
            digest, size = self._blob.digest, self._blob.size
            self._stream = verified(self._opener(self._blob), digest=digest, size=size, what=f"blob {digest}")
        while self.position < position:
            self.read(min(position - self.position, _BLOCK))

    def read(self, count: int) -> bytes:
        """Return up to so many bytes."""
        data = self._stream.read(count) if self._stream else b""
        self.position += len(data)
        return data

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self.position = 0


class _Piece:
    """A part of a blob as the body of a request; `requests` wants a length and ``read``."""

    def __init__(self, source: _Source, *, size: int, told: Callable[[], None]) -> None:
        self._source = source
        self._size = size
        self._left = size
        self._told = told

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        parallel.check()
        data = self._source.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        self._told()
        return data


@attrs.frozen
class Target:
    """Where blobs go, and how.

    Attributes:
        client: to ask with.
        repository: that is to hold them.
        opener: opens a blob; called only for those that must be sent.
        mounts: names of repositories of the same registry that may hold them.
        chunk: see `CHUNK`.
    """

    client: Client
    repository: Repository
    opener: OpenBlob
    mounts: tuple[str, ...] = ()
    chunk: int = CHUNK


def ensure(target: Target, blob: Descriptor) -> Way:
    """Bring a blob into a repository unless it is there.

    Raises:
        DeniedError: the registry does not let us.
        IntegrityError: the blob's bytes are not what its descriptor says.
        FetchError: the registry does not take it.
    """
    what = f"{target.repository}: blob {blob.digest}"
    source = _Source(blob, target.opener)
    upload = _Upload(target, blob, source=source, what=what)
    tries = Tries(target.client.patience, what=what, reporter=target.client.reporter)
    with contextlib.closing(source), contextlib.closing(upload):
        while True:
            before = upload.offset
            try:
                way = upload.attempt()
            except PassingError as error:
                tries.after(error, progress=upload.offset - before)
                continue
            target.client.seen.remember(target.repository, (blob.digest,))
            return way


class _Upload:
    """Attempts of one blob, each of which goes on where the last one stopped.

    Attributes:
        offset: how many bytes the registry is known to have of this upload.
    """

    def __init__(self, target: Target, blob: Descriptor, *, source: _Source, what: str) -> None:
        self.offset = 0
        self._target = target
        self._client = target.client
        self._blob = blob
        self._source = source
        self._what = what
        self._session: Location | None = None
        self._chunk = target.chunk
        self._stack = contextlib.ExitStack()
        self._progress: Progress | None = None
        self._furthest = 0
        self._is_sent = False

    def close(self) -> None:
        """End the report."""
        self._stack.close()

    def attempt(self) -> Way:
        """Make sure that the blob is there, or go on towards it.

        Raises:
            PassingError: it is worth another attempt.
        """
        if self._is_there():
            return Way.SENT if self._is_sent else Way.FOUND
        if self._session:
            self._recover()
        if not self._session and self._begin():
            return Way.MOUNTED
        if self._progress is None:
            step = Step("push", self._blob.digest.short, self._blob.size)
            self._progress = self._stack.enter_context(running(self._client.reporter, step))
        self._send()
        return Way.SENT

    def _is_there(self) -> bool:
        try:
            answer = self._client.attempt(self._call("HEAD", f"blobs/{self._blob.digest}", headers=FRESH))
        except NotFoundError:
            return False
        return announced(answer.headers) in (None, self._blob.size)

    def _begin(self) -> bool:
        """Ask for a mount or an upload; say whether the blob is there now."""
        names = self._client.seen.elsewhere(self._target.repository, self._blob.digest, also=self._target.mounts)
        for name in names:
            answer = self._ask_to_mount(name)
            if answer and answer.status == _CREATED:
                return True
            self._session = answer.location if answer else self._session
        if not self._session:
            call = self._call("POST", "blobs/uploads/")
            self._session = self._client.attempt(call, expected=frozenset({_ACCEPTED})).location
        if not self._session:
            raise RefusedError(f"{self._what}: expected a place to upload to, got none")
        self.offset = 0
        return False

    def _ask_to_mount(self, name: str) -> Answer | None:
        """Ask for the blob of another repository; a registry that cannot gives an upload, and one may say no."""
        query = (("mount", str(self._blob.digest)), ("from", name))
        call = attrs.evolve(self._call("POST", "blobs/uploads/", query=query), source=name)
        try:
            return self._client.attempt(call, expected=frozenset({_CREATED, _ACCEPTED}))
        except (RefusedError, NotFoundError):
            return None

    def _recover(self) -> None:
        """Find out where a broken upload stands; forget it if the registry has."""
        try:
            answer = self._client.attempt(
                self._call("GET", location=self._session), expected=frozenset({200, 202, 204})
            )
        except (NotFoundError, RefusedError):
            self._session = None
            return
        self._follow(answer, sent=0)

    def _follow(self, answer: Answer, *, sent: int) -> None:
        """Take over where the upload goes on, and how much the registry has of it: what was sent unless it says."""
        self._session = answer.location or self._session
        found = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
        # "0-0" is the first byte or, in docker-registry, none; chunks have more than one, so it is none.
        last = int(found[1]) if found else sent - 1
        self.offset = last + 1 if last > 0 else 0
        if self.offset > self._blob.size:
            self._give_up("the registry has more of the upload than there is")

    def _give_up(self, reason: str) -> Never:
        """Forget the upload; the next attempt begins another."""
        self._session = None
        raise PassingError(reason, wait=0.0)

    def _send(self) -> None:
        """Send the rest of the blob and close the upload."""
        if self.offset == 0 and self._blob.size <= self._chunk:
            self._finish(self._blob.size)
            return
        while self.offset < self._blob.size:
            self._send_chunk(min(self._chunk, self._blob.size - self.offset))
        self._finish(0)

    def _send_chunk(self, size: int) -> None:
        end = self.offset + size
        headers = (_STREAM, ("Content-Range", f"{self.offset}-{end - 1}"))
        call = self._call("PATCH", location=self._session, headers=headers)
        answer = self._put(call, size, expected=frozenset({_ACCEPTED, 204, *_LOST, *_NO_CHUNKS}))
        start, is_taken = self.offset, answer.status in {_ACCEPTED, 204}
        if is_taken:
            self._follow(answer, sent=end)
        if self.offset > start:
            return
        if is_taken or start == 0 or answer.status in _NO_CHUNKS:
            self._chunk = self._blob.size  # this registry takes none
        self._give_up(_refused("a chunk", answer))

    def _finish(self, size: int) -> None:
        """Close the upload, with the rest of the bytes."""
        query = (("digest", str(self._blob.digest)),)
        call = self._call("PUT", location=self._session, headers=(_STREAM,), query=query)
        self._session, session = None, self._session
        try:
            answer = self._put(call, size, expected=frozenset({_CREATED, 204, *_LOST}))
        except PassingError:
            self._session = session
            raise
        if answer.status in _LOST:
            self._give_up(_refused("the upload", answer))
        if answer.digest not in (None, self._blob.digest):
            raise IntegrityError(f"{self._what}: the registry took it for {answer.digest}")

    def _put(self, call: Call, size: int, *, expected: frozenset[int]) -> Answer:
        """Send the next bytes."""
        if not size:
            return self._client.attempt(call, expected=expected)
        self._source.seek(self.offset)
        self._is_sent = True
        piece = _Piece(self._source, size=size, told=self._tell)
        return self._client.attempt(call, expected=expected, body=piece)

    def _tell(self) -> None:
        """Report bytes that go out for the first time."""
        if self._progress and self._source.position > self._furthest:
            self._progress.advance(self._source.position - self._furthest)
            self._furthest = self._source.position

    def _call(
        self,
        method: str,
        path: str = "",
        *,
        location: Location | None = None,
        headers: Iterable[tuple[str, str]] = (),
        query: Iterable[tuple[str, str]] = (),
    ) -> Call:
        return Call(
            method,
            self._target.repository,
            path,
            self._what,
            headers=tuple(headers),
            query=tuple(query),
            is_push=True,
            location=location,
        )


def _refused(what: str, answer: Answer) -> str:
    return f"{what} is refused ({', '.join((f'HTTP {answer.status}', *codes(answer.data)))})"
