"""The fields of a stanza, as APT reads them in an index: lenient where APT is.

The case of a field's name does not matter, nor blanks around its colon, nor the order of fields; of a field that is
given twice the last counts. A line without a colon is a part of the name of the field that follows it, which is lost.

Source: apt's apt-pkg/tagfile.cc, ``pkgTagSection::Scan`` and ``Find``.
"""

from __future__ import annotations

import re
from typing import Literal

from imgforge.errors import IntegrityError

END = re.compile(rb"\n\r*\n")
"""Ends a stanza: an empty line. One of blanks does not, and neither does the end of a line of CRLF."""

_FIELD = re.compile(rb"^\r*((?:[^\s:][^:\n]*)?)(:?)[ \t]*(.*(?:\n\r*[ \t\v\f].*)*)", re.MULTILINE)


class StanzaError(IntegrityError):
    """A stanza of an index or of dpkg's status is not what the format says."""


def known(
    stanza: bytes, names: dict[bytes, str], *, what: str, repeated: Literal["refuse", "last"] = "last"
) -> dict[str, str]:
    """Return the fields of a stanza that have one of some names, under the names that the dictionary gives them.

    Args:
        stanza: the bytes, without the empty line that ends it.
        names: by their spelling in lower case.
        what: the file and the package, for messages.
        repeated: what a field is that is given twice: an error, as to dpkg, or the last one, as to APT.

    Raises:
        StanzaError: it ends in a line of no field, is not UTF-8 in one of these fields, or gives one twice.
    """
    found: dict[str, str] = {}
    broken = b""
    for raw_name, colon, value in _FIELD.findall(stanza):
        if not colon or broken:
            broken = b"" if colon or b":" in value else raw_name
            continue
        name = names.get(raw_name.lower())
        if name is None and raw_name[-1:].isspace():
            name = names.get(raw_name.rstrip().lower())
        if name is None:
            continue
        if name in found and repeated == "refuse":
            raise StanzaError(f"{what}: field '{name}' is given twice")
        try:
            found[name] = value.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise StanzaError(f"{what}: field '{name}': expected UTF-8, got {value[:80]!r}") from None
    if broken:
        raise StanzaError(f"{what}: expected 'Field: value', got {broken[:60]!r}")
    return found
