"""Findings of the secret scan. The secret itself is never stored: only its hash, and a few characters at most."""

from __future__ import annotations

import hashlib

import attrs

_SHOWN = 4

PASSWORDS = frozenset(
    {
        "apt-credentials", "docker-auth", "git-credentials", "netrc", "npm-password", "password-file", "password-hash",
        "proxy-setting", "secret-variable", "shell-history", "url-credentials",
    }
)  # fmt: skip
"""Kinds of human-chosen secrets, which can be guessed: neither a hash nor any character of them is shown."""

NAMES = frozenset({"build-host", "build-proxy"})
"""Kinds that are not secret to the person who builds; they are shown in full."""


@attrs.frozen(order=True)
class Place:
    """The location of a finding.

    Attributes:
        layer: the layer's name in messages; empty for the config.
        path: the file's path in the layer, without leading slash; for the config, its part, such as ``env HTTP_PROXY``.
        inside: for archives, the names of the members that contain it, outermost first.
    """

    layer: str
    path: str
    inside: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return e.g. ``layer 3: /srv/app.zip: key.pem`` or ``config: env HTTP_PROXY``."""
        if not self.layer:
            return f"config: {self.path}"
        return ": ".join((self.layer, f"/{self.path}", *self.inside))


@attrs.frozen(order=True)
class Finding:
    """Something that looks like a secret.

    Attributes:
        kind: such as ``private-key`` (`privacy.kinds`).
        place: its location.
        sha256: hash of the secret, by which an allow-list can identify it; empty for `PASSWORDS`.
        shown: its first characters and its length, for people.
        encoding: how it was encoded, such as ``base64``; empty for plain text.
        line: line number in the file, from 1; 0 if there are no lines.
    """

    kind: str
    place: Place
    sha256: str
    shown: str
    encoding: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Return one line for people, without the secret."""
        encoded = f" ({self.encoding})" if self.encoding else ""
        line = f":{self.line}" if self.line else ""
        return f"{self.place}{line}: {self.kind}{encoded}: {self.shown}"


def shown(kind: str, secret: bytes) -> str:
    """Return what messages may show of a secret: its first characters, if they are a small part of it."""
    if kind in NAMES:
        return secret.decode("utf-8", "replace")
    if kind in PASSWORDS or len(secret) < 4 * _SHOWN:
        return f"{len(secret)} bytes"
    begin = "".join(chr(byte) if 0x21 <= byte < 0x7F else "." for byte in secret[:_SHOWN])
    return f"{begin}… ({len(secret)} bytes)"


def digest(secret: bytes) -> str:
    """Return the hash by which an allow-list identifies a secret."""
    return hashlib.sha256(secret).hexdigest()
