"""Whether something in a secret's place is one, or stands there for somebody's own. Shared by all kinds of secrets."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_WORDS = frozenset(
    b"""
    password passwd passphrase pass pwd pw secret token changeme changeit change-me replaceme username user name login
    anonymous guest test testing none null nil true false undefined string value key yes no foo bar baz foobar hunter
    your-password my-password mypassword yourpassword your_password my_password userpass yourtoken
    auth credentials redacted removed hidden masked xyzzy opensesame
    """.split()
)
_TEMPLATE = re.compile(
    rb"[${}<>*\\\x00]|%[sdv(]|\.\.\.|\xe2\x80\xa6|x{3,}|X{3,}|0{8,}|EXAMPLE|[Ee]xample|[Yy]our[-_]|REDACTED"
)
_COMPOUND = re.compile(
    rb"(?:my|your|the|a|some|user|admin|proxy|proxyuser|repo|root|db|test|default|sample|demo|dummy|fake|super|top|wrong)?"
    rb"[-_. ]?(?:pass|passwd|p\W?a?\W?ss?word|passphrase|pwd|pw|secret|s3cret|token|key|info)[-_]?[0-9]{0,2}"
)
"""What manuals write where a password belongs."""

_RESERVED = re.compile(
    rb"(^|\.)(example|example\.(com|org|net|edu)|invalid|test|localhost|domain|domain\.(com|org|tld)|host|hostname|"
    rb"server|proxy|site\.com|yoyodyne\.com|foo|bar|foo\.(com|org)|localdomain|company\.com|bogus\.(com|net|org)|\w*\.faketld|my(host|server|proxy)|"
    rb"github\.example)$",
    re.IGNORECASE,
)
"""Names that belong to nobody (RFC 2606, RFC 6761), and what manuals make up."""

_RUN = re.compile(rb"(.)\1{5,}|abcdefgh|12345678", re.DOTALL | re.IGNORECASE)


def is_placeholder(value: bytes) -> bool:
    """Tell whether a value stands for one that somebody fills in."""
    plain = value.strip(b"\"'`").lower()
    return not plain or plain in _WORDS or bool(_COMPOUND.fullmatch(plain) or _TEMPLATE.search(value))


def is_placeholder_of_url(value: bytes) -> bool:
    """Tell whether a password is a placeholder, as it is in a URL or without its percent-encoding."""
    return is_placeholder(value) or (b"%" in value and is_placeholder(unquote_to_bytes(value)))


def is_reserved_host(host: bytes) -> bool:
    """Tell whether a host is one of manuals."""
    name = re.sub(rb"^\w+://|[:/].*", b"", host).strip(b".[]")
    return bool(_RESERVED.search(name))


def is_random(value: bytes) -> bool:
    """Tell whether a token looks drawn: enough different characters, no template, nothing counted up."""
    return len(set(value)) >= min(10, len(value) // 2) and not _TEMPLATE.search(value) and not _RUN.search(value)


def is_token(value: bytes) -> bool:
    """Tell whether a token is somebody's: random, and no placeholder."""
    return is_random(value) and not is_placeholder(value)
