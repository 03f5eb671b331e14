"""Packages files: found by name and virtual name, read one stanza at a time, refused when malformed."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from builders.indices import STABLE, index_of, parsed, stanza
from hypothesis import example, given
from hypothesis import strategies as st

from imgforge.apt import package, stanzas, tagfile
from imgforge.apt.index import Index, tabulate
from imgforge.apt.opening import KIND, open_index
from imgforge.apt.package import parse
from imgforge.apt.tagfile import StanzaError
from imgforge.apt.values import IndexFile
from imgforge.deb import relation
from imgforge.digest import Digest
from imgforge.errors import StoreError
from imgforge.store.cache import Cache

FILE = IndexFile(Path("Packages"), Digest.of(b""), "tests", STABLE, "stone", "main", "amd64", ())

FULL = b"""\
Package: app
Source: app-source (1:2.0)
Version: 1:2.0-1+b1
Installed-Size: 12
Architecture: amd64
Multi-Arch: same
Essential: yes
Important: yes
Priority: Required
Section: admin
Pre-Depends: lib (>= 1)
Depends: a | b,
 c
Recommends: r
Conflicts: x
Breaks: y
Replaces: z
Provides: virtual (= 3)
Filename: ./pool/app.deb
Size: 1234
SHA256: 00000000000000000000000000000000000000000000000000000000000000AA
Description: does things
 Depends: not-a-field
"""


def names(packages: tuple[package.Package, ...]) -> list[str]:
    return [f"{found.name}={found.version}" for found in packages]


def test_a_stanza_is_read_whole() -> None:
    read = parse(FULL.rstrip(), what="Packages", index=FILE)
    assert (read.name, read.version, read.architecture, read.multi_arch) == ("app", "1:2.0-1+b1", "amd64", "same")
    assert (read.essential, read.protected, read.priority, read.section) == (True, True, "required", "admin")
    assert (read.pre_depends, read.depends, read.recommends) == ("lib (>= 1)", "a | b,\n c", "r")
    assert (read.conflicts, read.breaks, read.replaces, read.provides) == ("x", "y", "z", "virtual (= 3)")
    assert (read.filename, read.size, read.installed_size) == ("pool/app.deb", 1234, 12)
    assert (read.source_name, read.source_version) == ("app-source", "1:2.0")
    assert read.digest == Digest("sha256", "aa".rjust(64, "0"))
    assert read.control == FULL.rstrip()
    assert str(read) == "app:amd64=1:2.0-1+b1"


def test_a_package_without_source_is_its_own_source() -> None:
    read = index_of(["app 1.0"]).packages("app")[0]
    assert (read.source_name, read.source_version) == ("app", "1.0")


def test_a_name_has_all_its_versions_in_the_order_of_the_file() -> None:
    read = index_of(["app 1", "lib 1", "app 3", "app 2"])
    assert names(read.packages("app")) == ["app=1", "app=3", "app=2"]
    assert names(read.packages("lib")) == ["lib=1"]
    assert read.packages("li") == read.packages("libx") == ()
    assert read.has("lib")
    assert not read.has("ib")


def test_a_virtual_name_has_its_providers() -> None:
    read = index_of(["one 1 || Provides: virtual (= 2), other", "two 1 || Provides:  other,virtual,virtual", "three 1"])
    assert names(read.providers("other")) == ["one=1", "two=1"]
    assert names(read.providers("virtual")) == ["one=1", "two=1"]
    assert read.providers("three") == ()


def test_a_folded_provides_is_read_to_its_end() -> None:
    read = parsed(stanza("one", fields={"Provides": "a,\n b (= 1),\n\tc"}).encode())
    assert [len(read.providers(name)) for name in ("a", "b", "c", "d")] == [1, 1, 1, 0]


def test_important_packages_are_known_without_reading_the_others() -> None:
    lines = ["a 1", "b 1 || Essential: yes", "c 1 || Priority: required", "d 1 || Priority: required || Essential: yes"]
    assert names(index_of(lines).important()) == ["b=1", "c=1", "d=1"]


def test_an_empty_index_has_nothing() -> None:
    read = parsed(b"")
    assert (read.packages("a"), read.providers("a"), read.important(), list(read.names())) == ((), (), (), [])


def test_a_file_need_not_end_with_an_empty_line() -> None:
    for text in (stanza("a") + "\n" + stanza("b"), "\n" + stanza("a") + "\n\n" + stanza("b").rstrip()):
        assert sorted(parsed(text.encode()).names()) == ["a", "b"]


@given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True), unique=True, max_size=60))
def test_every_name_is_found_and_only_once(found: list[str]) -> None:
    read = index_of([f"{name} 1" for name in found])
    assert sorted(read.names()) == sorted(found)
    assert all(names(read.packages(name)) == [f"{name}=1"] for name in found)


def test_a_version_that_is_listed_twice_is_two_packages_in_the_order_of_the_file() -> None:
    for other in ({"SHA256": "1" * 64}, {"Depends": "more"}, {}):
        twice = stanza("app") + "\n" + stanza("app", fields=other)
        assert names(parsed(twice.encode()).packages("app")) == ["app=1", "app=1"]


@pytest.mark.parametrize("colon", [":", " :", "\t :\t"])
def test_blanks_before_a_colon_hide_no_field(colon: str) -> None:
    text = stanza("app").replace("Version:", f"Depends{colon} lib\nVersion:")
    assert [package.depends for package in parsed(text.encode()).packages("app")] == ["lib"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Package": "../x"}, "field 'Package'"),
        ({"Version": "1.0 beta"}, "version '1.0 beta'"),
        ({"Version": ""}, "version ''"),
        ({"Architecture": "a/b"}, "field 'Architecture'"),
        ({"Filename": "../../etc/passwd"}, "'..'"),
        ({"Filename": "/../etc/passwd"}, "'..'"),
        ({"Filename": "/"}, "expected a path"),
        ({"Filename": ""}, "'Filename' is absent"),
        ({"SHA256": ""}, "'SHA256' is absent"),
        ({"SHA256": "", "MD5sum": "0" * 32, "SHA1": "0" * 40}, "'SHA256' is absent, and so is 'SHA512'"),
        ({"SHA256": "12"}, "digest sha256"),
        ({"Size": "-1"}, "field 'Size'"),
        ({"Size": "١٢"}, "field 'Size'"),
        ({"Size": "9" * 15}, "field 'Size'"),
        ({"Size": "9" * 5000}, "field 'Size'"),
        ({"Source": "a b c"}, "field 'Source'"),
        ({"Section": "admin\nno field"}, "expected 'Field: value', got b'no field'"),
    ],
)
def test_a_malformed_stanza_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(StanzaError, match=message.replace("(", r"\(")):
        parse(stanza("app", fields=change).encode().strip(), what="Packages", index=FILE)


def test_a_field_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(StanzaError, match=r"Packages: field 'Depends': expected UTF-8, got b'\\xff'"):
        parse(b"Package: a\nVersion: 1\nArchitecture: all\nDepends: \xff", what="Packages", index=None)
    text = b"Package: a\nVersion: 1\nArchitecture: all\nMaintainer: \xff"
    assert parse(text, what="Packages", index=None).control == text


def warned(text: str) -> tuple[Index, list[str]]:
    """Return the index of a text, and the warnings that it gives."""
    told: list[str] = []
    data = text.encode()
    read = Index(data, tabulate(data, what="Packages"), file=FILE, warn=told.append)
    read.read_nameless()
    return read, told


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("Version: 1\n", "field 'Package': expected"),
        ("Package: two words\nVersion: 1\n", "got 'two words'"),
        ("Package: two\twords\nVersion: 1\n", "got 'two\\twords'"),
        ("Package: b\nno colon\n", "expected 'Field: value', got b'no colon'"),
        ("# words\nPackage: b\n", "field 'Package': expected"),
        (stanza("b", fields={"Size": "-1"}), "b: field 'Size'"),
        (stanza("b", fields={"Depends": "a ((", "Provides": "a"}), "b: relation 'a (('"),
        (stanza("b", fields={"Provides": "a (= 1:x:y z)"}), "b: "),
        (stanza("b", fields={"Filename": "../x"}), "b: "),
        (stanza("b", fields={"Filename": "/../x"}), "b: "),
    ],
)
def test_a_stanza_that_cannot_be_used_costs_its_package_with_one_warning(bad: str, says: str) -> None:
    read, told = warned(f"{stanza('a')}\n{bad}\n{stanza('c')}")
    for _ in range(2):
        assert [names(read.packages(name)) for name in "abc"] == [["a=1"], [], ["c=1"]]
        assert read.packages("two") == read.packages("words") == ()
    (warning,) = told
    assert warning.startswith("tests/stone/main/amd64: Packages:9: ")
    assert says in warning
    assert warning.endswith("; the package is left out")


def test_many_stanzas_that_cannot_be_used_are_not_named_all() -> None:
    _, told = warned("\n".join(f"Version: {number}\n" for number in range(1000)))
    assert len(told) == 11
    assert told[-1] == "tests/stone/main/amd64: more stanzas cannot be used; the packages are left out"


FORMS = {
    "lower case": lambda text: text.replace("Provides", "provides").replace("Priority", "priority"),
    "no blank": lambda text: text.replace(": ", ":"),
    "blank before": lambda text: text.replace(":", " :", 1).replace("Provides", "Provides "),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "another first": lambda text: text.replace("Package: b\n", "").replace("Version: 1\n", "Version: 1\nPackage: b\n"),
    "a name before it": lambda text: text.replace("Package: b\n", "Package: x\nPackage: b\n"),
    "a provision before it": lambda text: text.replace("Provides:", "Provides: x\nProvides:"),
    "folded": lambda text: text.replace("Provides: ", "Provides:\n "),
}


@pytest.mark.parametrize("form", FORMS)
def test_names_provisions_and_importance_are_found_in_every_form(form: str) -> None:
    fields = {"Provides": "virtual (= 2), other", "Priority": "Required", "Depends": "mentioned"}
    changed = FORMS[form](stanza("b", fields=fields))
    end = "\r\n" if form == "CRLF" else "\n"
    read, told = warned(f"{stanza('a')}\n{changed}{end}{stanza('c', fields={'Depends': 'late'})}")
    assert [names(read.packages(name)) for name in ("a", "b", "c", "x")] == [["a=1"], ["b=1"], ["c=1"], []]
    assert [names(read.providers(name)) for name in ("virtual", "other")] == [["b=1"], ["b=1"]]
    assert names(read.important()) == ["b=1"]
    found = [read.mention(name, architecture="amd64") for name in ("a", "b", "mentioned", "late")]
    assert all(found)
    assert found == sorted(found, key=lambda one: one or ())
    assert told == []


GOOD = "Version: 1\nArchitecture: all\nFilename: a\nSize: 1\nSHA256: " + "0" * 64 + "\n"
PIECES = (
    GOOD, GOOD, "Package: a\n", "Package: b\n", "package:c\n", "Package : d\n",
    "Provides: v, w (= 1)\n", "PROVIDES:x\n",
    "Provides:\n y\n", "Essential: yes\n", "Essential:true\n", "Essential: no\n", "Priority: required\n",
    "priority: Required\n", "words\n", "# words: x\n", " \n", " more: x\n", "\n", "\n\n", "\r\n", "\r", "Depends: ((\n",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20))
@example([GOOD, "Package: a\n", "Package: b\n", "\n", "Package: b\n", GOOD, "words\n", "Provides: v, w (= 1)\n"])
def test_nothing_that_a_stanza_says_is_overlooked(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    read, _ = warned(data.decode())
    for part in tagfile.END.split(data):
        try:
            found = parse(part.strip(b"\r\n"), what="Packages", index=FILE)
            package.check_relations(found, architecture="amd64", what="Packages")
        except StanzaError:
            continue
        assert found in read.packages(found.name)
        words = found.provides.replace("(= 1)", "").split(",")
        assert all(found in read.providers(word.strip()) for word in words if word.strip())
        is_important = found.essential or found.priority == "required"
        assert not is_important or found in read.important()


def test_a_stanza_is_read_the_same_in_every_order_and_case() -> None:
    expected = parse(FULL.rstrip(), what="Packages", index=FILE)
    lines = FULL.rstrip().replace(b",\n c", b", c").split(b"\n")[:-2]
    changed = b"\n".join(line.split(b":", 1)[0].upper() + b"\t:" + line.split(b": ", 1)[1] for line in reversed(lines))
    read = parse(changed, what="Packages", index=FILE)
    assert attrs.evolve(read, control=b"", depends="") == attrs.evolve(expected, control=b"", depends="")
    assert (read.provides, read.filename, read.multi_arch) == ("virtual (= 3)", "pool/app.deb", "same")


@given(st.text("ab1.-+~:,|()<>= \n", max_size=40))
@example("a (>= 1:2.0-1), b:any | c (= 3)")
@example("1(")
def test_relations_that_are_taken_at_a_glance_are_good(text: str) -> None:
    if package._RELATIONS.fullmatch(text):
        relation.parse(text, architecture="amd64")


def test_an_endless_stanza_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stanzas, "STANZA_MAX", 1000)
    with pytest.raises(StanzaError, match="at most 1000 bytes"):
        tabulate(stanza("a", fields={"Description": "x" * 1000}).encode(), what="Packages")
    with pytest.raises(StanzaError, match="at most"):
        parse(b"Package: a\n" + b"x" * package.STANZA_MAX, what="Packages", index=None)


def test_a_table_of_another_version_is_refused() -> None:
    with pytest.raises(StanzaError, match="expected a table of version"):
        Index(b"", b"imgforge index 0\n", file=FILE)


def mention(text: str, name: str) -> tuple[int, ...] | None:
    found = parsed(text.encode()).mention(name, architecture="amd64")
    return found and found[:2]


def test_the_first_mention_of_a_name_follows_the_order_in_which_apt_reads() -> None:
    first = stanza("one", fields={"Recommends": "late, lib", "Depends": "lib (>= 1), xlib", "Description": "word"})
    second = stanza(
        "two", fields={"Depends": "late, word, for:i386, any:any, own:amd64, own2:native, folded,\n folded2"}
    )
    text = first + "\n" + second
    assert mention(text, "one") == (0, 0)
    assert mention(text, "lib") == (0, 2)
    assert mention(text, "late") == (0, 5)
    assert mention(text, "word") == mention(text, "own") == mention(text, "own2") == (len(first) + 1, 2)
    assert mention(text, "folded2") == (len(first) + 1, 2)
    assert mention(text, "two") == (len(first) + 1, 0)
    assert mention(text, "for") is mention(text, "any") is mention(text, "absent") is None


def write(tmp_path: Path, text: str) -> IndexFile:
    data = text.encode()
    path = tmp_path / "Packages"
    path.write_bytes(data)
    return IndexFile(path, Digest.of(data), "tests", STABLE, "stone", "main", "amd64", ())


def test_the_table_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    file = write(tmp_path, stanza("a") + "\n" + stanza("b"))
    assert names(open_index(file, cache=cache, warn=print).packages("b")) == ["b=1"]
    (table,) = (tmp_path / "cache" / KIND).rglob(f"{file.digest.hex}*")
    before = table.stat().st_ino
    assert names(open_index(file, cache=cache, warn=print).packages("b")) == ["b=1"]
    assert table.stat().st_ino == before


def test_an_empty_file_opens(tmp_path: Path) -> None:
    assert list(open_index(write(tmp_path, ""), cache=Cache(tmp_path / "cache"), warn=print).names()) == []


def test_a_missing_file_is_a_store_error(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    file.path.unlink()
    with pytest.raises(StoreError, match="No such file"):
        open_index(file, cache=Cache(tmp_path / "cache"), warn=print)
