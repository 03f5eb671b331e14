"""APT sources: what is named in ``.sources`` and ``.list`` files, and in a manifest.

A source is an identity: suites, components, and the keys that sign them. Its URIs are only one of the places where
bytes may come from (see `mirrors`). Pure: who wants the keys that a file names by path passes a function that reads.

Source: sources.list(5). What would weaken trust is read over: ``Trusted``, ``Allow-Insecure``, ``Allow-Weak``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from imgforge import late
from imgforge.apt import certificates
from imgforge.apt.words import is_true
from imgforge.deb import control
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.fetch.url import Url, UrlError, redact, without_user

pysequoia = late.module("pysequoia")

FILE_MAX = 1 << 20
"""Most characters of a file of sources that are read."""

_SUITE = re.compile(r"/|[A-Za-z0-9.][A-Za-z0-9+._~/-]{0,199}")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~/-]{0,99}")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?")
_OPTIONS = re.compile(r"\[(?P<options>[^\]]*)\]\s*(?P<rest>.*)")
# As apt's apt-pkg/contrib/strutl.cc, ParseQuoteWord: blanks may stand in quotes and in brackets.
_WORD = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|\S)+')
_ADDITIVE = {"+": "-Add", "-": "-Remove"}
_ONE_LINE = {"arch": "Architectures", "signed-by": "Signed-By", "check-valid-until": "Check-Valid-Until"}

_ALLOW_SUITE = "X-Allow-Suite-Mismatch"
_ALLOW_WEAK = "X-Allow-Weak-Key"
"""Fields that APT does not know and passes over: it warns of another suite's Release, and gpgv takes such keys."""

_FieldsOf = Callable[[str], Mapping[str, str]]
"""Returns the fields of one source; its argument says where it stands, for errors."""


class SourcesError(IntegrityError):
    """A file of sources is not what its format says; the text begins with ``file:line:``."""


def _plain(instance: Source, attribute: attrs.Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    form = _SUITE if attribute.name == "suites" else _COMPONENT
    for value in values:
        if not form.fullmatch(value) or ".." in value.split("/"):
            got = redact(value)[:80]  # for it may be a URI in the wrong place
            raise SourcesError(f"source {instance.name!r}: {attribute.name}: expected a plain name, got {got!r}")


def _some(instance: Source, attribute: attrs.Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    if not values:
        raise SourcesError(f"source {instance.name!r}: {attribute.name}: expected at least one")


def _fits(instance: Source, _attribute: attrs.Attribute[tuple[str, ...]], components: tuple[str, ...]) -> None:
    flat = [suite for suite in instance.suites if suite.endswith("/")]
    if components and flat:
        raise SourcesError(f"source {instance.name!r}: the flat suite {flat[0]!r} has no components")
    if not components and len(flat) < len(instance.suites):
        raise SourcesError(f"source {instance.name!r}: components: expected at least one")


def _bare(uris: Sequence[str]) -> tuple[str, ...]:
    return tuple(uri.rstrip("/") for uri in uris)


@attrs.frozen
class Source:
    """One source of packages.

    Attributes:
        name: what messages and locks call it.
        suites: directories below ``dists/``; one that ends in a slash is a flat archive, ``/`` alone that at the URI.
        components: of each suite; none for flat archives.
        uris: base URLs, without a trailing slash; ``cdrom:[…]`` and others that nothing is fetched from, too.
        keys: the certificates that sign it, armored or binary, one after the other; empty while not yet read.
        signed_by: where the keys are, as the file says: absolute paths, fingerprints.
        architectures: the only ones that are taken from it; empty for all.
        without: architectures that are not taken from it.
        check_valid_until: whether its times count; off for frozen archives, see `release.Waived.ALL`.
        check_suite: whether its Releases must be those of its suites, by Suite or Codename.
        carried: whether it comes from a base, not from the manifest.
        check_strength: whether its certificates' own signatures must be strong, see `weak`.
    """

    name: str
    suites: tuple[str, ...] = attrs.field(validator=[_some, _plain])
    components: tuple[str, ...] = attrs.field(validator=[_plain, _fits])
    uris: tuple[str, ...] = attrs.field(converter=_bare)
    keys: bytes = attrs.field(default=b"", repr=False)
    signed_by: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    check_valid_until: bool = True
    check_suite: bool = True
    check_strength: bool = True
    carried: bool = False

    def has(self, architecture: str) -> bool:
        """Say whether packages of an architecture are taken from it."""
        return architecture not in self.without and (not self.architectures or architecture in self.architectures)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the certificates that sign it.

        Raises:
            KeyringError: there is none.
        """
        return certificates.fingerprints(self.keys, what=f"keys of source {self.name!r}")

    @property
    def identity(self) -> str:
        """A digest of what the source is, wherever it is fetched from and in whatever order it was written.

        Raises:
            KeyringError: there are no keys.
        """
        parts = (sorted(set(self.suites)), sorted(set(self.components)), self.fingerprints)
        return str(Digest.of("\n".join(" ".join(part) for part in parts).encode()))

    @property
    def plain(self) -> Source:
        """The same source, with one spelling of a flat archive at the URI itself."""
        return attrs.evolve(self, suites=tuple(dict.fromkeys(spellings(suite)[0] for suite in self.suites)))


def spellings(suite: str) -> tuple[str, ...]:
    """Return the names of one suite, the usual first: a flat archive at the URI itself has two."""
    return ("./", "/") if suite in ("./", "/") else (suite,)


def parse(text: str, *, file: str) -> tuple[Source, ...]:
    """Return the enabled binary sources of a file: deb822 when its name ends in ``.sources``, else one a line.

    They are named after the file: ``debian``, ``debian-2``, ….

    Raises:
        SourcesError: the file is not what sources.list(5) says.
    """
    found, wrong = parse_readable(text, file=file)
    if wrong:
        raise wrong[0]
    return found


def parse_readable(text: str, *, file: str) -> tuple[tuple[Source, ...], tuple[SourcesError, ...]]:
    """Return the sources of a file as `parse` does, and what is wrong with those that are left out.

    For a machine's own files, which only say where to fetch from: a line too many must not cost all mirrors. Of files
    that decide what is trusted nothing may be left out.

    Raises:
        SourcesError: the whole file is wrong.
    """
    if len(text) > FILE_MAX:
        raise SourcesError(f"{file}:1: expected at most {FILE_MAX} characters")
    read = _stanzas if file.endswith(".sources") else _lines
    stem = file.rpartition("/")[2].removesuffix(".sources").removesuffix(".list")
    found: list[Source] = []
    wrong: list[SourcesError] = []
    for where, fields_of in read(text.replace("\r\n", "\n"), file=file):
        name = f"{stem}-{len(found) + 1}" if found else stem
        try:
            fields = fields_of(where)
            if "deb" in fields["Types"].split() and _counts(fields):
                found.append(_source(fields, name=name, where=where))
        except SourcesError as error:
            wrong.append(error)
    return tuple(found), tuple(wrong)


def dump(source: Source, *, signed_by: str | None = None) -> str:
    """Return a source as a deb822 stanza; one without URIs, which APT refuses, is not enabled.

    Args:
        source: to be written.
        signed_by: the path of its keyring; None to write the keys into the stanza (APT 2.3.10 and later).
    """
    fields = {"Enabled": "" if source.uris else "no", "Types": "deb"}
    fields |= {"URIs": " ".join(source.uris), "Suites": " ".join(source.suites)}
    fields["Components"] = " ".join(source.components)
    fields["Architectures"] = " ".join(source.architectures)
    fields["Architectures-Remove"] = " ".join(source.without)
    fields["Check-Valid-Until"] = "" if source.check_valid_until else "no"
    fields[_ALLOW_SUITE] = "" if source.check_suite else "yes"
    fields[_ALLOW_WEAK] = "" if source.check_strength else "yes"
    fields["Signed-By"] = _embedded(source) if signed_by is None else signed_by
    return control.dump(control.Stanza.of({name: value for name, value in fields.items() if value}))


def with_keys(source: Source, read: Callable[[str], bytes], *, default: Callable[[], bytes] = bytes) -> Source:
    """Return a source with the keys that its ``Signed-By`` names.

    Args:
        source: keys that it has already stay.
        read: returns the content of a keyring, by absolute path.
        default: returns what signs a source that names no keyring: APT's ``trusted.gpg.d``.

    Raises:
        KeyringError: no certificate has the fingerprint that is asked for.
        Whatever `read` raises.
    """
    if source.keys:
        return source
    paths = [name for name in source.signed_by if name.startswith("/")]
    wanted = [name for name in source.signed_by if not name.startswith("/")]
    keys = b"".join(read(path) for path in paths) if paths else default()
    if wanted:
        keys = certificates.selected(keys, wanted, what=f"keys of source {source.name!r}")
    return attrs.evolve(source, keys=keys)


def _stanzas(text: str, *, file: str) -> Iterator[tuple[str, _FieldsOf]]:
    """Yield where each stanza is, and what returns its fields."""
    try:
        stanzas = control.parse(text, file=file, comments="skip")
    except control.DebControlError as error:
        raise SourcesError(str(error)) from None
    for stanza in stanzas:
        yield f"{file}:{stanza.line}", functools.partial(_whole, stanza)


def _counts(fields: Mapping[str, str]) -> bool:
    """Return whether a source is enabled, or is disabled only because it has no URI (see `dump`)."""
    return is_true(fields.get("Enabled", ""), default=True) or not fields.get("URIs")


def _whole(stanza: control.Stanza, where: str) -> Mapping[str, str]:
    for field in ("Types", "Suites"):
        if not stanza.get(field):
            raise SourcesError(f"{where}: field {field!r} is missing")
    return stanza


def _lines(text: str, *, file: str) -> Iterator[tuple[str, _FieldsOf]]:
    """Yield where each line is that says something, and what returns its fields."""
    for number, line in enumerate(text.split("\n"), start=1):
        said = line.partition("#")[0].replace("\t", " ").strip()
        if said:
            yield f"{file}:{number}", functools.partial(_fields, said)


def _fields(line: str, where: str) -> Mapping[str, str]:
    """Read ``deb [OPTION=VALUE …] URI SUITE COMPONENT…``."""
    kind, _, rest = line.partition(" ")
    if kind not in ("deb", "deb-src"):
        raise SourcesError(f"{where}: expected 'deb' or 'deb-src', got {kind[:60]!r}")
    match = _OPTIONS.fullmatch(rest.strip())
    fields = {} if match is None else _options(match["options"], where=where)
    words = _WORD.findall(rest if match is None else match["rest"])
    if len(words) < 2:
        raise SourcesError(f"{where}: expected a URI and a suite, got {' '.join(map(redact, words))[:80]!r}")
    # A disc's name has blanks: cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/
    uri = words[0].replace('"', "").replace(" ", "%20")
    return {**fields, "Types": kind, "URIs": uri, "Suites": words[1], "Components": " ".join(words[2:])}


def _options(text: str, *, where: str) -> dict[str, str]:
    """Return the fields of options; ``arch+=`` and ``arch-=`` are fields of their own, see apt's sourcelist.cc."""
    fields: dict[str, str] = {}
    for option in text.split():
        name, separator, value = option.partition("=")
        if not separator or not value:
            raise SourcesError(f"{where}: expected OPTION=VALUE, got {option[:60]!r}")
        field = _ONE_LINE.get(name.rstrip("+-").lower(), name) + _ADDITIVE.get(name[-1:], "")
        fields[field] = " ".join([*fields.get(field, "").split(), *value.split(",")])
    return fields


def _architectures(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the only ones that are taken; what is added to all is among them already."""
    named, added = _listed(fields, "Architectures"), _listed(fields, "Architectures-Add")
    return tuple(dict.fromkeys((*named, *added))) if named else ()


def _listed(fields: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(fields.get(name, "").replace(",", " ").split())


def _is_uri(text: str) -> bool:
    """Tell whether a text is a URI; what is fetched from must be one that every parser reads alike."""
    if _URI.fullmatch(text) is None:
        return False
    fetched = text.removeprefix("mirror+")
    if fetched.lower().startswith(("http:", "https:", "file:")):
        try:
            Url.parse(without_user(fetched)[0])
        except UrlError:
            return False
    return True


def _source(fields: Mapping[str, str], *, name: str, where: str) -> Source:
    signed = fields.get("Signed-By", "")
    embedded = _unembedded(signed) if "BEGIN PGP" in signed else b""
    uris = tuple(fields.get("URIs", "").split())
    names = () if embedded else _listed(fields, "Signed-By")
    for uri in uris:
        if not _is_uri(uri):
            raise SourcesError(f"{where}: URIs: expected a URI, got {redact(uri)[:80]!r}")
    for one in names:
        if not one.startswith("/") and not _FINGERPRINT.fullmatch(one):
            raise SourcesError(f"{where}: Signed-By: expected a path, a fingerprint or a key, got {one[:80]!r}")
    try:
        return Source(
            name=name,
            suites=tuple(fields["Suites"].split()),
            components=tuple(fields.get("Components", "").split()),
            uris=uris,
            keys=embedded,
            signed_by=names,
            architectures=_architectures(fields),
            without=_listed(fields, "Architectures-Remove"),
            check_valid_until=is_true(fields.get("Check-Valid-Until", ""), default=True),
            check_suite=not is_true(fields.get(_ALLOW_SUITE, ""), default=False),
            check_strength=not is_true(fields.get(_ALLOW_WEAK, ""), default=False),
        )
    except SourcesError as error:
        raise SourcesError(f"{where}: {error}") from None


def _unembedded(text: str) -> bytes:
    """Return a key block from a field, in which each line has a leading space and an empty one is a dot."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join("" if line == "." else line for line in lines).strip().encode() + b"\n"


def _embedded(source: Source) -> str:
    every = certificates.read(source.keys, what=f"keys of source {source.name!r}")
    whole = b"".join(bytes(certificate) for certificate in every)
    block = str(pysequoia.armor(whole, pysequoia.ArmorKind.PublicKey))
    return "".join(f"\n {line.strip() or '.'}" for line in block.strip().split("\n"))
