"""The forms that archives have: what is changed in an archive that is published, and who reads it then."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import attrs
from apt import text_of
from builders.archives import Archive, Suite

ALL = {"hello": "1.0", "other": "2.0", "needs": "1.0"}
NOT_OTHER = {"hello": "1.0", "needs": "1.0"}
NOT_HELLO = {"other": "2.0"}
NONE: dict[str, str] | None = None
"""What is found where the archive is refused."""


@attrs.frozen
class Form:
    """One form of an archive.

    Attributes:
        change: made to the suite before it is published.
        spoil: made to the archive after that.
        ours: versions of what imgforge takes, by name; None where it refuses the archive.
        apts: what APT takes, where that is not the same.
        why: they differ.
        suite: as the source names it.
        consents: options of the source, as a .sources file gives them.
    """

    change: Callable[[Suite], object] = lambda _suite: None
    spoil: Callable[[Archive], object] = lambda _archive: None
    ours: dict[str, str] | None = attrs.field(factory=lambda: ALL)
    apts: dict[str, str] | str | None = "same"
    why: str = ""
    suite: str = "stable"
    consents: str = ""


def index(**fields: object) -> Callable[[Suite], object]:
    """Return a change of a suite's attributes."""

    def change(suite: Suite) -> None:
        for name, value in fields.items():
            setattr(suite, name, value)

    return change


def released(**fields: str) -> Callable[[Suite], object]:
    """Return a change of fields of a suite's Release; an empty value leaves one out."""
    return index(fields={name.replace("_", "-"): value for name, value in fields.items()})


def text(old: str, new: str, *, count: int = -1) -> Callable[[Suite], object]:
    """Return a change of the text of an index."""

    def mangle(given: str) -> str:
        assert old in given
        return given.replace(old, new, count)

    return index(mangle=mangle)


def missing(*endings: str) -> Callable[[Archive], None]:
    """Return what removes packings of every index, under all their names."""

    def spoil(archive: Archive) -> None:
        for path in archive.path.rglob("Packages*"):
            if path.name.removeprefix("Packages") in endings:
                for other in archive.path.rglob("by-hash/*/*"):
                    if other.exists() and other.read_bytes() == path.read_bytes():
                        other.unlink()
                path.unlink()

    return spoil


def signed(change: Callable[[str], str]) -> Callable[[Archive], None]:
    """Return what changes the text of a Release and signs it anew."""

    def spoil(archive: Archive) -> None:
        (suite,) = archive.suites.values()
        given = (archive.path / suite.directory / "Release").read_text()
        assert change(given) != given
        archive.write_release(suite, change(given).encode())

    return spoil


def no_inrelease(archive: Archive) -> None:
    for path in archive.path.rglob("InRelease"):
        path.unlink()


def crlf_beside(archive: Archive) -> None:
    signed(lambda given: given.replace("\n", "\r\n"))(archive)
    no_inrelease(archive)


def no_by_hash(archive: Archive) -> None:
    for path in archive.path.rglob("by-hash"):
        shutil.rmtree(path)


def only(ending: str, **fields: object) -> Form:
    return Form(index(packings=("", ending), **fields), missing(""))


FLAT = {"Suite": "", "Codename": ""}
EVERY = ("", ".xz", ".lzma", ".bz2", ".gz", ".zst")


FORMS: dict[str, Form] = {
    "plain": Form(),
    # Packings of an index.
    **{f"only {ending}": only(ending) for ending in EVERY[1:]},
    **{f"only {ending}, not by hash": only(ending, by_hash=False) for ending in EVERY[1:]},
    "only as it is": Form(
        index(packings=EVERY),
        missing(*EVERY[1:]),
        apts=NONE,
        why="APT's method for file: takes the index as it is for the packed one that is missing",
    ),
    "gz is left of six": Form(index(packings=EVERY), missing("", ".xz", ".lzma", ".bz2", ".zst")),
    "by-hash is said and not there": Form(spoil=no_by_hash),
    "nothing is left": Form(index(packings=EVERY), missing(*EVERY), ours=NONE),
    "the index as it is, is not listed": Form(
        index(packings=(".xz",)), apts={}, why="APT asks for the name without an ending in the Release"
    ),
    "empty": Form(index(mangle=lambda _text: ""), ours={}),
    # Architectures.
    "all alone": Form(index(architectures=("all",))),
    "all beside": Form(index(separate_all=True)),
    "all is named and has no index": Form(released(Architectures="amd64 all")),
    "all alone, and no support": Form(
        lambda suite: (
            index(architectures=("all",))(suite),
            released(**{"No-Support-for-Architecture-all": "Packages"})(suite),
        ),
        ours=NONE,
        apts={},
        why="a source without anything for the architecture is an error of the manifest",
    ),
    "another architecture": Form(
        index(architectures=("arm64",)),
        ours=NONE,
        apts={},
        why="a source without anything for the architecture is an error of the manifest",
    ),
    "no Architectures": Form(released(Architectures="")),
    "no Components": Form(released(Components="")),
    "Components of another name": Form(released(Components="updates/main")),
    "Components without ours": Form(released(Components="contrib")),
    # Stanzas.
    "Package is not first": Form(text("Package: hello\nVersion: 1.0\n", "Version: 1.0\nPackage: hello\n")),
    "Architecture is first": Form(text("Package: hello", "Architecture: all\nPackage: hello")),
    "no blank after colons": Form(text(": ", ":")),
    "tabs after colons": Form(text(": ", ":\t")),
    "blanks before colons": Form(text(": ", " : ")),
    "names of fields in lower case": Form(index(mangle=text_of.lowered)),
    "names of fields in upper case": Form(index(mangle=lambda given: text_of.lowered(given, str.upper))),
    "a name in upper case": Form(text("Package: hello", "Package: HELLO")),
    "a leading slash": Form(text("Filename: pool", "Filename: /pool")),
    "a leading dot": Form(text("Filename: pool", "Filename: ./pool")),
    "CRLF": Form(text("\n", "\r\n")),
    "CRLF in one stanza": Form(index(mangle=lambda given: text_of.first(given, lambda one: one.replace("\n", "\r\n")))),
    "no newline at the end": Form(index(mangle=lambda given: given.rstrip("\n"))),
    "many empty lines between": Form(text("\n\n", "\n\n\n\n\n")),
    "an empty line before all": Form(index(mangle=lambda given: f"\n{given}")),
    "two empty lines before all": Form(
        index(mangle=lambda given: f"\n\n{given}"),
        apts=NONE,
        why="empty lines name no package to APT; they harm nobody",
    ),
    "a line of blanks between is no end": Form(
        text("\n\nPackage: other", "\n \nPackage: other"), ours={"other": "2.0"}
    ),
    "a line of blanks in a stanza": Form(text("Version: 1.0\n", "Version: 1.0\n \t\n")),
    "a continuation by tab": Form(text("Depends: hello", "Depends:\n\thello")),
    "a value on the next line": Form(text("Version: 1.0", "Version:\n 1.0")),
    "a field twice": Form(text("Version: 1.0\n", "Version: 0.5\nVersion: 1.0\n")),
    "a field twice, in another case": Form(text("Version: 1.0\n", "VERSION: 0.5\nVersion: 1.0\n")),
    "a package twice in one stanza": Form(text("Package: hello\n", "Package: elsewhere\nPackage: hello\n")),
    "the same stanza twice": Form(index(mangle=lambda given: f"{given}\n{given}")),
    "a comment before a field costs the field": Form(text("Version: 1.0\n", "# words\nVersion: 1.0\n"), ours=NOT_HELLO),
    "a comment with a colon": Form(text("Version: 1.0\n", "# word: s\nVersion: 1.0\n")),
    "a line of nothing costs the next field": Form(text("Version: 2.0\n", "words\nVersion: 2.0\n"), ours=NOT_OTHER),
    "a comment before a stanza": Form(
        text("Package: other", "# words\nPackage: other"),
        ours=NOT_OTHER,
        apts=NONE,
        why="a stanza without a name costs itself; to APT it costs all packages",
    ),
    "no Package": Form(
        text("Package: other\n", ""),
        ours=NOT_OTHER,
        apts=NONE,
        why="a stanza without a name costs itself; to APT it costs all packages",
    ),
    "no Version": Form(text("Version: 2.0\n", ""), ours=NOT_OTHER),
    "no Architecture": Form(
        index(mangle=lambda given: text_of.stanza(given, "other", "Architecture: all\n", "")),
        ours=NOT_OTHER,
        apts=ALL,
        why="a package that does not say for which machine it is, is for none",
    ),
    "no Filename": Form(index(mangle=lambda given: text_of.without(given, "other", "Filename")), ours=NOT_OTHER),
    "no hash": Form(index(mangle=lambda given: text_of.without(given, "other", "SHA256")), ours=NOT_OTHER),
    "Installed-Size with words": Form(text("Version: 1.0\n", "Version: 1.0\nInstalled-Size: 12 kB\n")),
    "an unknown Multi-Arch": Form(text("Version: 1.0\n", "Version: 1.0\nMulti-Arch: Same\n")),
    "Size with words": Form(index(mangle=lambda given: text_of.field(given, "other", "Size", "{} bytes"))),
    "Essential: true": Form(text("Version: 1.0\n", "Version: 1.0\nEssential: true\n")),
    "a version with blanks": Form(
        text("Version: 2.0\n", "Version: 2.0 beta\n"),
        ours=NOT_OTHER,
        apts={**ALL, "other": "2.0 beta"},
        why="a version is one word (Policy 5.6.12), to dpkg as well",
    ),
    "a relation that is none": Form(
        text("Depends: hello", "Depends: hello (("),
        ours={"hello": "1.0", "other": "2.0"},
        apts=NONE,
        why="a stanza that cannot be read costs itself; to APT it costs all packages",
    ),
    "a field without a value": Form(text("Version: 1.0\n", "Version: 1.0\nSection:\n")),
    "a colon without a name": Form(text("Version: 1.0\n", "Version: 1.0\n: x\n")),
    "bytes that are not UTF-8": Form(text("Version: 1.0\n", "Version: 1.0\nMaintainer: \udcff\n")),
    "a name with an underscore": Form(text("Package: other", "Package: other_one"), ours=NOT_OTHER),
    "another size under one version": Form(
        index(mangle=lambda given: given + "\n" + text_of.field(given, "hello", "Size", "1{}"))
    ),
    "other relations under one version": Form(
        index(mangle=lambda given: given + "\n" + given.replace("Version", "Breaks: nothing\nVersion"))
    ),
    "upper case in a hash": Form(index(mangle=text_of.upper), apts={}, why="hexadecimal digits have no case"),
    # The Release's own text.
    "signed beside it": Form(spoil=no_inrelease),
    "a Release in CRLF": Form(spoil=signed(lambda given: given.replace("\n", "\r\n"))),
    "a Release in CRLF, signed beside it": Form(spoil=crlf_beside),
    "a Release in lower case": Form(spoil=signed(text_of.lowered)),
    "a Release without blanks": Form(spoil=signed(lambda given: given.replace(": ", ":"))),
    "hashes by tabs": Form(spoil=signed(lambda given: given.replace("\n ", "\n\t").replace(" main", "\tmain"))),
    "empty lines at the end of a Release": Form(spoil=signed(lambda given: f"{given}\n\n")),
    "a second stanza in a Release": Form(
        spoil=signed(lambda given: f"{given}\nSuite: other\n"),
        ours=NONE,
        apts=ALL,
        why="what vouches for all packages is read by the letter",
    ),
    "a field twice in a Release": Form(
        spoil=signed(lambda given: f"Suite: other\n{given}"),
        ours=NONE,
        apts=ALL,
        why="what vouches for all packages is read by the letter",
    ),
    "a comment in a Release": Form(
        spoil=signed(lambda given: f"# words\n{given}"),
        ours=NONE,
        apts=ALL,
        why="what vouches for all packages is read by the letter",
    ),
    "unknown fields in a Release": Form(spoil=signed(lambda given: f"X-Words: a\n b\n{given}")),
    "a Description of lines": Form(
        spoil=signed(lambda given: given.replace("SHA256:", "Description: a\n b\n .\n c\nSHA256:"))
    ),
    "a path with a dot before it": Form(
        spoil=signed(lambda given: given.replace(" main", " ./main")),
        ours=NONE,
        apts={},
        why="a source without anything for the architecture is an error of the manifest",
    ),
    "further paths with a dot": Form(
        spoil=signed(lambda given: f"{given} {'0' * 64} 1 ./more\n" if given.endswith("\n") else given)
    ),
    # Hashes.
    "SHA512 in the Release": Form(index(hashes=("SHA512",))),
    "SHA512 in the Release, not by hash": Form(index(hashes=("SHA512",), by_hash=False)),
    "SHA512 in the index": Form(index(deb_hashes=("SHA512",))),
    "SHA512 alone": Form(index(hashes=("SHA512",), deb_hashes=("SHA512",))),
    "every hash": Form(index(hashes=("MD5Sum", "SHA1", "SHA256", "SHA512"), deb_hashes=("MD5Sum", "SHA256", "SHA512"))),
    "MD5Sum in the Release": Form(index(hashes=("MD5Sum",)), ours=NONE),
    "MD5Sum in the index": Form(index(deb_hashes=("MD5Sum",)), ours={}),
    # Times.
    **{
        f"Date: {date}": Form(released(Date=date))
        for date in (
            "Tue, 14 Nov 2023 22:13:20 UTC",
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "Tue, 14 Nov 2023 22:13:20 Z",
            "Tue, 14 Nov 2023 22:13:20 +0000",
            "Tue, 14 Nov 2023 22:13:20 -0000",
            "Tue, 14 Nov 2023 2:13:20 UTC",
            "Tue Nov 14 22:13:20 2023",
            "Tuesday, 14-Nov-23 22:13:20 GMT",
        )
    },
    "Date with another zone": Form(released(Date="Tue, 14 Nov 2023 22:13:20 +0200")),
    "no Date": Form(released(Date=""), ours=NONE, apts=ALL, why="without a Date nothing tells a newer from an older"),
    "a Date that is none": Form(
        released(Date="yesterday"), ours=NONE, apts=ALL, why="without a Date nothing tells a newer from an older"
    ),
    "Valid-Until to come": Form(released(Valid_Until="Sat, 14 Nov 2093 22:13:20 UTC")),
    "Valid-Until by asctime": Form(released(Valid_Until="Sat Nov 14 22:13:20 2093")),
    "Valid-Until over": Form(released(Valid_Until="Tue, 14 Nov 2023 22:13:19 UTC"), ours=NONE),
    "Valid-Until that is none": Form(released(Valid_Until="tomorrow"), ours=NONE),
    # Names of suites.
    "another Suite, the right Codename": Form(released(Suite="other")),
    "the right Suite, another Codename": Form(released(Codename="other")),
    **{
        f"{name}{', by consent' if consents else ''}": Form(
            released(Suite=suite, Codename=suite),
            ours=ALL if consents else NONE,
            apts=ALL,
            why="" if consents else "APT only warns: another suite in the place of this one is what an attacker serves",
            consents=consents,
        )
        for name, suite in (("another suite", "other"), ("a suite without a name", ""))
        for consents in ("", "X-Allow-Suite-Mismatch: yes\n")
    },
    # Flat archives.
    "flat at a path": Form(suite="here/"),
    "flat": Form(suite="./"),
    "flat, as a slash": Form(suite="/"),
    "flat, only gz": Form(index(packings=("", ".gz")), missing(""), suite="/"),
    "flat, not by hash": Form(index(by_hash=False), suite="./"),
}
