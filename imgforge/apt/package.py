"""A binary package as a stanza of a ``Packages`` file or of dpkg's status file describes it.

Only what the resolver and the lock need is read; the raw stanza is kept beside it. Values of relation fields stay
text: a solve reaches a few hundred of an archive's 60,000 packages, and only those are parsed further.

Source: https://www.debian.org/doc/debian-policy/ch-controlfields.html and
https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices
"""

from __future__ import annotations

import re
from typing import Literal

import attrs

from imgforge import tree
from imgforge.apt import tagfile
from imgforge.apt.tagfile import StanzaError
from imgforge.apt.values import IndexFile
from imgforge.apt.words import is_true
from imgforge.deb import relation
from imgforge.deb import version as versions
from imgforge.deb.source import named
from imgforge.digest import Digest
from imgforge.errors import IntegrityError

STANZA_MAX = 4 << 20
"""The most bytes that one stanza may have; the longest of Debian's main archive has 76 kB."""

SIZE_MAX = 1 << 40
"""The most bytes that a package may claim to have, so that a hostile number cannot be reserved on a disk."""

_FIELDS = (
    "Package", "Version", "Architecture", "Multi-Arch", "Essential", "Important", "Protected", "Priority", "Section",
    "Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces", "Provides", "Filename",
    "Size", "SHA256", "SHA512", "Source", "Installed-Size", "Status",
)  # fmt: skip
_CANONICAL = {name.lower().encode(): name for name in _FIELDS}
_STATED = re.compile(rb"^installed-size[ \t]*:", re.IGNORECASE | re.MULTILINE)
_SPELLING = re.compile(r"0:|[\s=]")  # dpkg writes relations anew: other blanks, `<=` for `<`
_NAME = re.compile(r"[a-z0-9A-Z][a-zA-Z0-9+.-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_LEADING = re.compile(r"[0-9]{1,15}")
# No possessive group: Python 3.11 matches too much with one (https://github.com/python/cpython/issues/106052).
_RELATION = (
    r"\s*+[A-Za-z0-9][A-Za-z0-9+._-]*+(?::[A-Za-z0-9][A-Za-z0-9-]*+)?"
    r"(?:\s*+\(\s*+(?:<<|>>|[<>]?=)\s*+(?:[0-9]{1,5}:)?[0-9][A-Za-z0-9.+~]*+(?:-[A-Za-z0-9.+~]++)*\s*+\))?\s*+"
)
_RELATIONS = re.compile(f"{_RELATION}(?:[,|]{_RELATION})*", re.ASCII)
"""Relation fields of the usual form: `relation.parse` accepts them too, at ten times the cost."""

_MULTI_ARCH = frozenset({"no", "same", "foreign", "allowed"})


@attrs.frozen(cache_hash=True)
class Package:
    """One version of one binary package. Two are equal when name, version, architecture, digest and stanza are.

    Attributes:
        name: the field ``Package``.
        version: as written.
        architecture: ``all`` or a machine's.
        multi_arch: ``no``, ``same``, ``foreign`` or ``allowed``.
        essential: ``Essential: yes``.
        protected: ``Protected: yes``, or its older name ``Important: yes``.
        priority: in lower case; empty when the stanza has none.
        section: as written; empty when the stanza has none.
        depends: and the other relations: the fields' text, empty when absent.
        filename: the path below the mirror's base; empty for an installed package.
        size: bytes of the ``.deb``; 0 for an installed package.
        digest: of the ``.deb``: sha256, or sha512 where its index has nothing else; None for an installed package.
        source_name: the source package, which is the name itself where the stanza has no ``Source``.
        source_version: its version, which is the package's own where the stanza does not say.
        installed_size: KiB.
        index: the index that lists it; None for an installed package.
        control: the whole stanza, without the empty line that ends it.
    """

    name: str
    version: str
    architecture: str
    multi_arch: str = attrs.field(default="no", eq=False)
    essential: bool = attrs.field(default=False, eq=False)
    protected: bool = attrs.field(default=False, eq=False)
    priority: str = attrs.field(default="", eq=False)
    section: str = attrs.field(default="", eq=False)
    pre_depends: str = attrs.field(default="", eq=False)
    depends: str = attrs.field(default="", eq=False)
    recommends: str = attrs.field(default="", eq=False)
    suggests: str = attrs.field(default="", eq=False)
    conflicts: str = attrs.field(default="", eq=False)
    breaks: str = attrs.field(default="", eq=False)
    replaces: str = attrs.field(default="", eq=False)
    provides: str = attrs.field(default="", eq=False)
    filename: str = attrs.field(default="", eq=False)
    size: int = attrs.field(default=0, eq=False)
    digest: Digest | None = None
    source_name: str = attrs.field(default="", eq=False)
    source_version: str = attrs.field(default="", eq=False)
    installed_size: int = attrs.field(default=0, eq=False)
    index: IndexFile | None = attrs.field(default=None, eq=False, repr=False)
    control: bytes = attrs.field(default=b"", repr=False)

    @property
    def installed_bytes(self) -> int | None:
        """Bytes when it is installed, as the package states; None where it does not."""
        is_stated = self.installed_size or _STATED.search(self.control)
        return self.installed_size * 1024 if is_stated else None

    def __str__(self) -> str:
        """Return ``name:architecture=version``, as APT's command line writes it."""
        return f"{self.name}:{self.architecture}={self.version}"


def is_same(one: Package, other: Package) -> bool:
    """Tell whether two records of a package are of the same version: the same name for it, and the same content.

    APT takes two that differ in a relation, in Installed-Size, in Multi-Arch or in the size of the ``.deb`` for two
    versions of equal rank (deblistparser.cc, VersionHash and SameVersion). dpkg's status knows no size of a ``.deb``.
    """
    if one is other:
        return True
    if one.size and other.size and one.size != other.size:
        return False
    if versions.sort_key(one.version) != versions.sort_key(other.version) or one.multi_arch != other.multi_arch:
        return False
    if one.installed_size != other.installed_size:
        return False
    ours, theirs = _merged(one), _merged(other)
    return ours == theirs or [_SPELLING.sub("", text).lower() for text in ours] == [
        _SPELLING.sub("", text).lower() for text in theirs
    ]


def _merged(package: Package) -> tuple[str, ...]:
    return package.depends, package.pre_depends, package.conflicts, package.breaks, package.replaces


def fields(stanza: bytes, *, what: str, repeated: Literal["refuse", "last"] = "last") -> dict[str, str]:
    """Return the fields of a stanza that this module knows, under their canonical names; see `tagfile.known`.

    Raises:
        StanzaError: it is too long, or malformed.
    """
    if len(stanza) > STANZA_MAX:
        raise StanzaError(f"{what}: expected a stanza of at most {STANZA_MAX} bytes, got {len(stanza)}")
    return tagfile.known(stanza, _CANONICAL, what=what, repeated=repeated)


def parse(stanza: bytes, *, what: str, index: IndexFile | None) -> Package:
    """Return the package that a stanza describes.

    Args:
        stanza: the bytes, without the empty line that ends it.
        what: the file, for the message.
        index: the index that it stands in; None for dpkg's status, whose stanzas name no file.

    Raises:
        StanzaError: a field is absent or malformed, or the file's name would leave the mirror.
    """
    return described(fields(stanza, what=what), stanza, what=what, index=index)


def described(found: dict[str, str], stanza: bytes, *, what: str, index: IndexFile | None) -> Package:
    """Return the package that the `fields` of a stanza describe; see `parse`."""
    name = _matching(found, "Package", _NAME, what=what).lower()
    what = f"{what}: {name}"
    version = _version(found, what=what)
    architecture = _matching(found, "Architecture", _ARCHITECTURE, what=what)
    source_name, source_version = _source(found, name, version, what=what)
    filename, size, digest = ("", 0, None) if index is None else _file(found, what=what)
    return Package(
        name=name,
        version=version,
        architecture=architecture,
        multi_arch=_multi_arch(found, architecture),
        essential=_is_yes(found, "Essential"),
        protected=_is_yes(found, "Protected") or _is_yes(found, "Important"),
        priority=found.get("Priority", "").lower(),
        section=found.get("Section", ""),
        pre_depends=found.get("Pre-Depends", ""),
        depends=found.get("Depends", ""),
        recommends=found.get("Recommends", ""),
        suggests=found.get("Suggests", ""),
        conflicts=found.get("Conflicts", ""),
        breaks=found.get("Breaks", ""),
        replaces=found.get("Replaces", ""),
        provides=found.get("Provides", ""),
        filename=filename,
        size=size,
        digest=digest,
        source_name=source_name,
        source_version=source_version,
        installed_size=min(_leading(found, "Installed-Size"), SIZE_MAX),
        index=index,
        control=stanza,
    )


def check_relations(package: Package, *, architecture: str, what: str) -> None:
    """Check the relations that a resolver reads.

    Raises:
        StanzaError: one is malformed.
    """
    read = (package.pre_depends, package.depends, package.recommends, package.conflicts, package.breaks)
    try:
        for text in (*read, package.provides):
            if text and _RELATIONS.fullmatch(text) is None:
                relation.parse(text, architecture=architecture)
    except IntegrityError as error:
        raise StanzaError(f"{what}: {package.name}: {error}") from None


def _file(found: dict[str, str], *, what: str) -> tuple[str, int, Digest]:
    """Return path, bytes and digest of the ``.deb``.

    The path is relative to the mirror, also where it begins with a slash: APT puts it behind the URI as it is
    (debmetaindex.cc, ``ArchiveURI``).
    """
    for required in ("Filename", "Size"):
        if not found.get(required):
            raise StanzaError(f"{what}: field '{required}' is absent")
    algorithm = next((name for name in ("SHA256", "SHA512") if found.get(name)), None)
    if algorithm is None:
        raise StanzaError(f"{what}: field 'SHA256' is absent, and so is 'SHA512'")
    try:
        filename = tree.safe_path(found["Filename"].lstrip("/"), what=what)
        digest = Digest(algorithm.lower(), found[algorithm].lower())
    except IntegrityError as error:
        raise StanzaError(f"{what}: {error}") from error
    size = _leading(found, "Size")
    if not found["Size"][:1].isdigit() or not 0 < size <= SIZE_MAX:
        raise StanzaError(f"{what}: field 'Size': expected a number up to {SIZE_MAX}, got {found['Size'][:40]!r}")
    return filename, size, digest


def _matching(found: dict[str, str], field: str, pattern: re.Pattern[str], *, what: str) -> str:
    value = found.get(field, "")
    if not pattern.fullmatch(value):
        raise StanzaError(f"{what}: field '{field}': expected {pattern.pattern}, got {value[:80]!r}")
    return value


def _version(found: dict[str, str], *, what: str) -> str:
    try:
        return versions.validate(found.get("Version", ""))
    except IntegrityError as error:
        raise StanzaError(f"{what}: {error}") from error


def _source(found: dict[str, str], name: str, version: str, *, what: str) -> tuple[str, str]:
    source = named(found.get("Source", ""), package=name, version=version)
    if source is None:
        raise StanzaError(f"{what}: field 'Source': expected a name and a version, got {found['Source'][:80]!r}")
    return source


def _is_yes(found: dict[str, str], field: str) -> bool:
    return field in found and is_true(found[field], default=False)


def _multi_arch(found: dict[str, str], architecture: str) -> str:
    """Return the value of ``Multi-Arch``, as APT takes it (deblistparser.cc, ``ParseMultiArch``)."""
    value = found.get("Multi-Arch", "no")
    return "no" if value not in _MULTI_ARCH or (value == "same" and architecture == "all") else value


def _leading(found: dict[str, str], field: str) -> int:
    """Return the number that a value begins with, 0 where it begins with none: strtoull(3), as APT reads numbers."""
    digits = _LEADING.match(found.get(field, ""))
    return int(digits[0]) if digits else 0
