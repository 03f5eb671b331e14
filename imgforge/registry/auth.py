"""Proving who asks: Basic, or tokens from the server that the registry names; nobody is a name, too.

Sources: RFC 7617 (Basic); RFC 6750 (Bearer); distribution's docs/spec/auth/token.md and oauth.md. A token is bought
for the scopes of one request, kept while it is good, and bought anew shortly before it ends or when the registry says
that it has.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from urllib.parse import urlencode

import attrs

from imgforge.fetch.request import PassingError, Patience, RefusedError
from imgforge.fetch.response import announced, chunks
from imgforge.fetch.url import Url, UrlError
from imgforge.fetch.wire import Response
from imgforge.registry import challenge as challenges
from imgforge.registry.answer import DeniedError, refusal
from imgforge.registry.challenge import BASIC, BEARER, Challenge
from imgforge.registry.connection import Connections
from imgforge.registry.credentials import Credentials, Find, Kind
from imgforge.registry.repository import Repository

_CAP = 1 << 18
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_LIFETIME = 60.0
"""Seconds that a token is good for when its server does not say (token.md)."""

_MARGIN = 10.0
"""Seconds before its end from which a token is not used any more; a fifth of its life if that is shorter."""


@attrs.frozen
class _Token:
    text: str = attrs.field(repr=False)
    end: float
    """When it is not used any more, by `Patience.clock`."""


class Auth:
    """Makes the header Authorization; threads may share it."""

    def __init__(self, connections: Connections, *, find: Find, patience: Patience) -> None:
        """Know nothing yet.

        Args:
            connections: to the token servers.
            find: returns who asks.
            patience: how slow a token server may be, and the clock.
        """
        self._connections = connections
        self._find = find
        self._patience = patience
        self._lock = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, frozenset[str]], _Token] = {}
        self._credentials: dict[Repository, Credentials | None] = {}

    def header(self, repository: Repository, scopes: frozenset[str]) -> str:
        """Return the value of Authorization for a request; empty while the registry has not asked for any.

        Raises:
            CredentialsError: a file or helper does not give credentials as it should.
            DeniedError: the token server does not know us.
            PassingError: it does not answer.
        """
        challenge = self._challenges.get(repository.host)
        if challenge is None:
            return ""
        with self._lock_of(repository.host):
            credentials = self._who(repository)
            if challenge.scheme == BASIC:
                return credentials.basic if credentials and credentials.kind is Kind.PASSWORD else ""
            if credentials and credentials.kind is Kind.BEARER:
                return f"Bearer {credentials.secret}"
            key = (repository.host, scopes)
            token = self._tokens.get(key)
            if token is None or self._patience.clock() >= token.end:
                token = self._tokens[key] = self._buy(repository, challenge, scopes, credentials)
            return f"Bearer {token.text}"

    def is_worth_another_try(
        self, repository: Repository, scopes: frozenset[str], *, refused: str, headers: Mapping[str, str]
    ) -> bool:
        """Hear of an answer 401, and say whether the request may succeed with what `header` returns now.

        Args:
            repository: whose registry answered.
            scopes: of the request.
            refused: the Authorization that it had.
            headers: the registry's answer's.
        """
        challenge = challenges.read(headers.get("WWW-Authenticate", ""))
        if challenge is None:
            return False
        key = (repository.host, scopes)
        with self._lock_of(repository.host):
            is_new = self._challenges.get(repository.host) != attrs.evolve(challenge, error="")
            self._challenges[repository.host] = attrs.evolve(challenge, error="")
            token = self._tokens.get(key)
            if token and refused == f"Bearer {token.text}":
                del self._tokens[key]
            if challenge.scheme == BEARER and challenge.error == "insufficient_scope":
                return is_new  # no scope is bought but those of the request, whatever the registry asks for
            return challenge.scheme == BEARER or not refused

    def explain(self, error: DeniedError, repository: Repository) -> DeniedError:
        """Add to an error who we were, which is the first thing to look at."""
        credentials = self._credentials.get(repository)
        if credentials is None:
            error.add_note(
                f"no credentials for {repository.host} were found; `docker login {repository.host}` or "
                f"`podman login {repository.host}` keeps some"
            )
        else:
            error.add_note(f"asked with the {credentials.kind.value} of {credentials.origin}")
        return error

    def _lock_of(self, host: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(host, threading.RLock())

    def _who(self, repository: Repository) -> Credentials | None:
        if repository not in self._credentials:
            self._credentials[repository] = self._find(repository.host, repository.name)
        return self._credentials[repository]

    def _buy(
        self, repository: Repository, challenge: Challenge, scopes: frozenset[str], credentials: Credentials | None
    ) -> _Token:
        """Buy a token: with a password or as anybody by GET, with an identity token by POST."""
        realm = self._realm(repository, challenge)
        what = f"{repository.host}: token of {realm.netloc}"
        pairs = [("service", challenge.service), *(("scope", scope) for scope in sorted(scopes))]
        started = self._patience.clock()
        if credentials and credentials.kind is Kind.IDENTITY:
            grant = (("grant_type", "refresh_token"), ("client_id", "imgforge"), ("refresh_token", credentials.secret))
            joined = [("service", challenge.service), ("scope", " ".join(sorted(scopes)))]
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode([*grant, *joined]).encode()
            answer = self._connections.send("POST", realm, headers=form, body=body)
        else:
            who = {"Authorization": credentials.basic} if credentials else {}
            account = [("account", credentials.user)] if credentials else []
            answer = self._connections.send("GET", realm.with_query(urlencode([*account, *pairs])), headers=who)
        return _read(answer, started=started, what=what, patience=self._patience)

    def _realm(self, repository: Repository, challenge: Challenge) -> Url:
        """Return the token server that a registry names, if it may be asked."""
        try:
            realm = Url.parse(challenge.realm)
        except UrlError as error:
            raise RefusedError(f"{repository.host}: token server: {error}") from None
        if not self._connections.is_allowed(realm, after=Url.parse(self._connections.base(repository.server))):
            raise RefusedError(
                f"{repository.host}: token of {realm.netloc}: the token server is not reached by TLS, and nobody asked "
                "for plain HTTP to it"
            )
        return realm


def _read(response: Response, *, started: float, what: str, patience: Patience) -> _Token:
    data = bytearray()
    with response:
        for chunk in chunks(response, patience, total=patience.total):
            data += chunk
            if len(data) > _CAP:
                raise RefusedError(f"{what}: expected at most {_CAP} bytes, got more")
    if response.status != 200:
        raise refusal(response.status, response.headers, bytes(data), what=what)
    if (announced(response.headers) or 0) > len(data):
        raise PassingError("connection closed before the end of a token")
    try:
        said = json.loads(bytes(data))
        text = said.get("token") or said.get("access_token")
        lifetime = said.get("expires_in")
    except (ValueError, RecursionError, AttributeError):
        text = lifetime = None
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise RefusedError(f"{what}: expected a JSON object with a token")
    seconds = float(lifetime) if isinstance(lifetime, int | float) and 0 < lifetime < 1 << 31 else _LIFETIME
    return _Token(text, started + seconds - min(_MARGIN, seconds / 5))
