"""The APT configuration of the machine that builds: its sources, proxies and logins.

Nothing of it decides what enters an image: it says where this machine can fetch from (see `mirrors`).

Source: apt.conf(5), sources.list(5), apt_auth.conf(5), apt-transport-mirror(1). Not read: ``Proxy-Auto-Detect``, which
is a program to be run.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

import attrs

from imgforge.apt import certificates, sources
from imgforge.apt.sources import Source
from imgforge.apt.words import is_true
from imgforge.errors import IntegrityError
from imgforge.fetch.url import Url, UrlError, redact, without_user

_SETTING = re.compile(r'(?P<name>[^\s"]+) "(?P<value>.*)";')
_PART = re.compile(r"[A-Za-z0-9_.-]+\.(?:list|sources)")
_KEYRING = re.compile(r"[A-Za-z0-9_.-]+\.(?:asc|gpg)")
_READ_MAX = 8 << 20
_SECONDS = 10.0


@attrs.frozen
class Login:
    """A line of ``auth.conf``.

    Attributes:
        machine: ``[scheme://]host[:port][/path]``; without a scheme it holds for https only.
        user: the login.
        password: its password.
    """

    machine: str
    user: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Host:
    """What a machine's APT configuration says of where to fetch from.

    Attributes:
        sources: its enabled sources; `keys` is empty where a keyring cannot be read.
        proxies: pairs of ``http``, ``https`` or ``http://host`` and a proxy's URL, empty for none.
        logins: for mirrors that ask for one.
        check_valid_until: ``Acquire::Check-Valid-Until``: off on a machine whose mirror is frozen on purpose.
        problems: what could not be read, for people; the rest counts all the same.
        unreadable: files of logins that only others can read.
    """

    sources: tuple[Source, ...] = ()
    proxies: tuple[tuple[str, str], ...] = ()
    logins: tuple[Login, ...] = ()
    check_valid_until: bool = True
    problems: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def credentials(self, url: str) -> tuple[str, str] | None:
        """Return user and password for a URL, or None."""
        return next(((login.user, login.password) for login in self.logins if _is_for(login, url)), None)


def read(root: Path = Path("/"), *, settings: Mapping[str, str] | None = None) -> Host:
    """Return a machine's APT configuration; a machine without APT has an empty one.

    Args:
        root: the root of its files.
        settings: APT's settings by their full name; by default those that `apt-config` prints for this machine, and
            APT's own defaults below another root.
    """
    is_machine = settings is None and root == Path("/")
    if settings is None:
        settings = _settings() if is_machine else {}
    places = _Places(root, settings)
    problems: list[str] = []
    found: list[Source] = []
    for path in places.source_files():
        try:
            parsed, wrong = sources.parse_readable(_text(path), file=str(path))
        except (IntegrityError, OSError) as error:
            problems.append(f"{path}: not used: {error}")
            continue
        problems += [f"{error}; not used" for error in wrong]
        found += [_completed(source, places, problems) for source in parsed]
    files = [*places.login_files(), *(_netrc(os.environ) if is_machine else ())]
    unreadable: list[str] = []
    logins = [login for source in found for login in _own_logins(source)]
    for path in files:
        logins += _logins(_readable(path, unreadable))
    return Host(
        sources=tuple(_without_users(source) for source in found),
        proxies=tuple(_proxies(settings)),
        logins=tuple(logins),
        check_valid_until=is_true(settings.get("Acquire::Check-Valid-Until", ""), default=True),
        problems=tuple(problems),
        unreadable=tuple(unreadable),
    )


def _netrc(environment: Mapping[str, str]) -> Iterable[Path]:
    """Yield this user's own file of logins; as in APT's, those without a scheme are for https only."""
    path = Path(environment.get("NETRC") or Path(environment.get("HOME", "/nonexistent"), ".netrc"))
    if _is_file(path):
        yield path


def _settings() -> Mapping[str, str]:
    program = shutil.which("apt-config")
    if program is None:
        return {}
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    if "APT_CONFIG" in os.environ:
        environment["APT_CONFIG"] = os.environ["APT_CONFIG"]
    try:
        done = subprocess.run(
            [program, "dump"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    matches = (_SETTING.fullmatch(line) for line in lines)
    return {match["name"]: match["value"] for match in matches if match}


class _Places:
    """Where APT's files are, as its settings ``Dir::…`` say."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self._root = root
        self._settings = settings

    def source_files(self) -> list[Path]:
        parts = self._listed("Dir::Etc::sourceparts", "sources.list.d", form=_PART)
        main = self._file("Dir::Etc::sourcelist", "sources.list")
        return ([main] if _is_file(main) else []) + parts

    def login_files(self) -> list[Path]:
        main = self._file("Dir::Etc::netrc", "auth.conf")
        parts = self._listed("Dir::Etc::netrcparts", "auth.conf.d", form=re.compile(r"[A-Za-z0-9_-]+(?:\.conf)?"))
        return ([main] if _is_file(main) else []) + parts

    def trusted(self) -> bytes:
        """Return the keys that sign a source which names none."""
        main = self._file("Dir::Etc::trusted", "trusted.gpg")
        parts = self._listed("Dir::Etc::trustedparts", "trusted.gpg.d", form=_KEYRING)
        return b"".join(_bytes(path) for path in [main, *parts] if _is_file(path))

    def keyring(self, name: str) -> bytes:
        """Return the content of a keyring that a source names by its path."""
        return _bytes(self._root / name.lstrip("/"))

    def _file(self, setting: str, default: str) -> Path:
        parent = Path(self._settings.get("Dir", "/")) / self._settings.get("Dir::Etc", "etc/apt")
        return self._root / str(parent / self._settings.get(setting, default)).lstrip("/")

    def _listed(self, setting: str, default: str, *, form: re.Pattern[str]) -> list[Path]:
        directory = self._file(setting, default)
        try:
            return sorted(path for path in directory.iterdir() if form.fullmatch(path.name) and _is_file(path))
        except OSError:
            return []


def _completed(source: Source, places: _Places, problems: list[str]) -> Source:
    """Return a source with its keys, and with the mirrors that a ``mirror+file`` URI lists."""
    uris: list[str] = []
    for uri in source.uris:
        try:
            uris += _mirrors(uri, places) if uri.startswith("mirror+file:") else [uri]
        except OSError as error:
            problems.append(f"{redact(uri)}: not used: {error.strerror}")
    source = attrs.evolve(source, uris=tuple(uris))
    try:
        completed = sources.with_keys(source, places.keyring, default=places.trusted)
        certificates.read(completed.keys, what=source.name)
    except (IntegrityError, OSError):
        return attrs.evolve(source, keys=b"")
    return completed


def _mirrors(uri: str, places: _Places) -> list[str]:
    """Read a list of mirrors: a URI a line, with words about it behind a tab (apt-transport-mirror(1))."""
    text = places.keyring(unquote(Url.parse(uri.removeprefix("mirror+")).path)).decode("utf-8", "replace")
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words[0] for words in lines if words]


def _proxies(settings: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield the proxies of http, which hold for https too, then those of https itself (apt-transport-https(1))."""
    for origin, scheme in (("http", "http"), ("http", "https"), ("https", "https")):
        prefix = f"Acquire::{origin}::Proxy"
        for name, value in settings.items():
            before, found, host = name.partition(prefix)
            if found and value and not before and (not host or host.startswith("::")):
                key = f"{scheme}://{host[2:]}" if host else scheme
                yield key, "" if value.upper() == "DIRECT" else value


def _logins(text: str) -> Iterable[Login]:
    """Yield the logins of a file in netrc's form."""
    words = [word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split()]
    machine = user = ""
    for word, value in itertools.pairwise(words):
        if word == "default":  # a login for everybody is for nobody here
            machine = user = ""
        elif word == "machine":
            machine, user = value, ""
        elif word == "login":
            user = value
        elif word == "password" and machine:
            yield Login(machine, user, value)


def _without_users(source: Source) -> Source:
    return attrs.evolve(source, uris=tuple(without_user(uri)[0] for uri in source.uris))


def _own_logins(source: Source) -> Iterable[Login]:
    """Yield the logins that somebody wrote into the URIs of a source, each for its URI alone."""
    for uri in source.uris:
        bare, user = without_user(uri)
        if user:
            name, _, password = user.partition(":")
            yield Login(bare, unquote(name), unquote(password))


def _is_for(login: Login, url: str) -> bool:
    """Tell whether a login is for a URL: its scheme, its host, its port if it names one, and what is below its path."""
    try:
        asked = Url.parse(url)
        named = Url.parse(login.machine if "://" in login.machine else f"https://{login.machine}")
    except UrlError:
        return False
    same_port = asked.origin == named.origin or named.port is None
    return (
        (asked.scheme, asked.host) == (named.scheme, named.host)
        and same_port
        and f"{asked.path}/".startswith(f"{named.path.rstrip('/')}/")
    )


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _readable(path: Path, unreadable: list[str]) -> str:
    """Return a file's text, and none of a file that is not ours to read, as passwords often are not."""
    try:
        return _text(path)
    except OSError:
        unreadable.append(str(path))
        return ""


def _bytes(path: Path) -> bytes:
    if "\0" in str(path):
        # Python says ValueError, as only names that no file can have end.
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    with path.open("rb") as stream:
        return stream.read(_READ_MAX)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
