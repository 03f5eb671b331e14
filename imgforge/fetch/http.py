"""The downloader: http, https and file URLs, tried in order, resumed, retried, capped and verified.

Bytes become a file under their real name only when they are what the request says. What a digest or a size refutes is
dropped: the next URL is tried, the same one never again. What fails on the way is tried again with growing pauses, and
goes on where it stopped if the server can do that (RFC 9110, section 14).

A redirect is followed where apt follows it: not from TLS to plain HTTP, and not to another scheme. Credentials go to
the origin of the URL that was given, and to no other.

Not here: what to fetch, and from which mirror.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from imgforge.access import ANYTHING, Access
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch import parallel, trust
from imgforge.fetch.failures import Failure, at, summed
from imgforge.fetch.local import copy
from imgforge.fetch.request import (
    Answer,
    Known,
    OfflineError,
    PassingError,
    Patience,
    RefusedError,
    Request,
    WrongBytesError,
)
from imgforge.fetch.response import read
from imgforge.fetch.sink import Memory, Part, Sink, resumed
from imgforge.fetch.trust import Trust
from imgforge.fetch.url import Url, UrlError, redact
from imgforge.fetch.wire import CertificateError, Response, Wire
from imgforge.report import Progress, Reporter, Step, running

_PROGRESS = 64 * 1024
"""Bytes of progress after which an attempt does not count as a failure."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_DENIED = frozenset({401, 403, 407})
_WHERE = "they come from APT's auth.conf, from the file that `Dir::Etc::netrc` of $APT_CONFIG names, or ~/.netrc"

Item = TypeVar("Item")
Result = TypeVar("Result")


class Fetcher:
    """Fetches files; to be shared by threads, and closed when done (it is a context manager)."""

    def __init__(
        self,
        *,
        jobs: int = 8,
        offline: bool = False,
        reporter: Reporter | None = None,
        patience: Patience | None = None,
        proxies: tuple[tuple[str, str], ...] = (),
        credentials: Callable[[str], tuple[str, str] | None] = lambda _url: None,
        unreadable: tuple[str, ...] = (),
        access: Access = ANYTHING,
    ) -> None:
        """Open nothing yet.

        Args:
            jobs: transfers at once.
            offline: refuse every URL but ``file``.
            reporter: hears of each transfer as a step ``fetch``.
            patience: how long to try.
            proxies: pairs of ``http``, ``https`` or ``http://host`` and the proxy's URL, empty for none; they
                count before the environment's.
            credentials: returns user and password for a URL, or None.
            unreadable: files of credentials that this user cannot read, for people who lack some.
            access: which hosts and files may be asked.
        """
        self.jobs = jobs
        self.offline = offline
        self.reporter = reporter or Reporter()
        self._patience = patience or Patience()
        self._credentials = credentials
        self._unreadable = unreadable
        self._access = access
        self._lock = threading.Lock()
        self._trust: Trust | None = None
        self._wire = Wire(jobs=jobs, trust=self._trusted, proxies=dict(proxies), access=access)
        self._dead: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def fetch(self, request: Request, target: Path) -> Path:
        """Make `target` the file that is asked for, and return it.

        Bytes of an interrupted fetch wait beside it in ``NAME.part``. Two threads or processes must not fetch one
        target at once.

        Raises:
            OfflineError: no URL may be used.
            NotFoundError: no URL has it.
            FetchError: it could not be had; the text says why at each URL.
            WrongBytesError: at least one URL served something else, and no URL the right bytes.
            TooLargeError: likewise, and the wrong bytes are too many.
            StoreError: the disk refuses.
        """
        step = Step("fetch", request.what, request.size or 0)
        with resumed(target, request) as part, running(self.reporter, step) as progress:
            self._fill_from_any(part, request=request, told=_Advance(progress))
            part.settle(target)
        return target

    def read(self, request: Request, known: Known | None = None, *, past_caches: bool = False) -> Answer:
        """Return a small file's bytes, from the first URL that has it.

        Args:
            request: its cap is what may be held in memory; a digest is not looked at.
            known: what was said of the bytes that the caller has; sent to the URL that said so.
            past_caches: have caches on the way ask the server again (RFC 9111, section 5.2.1.4).

        Raises:
            OfflineError, NotFoundError, FetchError, TooLargeError: as `fetch`.
        """
        failures: list[Failure] = []
        for url in self._allowed(request):
            memory = Memory()
            headers = {**_conditions(url, known), **({"Cache-Control": "no-cache"} if past_caches else {})}
            try:
                answered = self._persist(url, memory, request=request, headers=headers, told=lambda _position: None)
            except (FetchError, IntegrityError) as error:
                failures.append(at(url, error))
                continue
            if answered is None and known is not None:
                return Answer(None, known)
            got = answered or {}
            return Answer(bytes(memory.data), Known(url, got.get("ETag", ""), got.get("Last-Modified", "")))
        raise summed(request, failures)

    def fetch_all(self, wanted: Iterable[tuple[Request, Path]]) -> Generator[tuple[Request, Path]]:
        """Fetch several files at once and yield each when it is there; see `each` for what it raises."""
        return self.each(lambda pair: (pair[0], self.fetch(*pair)), wanted)

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
        """Call a function for each item in `jobs` threads; see `parallel.each`."""
        return parallel.each(function, items, jobs=self.jobs)

    def _allowed(self, request: Request) -> tuple[str, ...]:
        urls = tuple(url for url in request.urls if not self.offline or url.startswith("file:"))
        if not urls and request.urls:
            error = OfflineError(f"{request.what}: not in the cache, and offline")
            error.add_note("run once without `--offline` to fetch it")
            raise error
        return urls

    def _fill_from_any(self, part: Part, *, request: Request, told: Callable[[int], None]) -> None:
        """Fill a ``.part`` file from the first URL that gives the right bytes."""
        failures: list[Failure] = []
        for url in self._allowed(request):
            try:
                self._fill(url, part, request=request, told=told)
            except (FetchError, IntegrityError) as error:
                failures.append(at(url, error))
                if isinstance(error, IntegrityError):
                    part.restart()
            else:
                return
        raise summed(request, failures)

    def _fill(self, url: str, part: Part, *, request: Request, told: Callable[[int], None]) -> None:
        """Fill a ``.part`` file from one URL and check it."""
        if not (part.position and part.position == request.size):
            self._persist(url, part, request=request, headers={}, told=told)
        try:
            part.check(request)
        except WrongBytesError:
            if not part.is_pieced:
                raise
            # The piece from another time or mirror may be the wrong one.
            part.restart()
            self._persist(url, part, request=request, headers={}, told=told)
            part.check(request)

    def _persist(
        self, url: str, sink: Sink, *, request: Request, headers: Mapping[str, str], told: Callable[[int], None]
    ) -> Mapping[str, str] | None:
        """Try one URL until it has given all, or patience ends; return the answer's headers, None for "not modified".

        An attempt that brought a good piece is not a failure, so a file comes through a line that drops often; the
        number of all attempts is bounded all the same.
        """
        patience, failed = self._patience, 0
        most = 1 if self._is_dead(url) else patience.attempts
        for _ in range(most * 10):
            before = sink.position
            try:
                return self._attempt(url, sink, request=request, headers=headers, told=told)
            except PassingError as error:
                failed = 0 if sink.position - before >= _PROGRESS else failed + 1
                wait = min(patience.delay * 2 ** max(failed - 1, 0), patience.ceiling)
                wait = wait if error.wait is None else error.wait
                if wait > patience.ceiling:
                    raise FetchError(f"{error}, asks to wait {wait:.0f} s") from None
                if failed >= most:
                    self._bury(url, sink)
                    raise FetchError(f"{error} (tried {failed} times)" if failed > 1 else str(error)) from None
                self.reporter.noted(f"{request.what}: {redact(url)}: {error}; trying again in {wait:g} s")
                parallel.pause(wait)
        raise FetchError("too many interruptions")

    def _attempt(
        self, url: str, sink: Sink, *, request: Request, headers: Mapping[str, str], told: Callable[[int], None]
    ) -> Mapping[str, str] | None:
        """Make one request for what the sink has not yet."""
        parallel.check()
        if url.startswith("file:"):
            copy(url, sink, request=request, told=told, access=self._access)
            return {}
        headers = {"Accept-Encoding": "identity", "User-Agent": "imgforge", **headers}
        if sink.position:
            headers["Range"] = f"bytes={sink.position}-"
        with self._open(Url.parse(url), headers) as response:
            if response.status == 304 and ("If-None-Match" in headers or "If-Modified-Since" in headers):
                return None
            with parallel.interruptible(response.interrupt):
                read(response, sink, request=request, patience=self._patience, told=told)
            return response.headers

    def _open(self, url: Url, headers: Mapping[str, str]) -> Response:
        """Ask for a URL, and follow where it has moved to."""
        at = url
        for _ in range(_MOST_REDIRECTS + 1):
            who = _basic(self._credentials(str(at))) if at.origin == url.origin else {}
            response = self._ask(at, {**headers, **who})
            location = response.headers.get("Location", "")
            if response.status in _DENIED:
                response.close()
                raise self._denied(at, response.status, is_known=bool(who))
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            at = _redirected(at, location)
        raise RefusedError("too many redirects")

    def _ask(self, url: Url, headers: Mapping[str, str]) -> Response:
        timeout = (self._patience.connect, self._patience.stall)
        try:
            return self._wire.send("GET", url, headers=headers, timeout=timeout)
        except CertificateError as error:
            error.add_note("a private authority belongs into a file that $SSL_CERT_FILE names, or into this machine's")
            raise

    def _denied(self, url: Url, status: int, *, is_known: bool) -> RefusedError:
        """Return the error for an answer that asks who we are, with what there is to do."""
        error = RefusedError(f"refused (HTTP {status})")
        if is_known:
            error.add_note(f"the credentials for {url.netloc} were sent, and are not accepted")
            return error
        error.add_note(f"no credentials for {url.netloc}: {_WHERE}")
        if self._unreadable:
            error.add_note(f"not readable by this user: {', '.join(self._unreadable[:5])}")
        return error

    def _trusted(self, _url: Url) -> Trust:
        if self._trust is None:
            self._trust = trust.public(os.environ)
        return self._trust

    def _is_dead(self, url: str) -> bool:
        return _host(url) in self._dead

    def _bury(self, url: str, sink: Sink) -> None:
        """Remember a host that never gave a byte, so that thirty more files do not wait for it as patiently."""
        if not sink.position:
            with self._lock:
                self._dead |= {_host(url)}


class _Advance:
    """Turns positions, which fall back when a transfer starts anew, into progress, which does not."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._furthest = 0

    def __call__(self, position: int) -> None:
        if position > self._furthest:
            self._progress.advance(position - self._furthest)
            self._furthest = position


def _redirected(at: Url, location: str) -> Url:
    """Return where a redirect leads; RefusedError where it may not."""
    try:
        following = at.join(location)
    except UrlError as error:
        raise RefusedError(f"redirected to a URL that is none: {error}") from None
    if following.scheme == "file":
        raise RefusedError("redirected to a file of this machine")
    if (at.scheme, following.scheme) == ("https", "http"):
        raise RefusedError(f"redirected from TLS to plain HTTP, at {following.netloc}")
    return following


def _basic(login: tuple[str, str] | None) -> dict[str, str]:
    if login is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(login).encode()).decode()}


def _host(url: str) -> str:
    try:
        return Url.parse(url).netloc
    except UrlError:
        return ""


def _conditions(url: str, known: Known | None) -> dict[str, str]:
    if known is None or known.url != url:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in conditions.items() if value}
