"""Files of sources, as people and installers write them."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from builders.archives import Key
from hypothesis import given
from hypothesis import strategies as st

from imgforge.apt import certificates, sources
from imgforge.apt.sources import Source, SourcesError, dump, parse, with_keys
from imgforge.errors import ImgforgeError

KEY = Key()
OTHER = Key()
URI = "https://mirrors.wikimedia.org/debian"

DEB822 = f"""\
# what the installer wrote
Types: deb deb-src
URIs: {URI}/
Suites: bookworm
# a comment in between
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: {URI}
Suites: sid
Components: main

Enabled: no
Types: deb
URIs: {URI}
Suites: sid
Components: main

Types: deb
URIs: {URI}-security https://mirrors.wikimedia.org/other
Suites: bookworm-security
Components: main
Architectures: amd64 arm64
Check-Valid-Until: no
Trusted: yes
"""


def test_a_deb822_file_gives_its_enabled_binary_sources() -> None:
    first, second = parse(DEB822, file="/etc/apt/sources.list.d/debian.sources")
    assert (first.name, first.suites) == ("debian", ("bookworm", "bookworm-updates"))
    assert (first.components, first.uris) == (("main", "contrib"), (URI,))
    assert first.signed_by == ("/usr/share/keyrings/debian-archive-keyring.gpg",)
    assert (second.name, second.architectures) == ("debian-2", ("amd64", "arm64"))
    assert second.uris == (f"{URI}-security", "https://mirrors.wikimedia.org/other")
    assert not second.check_valid_until


def test_a_list_file_gives_a_source_a_line() -> None:
    text = f"""\
# a comment
deb {URI}/ bookworm main contrib # another

deb-src {URI} bookworm main
deb [ arch=amd64,arm64 signed-by=/k.gpg  check-valid-until=no ] {URI} ./
deb\t[arch+=i386]\t{URI} stable main
"""
    first, second, third = parse(text, file="x/old.list")
    assert (first.name, first.uris, first.suites, first.components) == (
        "old",
        (URI,),
        ("bookworm",),
        ("main", "contrib"),
    )
    assert (second.name, second.suites, second.components) == ("old-2", ("./",), ())
    assert (second.architectures, second.signed_by, second.check_valid_until) == (
        ("amd64", "arm64"),
        ("/k.gpg",),
        False,
    )
    assert third.architectures == ()


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ("arch-=i386", {"amd64", "arm64"}),
        ("arch+=arm64", {"amd64", "arm64", "i386"}),
        ("arch=i386 arch+=amd64", {"amd64", "i386"}),
        ("arch=amd64,arm64 arch-=amd64", {"arm64"}),
        ("arch=amd64 arch-=amd64", set()),
    ],
)
def test_architectures_are_added_and_removed_in_both_forms(options: str, taken: set[str]) -> None:
    names = {"arch": "Architectures", "arch+": "Architectures-Add", "arch-": "Architectures-Remove"}
    pairs = [option.rpartition("=") for option in options.split()]
    fields = "".join(f"{names[name.rstrip('=')]}: {value.replace(',', ' ')}\n" for name, _, value in pairs)
    (line,) = parse(f"deb [{options}] {URI} a main\n", file="x.list")
    (stanza,) = parse(f"Types: deb\nURIs: {URI}\nSuites: a\nComponents: main\n{fields}", file="x.sources")
    assert line == stanza
    assert {name for name in ("amd64", "arm64", "i386") if line.has(name)} == taken
    (again,) = parse(dump(attrs.evolve(line, keys=KEY.certificate)), file="x.sources")
    assert (again.architectures, again.without) == (line.architectures, line.without)


DISC = "cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 DVD Binary-1 with firmware 20230610-10:23]/"


def test_a_disc_is_read_with_the_blanks_of_its_name() -> None:
    first, second = parse(f"deb {DISC} bookworm main contrib\ndeb {URI} bookworm main\n", file="x.list")
    assert first.uris == (DISC.replace(" ", "%20").rstrip("/"),)
    assert (first.suites, first.components) == (("bookworm",), ("main", "contrib"))
    assert second.uris == (URI,)
    (quoted,) = parse('deb "https://mirrors.wikimedia.org/a b" x main\n', file="x.list")
    assert quoted.uris == ("https://mirrors.wikimedia.org/a%20b",)


@pytest.mark.parametrize("file", ["x.list", "x.sources"])
def test_the_exact_suite_is_the_uri_itself(file: str) -> None:
    text = "deb file:/srv/local /\n" if file == "x.list" else "Types: deb\nURIs: file:/srv/local\nSuites: /\n"
    (source,) = parse(text, file=file)
    assert (source.uris, source.suites, source.components) == (("file:/srv/local",), ("/",), ())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_other_systems_are_read_as_apt_reads_them(end: str) -> None:
    text = DEB822.replace("\n", end)
    assert parse(text, file="x.sources") == parse(DEB822, file="x.sources")
    one, two = parse(f"deb {URI} a main{end}deb {URI} b main{end}", file="x.list")
    assert one.components == two.components == ("main",)


def test_what_is_wrong_is_left_out_only_where_the_caller_wants_what_is_readable() -> None:
    text = f"deb {URI} a main\nnonsense\ndeb http://[x b main\ndeb {URI} c\ndeb {URI} d main\n"
    found, wrong = sources.parse_readable(text, file="x.list")
    assert [source.suites for source in found] == [("a",), ("d",)]
    assert [str(error).partition(": ")[0] for error in wrong] == ["x.list:2", "x.list:3", "x.list:4"]
    with pytest.raises(SourcesError, match=r"x\.list:2: expected 'deb'"):
        parse(text, file="x.list")


@pytest.mark.parametrize(
    "line", ["deb {0}", "deb x {0} main", "deb https://user:secret@[y z main", "deb {1} {0} main", "deb {1} a {0}"]
)
def test_a_message_shows_no_password(line: str) -> None:
    with pytest.raises(SourcesError) as caught:
        parse(line.format("https://user:secret@mirrors.wikimedia.org/x", URI), file="x.list")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Suites: a\n", "x.sources:1: field 'Types' is missing"),
        (f"\n\nTypes: deb\nURIs: {URI}\n", "x.sources:3: field 'Suites' is missing"),
        (f"Types: deb\nTypes: deb\nURIs: {URI}\nSuites: a\n", "x.sources:2: field 'Types' is given twice"),
        ("words\n", "x.sources:1: expected 'Field: value'"),
        (f"Types: deb\nURIs: {URI}\nSuites: a\n", "x.sources:1: source 'x': components: expected at least one"),
        (f"Types: deb\nURIs: {URI}\nSuites: a/\nComponents: main\n", "the flat suite 'a/' has no components"),
        (f"Types: deb\nURIs: {URI}\nSuites: ../../etc\nComponents: main\n", "expected a plain name, got '../../etc'"),
        (f"Types: deb\nURIs: {URI}\nSuites: a?b\nComponents: main\n", "suites: expected a plain name"),
        (f"Types: deb\nURIs: {URI}\nSuites: a\nComponents: main/../x\n", "components: expected a plain name"),
        ("Types: deb\nURIs: words\nSuites: a\nComponents: main\n", "URIs: expected a URI, got 'words'"),
        (f"Types: deb\nURIs: {URI}\nSuites: a\nComponents: b\nSigned-By: key\n", "Signed-By: expected a path"),
    ],
)
def test_a_deb822_file_that_is_wrong_is_refused_with_its_line(text: str, error: str) -> None:
    with pytest.raises(SourcesError) as caught:
        parse(text, file="x.sources")
    assert error in str(caught.value)
    assert str(caught.value).startswith("x.sources:")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rpm x y z\n", "x.list:1: expected 'deb' or 'deb-src', got 'rpm'"),
        (f"\ndeb {URI}\n", "x.list:2: expected a URI and a suite"),
        (f"deb {URI} bookworm\n", "x.list:1: source 'x': components: expected at least one"),
        (f"deb [arch] {URI} a b\n", "x.list:1: expected OPTION=VALUE, got 'arch'"),
        (f"deb [arch= {URI} a b\n", "URIs: expected a URI, got '[arch='"),
        ("deb cdrom: a b\n", "URIs: expected a URI"),
    ],
)
def test_a_list_file_that_is_wrong_is_refused_with_its_line(text: str, error: str) -> None:
    with pytest.raises(SourcesError) as caught:
        parse(text, file="x.list")
    assert error in str(caught.value)


def test_a_file_of_absurd_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FILE_MAX", 10)
    with pytest.raises(SourcesError, match="expected at most 10 characters"):
        parse(DEB822, file="x.sources")


@given(st.text(max_size=200), st.sampled_from(["x.list", "x.sources"]))
def test_no_text_raises_anything_but_a_typed_error(text: str, file: str) -> None:
    try:
        parse(text, file=file)
    except ImgforgeError:
        return


def _source(*keys: Key, name: str = "debian", suites: tuple[str, ...] = ("a", "b"), uri: str = URI) -> Source:
    ring = b"".join(key.certificate for key in keys)
    return Source(name, suites, ("main", "contrib"), (uri,), keys=ring)


def test_keys_may_stand_in_the_file() -> None:
    block = "".join(f"\n {line or '.'}" for line in KEY.armored.strip().split("\n"))
    text = f"Types: deb\nURIs: {URI}\nSuites: a\nComponents: main\nSigned-By:{block}\n"
    (source,) = parse(text, file="x.sources")
    assert source.fingerprints == (KEY.fingerprint,)


def test_keys_are_read_from_the_places_that_the_file_names() -> None:
    (source,) = parse(f"deb [signed-by=/a.gpg,/b.asc] {URI} a main\n", file="x.list")
    files = {"/a.gpg": KEY.certificate, "/b.asc": OTHER.armored.encode()}
    assert with_keys(source, files.__getitem__).fingerprints == tuple(sorted((KEY.fingerprint, OTHER.fingerprint)))


def test_a_fingerprint_chooses_among_the_default_keys() -> None:
    (source,) = parse(f"deb [signed-by={KEY.fingerprint.upper()}!] {URI} a main\n", file="x.list")
    both = KEY.certificate + OTHER.certificate
    read: dict[str, bytes] = {}
    assert with_keys(source, read.__getitem__, default=lambda: both).fingerprints == (KEY.fingerprint,)
    with pytest.raises(certificates.KeyringError, match="none of the certificates is"):
        with_keys(source, read.__getitem__, default=lambda: OTHER.certificate)


def test_a_fingerprint_chooses_within_a_named_keyring() -> None:
    (source,) = parse(f"deb [signed-by=/a.gpg,{KEY.fingerprint}] {URI} a main\n", file="x.list")
    files = {"/a.gpg": KEY.certificate + OTHER.certificate}
    assert with_keys(source, files.__getitem__).fingerprints == (KEY.fingerprint,)


def test_keys_that_are_there_stay() -> None:
    source = _source(KEY)
    assert with_keys(source, dict[str, bytes]().__getitem__) is source


@pytest.mark.parametrize("signed_by", [None, "/etc/apt/keyrings/debian.gpg"])
def test_a_source_survives_being_written_and_read(signed_by: str | None) -> None:
    source = attrs.evolve(_source(KEY, OTHER), architectures=("amd64",), check_valid_until=False)
    (read,) = parse(dump(source, signed_by=signed_by), file="debian.sources")
    if signed_by is None:
        assert read.identity == source.identity
        read = attrs.evolve(read, keys=source.keys)
    else:
        read = attrs.evolve(read, keys=source.keys, signed_by=())
    assert read == source


def test_the_identity_is_suites_components_and_keys() -> None:
    one = _source(KEY, OTHER).identity
    assert one == _source(OTHER, KEY, name="other", suites=("b", "a"), uri="http://elsewhere/").identity
    assert one != _source(KEY).identity
    assert one != _source(KEY, OTHER, suites=("a",)).identity
    assert one != attrs.evolve(_source(KEY, OTHER), components=("main",)).identity


def test_a_source_without_uris_is_written_as_one_that_is_not_enabled() -> None:
    source = Source("x", ("./",), (), (), keys=KEY.certificate)
    text = dump(source, signed_by="/k")
    assert text.startswith("Enabled: no\nTypes: deb\nSuites: ./\n")
    assert [(one.suites, one.uris) for one in parse(text, file="x.sources")] == [(("./",), ())]
    assert [one.uris for one in parse(text.replace("Enabled: no\n", ""), file="x.sources")] == [()]
    assert parse(f"URIs: {URI}\n{text}", file="x.sources") == ()


def test_what_a_source_takes_by_consent_is_carried() -> None:
    given = attrs.evolve(_source(KEY), check_suite=False, check_strength=False, signed_by=("/k",))
    (read,) = parse(dump(given, signed_by="/k"), file="x.sources")
    assert (read.check_suite, read.check_strength, read.check_valid_until) == (False, False, True)
    (usual,) = parse(dump(_source(KEY), signed_by="/k"), file="x.sources")
    assert (usual.check_suite, usual.check_strength) == (True, True)


def test_a_flat_archive_at_the_uri_has_two_names() -> None:
    dot, slash = (Source("x", (suite,), (), (URI,), keys=KEY.certificate) for suite in ("./", "/"))
    assert dot.identity != slash.identity  # a lock says which of them it was made for
    assert dot.plain == slash.plain == dot


def test_a_source_shows_no_keys() -> None:
    assert "keys" not in repr(_source(KEY))


@pytest.mark.archive
def test_the_hosts_own_files_are_read() -> None:
    files = [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt").glob("sources.list")]
    assert [one for file in files for one in parse(file.read_text(), file=str(file))]
