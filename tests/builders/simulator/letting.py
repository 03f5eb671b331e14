"""Who is served: anybody, who knows the password, or who has a token that allows it.

Sources: distribution's docs/spec/auth/token.md and scope.md; RFC 7617.
"""

from __future__ import annotations

import base64
import json
import secrets
from urllib.parse import parse_qs, urlsplit

from builders.listeners import Quiet
from builders.registries import PASSWORD, USER
from builders.simulator.profile import Auth
from builders.simulator.registry import Simulator

_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_READING = ("GET", "HEAD")


def is_let_in(answering: Quiet, registry: Simulator, name: str, *, source: str = "") -> bool:
    """Return whether a request may be served; answer it if not.

    Args:
        answering: the request.
        registry: who is asked.
        name: the repository; empty for none.
        source: another repository that a blob is mounted from.
    """
    said = answering.headers.get("Authorization", "")
    if registry.challenge:
        if not said:
            deny(answering, registry.challenge)
        return bool(said)
    profile = registry.profile
    if profile.auth is Auth.OPEN:
        return True
    if profile.auth is Auth.BASIC:
        if said != _BASIC:
            deny(answering, f'Basic realm="{profile.service}"')
        return said == _BASIC
    actions = (
        ("pull",)
        if answering.command in _READING
        else ("delete",)
        if answering.command == "DELETE"
        else ("pull", "push")
    )
    scopes: dict[str, tuple[str, ...]] = {name: actions, **({source: ("pull",)} if source else {})}
    wanted = {(repository, action) for repository, actions in scopes.items() if repository for action in actions}
    granted = registry.granted.get(said.removeprefix("Bearer "))
    if granted is None or not wanted <= granted:
        _ask_for_token(answering, registry, scopes, is_short=granted is not None)
        return False
    return True


def issue(answering: Quiet, registry: Simulator) -> None:
    """Answer a request to the token server."""
    said = answering.headers.get("Authorization")
    query = parse_qs(urlsplit(answering.path).query)
    if said not in (None, _BASIC) or query.get("service") != [registry.profile.service]:
        answering.body()
        answering.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', Content_Type="application/json")
        return
    token = secrets.token_urlsafe(24)
    scopes = [scope.split(":") for text in query.get("scope", ()) for scope in text.split()]
    allowed = {"pull", "push", "delete", "*"} if said else {"pull"}
    registry.granted[token] = frozenset(
        (name, action) for _, name, actions in scopes for action in actions.split(",") if action in allowed
    )
    body = json.dumps({"token": token, "access_token": token, "expires_in": 300})
    answering.answer(200, body.encode(), Content_Type="application/json")


def deny(answering: Quiet, challenge: str) -> None:
    """Answer 401."""
    answering.body()
    body = b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}'
    answering.answer(401, body, WWW_Authenticate=challenge, Content_Type="application/json")


def _ask_for_token(
    answering: Quiet, registry: Simulator, scopes: dict[str, tuple[str, ...]], *, is_short: bool
) -> None:
    profile = registry.profile
    parts = [f'realm="http://{registry.host}{profile.realm}"', f'service="{profile.service}"']
    named = " ".join(f"repository:{name}:{','.join(actions)}" for name, actions in scopes.items() if name)
    if named:
        parts.append(f'scope="{named}"')
    if is_short:
        parts.append('error="insufficient_scope"')
    deny(answering, "Bearer " + ",".join(parts))
