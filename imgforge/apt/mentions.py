"""Where a ``Packages`` file first mentions a name: an order among names that are equal in everything else.

APT numbers names as it meets them: stanza by stanza, in each the package first and then the relation fields, in the
order of `_RELATION_FIELDS`.

Source: apt's apt-pkg/deb/deblistparser.cc, ``NewVersion``, and apt-pkg/pkgcachegen.cc, ``NewPackage``.
"""

from __future__ import annotations

from collections.abc import Callable

from imgforge.apt import tagfile
from imgforge.apt.stanzas import Data, end_of
from imgforge.apt.tagfile import StanzaError

_RELATION_FIELDS = {
    name: rank
    for rank, name in enumerate(
        (b"package", b"pre-depends", b"depends", b"conflicts", b"breaks", b"recommends", b"suggests", b"replaces",
         b"enhances", b"provides"),
    )
}  # fmt: skip
_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


def first(
    data: Data, name: bytes, qualifiers: tuple[bytes, bytes], skip: Callable[[str], object] | None
) -> tuple[int, int, int] | None:
    """Return (stanza's offset, rank of the field, offset) of the first mention, in the order in which APT reads.

    ``NAME:any`` is another name to APT, and so is one with a foreign architecture; one with this machine's is the name.

    Args:
        data: the whole file, without returns at the ends of its lines.
        name: the name.
        qualifiers: what may follow the name and does not make it another.
        skip: returns whether the stanza of a package is left out, by its name; None to leave out none.
    """
    best: tuple[int, int, int] | None = None
    end = len(data)
    at = data.find(name)
    while 0 <= at < end:
        rank = _field_rank(data, at) if _is_name(data, at, len(name), qualifiers) else None
        if rank is None:
            at = data.find(name, at + 1)
            continue
        first, last = _stanza(data, at)
        if best is None and skip is not None and skip(_called(data, first)):
            at = data.find(name, last)
            continue
        best = min(best or (first, rank, at), (first, rank, at))
        end = last
        at = data.find(name, at + 1)
    return best


def _stanza(data: Data, at: int) -> tuple[int, int]:
    """Return where the stanza around a place starts and ends."""
    before, after = data.rfind(b"\n\n", 0, at), data.find(b"\n\n", at)
    return (before + 2 if before >= 0 else 0), (after if after >= 0 else len(data))


def _called(data: Data, start: int) -> str:
    """Return the name of the package whose stanza starts here."""
    if data[start : start + 9] == b"Package: ":
        newline = data.find(b"\n", start)
        return data[start + 9 : len(data) if newline < 0 else newline].strip().decode("utf-8", "replace")
    try:
        return tagfile.known(data[start : end_of(data, start)], {b"package": "package"}, what="").get("package", "")
    except StanzaError:
        return ""


def _is_name(data: Data, at: int, length: int, qualifiers: tuple[bytes, bytes]) -> bool:
    before = data[at - 1] if at else 10
    after = data[at + length] if at + length < len(data) else 10
    if before in _NAME_BYTES or after in _NAME_BYTES or (before == 58 and not _begins_a_value(data, at)):
        return False
    if after != 58:
        return True
    return any(_ends(data, at + length, qualifier) for qualifier in qualifiers)


def _begins_a_value(data: Data, at: int) -> bool:
    """Return whether a field's value begins at this place, directly after the colon."""
    line = data.rfind(b"\n", 0, at) + 1
    return data[line : line + 1] not in b" \t" and data.find(b":", line, at) == at - 1


def _ends(data: Data, at: int, qualifier: bytes) -> bool:
    after = data[at + len(qualifier) : at + len(qualifier) + 1]
    return data[at : at + len(qualifier)] == qualifier and (not after or after[0] not in _NAME_BYTES)


def _field_rank(data: Data, at: int) -> int | None:
    line = data.rfind(b"\n", 0, at) + 1
    while line and data[line : line + 1] in (b" ", b"\t"):
        line = data.rfind(b"\n", 0, line - 1) + 1
    colon = data.find(b":", line, line + 40)
    return _RELATION_FIELDS.get(data[line:colon].strip().lower()) if 0 <= colon < at else None
