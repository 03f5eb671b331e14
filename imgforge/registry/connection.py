"""Connections to registries: one request at a time, with the rules about TLS, redirects and secrets in one place.

- Plain HTTP goes to this machine or to hosts that the caller named, and never through a proxy of the environment to the
  former. Nobody else sends us to plain HTTP on this machine.
- Authorization is sent to the origin that asked for it. A redirect to somebody else's storage goes without.
- ``~/.netrc`` and cookies are not used: what is sent is what `imgforge.registry.auth` says.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from imgforge import late
from imgforge.access import ANYTHING, Access
from imgforge.fetch import guarded, parallel
from imgforge.fetch.request import PassingError, Patience, RefusedError
from imgforge.fetch.response import reason
from imgforge.oci.host import is_loopback
from imgforge.registry.repository import canonical
from imgforge.registry.trust import Authority

requests = late.module("requests")
cookiejar = late.module("http.cookiejar")
ssl = late.module("ssl")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_NOT_PLAIN = frozenset({400, 426})
"""What servers answer that expect TLS and see a plain request."""

_BLOCK = 1 << 18
_COMMIT = 10
"""How many times longer a registry may think about an upload, which it hashes and moves before it answers."""


class CertificateError(RefusedError):
    """The host does not prove who it is."""


class Connections:
    """Sends requests; threads may share it."""

    def __init__(
        self,
        *,
        plain: frozenset[str],
        authority: Authority,
        jobs: int,
        patience: Patience,
        access: Access = ANYTHING,
    ) -> None:
        """Open nothing yet.

        Args:
            plain: hosts that are spoken to without TLS.
            authority: who vouches for a host.
            jobs: connections to one host that are kept.
            patience: how long to wait.
            access: which hosts may be asked.
        """
        self._access = access
        self._plain = frozenset(canonical(host) for host in plain)
        self._authority = authority
        self._jobs = jobs
        self._patience = patience
        self._lock = threading.Lock()
        self._session: Any = None
        self._bases: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None

    def base(self, host: str) -> str:
        """Return ``https://HOST``, or ``http://HOST`` for a host that may be spoken to in plain and wants to be.

        Raises:
            PassingError: a host on this machine does not answer.
        """
        if canonical(host) in self._plain:
            return f"http://{host}"
        if not is_loopback(host):
            return f"https://{host}"
        if host not in self._bases:
            self._bases[host] = self._probe(host)
        return self._bases[host]

    def _probe(self, host: str) -> str:
        """Find out whether a host on this machine speaks TLS; nothing secret is sent."""
        plain, secure = f"http://{host}", f"https://{host}"
        try:
            with self.send("GET", f"{plain}/v2/") as response:
                return secure if response.status_code in _NOT_PLAIN else plain
        except PassingError as error:
            failure = error
        try:
            with self.send("GET", f"{secure}/v2/"):
                return secure
        except CertificateError:
            return secure  # it speaks TLS; whoever asks for more gets to hear that the certificate does not do
        except (RefusedError, PassingError):
            raise failure from None

    def is_allowed(self, url: str, *, after: str = "") -> bool:
        """Say whether a URL may be spoken to.

        Args:
            url: where to.
            after: the URL that sent us there; nobody else than this machine sends us to this machine.
        """
        parts = _split(url)
        if parts.scheme == "https":
            return bool(parts.hostname)
        if parts.scheme != "http" or not parts.hostname:
            return False
        is_local = is_loopback(_netloc(url)) and (not after or is_loopback(_netloc(after)))
        return is_local or canonical(_netloc(url)) in self._plain

    def send(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """Send a request and return the answer, whatever it is, with its body unread; it must be closed.

        Redirects of GET and HEAD are followed.

        Args:
            method: HTTP's.
            url: where to.
            headers: more of them; Authorization counts for the URL's origin.
            body: bytes, or an object with ``read`` and a length.

        Raises:
            PassingError: no answer came, which may pass.
            RefusedError: the URL may not be spoken to, or the host does not prove who it is.
        """
        sent = {"Accept-Encoding": "identity", "User-Agent": "imgforge", **(headers or {})}
        at = url
        for _ in range(_MOST_REDIRECTS):
            response = self._once(method, at, sent, body)
            following = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or method not in {"GET", "HEAD"} or not following:
                return response
            response.close()
            after, at = at, urljoin(at, following)
            if not self.is_allowed(at, after=after):
                raise RefusedError(f"redirected to {_host(at)} without TLS, which nobody asked for")
            if origin(at) != origin(url):
                sent = {name: value for name, value in sent.items() if name != "Authorization"}
        raise RefusedError("redirected too often")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> Any:
        parallel.check()
        host = _netloc(url)
        if not self.is_allowed(url):
            raise RefusedError(f"{_host(url)}: plain HTTP goes to this machine or to hosts that are named for it")
        authority = self._authority(host) if url.startswith("https:") else None
        stall = self._patience.stall * (_COMMIT if method in {"PUT", "PATCH"} else 1)
        settings: dict[str, Any] = {
            "auth": _as_it_is,
            "allow_redirects": False,
            "stream": True,
            "timeout": (self._patience.connect, stall),
            "verify": str(authority) if authority else True,
            "proxies": {"http": "", "https": "", "all": ""} if is_loopback(host) else {},
        }
        try:
            return self._connections().request(method, url, headers=headers, data=body, **settings)
        except requests.exceptions.SSLError as error:
            kind = CertificateError if _is_certificate(error) else RefusedError
            raise kind(f"{host}: the certificate or the encryption is refused: {reason(error)}") from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise PassingError(reason(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise RefusedError(f"{_host(url)}: cannot be asked: {type(error).__name__}") from None
        except OSError as error:  # a file of certificates that is not there
            raise RefusedError(f"{host}: cannot be asked: {(error.strerror or str(error)).lower()[:200]}") from None

    def _connections(self) -> Any:
        with self._lock:
            if self._session is None:
                session = requests.Session()
                session.cookies.set_policy(cookiejar.DefaultCookiePolicy(allowed_domains=[]))
                adapter = guarded.adapter(self._access, jobs=self._jobs, blocksize=_BLOCK)
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                self._session = session
            return self._session


def _as_it_is(request: Any) -> Any:
    """Add no Authorization: without a function here, `requests` would look into ``~/.netrc``."""
    return request


def origin(url: str) -> tuple[str, str]:
    """Return the scheme and host of a URL, which is who gets to see a secret."""
    return _split(url).scheme, _netloc(url)


def _split(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _netloc(url: str) -> str:
    netloc: str = _split(url).netloc.rpartition("@")[2].lower()
    return netloc


def _host(url: str) -> str:
    return _netloc(url)[:200] or "(a malformed URL)"


def _is_certificate(error: BaseException | None) -> bool:
    """Say whether it is the certificate that failed, rather than that there is no TLS at all."""
    for _ in range(10):
        if error is None or isinstance(error, ssl.SSLCertVerificationError):
            return error is not None
        causes = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        error = next((cause for cause in causes if isinstance(cause, BaseException)), None)
    return False
