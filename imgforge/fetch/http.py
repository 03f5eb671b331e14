"""The downloader: http, https and file URLs, tried in order, resumed, retried, capped and verified.

Bytes become a file under their real name only when they are what the request says. What a digest or a size refutes is
dropped: the next URL is tried, the same one never again. What fails on the way is tried again with growing pauses, and
goes on where it stopped if the server can do that (RFC 9110, section 14).

Not here: what to fetch, and from which mirror. Proxies and netrc of the environment count, as `requests` reads them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from imgforge import late
from imgforge.access import ANYTHING, Access
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch import guarded, parallel
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
    redact,
)
from imgforge.fetch.response import read, reason
from imgforge.fetch.sink import Memory, Part, Sink, resumed
from imgforge.report import Progress, Reporter, Step, running

requests = late.module("requests")

_PROGRESS = 64 * 1024
"""Bytes of progress after which an attempt does not count as a failure."""

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
            access: which hosts and files may be asked.
        """
        self.jobs = jobs
        self.offline = offline
        self.reporter = reporter or Reporter()
        self._patience = patience or Patience()
        self._proxies = dict(proxies)
        self._credentials = credentials
        self._access = access
        self._lock = threading.Lock()
        self._session: Any = None
        self._dead: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None

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
        with self._open(url, headers) as response:
            if response.status_code == 304 and ("If-None-Match" in headers or "If-Modified-Since" in headers):
                return None
            with parallel.interruptible(response.raw.shutdown):
                read(response, sink, request=request, patience=self._patience, told=told)
            answered: Mapping[str, str] = response.headers
            return answered

    def _open(self, url: str, headers: Mapping[str, str]) -> Any:
        timeout = (self._patience.connect, self._patience.stall)
        settings = {"proxies": self._proxies, "auth": self._credentials(url), "timeout": timeout, "stream": True}
        try:
            return self._connections().get(url, headers=headers, **settings)
        except requests.exceptions.SSLError as error:
            raise RefusedError(f"the certificate or the encryption is refused: {reason(error)}") from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise PassingError(reason(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise RefusedError(f"cannot be asked for: {reason(error)}") from None

    def _connections(self) -> Any:
        with self._lock:
            if self._session is None:
                session = requests.Session()
                session.max_redirects = 5
                adapter = guarded.adapter(self._access, jobs=self.jobs)
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                self._session = session
            return self._session

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


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _conditions(url: str, known: Known | None) -> dict[str, str]:
    if known is None or known.url != url:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
    return {name: value for name, value in conditions.items() if value}
