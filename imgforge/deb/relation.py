"""Relations between packages: `Depends`, `Conflicts`, `Provides` and the like, as values.

A field is a list of groups, all of which count; a group is a list of alternatives, one of which is enough. Lists of
architectures and build profiles are applied while parsing: what does not concern the architecture is not in the
result. Nothing here knows which packages exist.
Source: deb-control(5), deb-src-control(5), Debian Policy 7.1; where they are silent, dpkg's lib/dpkg/fields.c.
"""

from __future__ import annotations

import functools
import re

import attrs

from imgforge.deb import architecture as architectures
from imgforge.deb import version as versions
from imgforge.errors import IntegrityError

LENGTH_MAX = 1 << 20
"""Characters of the longest field that is read; the longest in bookworm has 75,639."""

_SPACE = " \t\r\n\v\f"
_ATOM = re.compile(
    r"""
    ([A-Za-z0-9][A-Za-z0-9+._-]*+)                     # name; dpkg reads '_' and capitals, so do we
    (?: : ([A-Za-z0-9][A-Za-z0-9-]*+) )?               # qualifier
    (?: \s*+ \( \s*+ (<<|<=|>=|>>|=|<|>|) \s*+         # operator
        ([A-Za-z0-9][^\s()<=>]*+) \s*+ \) )?           # version
    (?: \s*+ \[ ([^][]*+) \] )?                        # architectures
    ( (?: \s*+ < [^<>]*+ > )* )                         # build profiles; not possessive: python/cpython#106052
    """,
    re.VERBOSE | re.ASCII,
)
_ARCHITECTURE = re.compile(r"!?[A-Za-z0-9][A-Za-z0-9-]*")
_PROFILE = re.compile(r"!?[A-Za-z0-9][A-Za-z0-9+.-]*")
_PROFILES = re.compile(r"<([^<>]*)>")

# Policy 7.1 calls '<' and '>' obsolete; dpkg and APT read them so, and no operator at all as '='.
_OPERATORS = {"<": "<=", ">": ">=", "": "="}


class RelationError(IntegrityError):
    """A field that is no list of relations."""


@attrs.frozen(order=True)
class Relation:
    """One package that a field names, with the versions that it means.

    Attributes:
        name: the package, real or virtual.
        operator: one of `versions.OPERATORS`; None when every version will do.
        version: the version behind the operator, None without one.
        qualifier: an architecture, ``any`` or ``native``; None where the field's own default counts.
    """

    name: str
    operator: str | None = None
    version: str | None = None
    qualifier: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse half a version."""
        if (self.operator is None) != (self.version is None):
            raise RelationError(f"relation {self.name!r}: an operator and a version come together or not at all")

    def admits(self, version: str) -> bool:
        """Tell whether a package of the name fits in this version.

        Raises:
            VersionError: a text that is no version.
        """
        if self.operator is None or self.version is None:
            return True
        return versions.satisfies(version, self.operator, self.version)

    def __str__(self) -> str:
        """Return the relation as a control file has it."""
        qualifier = "" if self.qualifier is None else f":{self.qualifier}"
        version = "" if self.operator is None else f" ({self.operator} {self.version})"
        return f"{self.name}{qualifier}{version}"


Groups = tuple[tuple[Relation, ...], ...]
"""Groups that all count, each of alternatives."""


def parse(text: str, *, architecture: str, profiles: tuple[str, ...] = ()) -> Groups:
    """Return what a field says to one architecture.

    Alternatives that a list of architectures or build profiles rules out are left out, and so is a group of
    which none is left. One trailing comma is allowed, as in debian/control.

    Args:
        text: the field's value; may be folded.
        architecture: the architecture for which packages are chosen, never ``all``.
        profiles: the build profiles in force.

    Raises:
        RelationError: the text is no list of relations.
    """
    return _parse(text, architecture, profiles)


def parse_flat(text: str, *, architecture: str) -> tuple[Relation, ...]:
    """Return the relations of a field without alternatives: Provides, Conflicts, Breaks, Replaces, Enhances.

    Raises:
        RelationError: the text is no list of relations, or has an alternative.
    """
    groups = _parse(text, architecture, ())
    if "|" in text:
        raise RelationError(f"relation {text[:80]!r}: alternatives mean nothing in this field")
    return tuple(relation for group in groups for relation in group)


# Fields repeat: 63,000 packages of an archive have 57,000 different ones, those of one image a few hundred.
@functools.lru_cache(maxsize=1 << 14)
def _parse(text: str, architecture: str, profiles: tuple[str, ...]) -> Groups:
    if len(text) > LENGTH_MAX:
        raise RelationError(f"relation {text[:40]!r}…: longer than {LENGTH_MAX} characters")
    text = text.strip(_SPACE)
    if not text:
        return ()
    groups = []
    for group in text.removesuffix(",").split(","):
        given = (_atom(alternative, architecture, profiles) for alternative in group.split("|"))
        if kept := tuple(relation for relation in given if relation is not None):
            groups.append(kept)
    return tuple(groups)


def _atom(text: str, architecture: str, profiles: tuple[str, ...]) -> Relation | None:
    """Return one relation, or None when it does not concern the architecture or the profiles."""
    text = text.strip(_SPACE)
    match = _ATOM.fullmatch(text)
    if match is None:
        raise RelationError(f"relation {text[:80]!r}: expected name[:qualifier] [(operator version)] [[list]] [<list>]")
    name, qualifier, operator, version, listed, restricted = match.groups()
    if version is not None:
        versions.sort_key(version)
        operator = _OPERATORS.get(operator, operator)
    concerns = listed is None or _names(architecture, listed)
    allowed = not restricted or _permit(profiles, restricted)
    return Relation(name, operator, version, qualifier) if concerns and allowed else None


def _names(architecture: str, listed: str) -> bool:
    """Tell whether a list of architectures, ``[amd64 any-i386]`` or ``[!hurd-any]``, includes one.

    Policy 7.1: either all of a list are negated or none.
    """
    items = listed.split()
    negated = [item.startswith("!") for item in items]
    if not items or len(set(negated)) != 1 or not all(map(_ARCHITECTURE.fullmatch, items)):
        raise RelationError(f"relation [{listed[:80]}]: expected architectures, all with '!' or none")
    found = any(architectures.matches(architecture, item.lstrip("!").lower()) for item in items)
    return found != negated[0]


def _permit(profiles: tuple[str, ...], restricted: str) -> bool:
    """Tell whether the build profiles permit ``<!nocheck cross> <stage1>``: all of a list, of any list."""
    lists = [listed.split() for listed in _PROFILES.findall(restricted)]
    if not all(lists) or not all(_PROFILE.fullmatch(item) for items in lists for item in items):
        raise RelationError(f"relation {restricted[:80].strip()!r}: expected build profiles between < and >")
    return any(all((item.lstrip("!") in profiles) != item.startswith("!") for item in items) for items in lists)
