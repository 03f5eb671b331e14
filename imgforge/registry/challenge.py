"""What a registry asks for when it answers 401: the header WWW-Authenticate, read into values.

The scope that a registry names is not read: a token is bought for what the request does, and for nothing else.
Sources: RFC 9110, section 11.6.1; RFC 6750, section 3; distribution's docs/spec/auth/token.md (realm, service, scope).
"""

from __future__ import annotations

import re

import attrs

BASIC, BEARER = "basic", "bearer"

_LONGEST = 4096
"""Characters of the header that are looked at."""

_PART = re.compile(
    r"""
        (?P<name>[A-Za-z0-9!\#$%&'*+.^_`|~-]++)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>[^\s,"]*+))
        | (?P<scheme>[A-Za-z][A-Za-z0-9-]*+)
        | (?P<other>[^\s,]++)
    """,
    re.VERBOSE,
)


@attrs.frozen
class Challenge:
    """How a registry wants to be told who asks.

    Attributes:
        scheme: `BASIC` or `BEARER`.
        realm: for `BEARER`: the URL of the token server.
        service: the registry's name there.
        error: why the credentials that came did not do; empty when there were none.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    error: str = ""


def read(header: str) -> Challenge | None:
    """Return the best challenge of a header that is understood: a token before a password; None when there is none."""
    found: dict[str, dict[str, str]] = {}
    parameters: dict[str, str] = {}
    for part in _PART.finditer(header[:_LONGEST]):
        if part["scheme"]:
            parameters = found.setdefault(part["scheme"].lower(), {})
        elif part["name"]:
            value = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
            parameters.setdefault(part["name"].lower(), value)
    if found.get(BEARER, {}).get("realm"):
        said = found[BEARER]
        return Challenge(BEARER, said["realm"], said.get("service", ""), said.get("error", ""))
    return Challenge(BASIC) if BASIC in found else None
