"""The rules for what only a manifest names: accounts, modes, ports, environment, signals, APT sources."""

from __future__ import annotations

from imgforge.document.rule import Rule, nothing
from imgforge.fetch.url import Url, UrlError, redact, without_user

_ID_MOST = 2**32 - 2
_NOBODY = 65534
# fmt: off
_SIGNALS = (
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
    "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
    "SIGSYS",
)
# fmt: on
_REALTIME = 30


def _is_free(text: str) -> str:
    """Return why an id cannot be anybody's: Debian Policy 9.2.2 on 65535, which 16-bit programs read as -1."""
    return "65535 is reserved: 16-bit programs read it as -1" if text == "65535" else ""


def _is_own(text: str) -> str:
    """Return why an id cannot be a new account's."""
    return "65534 is nobody's" if text == str(_NOBODY) else _is_free(text)


def _is_uri(text: str) -> str:
    """Return why a URI cannot be a mirror's; a secret must not stand in a file that is committed."""
    bare, user = without_user(text)
    if user:
        return "credentials belong into apt_auth.conf(5), not into a manifest"
    if "?" in bare or "#" in bare:
        return "a mirror has no query or fragment"
    try:
        Url.parse(bare)
    except UrlError as error:
        return str(error)
    return ""


def _shown(text: str) -> str:
    """Return what a message may show of a mirror's URI."""
    return redact(text) if text.startswith(("http://", "https://", "file:")) else text.rpartition("@")[2]


UID = Rule("a user id from 1 to 4294967294", least=1, most=_ID_MOST, reason=_is_own)
GID = Rule("a group id from 0 to 4294967294", least=0, most=_ID_MOST, reason=_is_free)

ACCOUNT = Rule("an account's name such as 'app'", r"[a-z_][a-z0-9_\-]{0,31}")
"""useradd(8), "Usernames"."""


def _ids_are_free(text: str) -> str:
    """Return why a number among ``user:group`` cannot be an id."""
    for part in text.split(":"):
        if part.isdecimal() and (int(part) > _ID_MOST or _is_free(part)):
            return _is_free(part) or f"an id is at most {_ID_MOST}"
    return ""


_NAME_OR_ID = rf"({ACCOUNT.pattern}|0|[1-9][0-9]{{0,9}})"

OWNER = Rule("an account's name or id", _NAME_OR_ID, is_written=True, reason=_ids_are_free)
USER = Rule(
    "USER or USER:GROUP, each a name or an id",
    rf"{_NAME_OR_ID}(:{_NAME_OR_ID})?",
    is_written=True,
    reason=_ids_are_free,
)
"""OCI image-spec, config.md, "User"."""

MODE = Rule('quoted octal text such as "0644"', r"[0-7]{3,4}", least=0, most=0o7777, is_octal=True)

PORT = Rule("a port such as 8080 or 8080/udp", r"[1-9][0-9]{0,4}(/(tcp|udp|sctp))?", is_written=True)
"""OCI image-spec, config.md, "ExposedPorts"."""

VARIABLE = Rule("the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*")
"""POSIX.1-2017, section 8.1."""

LABEL = Rule("a label's name such as 'org.example.team'", r"[A-Za-z0-9]([A-Za-z0-9._/\-]*[A-Za-z0-9])?")

SIGNAL = Rule(
    "a signal such as 'SIGTERM'",
    choices=(*_SIGNALS, "SIGRTMIN", *(f"SIGRTMIN+{number}" for number in range(1, _REALTIME + 1)), "SIGRTMAX"),
)
"""signal(7)."""

ALTERNATIVE = Rule("the name of an alternative such as 'editor'", r"[A-Za-z0-9][A-Za-z0-9._+\-]*")
"""update-alternatives(1)."""

SOURCE = Rule("a source's name such as 'debian'", r"[a-z0-9]([a-z0-9._\-]{0,62}[a-z0-9])?")

SUITE = Rule(
    "a suite such as 'bookworm-updates'",
    r"(?!\.{1,2}(/|$))[A-Za-z0-9.][A-Za-z0-9._\-]*(/(?!\.{1,2}(/|$))[A-Za-z0-9.][A-Za-z0-9._\-]*)*/?|\.?/",
)
"""sources.list(5): a path below the URI's ``dists``; with a slash at its end the path of a flat archive."""

COMPONENT = Rule("a component such as 'main'", r"[A-Za-z0-9][A-Za-z0-9._\-]*(/[A-Za-z0-9][A-Za-z0-9._\-]*)*")

URI = Rule(
    "a URI such as 'https://mirrors.wikimedia.org/debian'", r"(https?://|file:/)[!-~]+", reason=_is_uri, conceal=_shown
)

PACKAGE_GLOB = Rule("a package's name, * and ? allowed", r"[a-z0-9*?][a-z0-9+.*?\-]*")
"""apt_preferences(5)."""

LINE = Rule("one line of text", r"[^\x00-\x1f\x7f]*", is_written=True, conceal=nothing)
INI_KEY = Rule("a key of an ini file", r"[^\x00-\x20=:;#\[\]\x7f]([^\x00-\x1f=\x7f]*[^\x00-\x20=\x7f])?")
INI_SECTION = Rule("a section of an ini file", r"[^\x00-\x1f\[\]\x7f]+")

ARGUMENT = Rule("text", is_written=True, conceal=nothing)
BUDGET = Rule("a number of layers from 1 to 100", least=1, most=100)
"""Some runtimes mount at most 127 layers (overlay2's limit is 128 with the upper one)."""

PRIORITY = Rule(
    "a priority from -32768 to 32767 that is not 0",
    least=-32768,
    most=32767,
    reason=lambda text: "0 is undefined" if text == "0" else "",
)
"""apt_preferences(5), "How APT Interprets Priorities"."""

LINK_TARGET = Rule("a path", r"[^\x00-\x1f\x7f]{1,4095}")
"""symlink(2): any text; it is never followed while the image is built."""
