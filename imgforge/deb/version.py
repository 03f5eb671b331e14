"""Debian versions, ordered as dpkg orders them.

A version becomes a byte string once; byte strings compare with memcmp, so that sorting, bisecting and a database's
``ORDER BY`` need no comparison function. Equal keys mean equal versions, though the texts may differ
(``1.0`` and ``0:1.00-0``).
Source: deb-version(7); dpkg's lib/dpkg/version.c (order) and lib/dpkg/parsehelp.c (what is a version at all).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable

from imgforge.errors import IntegrityError

LENGTH_MAX = 4096
"""Characters of the longest version that is read; the longest in Debian has 62."""

OPERATORS: dict[str, Callable[[bytes, bytes], bool]] = {
    "<<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">>": operator.gt,
}
"""The relations between versions (Policy 7.1) as comparisons of sort keys."""

# dpkg reads a version that it does not like, with a warning, wherever one stands already: the dpkg
# database, an index, `dpkg --compare-versions`. So these are only the characters that it cannot read.
_READABLE = re.compile(r"(?:([0-9]+):)?([!-~]+)")
# Without a revision there is no hyphen, and a revision has no colon.
_VALID = re.compile(r"(?:[0-9]+:)?+[0-9](?:[A-Za-z0-9.+~:-]*-[A-Za-z0-9.+~]+|[A-Za-z0-9.+~:]*)")
_RUN = re.compile(rb"([^0-9]*)([0-9]*)")
_EPOCH_MAX = 2**31 - 1
# One byte tells how many digits follow, up to this many; a longer run has four bytes of length behind 0xff.
_SHORT_RUN = 250


class VersionError(IntegrityError):
    """A text that is no version."""


def _order() -> bytes:
    """Return the weight of each byte: tilde, end of the part (2, written by `_part`), letters, everything else."""
    weights = bytearray(256)
    for code in range(128):
        weights[code] = code if chr(code).isalpha() else code + 128
    weights[ord("~")] = 1
    return bytes(weights)


_WEIGHTS = _order()
_END = b"\x02"


def _sort_key(version: str) -> bytes:
    """Return bytes that compare as dpkg compares the versions.

    Refused is what dpkg cannot read. What it reads with a warning (a leading letter, a strange character)
    is ordered as it orders it; `validate` is the strict one.

    Raises:
        VersionError: no version, see above.
    """
    if len(version) > LENGTH_MAX:
        raise VersionError(f"version {version[:40]!r}…: longer than {LENGTH_MAX} characters")
    match = _READABLE.fullmatch(version)
    if match is None:
        raise VersionError(f"version {version!r}: expected printable ASCII without white space")
    epoch, rest = match[1], match[2]
    if epoch is None and ":" in rest:
        raise VersionError(f"version {version!r}: expected digits before the first colon and a version behind it")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    if not upstream or not revision:
        raise VersionError(f"version {version!r}: nothing {'after the last' if upstream else 'before the'} hyphen")
    return _epoch(epoch or "", version) + _part(upstream) + _part(revision)


sort_key: Callable[[str], bytes] = functools.lru_cache(maxsize=1 << 16)(_sort_key)


def _epoch(digits: str, version: str) -> bytes:
    significant = digits.lstrip("0")
    # dpkg keeps an epoch in a C int.
    if len(significant) > 10 or int(significant or "0") > _EPOCH_MAX:
        raise VersionError(f"version {version!r}: the epoch is larger than {_EPOCH_MAX}")
    return bytes((len(significant),)) + significant.encode()


def _part(text: str) -> bytes:
    key = bytearray()
    for others, digits in _RUN.findall(text.encode()):
        if others or digits:
            significant = digits.lstrip(b"0")
            key += others.translate(_WEIGHTS) + _END + _length(len(significant)) + significant
    return bytes(key + _END)


def _length(digits: int) -> bytes:
    return bytes((digits,)) if digits < _SHORT_RUN else b"\xff" + digits.to_bytes(4, "big")


def compare(first: str, second: str) -> int:
    """Return -1, 0 or 1: the first version is earlier, equal or later.

    Raises:
        VersionError: one of them is no version.
    """
    one, other = sort_key(first), sort_key(second)
    return (one > other) - (one < other)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Tell whether a version stands in a relation of `OPERATORS` to the wanted one.

    Raises:
        VersionError: one of them is no version, or the relation is none of the five.
    """
    try:
        holds = OPERATORS[relation]
    except KeyError:
        raise VersionError(f"relation {relation!r}: expected one of {' '.join(OPERATORS)}") from None
    return holds(sort_key(version), sort_key(wanted))


def validate(version: str) -> str:
    """Return the version when dpkg would install a package that carries it.

    Source: deb-version(7); agrees with ``dpkg --validate-version``.

    Raises:
        VersionError: it is none.
    """
    sort_key(version)
    if not _VALID.fullmatch(version):
        raise VersionError(f"version {version!r}: expected a digit first, then letters, digits and . + ~ - only")
    return version
