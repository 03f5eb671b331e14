"""The client of registries: one call at a time, with credentials, pauses and second tries.

Source: OCI distribution-spec v1.1, spec.md. Every call names its repository, because tokens are bought for one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import attrs

from imgforge.access import ANYTHING, Access
from imgforge.errors import FetchError
from imgforge.fetch import parallel
from imgforge.fetch.request import OfflineError, PassingError, Patience, TooLargeError
from imgforge.fetch.response import announced, chunks
from imgforge.fetch.url import Url
from imgforge.fetch.wire import Response
from imgforge.oci import document
from imgforge.registry.answer import Answer, DeniedError, Location, refusal
from imgforge.registry.auth import Auth
from imgforge.registry.connection import Connections
from imgforge.registry.credentials import Find, anonymous
from imgforge.registry.repository import Repository, Seen
from imgforge.registry.trust import Authority, authorities, directories
from imgforge.report import Reporter

_PROGRESS = 64 * 1024
"""Bytes of progress after which an attempt does not count as a failure."""

_REFUSALS = 3
"""Times that a request is sent again because the registry did not like who asked."""

_ERROR_CAP = 64 * 1024
ANY = frozenset(range(200, 600))
"""Statuses for a caller that judges them itself."""

FRESH = (("Cache-Control", "no-cache"), ("Pragma", "no-cache"))
"""Have caches on the way ask the registry: RFC 9111, sections 5.2.1.4 and 5.4."""

T = TypeVar("T")
Body = Any
"""Bytes, or an object with ``read`` and a length, which can be sent once."""


@attrs.frozen
class Call:
    """A request to a registry.

    Attributes:
        method: HTTP's.
        repository: which is asked about.
        path: below ``/v2/NAME/``.
        what: for people.
        headers: more of them.
        query: more of it, pairs of a name and a text.
        is_push: whether it needs the right to push.
        source: the name of another repository that it reads from.
        location: in place of the path, what answered before, and where it said that this call goes.
    """

    method: str
    repository: Repository
    path: str
    what: str
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    is_push: bool = False
    source: str = ""
    location: Location | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """What a token must allow: distribution's docs/spec/auth/scope.md."""
        actions = "pull,push" if self.is_push else "pull"
        other = {f"repository:{self.source}:pull"} if self.source else set()
        return frozenset({f"repository:{self.repository.name}:{actions}", *other})


class Tries:
    """How often something failed in a row, and whether to try again."""

    def __init__(self, patience: Patience, *, what: str, reporter: Reporter) -> None:
        self._patience = patience
        self._what = what
        self._reporter = reporter
        self._row = 0
        self._all = 0

    def after(self, error: PassingError, *, progress: int = 0) -> None:
        """Pause before the next try.

        Args:
            error: why the last one failed.
            progress: bytes that it brought all the same; a good piece makes it no failure.

        Raises:
            FetchError: there is no point in another.
        """
        patience = self._patience
        self._all += 1
        self._row = 1 if progress >= _PROGRESS else self._row + 1
        wait = min(patience.delay * 2 ** (self._row - 1), patience.ceiling) if error.wait is None else error.wait
        if wait > patience.ceiling:
            raise FetchError(f"{self._what}: {error}, asks to wait {wait:.0f} s") from None
        if self._row >= patience.attempts or self._all >= patience.attempts * 10:
            raise FetchError(f"{self._what}: {error} (tried {self._all} times)") from None
        self._reporter.noted(f"{self._what}: {error}; trying again in {wait:g} s")
        parallel.pause(wait)


class Client:
    """Talks to registries; to be shared by threads, and closed when done (it is a context manager).

    Attributes:
        jobs: transfers at once.
        patience: how long to try.
        reporter: hears of each transfer.
        seen: where blobs were met, and what registries were found to do.
        is_by_tag: put manifests under tags alone, for registries that refuse them under their digests; set it before
            the first push.
    """

    def __init__(
        self,
        *,
        credentials: Find = anonymous,
        plain: frozenset[str] = frozenset(),
        authority: Authority | None = None,
        jobs: int = 8,
        offline: bool = False,
        patience: Patience | None = None,
        reporter: Reporter | None = None,
        access: Access = ANYTHING,
    ) -> None:
        """Open nothing yet.

        Args:
            credentials: returns who asks a registry (see `imgforge.registry.credentials`).
            plain: hosts, with their port, that are spoken to without TLS; this machine is, when it has none.
            authority: returns who vouches for a host (see `imgforge.registry.trust`).
            jobs: transfers at once.
            offline: refuse every call.
            patience: how long to try.
            reporter: hears of each transfer as a step ``push`` or ``pull``.
            access: which hosts may be asked.
        """
        self.jobs = jobs
        self.patience = patience or Patience()
        self.reporter = reporter or Reporter()
        self.seen = Seen()
        self.is_by_tag = False
        self._offline = offline
        trust = authority or authorities(directories=directories(os.environ), environment=os.environ)
        self._connections = Connections(plain=plain, authority=trust, jobs=jobs, patience=self.patience, access=access)
        self._auth = Auth(self._connections, find=credentials, patience=self.patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def persist(self, attempt: Callable[[], T], *, what: str) -> T:
        """Call a function until it raises no PassingError, or patience ends.

        Raises:
            FetchError: patience ended; and what else the function raises.
        """
        tries = Tries(self.patience, what=what, reporter=self.reporter)
        while True:
            try:
                return attempt()
            except PassingError as error:
                tries.after(error)

    def ask(
        self, call: Call, *, expected: frozenset[int] = frozenset({200}), body: bytes = b"", cap: int = document.CAP
    ) -> Answer:
        """Make a call that may be repeated, until it is answered, and return the answer.

        Args:
            call: what to ask.
            expected: statuses that are an answer.
            body: to send.
            cap: bytes of the answer's body that are accepted.

        Raises:
            DeniedError: the registry, or its token server, does not let us.
            NotFoundError: it has no such thing.
            FetchError: it gives no answer, or another one.
            TooLargeError: the answer is longer than allowed.
        """
        return self.persist(lambda: self.attempt(call, expected=expected, body=body, cap=cap), what=call.what)

    def attempt(
        self, call: Call, *, expected: frozenset[int] = frozenset({200}), body: Body = b"", cap: int = document.CAP
    ) -> Answer:
        """Make a call once; as `ask`, but that a failure that may pass is raised.

        Raises:
            PassingError: there was no answer, or the answer was that we should try again.
        """
        with self.open(call, expected=expected, body=body) as response:
            data = b"" if call.method == "HEAD" else _read(response, patience=self.patience, cap=cap, what=call.what)
            return Answer(response.url, response.status, response.headers, data)

    def open(self, call: Call, *, expected: frozenset[int] = frozenset({200}), body: Body = b"") -> Response:
        """Make a call once and return an answer with its body unread; it must be closed.

        Raises:
            PassingError: there was no answer, or the answer was that we should try again.
            DeniedError, NotFoundError, FetchError: as `ask`.
        """
        if self._offline:
            raise OfflineError(f"{call.what}: not on this machine, and offline")
        response = self._send(call, body)
        if response.status in expected:
            return response
        raise self._refusal(call, response)

    def _send(self, call: Call, body: Body) -> Response:
        """Send a request with what the registry wants to know of who asks; again when it wants to know more."""
        url = self._url(call)
        authorization = self._header(call, url)
        for _ in range(_REFUSALS):
            who = {"Authorization": authorization} if authorization else {}
            response = self._connections.send(
                call.method, url, headers={**dict(call.headers), **who}, body=body or None
            )
            if response.status != 401:
                return response
            error = self._refusal(call, response)
            if not self.is_own(response.url, call.repository):
                break  # storage and upload hosts do not choose the server that gets our password
            refused, headers = authorization, response.headers
            if not self._auth.is_worth_another_try(call.repository, call.scopes, refused=refused, headers=headers):
                break
            if not isinstance(body, bytes):
                raise PassingError("the credentials have expired", wait=0.0)
            authorization = self._header(call, url)
            if authorization == refused:
                break
        raise error

    def _refusal(self, call: Call, response: Response) -> FetchError:
        """Read an answer that was not hoped for to its end, which makes its connection free, and return the error."""
        with response:
            data = _beginning(response, patience=self.patience)
        error = refusal(response.status, response.headers, data, what=call.what)
        return self._auth.explain(error, call.repository) if isinstance(error, DeniedError) else error

    def _header(self, call: Call, url: Url) -> str:
        """Return what to say of who asks; nothing to a host that is not the registry (uploads may go elsewhere)."""
        if not self.is_own(url, call.repository):
            return ""
        try:
            return self._auth.header(call.repository, call.scopes)
        except DeniedError as error:
            raise self._auth.explain(error, call.repository) from None

    def is_own(self, url: Url, repository: Repository) -> bool:
        """Return whether a URL is of the registry itself, and not of a host that it sends us to."""
        return url.origin == Url.parse(self._connections.base(repository.server)).origin

    def _url(self, call: Call) -> Url:
        base = Url.parse(self._connections.base(call.repository.server))
        if call.location:
            url = self._connections.follow(*call.location)
        else:
            url = base.join(f"/v2/{quote(call.repository.name, safe='/')}/{call.path}")
        return url.with_query(urlencode(call.query))


def _read(response: Response, *, patience: Patience, cap: int, what: str) -> bytes:
    """Read a small answer whole."""
    data = bytearray()
    for chunk in chunks(response, patience, total=patience.total):
        data += chunk
        if len(data) > cap:
            raise TooLargeError(f"{what}: expected at most {cap} bytes, got more")
    length = announced(response.headers)
    if length is not None and len(data) < length:
        raise PassingError(f"connection closed after {len(data)} of {length} bytes")
    return bytes(data)


def _beginning(response: Response, *, patience: Patience) -> bytes:
    """Read the beginning of what a registry says when it refuses."""
    data = b""
    try:
        for chunk in chunks(response, patience, total=patience.total):
            data += chunk
            if len(data) > _ERROR_CAP:
                break
    except PassingError:
        pass  # the status says enough
    return data[:_ERROR_CAP]
