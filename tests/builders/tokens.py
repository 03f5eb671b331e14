"""A token server, as registries use them: it signs what a user may do, and docker-registry checks the signature.

Source: distribution's docs/spec/auth/token.md, oauth.md and jwt.md.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from builders import certificates
from builders.listeners import Quiet, listening
from builders.registries import PASSWORD, USER

SERVICE, ISSUER = "tests", "issuer"
IDENTITY = "identity.token.of.alice"


class TokenServer:
    """A running token server.

    Attributes:
        lifetime: seconds that its tokens are good for.
        said_lifetime: what it says that they are; None to say nothing.
        public: the beginning of the names of repositories that anybody may read.
        forbidden: names of repositories that nobody gets rights to.
        asked: method and scopes of each request.
        issued: each token.
        faults: statuses of the next answers, in place of tokens.
    """

    def __init__(self, pair: certificates.Pair) -> None:
        self.lifetime = 300
        self.said_lifetime: float | None = 300
        self.public = "public/"
        self.forbidden: set[str] = set()
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.issued: list[str] = []
        self.faults: list[int] = []
        self.realm = ""
        self._pair = pair

    def auth(self) -> dict[str, Any]:
        """Return the section ``auth`` of a registry that trusts this server."""
        bundle = str(self._pair.certificate_path)
        return {"token": {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}

    def sign(self, access: list[dict[str, Any]], *, user: str) -> str:
        """Return a signed token."""
        der = self._pair.certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "jti": secrets.token_hex(8),
            "iat": now,
            "nbf": now - 5,
            "exp": now + self.lifetime,
            "access": access,
        }
        signed = b".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._pair.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        token = b".".join((signed, _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")))).decode()
        self.issued.append(token)
        return token

    def access(self, scopes: tuple[str, ...], *, user: str) -> list[dict[str, Any]]:
        """Return what a user gets of what was asked for."""
        granted = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            wanted = actions.split(",")
            allowed = wanted if user else [action for action in wanted if action == "pull"]
            is_open = name not in self.forbidden and (user or name.startswith(self.public))
            granted.append({"type": kind, "name": name, "actions": allowed if is_open else []})
        return granted


class _Answering(Quiet):
    def serve(self) -> None:
        if self.command == "GET":
            self._give(parse_qs(urlsplit(self.path).query), user=self._user())
            return
        form = parse_qs(self.body().decode())
        user = USER if form.get("refresh_token") == [IDENTITY] else None
        self._give({**form, "scope": form.get("scope", [""])[0].split()}, user=user)

    def _user(self) -> str | None:
        """Return who asks: empty for anybody, None for a wrong password."""
        if "Authorization" not in self.headers:
            return ""
        right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return USER if self.headers["Authorization"] == f"Basic {right}" else None

    def _give(self, form: dict[str, list[str]], *, user: str | None) -> None:
        server: TokenServer = self.serves
        scopes = tuple(form.get("scope", []))
        server.asked.append((self.command, scopes))
        if server.faults:
            self.answer(server.faults.pop(0))
            return
        if user is None or form.get("service") != [SERVICE]:
            self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "who is that?"}]}')
            return
        said: dict[str, Any] = {"token": server.sign(server.access(scopes, user=user), user=user)}
        if server.said_lifetime is not None:
            said["expires_in"] = server.said_lifetime
        self.answer(200, json.dumps(said).encode(), Content_Type="application/json")


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextlib.contextmanager
def serve(directory: Path) -> Iterator[TokenServer]:
    """Run a token server during a block."""
    made = TokenServer(certificates.authority(directory, name="tokens"))
    with listening(_Answering, made) as server:
        made.realm = f"http://{server.host}/token"
        yield made
