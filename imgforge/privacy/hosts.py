"""Find names and proxies of the machine that built an image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import attrs

from imgforge.privacy.hit import Hit

_PLAIN = re.compile(
    r"(localhost|localdomain|debian|ubuntu|fedora|alpine|linux|docker|podman|container|build(er|d|kit)?|runner|worker|"
    r"server|host(name)?|master|main|node|proxy|gateway|imgforge|workstation|laptop)-?[0-9]{0,2}(\.localdomain)?\Z",
    re.IGNORECASE,
)
_BARE_MIN = 6
_LOOPBACK = re.compile(r"127\.|localhost|\[?::1|0\.0\.0\.0")
_BEFORE = re.compile(rb"[A-Za-z0-9_-]")
_LABEL = re.compile(rb"[A-Za-z0-9-]+\Z")


def _is_telling(name: str) -> bool:
    """Return whether a name identifies a machine: it has a domain, or is long and not a common word."""
    if _LOOPBACK.match(name) or _PLAIN.match(name):
        return False
    return "." in name or (len(name) >= _BARE_MIN and bool(re.search(r"[0-9-]", name)))


@attrs.frozen
class Word:
    """A text to search for.

    Attributes:
        kind: ``build-host`` or ``build-proxy``.
        text: the literal text; with a leading dot, any host in that domain.
    """

    kind: str
    text: str


@attrs.frozen
class Hosts:
    """Names and proxies of the build machine, and the policy's `privacy.hosts`.

    Attributes:
        words: sorted, without duplicates. A host name without domain is only included if it has a digit or a hyphen.
    """

    words: tuple[Word, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str] = (), *, proxies: Iterable[str] = (), patterns: Iterable[str] = ()) -> Hosts:
        """Collect the words to search for.

        Args:
            names: host names of the machine, with and without domain.
            proxies: URLs of its proxies, as in ``$https_proxy`` or APT's configuration.
            patterns: host names that may start with ``*``.
        """
        words = {Word("build-host", name.rstrip(".")) for name in names if _is_telling(name)}
        words |= {Word("build-host", pattern.lstrip("*")) for pattern in patterns if len(pattern.lstrip("*")) > 3}
        words |= {Word("build-proxy", host) for host in map(_host, proxies) if host and not _LOOPBACK.match(host)}
        return cls(tuple(sorted(words, key=lambda word: (word.text, word.kind))))

    def search(self, data: bytes) -> Iterator[Hit]:
        """Yield occurrences of whole words: as given, in lower and upper case, and in UTF-16."""
        for word in self.words:
            for text in dict.fromkeys((word.text, word.text.lower(), word.text.upper())):
                yield from _occurrences(data, text.encode(), word.kind)
                wide = text.encode("utf-16-le")[:-1]  # also matches big-endian UTF-16, after its first NUL
                yield from (Hit(word.kind, at, text.encode(), "utf-16") for at in _every(data, wide))


def _occurrences(data: bytes, needle: bytes, kind: str) -> Iterator[Hit]:
    for at in _every(data, needle):
        end = at + len(needle)
        label = _LABEL.search(data[max(0, at - 64) : at]) if needle.startswith(b".") else None
        is_apart = not _BEFORE.match(data[at - 1 : at]) or at == 0
        if (label or (is_apart and not needle.startswith(b"."))) and not _BEFORE.match(data[end : end + 1]):
            yield Hit(kind, at, (label[0] if label else b"") + needle)


def _every(data: bytes, needle: bytes) -> Iterator[int]:
    at = -1
    while (at := data.find(needle, at + 1)) >= 0:
        yield at


def _host(proxy: str) -> str:
    """Return a proxy's host and port; empty if the URL is malformed."""
    try:
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return f"{host}:{port}" if port else host
