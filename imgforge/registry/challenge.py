"""What a registry asks for when it answers 401: the header WWW-Authenticate, read into values.

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
        scopes: what a token must allow.
        error: why the credentials that came did not do; empty when there were none.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    scopes: frozenset[str] = frozenset()
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
        scopes = frozenset(said.get("scope", "").split())
        return Challenge(BEARER, said["realm"], said.get("service", ""), scopes, said.get("error", ""))
    return Challenge(BASIC) if BASIC in found else None


def lacking(wanted: frozenset[str], given: frozenset[str]) -> frozenset[str]:
    """Return the scopes that others do not cover: ``repository:NAME:pull`` is in ``repository:NAME:pull,push``."""
    split = [(scope.rpartition(":")[0], set(scope.rpartition(":")[2].split(","))) for scope in given]

    def is_covered(scope: str) -> bool:
        resource, _, actions = scope.rpartition(":")
        return any(resource == other and set(actions.split(",")) <= allowed for other, allowed in split)

    return frozenset(scope for scope in wanted if not is_covered(scope))
