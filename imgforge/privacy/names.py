"""Files identified by name: shell histories, environment files, client configurations with passwords.

In these files values need no recognizable format: `password = …` is a password in a MySQL client's file, but not in a
program.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from imgforge.privacy.hit import Hit
from imgforge.privacy.judgement import is_placeholder

_HISTORY = re.compile(
    r"(^|/)(\.(bash|zsh|ash|sh|ksh|csh|tcsh|python|node_repl|mysql|mariadb|psql|sqlite|rediscli|php|irb|gdb|dash)_history|"
    r"\.history|\.histfile|\.lesshst|\.viminfo|\.wget-hsts|fish_history|\.irb-history|\.local/share/nano/.*_history)$"
)
_ASSIGNMENT = (
    rb"(?i)^[ \t]*(?:export[ \t]{1,8})?\w{0,64}?(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    rb"\w{0,64}[ \t]{0,16}=[ \t]{0,16}[\"']?(?P<value>[^\s\"'#]{4,})"
)
_PROXIES = (
    rb"(?i)^[ \t]*(?:export[ \t]{1,8})?(?:https?_|ftp_|all_)?(?:https-)?proxy[ \t]{0,16}[= ][ \t]{0,16}[\"']?"
    rb"(?P<value>(?:https?|socks5h?)://[^\s\"']+)"
)
_APT_PROXY = (
    rb"^(?![ \t]*(?://|#))[^\n]{0,200}?Proxy[\w:.-]{0,128}[ \t]{1,16}"
    rb"\"(?P<value>(?:https?|socks5h?|ftp)://[^\"]+)\""
)
_CLIENT = "password-file"
RULES = tuple(
    (re.compile(path), kind, re.compile(pattern, re.MULTILINE))
    for path, kind, pattern in (
        (r"(^|/)(\.env(\.[\w.-]+)?|[\w.-]+\.env|\.envrc)$", "secret-variable", _ASSIGNMENT),
        (r"(^|/)\.pgpass$", _CLIENT, rb"^[^#:\n]*:[^:\n]*:[^:\n]*:[^:\n]+:(?P<value>\S+)$"),
        (
            r"(^|/)\.?my\.cnf$|(^|/)\.mylogin\.cnf$",
            _CLIENT,
            rb"^[ \t]*password[ \t]{0,16}=[ \t]{0,16}[\"']?(?P<value>[^\s\"']+)",
        ),
        (r"(^|/)\.pypirc$", _CLIENT, rb"^[ \t]*password[ \t]{0,16}[=:][ \t]{0,16}(?P<value>\S+)"),
        (r"(^|/)settings(-security)?\.xml$", _CLIENT, rb"<(?:password|master)>(?P<value>[^<\s]+)</"),
        (
            r"(^|/)(composer/|\.composer/)?auth\.json$",
            _CLIENT,
            rb"\"password\"\s{0,64}:\s{0,64}\"(?P<value>[^\"]+)\"",
        ),
        (
            r"(^|/)auth\.json$",
            _CLIENT,
            rb"\"(?:github\.com|gitlab\.com)\"\s{0,64}:\s{0,64}\"(?P<value>[^\"]{16,})\"",
        ),
        (r"(^|/)hosts\.yml$", _CLIENT, rb"^[ \t]*oauth_token:[ \t]{0,16}(?P<value>\S{16,})"),
        (
            r"(^|/)\.s3cfg$|(^|/)\.boto$",
            _CLIENT,
            rb"^[ \t]*\w{0,64}?secret\w{0,64}[ \t]{0,16}=[ \t]{0,16}(?P<value>\S{16,})",
        ),
        (r"(^|/)\.gem/credentials$", _CLIENT, rb"^:?\w{1,64}:[ \t]{0,16}(?P<value>(?:Basic )?\S{16,})"),
        (
            r"(^|/)[Nn]u[Gg]et\.[Cc]onfig$",
            _CLIENT,
            rb"(?i)<add key=\"(?:ClearText)?Password\"\s{1,8}value=\"(?P<value>[^\"\n]{4,})\"",
        ),
        (r"^etc/(g?shadow)-?$", "password-hash", rb"^[^:\n]+:(?P<value>\$[^:\n]+|[A-Za-z0-9./]{13}):"),
        (r"(^|/)\.erlang\.cookie$", "erlang-cookie", rb"\A\s{0,64}(?P<value>\S{8,255})\s{0,64}\Z"),
        (r"(^|/)\.htpasswd$", "password-hash", rb"^[^:#\s]+:(?P<value>(?:\$|\{SHA\})\S+)"),
        (
            r"^etc/apt/apt\.conf(\.d/[^/]+)?$",
            "proxy-setting",
            _APT_PROXY,
        ),
        (
            (
                r"^etc/(environment|wgetrc|profile|profile\.d/[^/]+|bash\.bashrc)$"
                r"|(^|/)\.(wgetrc|curlrc|bashrc|profile|npmrc)$"
            ),
            "proxy-setting",
            _PROXIES,
        ),
    )
)
"""Patterns for paths, kinds of secrets, and patterns for the secrets. Linear time, like those of `rule.Rule`."""

KINDS = frozenset(rule[1] for rule in RULES) | {"apt-credentials", "git-credentials", "shell-history"}

_INTERESTING = re.compile("|".join(f"(?:{rule[0].pattern})" for rule in RULES))
_ENDINGS = (".xml", ".json", ".yml", ".cnf", ".env", "onfig", "_history", "credentials", "shadow", "shadow-")
_REFERENCE = re.compile(rb"/|\$|file:")

_VARIABLE = re.compile(
    r"(?i)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)[A-Z0-9_]*$"
)
_ABOUT = re.compile(r"(?i)(_(FILE|PATH|DIR|URL|URI|NAME|ID|LENGTH|TTL|TYPE|ENABLED)|PUBLIC_KEY)$")
_PROXY = re.compile(r"(?i)^(https?|ftp|all|socks|rsync)_proxy$")
_NAME_MAX = 256
_SHOWING = re.compile(
    r"usr/(?:share/(?:doc|man)/|(?:lib|share)/(?:.*/)?(?:tests?|testdata)/|share/go-[\d.]+/src/.*_test\.go$)"
)
_AROUND = re.compile(rb"^//[^:]*:|@[^@]*$")
_PLAIN_WORDS = re.compile(rb"[a-z]{3,16}(?:[-_.][a-z]{1,16}){0,4}")
_PACKAGES = "imgforge: packages "
_ASSIGNED = re.compile(r"(?<![\w-])(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"';&|]+)")


def by_name(path: str, data: bytes) -> Iterator[Hit]:
    """Yield the secrets in a file that are recognizable only by the file's name.

    Args:
        path: without leading slash.
        data: the content, or the start of it.
    """
    name = path.rpartition("/")[2]
    if not (name.startswith(".") or name.endswith(_ENDINGS) or path.startswith("etc/")):
        return
    if _HISTORY.search(path) and data.strip():
        yield Hit("shell-history", 0, data)
    if not _INTERESTING.search(path):
        return
    for rule, kind, pattern in RULES:
        if not rule.search(path):
            continue
        for match in pattern.finditer(data):
            if not is_placeholder(match["value"]) or kind == "password-hash":
                yield Hit(kind, match.start(), match["value"])


def by_variable(name: str, value: str) -> Iterator[Hit]:
    """Yield the secret in an environment variable: by the variable's name, or a proxy URL."""
    data = value.encode("utf-8", "surrogateescape")
    if _PROXY.match(name) and "//" in value and not is_placeholder(data):
        yield Hit("proxy-setting", 0, data)
    name = name[-_NAME_MAX:]
    is_named = _VARIABLE.search(name) and not _ABOUT.search(name)
    if is_named and len(value) >= 4 and not is_placeholder(data) and not _REFERENCE.match(data):
        yield Hit("secret-variable", 0, data)


def by_assignments(text: str) -> Iterator[Hit]:
    """Yield the secrets in assignments of a command: ``ARG TOKEN=…``, ``RUN PASSWORD=… ./install``."""
    is_list = text.startswith(_PACKAGES)
    for match in _ASSIGNED.finditer(text):
        if is_list and match["value"][0].isdecimal():
            continue  # passwd=1:4.13 is a package
        yield from by_variable(match["name"], match["value"].strip("\"'"))


def is_shown(kind: str, path: str, secret: bytes) -> bool:
    """Return whether a password is an example: plain words, in the documentation or tests of a package.

    Both are required: a password with digits or capitals is reported everywhere, and so are words in an application's
    own files.

    Args:
        kind: kind of the finding.
        path: path of the file in the layer.
        secret: the secret; for a URL, with user and host.
    """
    if kind not in ("netrc", "url-credentials") or not _SHOWING.match(path):
        return False
    password = _AROUND.sub(b"", secret) if kind == "url-credentials" else secret
    return bool(_PLAIN_WORDS.fullmatch(password))


def renamed(kind: str, path: str) -> str:
    """Return a more specific kind for a finding, by the name of its file."""
    name = path.rpartition("/")[2]
    if kind == "url-credentials" and name in (".git-credentials", "git-credentials"):
        return "git-credentials"
    if kind in ("netrc", "url-credentials") and path.startswith("etc/apt/"):
        return "apt-credentials"
    return kind


def digest() -> str:
    """Return a digest of this module's rules."""
    patterns = [pattern.pattern for pattern in (_HISTORY, _VARIABLE, _ABOUT, _PROXY, _ASSIGNED, _SHOWING)]
    rows = [(path.pattern, kind, pattern.pattern) for path, kind, pattern in RULES]
    return hashlib.sha256(repr((rows, patterns)).encode()).hexdigest()[:16]
