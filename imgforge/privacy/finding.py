"""What a search for secrets finds. The secret itself is never kept: only its hash, and a few characters at most."""

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
"""Kinds that people choose and others guess: of these neither a hash nor a character is shown."""

NAMES = frozenset({"build-host", "build-proxy"})
"""Kinds that are no secret to who builds: these are shown."""


@attrs.frozen(order=True)
class Place:
    """Where something was found.

    Attributes:
        layer: which layer, as messages call it; empty for the config.
        path: of the file in the layer, without a leading slash; of the config: what of it (``env HTTP_PROXY``).
        inside: the members that lead to it when the file is an archive, outermost first.
    """

    layer: str
    path: str
    inside: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return ``layer 3: /srv/app.zip: key.pem``, or ``config: env HTTP_PROXY``."""
        if not self.layer:
            return f"config: {self.path}"
        return ": ".join((self.layer, f"/{self.path}", *self.inside))


@attrs.frozen(order=True)
class Finding:
    """One thing that looks like a secret.

    Attributes:
        kind: what it is, such as ``private-key`` (`privacy.kinds`).
        place: where.
        sha256: the hash of the secret's bytes, by which an allow-list can name it; empty for `PASSWORDS`.
        shown: its first characters and its length, for people.
        encoding: how it was hidden, such as ``base64``; empty when it stood there plainly.
        line: of the file, counted from 1; 0 where there are no lines.
    """

    kind: str
    place: Place
    sha256: str
    shown: str
    encoding: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Return one line for people, in which the secret is not."""
        encoded = f" ({self.encoding})" if self.encoding else ""
        line = f":{self.line}" if self.line else ""
        return f"{self.place}{line}: {self.kind}{encoded}: {self.shown}"


def shown(kind: str, secret: bytes) -> str:
    """Return what a message may show of a secret: its first characters, when that is a small part of it."""
    if kind in NAMES:
        return secret.decode("utf-8", "replace")
    if kind in PASSWORDS or len(secret) < 4 * _SHOWN:
        return f"{len(secret)} bytes"
    begin = "".join(chr(byte) if 0x21 <= byte < 0x7F else "." for byte in secret[:_SHOWN])
    return f"{begin}… ({len(secret)} bytes)"


def digest(secret: bytes) -> str:
    """Return the hash by which an allow-list names a secret."""
    return hashlib.sha256(secret).hexdigest()
