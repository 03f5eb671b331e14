"""Connections to registries: one request at a time, with the rules about TLS, redirects and secrets in one place.

- Plain HTTP goes to this machine or to hosts that the caller named, and never through a proxy of the environment to the
  former. Nobody else sends us to plain HTTP on this machine.
- Authorization is sent to the origin that asked for it. A redirect to somebody else's storage goes without.
- ``~/.netrc`` and cookies are not used: what is sent is what `imgforge.registry.auth` says.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from imgforge.access import ANYTHING, Access
from imgforge.fetch import trust
from imgforge.fetch.request import PassingError, Patience, RefusedError
from imgforge.fetch.trust import Trust
from imgforge.fetch.url import Url, UrlError
from imgforge.fetch.wire import CertificateError, Response, Wire
from imgforge.oci.host import is_loopback
from imgforge.registry.repository import canonical
from imgforge.registry.trust import Authority, explain

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_NOT_PLAIN = frozenset({400, 426})
"""What servers answer that expect TLS and see a plain request."""

_COMMIT = 10
"""How many times longer a registry may think about an upload, which it hashes and moves before it answers."""


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
        self._plain = frozenset(canonical(host) for host in plain)
        self._authority = authority
        self._patience = patience
        self._lock = threading.Lock()
        self._bases: dict[str, str] = {}
        self._trusts: dict[str, Trust] = {}
        self._wire = Wire(jobs=jobs, trust=self._trust, proxies={}, access=access)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

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
                return secure if response.status in _NOT_PLAIN else plain
        except PassingError as error:
            failure = error
        try:
            with self.send("GET", f"{secure}/v2/"):
                return secure
        except CertificateError:
            return secure  # it speaks TLS; whoever asks for more gets to hear that the certificate does not do
        except (RefusedError, PassingError):
            raise failure from None

    def is_allowed(self, url: Url, *, after: Url | None = None) -> bool:
        """Say whether a URL may be spoken to.

        Args:
            url: where to.
            after: the URL that sent us there; nobody else than this machine sends us to this machine.
        """
        if url.scheme != "http":
            return url.scheme == "https"
        is_local = is_loopback(url.netloc) and (after is None or is_loopback(after.netloc))
        return is_local or canonical(url.netloc) in self._plain

    def follow(self, at: Url, location: str) -> Url:
        """Return where an answer sends us: a redirect, an upload, a page of a list, a token server.

        Args:
            at: what answered.
            location: what it said, absolute or relative.

        Raises:
            RefusedError: it is not a URL, or nobody asked to go there.
        """
        try:
            following = at.join(location)
        except UrlError as error:
            raise RefusedError(f"{at.netloc} sends us to a URL that is none: {error}") from None
        if not self.is_allowed(following, after=at):
            where = following.netloc or "a file"
            raise RefusedError(f"{at.netloc} sends us to {where} without TLS, which nobody asked for")
        return following

    def send(
        self, method: str, url: str | Url, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Response:
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
        first = at = Url.parse(url) if isinstance(url, str) else url
        for _ in range(_MOST_REDIRECTS):
            response = self._once(method, at, sent, body)
            following = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or method not in {"GET", "HEAD"} or not following:
                return response
            response.close()
            at = self.follow(at, following)
            if at.origin != first.origin:
                sent = {name: value for name, value in sent.items() if name != "Authorization"}
        raise RefusedError("redirected too often")

    def _once(self, method: str, url: Url, headers: Mapping[str, str], body: Any) -> Response:
        if not self.is_allowed(url):
            raise RefusedError(f"{url.netloc}: plain HTTP goes to this machine or to hosts that are named for it")
        stall = self._patience.stall * (_COMMIT if method in {"PUT", "PATCH"} else 1)
        timeout, is_direct = (self._patience.connect, stall), is_loopback(url.netloc)
        try:
            return self._wire.send(method, url, headers=headers, body=body, timeout=timeout, is_direct=is_direct)
        except CertificateError as error:
            explain(error, url.netloc)
            raise

    def _trust(self, url: Url) -> Trust:
        """Return who vouches for a host: its own authority alone, if there is one."""
        with self._lock:
            if url.netloc not in self._trusts:
                self._trusts[url.netloc] = self._authority(url.netloc) or trust.public(os.environ)
            return self._trusts[url.netloc]
