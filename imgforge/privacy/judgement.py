"""Distinguish secrets from placeholders. Shared by the rules for all kinds of secrets."""

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
"""Placeholders for passwords in documentation."""

_RESERVED = re.compile(
    rb"(^|\.)(example|example\.(com|org|net|edu)|invalid|test|localhost|domain|domain\.(com|org|tld)|host|hostname|"
    rb"server|proxy|site\.com|yoyodyne\.com|foo|bar|foo\.(com|org)|localdomain|company\.com|bogus\.(com|net|org)|\w*\.faketld|my(host|server|proxy)|"
    rb"github\.example)$",
    re.IGNORECASE,
)
"""Reserved names (RFC 2606, RFC 6761), and invented names in documentation."""

_RUN = re.compile(rb"(.)\1{5,}|abcdefgh|12345678", re.DOTALL | re.IGNORECASE)


def is_placeholder(value: bytes) -> bool:
    """Return whether a value is a placeholder."""
    plain = value.strip(b"\"'`").lower()
    return not plain or plain in _WORDS or bool(_COMPOUND.fullmatch(plain) or _TEMPLATE.search(value))


def is_placeholder_of_url(value: bytes) -> bool:
    """Return whether a password in a URL is a placeholder, with or without its percent-encoding."""
    return is_placeholder(value) or (b"%" in value and is_placeholder(unquote_to_bytes(value)))


def is_reserved_host(host: bytes) -> bool:
    """Return whether a host is reserved for documentation."""
    name = re.sub(rb"^\w+://|[:/].*", b"", host).strip(b".[]")
    return bool(_RESERVED.search(name))


def is_random(value: bytes) -> bool:
    """Return whether a token looks random: many different characters, no template, no sequence."""
    return len(set(value)) >= min(10, len(value) // 2) and not _TEMPLATE.search(value) and not _RUN.search(value)


def is_token(value: bytes) -> bool:
    """Return whether a token looks real: random, and not a placeholder."""
    return is_random(value) and not is_placeholder(value)
