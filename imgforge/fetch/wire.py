"""One HTTP request, one answer: for mirrors and registries alike.

Only what the caller asked for happens: no redirect is followed, no credentials are looked up, no cookie is kept, and
nothing is decoded. Failures have the classes of `imgforge.fetch.request` and texts without URLs.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from imgforge import late
from imgforge.access import ANYTHING, Access
from imgforge.fetch import guard, parallel, proxy
from imgforge.fetch.proxy import Proxy
from imgforge.fetch.request import PassingError, RefusedError
from imgforge.fetch.trust import Trust
from imgforge.fetch.url import Url, redact
from imgforge.fetch.words import certificate_fault, reason, tunnel_status

urllib3 = late.module("urllib3")
faults = late.module("urllib3.exceptions")

_BLOCK = 1 << 18
_BARE = {"retries": False, "redirect": False, "preload_content": False, "decode_content": False}
"""What urllib3 leaves to us."""


class CertificateError(RefusedError):
    """The host does not prove who it is."""


class Response:
    """An answer with its body unread; close it (it is a context manager).

    Attributes:
        url: what answered.
        status: HTTP's.
        headers: by name, in any case; those that came twice are joined with a comma.
    """

    def __init__(self, url: Url, answer: Any) -> None:
        self.url = url
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._guard = guard.of(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, unless the body is at its end: then the connection is kept for the next request."""
        if self._answer.length_remaining == 0:  # also where there is none, as after HEAD
            with contextlib.suppress(faults.HTTPError, OSError, ValueError):
                self._answer.read1(1, decode_content=False)  # gives the connection back
        self._answer.close()
        self._answer.release_conn()

    def interrupt(self) -> None:
        """End a read that another thread waits for."""
        self._answer.shutdown()

    def read(self, most: int, *, seconds: float) -> bytes:
        """Return what is there of the body, undecoded; nothing at its end.

        Args:
            most: bytes.
            seconds: that it may take, the lines around chunks and behind the last one included.

        Raises:
            PassingError: it takes longer, or the connection broke.
        """
        try:
            if self._guard is not None and not self._guard.closed:
                self._guard.allow(seconds)
            data: bytes = self._answer.read1(most, decode_content=False)
        except (faults.HTTPError, OSError, ValueError) as error:
            raise PassingError(reason(error)) from None
        return data


class Wire:
    """Sends requests; threads may share it.

    Args:
        jobs: connections to one host that are kept.
        trust: returns who vouches for a host.
        proxies: see `imgforge.fetch.proxy.choose`.
        access: which hosts and addresses may be asked. A proxy is the operator's and is reached unchecked; it resolves
            the names, and only they are checked here.
    """

    def __init__(
        self, *, jobs: int, trust: Callable[[Url], Trust], proxies: Mapping[str, str], access: Access = ANYTHING
    ) -> None:
        self._jobs = jobs
        self._trust = trust
        self._proxies = dict(proxies)
        self._access = access
        self._lock = threading.Lock()
        self._managers: dict[tuple[Proxy | None, Trust | None], Any] = {}

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            managers = tuple(self._managers.values())
            self._managers.clear()
        for manager in managers:
            manager.clear()

    def send(
        self,
        method: str,
        url: Url,
        *,
        headers: Mapping[str, str],
        body: Any = None,
        timeout: tuple[float, float],
        is_direct: bool = False,
    ) -> Response:
        """Send a request and return the answer, whatever it is.

        Args:
            method: HTTP's.
            url: where to.
            headers: all of them but Host and Content-Length.
            body: bytes, or an object with ``read`` and a length.
            timeout: seconds until a connection stands, and then until the headers of the answer are there as a whole.
            is_direct: whether no proxy counts.

        Raises:
            PassingError: no answer came, which may pass.
            CertificateError: the host does not prove who it is.
            RefusedError: it cannot be asked.
            RestrictedError: it may not be asked.
        """
        parallel.check()
        self._access.url(str(url), what=redact(str(url)))
        through = None if is_direct else proxy.choose(url, self._proxies, os.environ)
        size = {} if body is None else {"Content-Length": str(len(body))}
        limits = urllib3.Timeout(connect=timeout[0], read=timeout[1])
        settings = {"headers": {**headers, **size}, "body": body, "timeout": limits, **_BARE}
        try:
            answer = self._manager(url, through).request(method, str(url), **settings)
        except (faults.HTTPError, OSError, ValueError) as error:
            raise self._failure(error, url, through) from None
        return Response(url, answer)

    def _failure(self, error: Exception, url: Url, through: Proxy | None) -> PassingError | RefusedError:
        """Return what went wrong, of our classes."""
        if isinstance(error, faults.ProxyError) and through:
            status = tunnel_status(error)
            if status is None:
                return PassingError(f"{through}: {reason(error)}")
            return RefusedError(f"{through}: refuses to connect us (HTTP {status})")
        if isinstance(error, faults.SSLError):
            return self._distrusted(error, url)
        if isinstance(error, faults.TimeoutError | faults.ProtocolError | faults.NewConnectionError | OSError):
            return PassingError(f"{through}: {reason(error)}" if through and url.scheme != "https" else reason(error))
        return RefusedError(f"cannot be asked: {reason(error)}")

    def _distrusted(self, error: Exception, url: Url) -> RefusedError:
        fault = certificate_fault(error)
        if fault is None:
            return RefusedError(f"{url.netloc}: the encryption is refused: {reason(error)}")
        failure = CertificateError(f"{url.netloc}: the certificate is not trusted: {fault}")
        with contextlib.suppress(RefusedError):
            failure.add_note(f"counted: {self._trust(url).origin}")
        return failure

    def _manager(self, url: Url, through: Proxy | None) -> Any:
        """Return what keeps the connections to a host; OpenSSL's settings are made only where TLS is spoken."""
        is_secure = url.scheme == "https" or (through is not None and through.url.scheme == "https")
        key = (through, self._trust(url) if is_secure else None)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._made(*key)
            return self._managers[key]

    def _made(self, through: Proxy | None, trust: Trust | None) -> Any:
        settings: dict[str, Any] = {"num_pools": 32, "maxsize": self._jobs, "blocksize": _BLOCK}
        if trust:
            settings["ssl_context"] = trust.context()
        if through is None:
            return guard.manager("", access=self._access, **settings)
        if through.user:
            settings["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=through.user)
        if through.url.scheme == "https":
            settings["proxy_ssl_context"] = settings["ssl_context"]
        return guard.manager(str(through.url), access=ANYTHING, **settings)
