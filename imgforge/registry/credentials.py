"""Who asks: credentials from the files of docker and podman, from their helpers, or given by the caller.

Sources: docker's config.json (docs: ``docker login``), containers-auth.json(5), docker-credential-helpers' protocol.
No text that is raised here has a byte of what a file or a helper says: any of it may be the secret.
"""

from __future__ import annotations

import base64
import enum
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from imgforge.document import disk
from imgforge.errors import UsageError
from imgforge.registry.repository import canonical

_CAP = 1 << 20
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TIMEOUT = 60.0
"""Seconds that a helper has: some ask a person, or a cloud."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_HUB_KEY = "https://index.docker.io/v1/"
_IDENTITY = "<token>"
"""The user name by which a helper says that its secret is an identity token."""


class CredentialsError(UsageError):
    """A file or a helper does not give credentials in the way that it should."""


class Kind(enum.Enum):
    """What a secret is."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    IDENTITY = "identity token"
    BEARER = "registry token"


@attrs.frozen
class Credentials:
    """Who asks.

    Attributes:
        user: the name; empty for tokens.
        secret: a password, an identity token that buys others, or a token that is sent as it is.
        kind: which of these.
        origin: where it comes from, for people.
    """

    user: str
    secret: str = attrs.field(repr=False)
    kind: Kind = Kind.PASSWORD
    origin: str = "the caller"

    def __attrs_post_init__(self) -> None:
        """Refuse what no header can carry: a colon ends the user (RFC 7617, section 2)."""
        if self.kind is Kind.PASSWORD and ":" in self.user:
            raise CredentialsError(f"{self.origin}: a user name with a colon cannot be sent")
        if self.kind is Kind.BEARER and not _TOKEN.fullmatch(self.secret):
            raise CredentialsError(f"{self.origin}: the token has characters that cannot be sent")

    @property
    def basic(self) -> str:
        """The value of the header Authorization for a user and password."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


Find = Callable[[str, str], Credentials | None]
"""Returns who asks, given a registry's canonical host and the name of a repository there; None for anybody."""


def anonymous(_host: str, _name: str) -> None:
    """Ask as anybody."""


def given(host: str, credentials: Credentials, *, otherwise: Find = anonymous) -> Find:
    """Use the caller's credentials for one registry, and others for the rest."""
    ours = canonical(host)
    return lambda asked, name: credentials if asked == ours else otherwise(asked, name)


def places(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that are looked into, what counts most first.

    ``$REGISTRY_AUTH_FILE`` alone where it is set; else podman's of this login, podman's of this user, docker's.
    """
    named = environment.get("REGISTRY_AUTH_FILE")
    if named:
        return (Path(named),)
    home = environment.get("HOME", "")
    docker = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    user = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    login = environment.get("XDG_RUNTIME_DIR")
    directories = ((login, "containers/auth.json"), (user, "containers/auth.json"), (docker, "config.json"))
    return tuple(Path(directory) / name for directory, name in directories if directory)


def from_files(environment: Mapping[str, str]) -> Find:
    """Use what docker and podman use; files are read and helpers run only when a registry asks who we are.

    Args:
        environment: names the files, and is what helpers run in.
    """
    return lambda host, name: _first(places(environment), environment, host, name)


def _first(paths: tuple[Path, ...], environment: Mapping[str, str], host: str, name: str) -> Credentials | None:
    for path in paths:
        found = _in_file(path, environment, host=host, name=name)
        if found:
            return found
    return None


def _in_file(path: Path, environment: Mapping[str, str], *, host: str, name: str) -> Credentials | None:
    """Look in one file: a helper for the registry, an entry, a helper for all registries."""
    content = _read(path)
    helpers, entries, store = content.get("credHelpers"), content.get("auths"), content.get("credsStore")
    if isinstance(helpers, dict):
        for key, helper in helpers.items():
            if _registry(key) == host:
                return _ask(helper, environment, host=host, path=path)
    if isinstance(entries, dict):
        found = _entry(entries, host=host, name=name)
        credentials = _decode(found, origin=str(path)) if isinstance(found, dict) else None
        if credentials:
            return credentials
    return _ask(store, environment, host=host, path=path) if store else None


def _read(path: Path) -> dict[str, Any]:
    try:
        with disk.open_file(path) as stream:
            data = stream.read(_CAP + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UsageError as error:
        raise CredentialsError(str(error)) from None
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {(error.strerror or 'unknown reason').lower()}") from None
    if len(data) > _CAP:
        raise CredentialsError(f"{path}: expected at most {_CAP} bytes, got more")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CredentialsError(f"{path}: expected a JSON object")
    return content


def _registry(key: str) -> str:
    """Return the registry of a key, which may be a host or, from docker's early days, a URL."""
    scheme, _, rest = key.rpartition("://")
    return canonical(rest.partition("/")[0]) if scheme in {"", "http", "https"} else ""


def _entry(entries: dict[str, Any], *, host: str, name: str) -> Any:
    """Return the entry whose key is the longest path that holds the repository; else the registry's."""
    below = [key for key in entries if _holds(key, host, name)]
    if below:
        return entries[max(below, key=len)]
    whole = (key for key in entries if _registry(key) == host and ("://" in key or "/" not in key))
    return next((entries[key] for key in whole if entries[key]), None)


def _holds(key: str, host: str, name: str) -> bool:
    first, slash, rest = key.partition("/")
    return canonical(first) == host and bool(slash) and f"{name}/".startswith(f"{rest.rstrip('/')}/")


def _decode(entry: dict[str, Any], *, origin: str) -> Credentials | None:
    """Read ``auth`` (base64 of ``user:password``), or the members that say it in plain."""
    text = {key: value for key, value in entry.items() if isinstance(value, str) and value}
    if "registrytoken" in text:
        return Credentials("", text["registrytoken"], Kind.BEARER, origin=origin)
    if "identitytoken" in text:
        return Credentials("", text["identitytoken"], Kind.IDENTITY, origin=origin)
    if "auth" in text:
        try:
            user, colon, password = base64.b64decode(text["auth"], validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise CredentialsError(f"{origin}: expected base64 of user:password as 'auth'")
        return Credentials(user, password.rstrip("\0"), origin=origin)
    if "username" in text and "password" in text:
        return Credentials(text["username"], text["password"], origin=origin)
    return None


def _ask(helper: Any, environment: Mapping[str, str], *, host: str, path: Path) -> Credentials | None:
    """Ask a credential helper; None when it says that it has nothing."""
    if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
        raise CredentialsError(f"{path}: the name of a credential helper is not a word")
    program = f"docker-credential-{helper}"
    key = _HUB_KEY if host == "docker.io" else host
    try:
        done = subprocess.run(
            [program, "get"],
            input=key.encode(),
            capture_output=True,
            check=False,
            env=dict(environment),
            timeout=_TIMEOUT,
        )
    except FileNotFoundError:
        raise CredentialsError(
            f"{path}: credential helper {program}: expected a program of this name, got none"
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise CredentialsError(f"{program}: expected credentials, got {type(error).__name__}") from None
    if done.returncode:
        if b"credentials not found" in done.stdout + done.stderr:
            return None
        raise CredentialsError(f"{program}: expected credentials for {host}, got exit code {done.returncode}")
    return _helped(done.stdout, program=program)


def _helped(output: bytes, *, program: str) -> Credentials:
    try:
        said = json.loads(output[:_CAP])
        user, secret = said["Username"], said["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        user = secret = None
    if not (isinstance(user, str) and isinstance(secret, str)):
        raise CredentialsError(f"{program}: expected a JSON object with Username and Secret")
    if user == _IDENTITY:
        return Credentials("", secret, Kind.IDENTITY, origin=program)
    return Credentials(user, secret, origin=program)
