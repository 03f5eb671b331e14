"""Validation rules for values that occur only in policies: patterns, fingerprints, quantities, reasons."""

from __future__ import annotations

import re

from imgforge.document import names
from imgforge.document.rule import Rule

_NAME = r"[a-z0-9]([a-z0-9._\-]{0,62}[a-z0-9])?"

KEY = Rule("a key's name such as 'operations'", _NAME)

KEY_FILE = Rule(
    "a path below the policy's directory, without '.', '..' or '//'",
    names.SOURCE_PATH.pattern,
    reason=names.SOURCE_PATH.reason,
)

SIGNER = Rule("a key's name, or several with '|' between of which one will do", rf"{_NAME}( *\| *{_NAME})*")

IMAGES = Rule(
    "'scratch', a name, oci:PATH or docker://HOST/REPOSITORY, with * for a part of a name and ** across slashes",
    r"[!-~]+",
)

NAMES = Rule("an image's name, * and ? allowed", r"[a-z0-9._\-*?]+")

FINGERPRINT = Rule("a fingerprint of 40 or 64 hexadecimal digits", r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
"""OpenPGP fingerprints of version 4 and version 6 (RFC 9580, section 5.5.4)."""

SHA256 = Rule("64 hexadecimal digits", r"[0-9a-f]{64}")

SUITES = Rule("a suite, * and ? allowed", r"/|[A-Za-z0-9.*?][A-Za-z0-9._\-/*?]*")
COMPONENTS = Rule("a component, * and ? allowed", r"[A-Za-z0-9*?][A-Za-z0-9._\-/*?]*")
PACKAGES = Rule("a package's name, * and ? allowed", r"[a-z0-9*?][a-z0-9+.*?\-]*")

PATHS = Rule(
    "an absolute path, with * for a part of a name and ** across slashes",
    r"(/(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f]*)+",
)

LABEL = Rule("a label's name such as 'org.example.team'", r"[A-Za-z0-9]([A-Za-z0-9._/\-]*[A-Za-z0-9])?")

AGE = Rule("an age such as '30 days'", r"[1-9][0-9]{0,4} (hour|day|week)s?")
SIZE = Rule("a size such as '300 MB'", r"[1-9][0-9]{0,6} (kB|MB|GB|KiB|MiB|GiB)")


def _says_something(text: str) -> str:
    """Return why a text is not accepted as a reason; empty if it is."""
    return "" if len(re.findall(r"\w+", text)) >= 2 else "a reason has at least two words"


REASON = Rule("a reason, in one line", r"[^\x00-\x1f\x7f]+", reason=_says_something)

HOST = Rule("a host name or its beginning and end with * between", r"[A-Za-z0-9*][A-Za-z0-9.\-*]{3,252}")
