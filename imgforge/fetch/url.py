"""The one parser of URLs: of what people write, and of what servers send us to. Pure.

Two parsers that read one text differently send a password to another host than the one that was checked. So there is
one, and it takes only what every parser reads alike: printable ASCII of RFC 3986, ``http``, ``https`` or ``file``, no
user, no backslash, a host that is a plain name or an address in its usual form. What `Url.parse` takes is read the same
by `urllib.parse`, urllib3 and requests (tests/fetch/test_url.py compares them).

Sources: RFC 3986, sections 3.2.2 (host), 5.2 (relative references), 6.2.2 (normalisation); WHATWG URL, "host parsing".
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import attrs

from imgforge.fetch.request import RefusedError

PORTS: Final = {"http": 80, "https": 443, "file": 0}
_LONGEST = 8192
_CHARACTERS = "expected a URL of the characters of RFC 3986, others written as %XX"
_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TEXT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#\[\]-]|%[0-9A-Fa-f]{2})*")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A name whose last label is a number is an address to some resolvers: 127.1 and 0x7f.1 are this machine."""

_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]*))?")


class UrlError(RefusedError):
    """A text is not a URL that every parser reads alike; the error's text does not repeat it."""


@attrs.frozen
class Url:
    """A URL in its normal form.

    Attributes:
        scheme: ``http``, ``https`` or ``file``.
        host: in lower case, an IPv6 address in brackets; empty for ``file``.
        port: as it was given; None for the scheme's own.
        path: absolute, without ``.`` and ``..``.
        query: without the question mark; may hold a secret.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str = attrs.field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read an absolute URL; its fragment is left out.

        Raises:
            UrlError: it is not one, or parsers may differ on what it means.
        """
        _check(text)
        form = _FORM.fullmatch(text)
        if form is None:
            raise UrlError("expected a URL with http, https or file")
        scheme, authority = form[1].lower(), form[2]
        if scheme not in PORTS:
            raise UrlError(f"expected a URL with http, https or file, got one with {scheme[:20]!r}")
        host, port = _split(scheme, authority)
        if scheme == "file" and not form[3].startswith("/"):
            raise UrlError("a file URL has an absolute path")
        return cls(scheme, host, port, _normal(form[3] or "/"), _decoded(form[4] or ""))

    def join(self, reference: str) -> Url:
        """Return where a server at this URL sends us; `reference` is absolute, or relative to this URL.

        Raises:
            UrlError: as `parse`.
        """
        _check(reference)
        if not reference:
            raise UrlError("expected a URL, got nothing")
        if _SCHEME.match(reference):
            return self.parse(reference)
        if reference.startswith("//"):
            return self.parse(f"{self.scheme}:{reference}")
        bare, mark, query = reference.partition("#")[0].partition("?")
        if not bare:
            return attrs.evolve(self, query=_decoded(query) if mark else self.query)
        path = bare if bare.startswith("/") else self.path.rpartition("/")[0] + "/" + bare
        return attrs.evolve(self, path=_normal(path), query=_decoded(query))

    def with_query(self, more: str) -> Url:
        """Return this URL with an encoded query added to its own."""
        return attrs.evolve(self, query="&".join(part for part in (self.query, more) if part)) if more else self

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who gets to see a secret that is for this URL: RFC 6454, section 4."""
        return self.scheme, self.host, self.port or PORTS[self.scheme]

    @property
    def netloc(self) -> str:
        """The host, and the port if one was given."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """Return the text that `parse` reads as this URL."""
        return f"{self.scheme}://{self.netloc}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def shown(self) -> str:
        """The URL for people: without the query, which may be a secret."""
        return f"{self.scheme}://{self.netloc}{self.path}" + ("?…" if self.query else "")


def redact(text: str) -> str:
    """Return a URL that may be shown: without password, user name, query and fragment, any of which may be a secret.

    The only place where a URL becomes text for people.
    """
    bare, user = without_user(text)
    try:
        shown = Url.parse(bare).shown
    except UrlError:
        is_plain = bare.isprintable() and not {*"@?#\\"} & set(bare) and "://[" not in bare
        return bare[:200] if is_plain and not user else "(a malformed URL)"
    return shown.replace("://", "://…@", 1) if user else shown


def without_user(text: str) -> tuple[str, str]:
    """Return a URL without the user and password that somebody wrote into it, and those, still encoded."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#\\]*)@", text)
    return (found[1] + text[found.end() :], found[2]) if found else (text, "")


def _check(text: str) -> None:
    """Refuse characters that parsers treat differently."""
    if len(text) > _LONGEST:
        raise UrlError(f"expected a URL of at most {_LONGEST} characters, got {len(text)}")
    if not _TEXT.fullmatch(text):
        raise UrlError(_CHARACTERS)


def _split(scheme: str, authority: str | None) -> tuple[str, int | None]:
    """Return the host and port of an authority."""
    if scheme == "file":
        if authority not in (None, "", "localhost"):
            raise UrlError("a file URL has no host")
        return "", None
    if not authority:
        raise UrlError(f"expected a host after {scheme}://")
    if "@" in authority:
        error = UrlError("a URL has no user and password")
        error.add_note("put them where credentials belong: apt_auth.conf(5) for mirrors, `podman login` for registries")
        raise error
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise UrlError("expected HOST or HOST:PORT")
    return _host(parts[1].lower()), _port(parts[2])


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise UrlError(f"expected a port from 1 to 65535, got {text[:10]!r}")
    return int(text)


def _host(name: str) -> str:
    """Return a host if it is a plain name, or an address in its usual form."""
    try:
        if name.startswith("["):
            return f"[{ipaddress.IPv6Address(_without_zone(name[1:-1]))}]"
        if _NUMBER.fullmatch(name):
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise UrlError("expected an IP address in its usual form as the host") from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise UrlError("expected a host of letters, digits, dots and hyphens, an international name in its xn-- form")
    return name


def _without_zone(address: str) -> str:
    if "%" in address:
        raise ValueError("a zone means something else on each machine")
    return address


def _normal(path: str) -> str:
    """Return a path without dot segments (RFC 3986, section 5.2.4) and with nothing encoded that need not be."""
    kept: list[str] = []
    segments = _decoded(path).split("/")[1:]
    for segment in segments:
        if segment == ".." and kept:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _decoded(text: str) -> str:
    """Return text with the unreserved characters decoded, and the others' escapes in capitals."""
    if "[" in text or "]" in text:  # brackets are for IPv6 addresses
        raise UrlError(_CHARACTERS)

    def plain(found: re.Match[str]) -> str:
        character = chr(int(found[0][1:], 16))
        return character if _UNRESERVED.fullmatch(character) else found[0].upper()

    return _PERCENT.sub(plain, text)
