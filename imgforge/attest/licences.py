"""Licences of a package as an SPDX expression, from its machine-readable debian/copyright. Pure.

Only names that mean the same licence in both vocabularies are translated. All others become a ``LicenseRef-`` to the
text in the image. Files that are not machine-readable give no licence; there are no heuristics.
Sources: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, "License specification"; SPDX 2.3,
annex D, "SPDX license expressions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

CAP: Final = 4 << 20
"""Maximum length of a copyright file, in characters; bookworm's longest has two million."""

_FORMAT = re.compile(r"\s*(?:Format|Format-Specification):[^\n]*(?:copyright-format|dep5|DEP5)", re.IGNORECASE)
_LICENCE = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)
_GNU = re.compile(r"(GPL|LGPL|AGPL|GFDL)-?v?(\d)(?:\.(\d))?(?:\.0)?(\+|-or-later|-only)?", re.IGNORECASE)
_GNU_VERSIONS = {
    "GPL": {"1.0", "2.0", "3.0"},
    "LGPL": {"2.0", "2.1", "3.0"},
    "AGPL": {"1.0", "3.0"},
    "GFDL": {"1.1", "1.2", "1.3"},
}
_JOINT = re.compile(r"\s*,?\s+(or|and)\s+", re.IGNORECASE)
_LONGEST = 200

_SAME = (
    "0BSD", "AFL-2.1", "Apache-1.1", "Apache-2.0", "Artistic-2.0", "Beerware", "BSD-1-Clause", "BSD-2-Clause",
    "BSD-3-Clause", "BSD-4-Clause", "BSD-4-Clause-UC", "BSL-1.0", "bzip2-1.0.6", "CC-BY-3.0", "CC-BY-4.0",
    "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.0", "CPL-1.0", "curl", "EPL-1.0", "EPL-2.0", "FSFAP", "FSFUL",
    "FSFULLR", "FTL", "HPND", "ICU", "IJG", "ISC", "Libpng", "MIT", "MIT-0", "MPL-1.1", "MPL-2.0", "NCSA", "NTP",
    "OFL-1.1", "OLDAP-2.8", "OpenSSL", "PostgreSQL", "Ruby", "SGI-B-2.0", "Sleepycat", "TCL", "Unicode-DFS-2016",
    "Unlicense", "Vim", "W3C", "WTFPL", "X11", "Zlib", "ZPL-2.1",
)  # fmt: skip
_KNOWN = {name.lower(): name for name in _SAME} | {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "boost-1.0": "BSL-1.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "openldap-2.8": "OLDAP-2.8",
}
"""SPDX names by Debian's names in lower case. Debian's "Artistic" is Perl's licence (Policy 12.5)."""


@attrs.frozen
class Licence:
    """An SPDX expression.

    Attributes:
        expression: the expression, with ``LicenseRef-`` for licences without an SPDX name.
        unknown: pairs of the identifier and Debian's name of each of those, sorted.
    """

    expression: str
    unknown: tuple[tuple[str, str], ...] = ()


def read(text: str) -> Licence | None:
    """Return the licence of a whole package; None if its copyright file is not machine-readable.

    The licences of all stanzas are joined with AND, because each applies to some of the files. The file is untrusted
    text; no content can make this fail.
    """
    if len(text) > CAP or not _FORMAT.match(text):
        return None
    found = {_synopsis(match[1]) for match in _LICENCE.finditer(text)}
    return _joined(sorted(name for name in found if name))


def _synopsis(line: str) -> str:
    return " ".join(line.split())[:_LONGEST]


def _joined(names: Iterable[str]) -> Licence | None:
    unknown: dict[str, str] = {}
    expressions = {_expression(name, unknown) for name in names}
    parts = {part for expression in expressions for part in expression.split(" AND ")}
    alone = len(parts) == 1
    expression = " AND ".join(part if alone or " OR " not in part else f"({part})" for part in sorted(parts))
    return Licence(expression, tuple(sorted(unknown.items()))) if expression else None


def _expression(name: str, unknown: dict[str, str]) -> str:
    """Translate one synopsis: names joined by ``or`` and ``and``, where ``and`` binds tighter.

    A comma lowers the precedence of the conjunction after it (copyright-format, "Syntax"). A synopsis with a comma, or
    with both words, is kept as a single name: such cases are rare and easily misread.
    """
    words = _JOINT.split(name)
    joints = {word.lower() for word in words[1::2]}
    if "," in name or len(joints) > 1:
        return _identifier(name, unknown)
    terms = sorted({_identifier(word, unknown) for word in words[0::2]})
    return f" {(joints.pop() if joints else 'and').upper()} ".join(terms)


def _identifier(name: str, unknown: dict[str, str]) -> str:
    gnu = _gnu(name) or _KNOWN.get(name.lower())
    if gnu:
        return gnu
    identifier = "LicenseRef-" + (
        re.sub(r"[^A-Za-z0-9.]+", "-", name.replace("+", "-or-later ")).strip("-.") or "unnamed"
    )
    unknown[identifier] = name
    return identifier


def _gnu(name: str) -> str | None:
    match = _GNU.fullmatch(name)
    if match is None:
        return None
    family, version = match[1].upper(), f"{match[2]}.{match[3] or '0'}"
    if version not in _GNU_VERSIONS[family]:
        return None
    return f"{family}-{version}-{'or-later' if match[4] in ('+', '-or-later') else 'only'}"


def unknown_in(licences: Iterable[Licence | None]) -> Iterator[tuple[str, str]]:
    """Yield the identifier and name of each licence without an SPDX name, sorted, without duplicates."""
    yield from sorted(dict(pair for licence in licences if licence for pair in licence.unknown).items())
