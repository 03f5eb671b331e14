"""One blob on its way into a repository: found there, mounted from another, or sent, whole or in chunks.

Source: distribution-spec v1.1, spec.md, "Pushing blobs". An upload that broke is resumed where the registry says that
it stands. Debian's docker-registry (2.8) forgets an upload that broke within a chunk, and it begins anew.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Iterable
from typing import Never

import attrs

from imgforge.errors import IntegrityError
from imgforge.fetch.request import NotFoundError, PassingError, RefusedError
from imgforge.fetch.response import announced
from imgforge.oci.descriptor import Descriptor
from imgforge.registry.answer import Answer, DeniedError, Location, codes
from imgforge.registry.client import FRESH, Call, Client, Tries
from imgforge.registry.repository import Repository
from imgforge.registry.sending import OpenBlob, Piece, Source
from imgforge.report import Progress, Step, running

CHUNK = 64 << 20
"""Bytes of the largest blob that is sent whole, and of a chunk of a larger one. Not every registry takes chunks."""

SMALLEST = 64 << 10
"""Bytes of the smallest chunk that is tried when a registry, or a proxy before it, finds larger ones too large."""

_SHRINK = 4
"""By what a chunk is divided that was too large."""

_LARGEST = 1 << 30
"""Bytes of the largest chunk that a registry may ask for."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"(?:bytes[ =])?0-([0-9]{1,18})")
_STREAM = ("Content-Type", "application/octet-stream")
_CREATED, _ACCEPTED = 201, 202
_LOST = frozenset({400, 404, 405, 416})
"""What registries answer to a piece of an upload that they do not know (any more), or have another part of."""

_TAKEN = frozenset({200, 201, 202, 204})
"""What registries answer to a chunk; 201 is ECR's (aws/containers-roadmap#2831)."""

_TOO_LARGE = 413
_NO_CHUNKS = frozenset({409, 411, 412, 415, 422, 501})
"""What some answer to a chunk of a size that they do not like, or to any."""


class Way(enum.Enum):
    """How a blob came into a repository."""

    FOUND = "found"
    MOUNTED = "mounted"
    SENT = "sent"


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
    source = Source(blob, target.opener)
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

    def __init__(self, target: Target, blob: Descriptor, *, source: Source, what: str) -> None:
        self.offset = 0
        self._target = target
        self._client = target.client
        self._blob = blob
        self._source = source
        self._what = what
        self._session: Location | None = None
        self._chunk = self._client.seen.limit(target.repository, target.chunk)
        self._least = 0
        self._is_whole_refused = False
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
        """Return whether the repository has the blob; where that is refused, sending it will tell what is wrong."""
        for method in ("HEAD", "GET"):
            call = self._call(method, f"blobs/{self._blob.digest}", headers=FRESH)
            try:
                with self._client.open(call, expected=frozenset({200, 403, 404, 410})) as response:
                    return response.status == 200 and announced(response.headers) in (None, self._blob.size)
            except DeniedError:
                raise
            except RefusedError:
                continue  # some do not know HEAD
        return False

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
            answer = self._client.attempt(call, expected=frozenset({_ACCEPTED}))
            self._session, self._least = answer.location, _least(answer)
            self._chunk = max(self._chunk, self._least)
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
        size = self._blob.size
        if self.offset == 0 and size <= self._chunk and self._finish(size):
            return
        while self.offset < size:
            self._send_chunk(min(self._chunk, size - self.offset))
        self._finish(0)

    def _send_chunk(self, size: int) -> None:
        end = self.offset + size
        headers = (_STREAM, ("Content-Range", f"{self.offset}-{end - 1}"))
        call = self._call("PATCH", location=self._session, headers=headers)
        answer = self._put(call, size, expected=frozenset({*_TAKEN, *_LOST, *_NO_CHUNKS, _TOO_LARGE}))
        start, is_taken = self.offset, answer.status in _TAKEN
        if answer.status == _TOO_LARGE:
            self._shrink(size, answer)
            return
        if is_taken:
            self._follow(answer, sent=end)
        if self.offset > start:
            return
        if is_taken or start == 0 or answer.status in _NO_CHUNKS:
            if self._is_whole_refused:
                raise RefusedError(f"{self._what}: too large as a whole, and {_refused('a chunk', answer)}")
            self._chunk = self._blob.size  # this registry takes none
        self._give_up(_refused("a chunk", answer))

    def _shrink(self, size: int, answer: Answer) -> None:
        """Send less at once from now on, in this upload and in the next ones to this registry.

        Raises:
            RefusedError: there is no point in less.
        """
        smaller = max(min(size, self._chunk) // _SHRINK, SMALLEST, self._least)
        if smaller >= size:
            error = RefusedError(f"{self._what}: {size} bytes are too large ({_said(answer)})")
            error.add_note("a proxy before the registry may limit requests, as nginx does with client_max_body_size")
            raise error
        self._chunk = smaller
        self._client.seen.note_limit(self._target.repository, smaller)

    def _finish(self, size: int) -> bool:
        """Close the upload, with the rest of the bytes; return False where they are too large for one request."""
        query = (("digest", str(self._blob.digest)),)
        call = self._call("PUT", location=self._session, headers=(_STREAM,), query=query)
        self._session, session = None, self._session
        try:
            answer = self._put(call, size, expected=frozenset({_CREATED, 204, *_LOST, _TOO_LARGE}))
        except PassingError:
            self._session = session
            raise
        if answer.status == _TOO_LARGE:
            self._session, self._is_whole_refused = session, True
            self._shrink(size, answer)
            return False
        if answer.status in _LOST:
            self._give_up(_refused("the upload", answer))
        if answer.digest not in (None, self._blob.digest):
            raise IntegrityError(f"{self._what}: the registry took it for {answer.digest}")
        return True

    def _put(self, call: Call, size: int, *, expected: frozenset[int]) -> Answer:
        """Send the next bytes."""
        if not size:
            return self._client.attempt(call, expected=expected)
        self._source.seek(self.offset)
        self._is_sent = True
        piece = Piece(self._source, size=size, told=self._tell)
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
    return f"{what} is refused ({_said(answer)})"


def _said(answer: Answer) -> str:
    return ", ".join((f"HTTP {answer.status}", *codes(answer.data)))


def _least(answer: Answer) -> int:
    """Return how small a chunk may be, 0 for any: spec.md, "Pushing a blob in chunks"."""
    found = _NUMBER.fullmatch(answer.headers.get("OCI-Chunk-Min-Length", "").strip())
    return min(int(found[0]), _LARGEST) if found else 0
