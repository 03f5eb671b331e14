"""Files whose name says what is in them: histories, environments, configuration of clients that keep passwords.

Here a value needs no form of its own: `password = …` in a file of MySQL's client is a password, in a program code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgforge.privacy.hit import Hit
from imgforge.privacy.judgement import is_placeholder

_HISTORY = re.compile(
    r"(^|/)(\.(bash|zsh|ash|sh|ksh|csh|tcsh|python|node_repl|mysql|mariadb|psql|sqlite|rediscli|php|irb|gdb|dash)_history|"
    r"\.history|\.histfile|\.lesshst|\.viminfo|\.wget-hsts|fish_history|\.irb-history|\.local/share/nano/.*_history)$"
)
_ASSIGNMENT = (
    rb"(?i)^\s*(?:export\s+)?\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)\w*[ \t]*=[ \t]*"
    rb"[\"']?(?P<value>[^\s\"'#]{4,})"
)
_PROXIES = (
    rb"(?i)^\s*(?:export\s+)?(?:https?_|ftp_|all_)?(?:https-)?proxy\s*[= ]\s*[\"']?"
    rb"(?P<value>(?:https?|socks5h?)://[^\s\"']+)"
)
_RULES = tuple(
    (re.compile(path), kind, re.compile(pattern, re.MULTILINE))
    for path, kind, pattern in (
        (
            r"(^|/)(\.env(\.[\w.-]+)?|[\w.-]+\.env|\.envrc)$",
            "secret-variable",
            _ASSIGNMENT,
        ),
        (r"(^|/)\.pgpass$", "password-file", rb"^[^#:\n]*:[^:\n]*:[^:\n]*:[^:\n]+:(?P<value>\S+)$"),
        (
            r"(^|/)\.?my\.cnf$|(^|/)\.mylogin\.cnf$",
            "password-file",
            rb"^\s*password[ \t]*=[ \t]*[\"']?(?P<value>[^\s\"']+)",
        ),
        (r"(^|/)\.pypirc$", "password-file", rb"^\s*password[ \t]*[=:][ \t]*(?P<value>\S+)"),
        (r"(^|/)settings(-security)?\.xml$", "password-file", rb"<(?:password|master)>(?P<value>[^<\s]+)</"),
        (r"(^|/)(composer/|\.composer/)?auth\.json$", "password-file", rb"\"password\"\s*:\s*\"(?P<value>[^\"]+)\""),
        (r"(^|/)auth\.json$", "password-file", rb"\"(?:github\.com|gitlab\.com)\"\s*:\s*\"(?P<value>[^\"]{16,})\""),
        (r"(^|/)hosts\.yml$", "password-file", rb"^\s*oauth_token:\s*(?P<value>\S{16,})"),
        (r"(^|/)\.s3cfg$|(^|/)\.boto$", "password-file", rb"^\s*\w*secret\w*[ \t]*=[ \t]*(?P<value>\S{16,})"),
        (r"(^|/)\.gem/credentials$", "password-file", rb"^:?\w+:\s*(?P<value>(?:Basic )?\S{16,})"),
        (r"^etc/(g?shadow)-?$", "password-hash", rb"^[^:\n]+:(?P<value>\$[^:\n]+|[A-Za-z0-9./]{13}):"),
        (r"(^|/)\.htpasswd$", "password-hash", rb"^[^:#\s]+:(?P<value>(?:\$|\{SHA\})\S+)"),
        (
            r"^etc/apt/apt\.conf(\.d/[^/]+)?$",
            "proxy-setting",
            rb"^(?!\s*(?://|#))[^\n]*Proxy[\w:.-]*\s+\"(?P<value>(?:https?|socks5h?|ftp)://[^\"]+)\"",
        ),
        (
            r"^etc/(environment|wgetrc|profile|profile\.d/[^/]+|bash\.bashrc)$|(^|/)\.(wgetrc|curlrc|bashrc|profile|npmrc)$",
            "proxy-setting",
            _PROXIES,
        ),
    )
)
KINDS = frozenset(rule[1] for rule in _RULES) | {"apt-credentials", "git-credentials", "shell-history"}

_INTERESTING = re.compile("|".join(f"(?:{rule[0].pattern})" for rule in _RULES))
_ENDINGS = (".xml", ".json", ".yml", ".cnf", ".env", "_history", "credentials", "shadow", "shadow-")
_REFERENCE = re.compile(rb"/|\$|file:")

_VARIABLE = re.compile(
    r"(?i)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)[A-Z0-9_]*$"
)
_ABOUT = re.compile(r"(?i)(_(FILE|PATH|DIR|URL|URI|NAME|ID|LENGTH|TTL|TYPE|ENABLED)|PUBLIC_KEY)$")
_PROXY = re.compile(r"(?i)^(https?|ftp|all|socks|rsync)_proxy$")
_PACKAGES = "imgforge: packages "
_ASSIGNED = re.compile(r"(?<![\w-])(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"';&|]+)")


def by_name(path: str, data: bytes) -> Iterator[Hit]:
    """Yield the secrets of a file that only its name gives away.

    Args:
        path: without a leading slash.
        data: its content, or the beginning of it.
    """
    name = path.rpartition("/")[2]
    if not (name.startswith(".") or name.endswith(_ENDINGS) or path.startswith("etc/")):
        return
    if _HISTORY.search(path) and data.strip():
        yield Hit("shell-history", 0, data)
    if not _INTERESTING.search(path):
        return
    for rule, kind, pattern in _RULES:
        if not rule.search(path):
            continue
        for match in pattern.finditer(data):
            if not is_placeholder(match["value"]) or kind == "password-hash":
                yield Hit(kind, match.start(), match["value"])


def by_variable(name: str, value: str) -> Iterator[Hit]:
    """Yield what a variable of the environment gives away: a secret by its name, or a proxy."""
    data = value.encode("utf-8", "surrogateescape")
    if _PROXY.match(name) and "//" in value and not is_placeholder(data):
        yield Hit("proxy-setting", 0, data)
    is_named = _VARIABLE.search(name) and not _ABOUT.search(name)
    if is_named and len(value) >= 4 and not is_placeholder(data) and not _REFERENCE.match(data):
        yield Hit("secret-variable", 0, data)


def by_assignments(text: str) -> Iterator[Hit]:
    """Yield what assignments in a command give away: ``ARG TOKEN=…``, ``RUN PASSWORD=… ./install``."""
    is_list = text.startswith(_PACKAGES)
    for match in _ASSIGNED.finditer(text):
        if is_list and match["value"][0].isdecimal():
            continue  # passwd=1:4.13 is a package
        yield from by_variable(match["name"], match["value"].strip("\"'"))


def renamed(kind: str, path: str) -> str:
    """Return the kind that a file's name makes of a kind that was found by its form."""
    name = path.rpartition("/")[2]
    if kind == "url-credentials" and name in (".git-credentials", "git-credentials"):
        return "git-credentials"
    if kind in ("netrc", "url-credentials") and path.startswith("etc/apt/"):
        return "apt-credentials"
    return kind
