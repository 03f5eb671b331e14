"""Patterns: ``*`` matches within a path component, ``**`` also matches slashes, ``?`` matches one character.

Unlike dpkg's patterns, where ``*`` matches slashes: ``docker://HOST/base/*`` must not allow ``base/a/b``.
"""

from __future__ import annotations

import functools
import re

import attrs

from imgforge.oci import host as hosts
from imgforge.oci import reference
from imgforge.oci.reference import Reference

SCRATCH = "scratch"
_WILD = re.compile(r"\*\*|\*|\?")
_MEANING = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_PREFIXES = (reference.OCI, reference.OCI_ARCHIVE, reference.DOCKER_ARCHIVE)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(_MEANING.get(part) or re.escape(part) for part in parts), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches an entire text."""
    return bool(_compiled(pattern).fullmatch(text))


def matches_any(patterns: tuple[str, ...], text: str) -> bool:
    """Return whether any of the patterns matches an entire text."""
    return any(matches(pattern, text) for pattern in patterns)


@attrs.frozen
class ImagePattern:
    """A pattern for images: a registry repository, a path of an archive or layout, a name, or ``scratch``.

    Attributes:
        transport: one of `oci.reference`'s, or ``scratch``.
        host: the registry, in lower case. Never a pattern: ``docker://example.org*`` would match hosts of other owners.
        path: pattern for the repository, path or name.
    """

    transport: str
    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> ImagePattern:
        """Parse a pattern.

        Raises:
            ValueError: the host has wildcards, or there is a tag or digest.
        """
        if text == SCRATCH:
            return cls(SCRATCH, "", "")
        if text.startswith("docker://"):
            return _of_registry(text.removeprefix("docker://"))
        prefix, colon, rest = text.partition(":")
        if colon and prefix in _PREFIXES:
            return cls(prefix, "", rest)
        if colon or "@" in text:
            raise ValueError("a tag or digest cannot be named here")
        return cls(reference.STORE, "", text)

    def __str__(self) -> str:
        if self.transport == reference.DOCKER:
            return f"docker://{self.host}/{self.path}"
        if self.transport == SCRATCH:
            return SCRATCH
        return self.path if self.transport == reference.STORE else f"{self.transport}:{self.path}"

    def matches(self, wanted: Reference | None) -> bool:
        """Return whether the pattern matches an image; None is an image from scratch."""
        if wanted is None or self.transport != wanted.transport:
            return wanted is None and self.transport == SCRATCH
        if self.transport == reference.DOCKER:
            return self.host == wanted.location.lower() and matches(self.path, wanted.name)
        text = wanted.name if self.transport == reference.STORE else wanted.location
        return ".." not in text.split("/") and matches(self.path, text)


def _of_registry(text: str) -> ImagePattern:
    host, _, path = text.partition("/")
    if _WILD.search(host):
        raise ValueError("a registry's host must be given in full")
    if not path:
        raise ValueError("expected a repository after the host; '**' matches all of them")
    if ":" in path or "@" in path:
        raise ValueError("a tag or digest cannot be named here")
    return ImagePattern(reference.DOCKER, host.lower(), path)


def is_loopback(wanted: Reference) -> bool:
    """Return whether a reference is to a registry on this machine."""
    return wanted.transport == reference.DOCKER and hosts.is_loopback(wanted.location)
