"""APT's words for yes and no.

Source: apt's apt-pkg/contrib/strutl.cc, StringToBool.
"""

from __future__ import annotations

_YES = frozenset({"yes", "true", "with", "on", "enable", "1"})
_NO = frozenset({"no", "false", "without", "off", "disable", "0"})


def is_true(text: str, *, default: bool) -> bool:
    """Say whether a text means yes, in any case of its letters; one that means neither is the default."""
    word = text.strip().lower()
    return word in _YES or (default and word not in _NO)
