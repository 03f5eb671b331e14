"""The comparison sees every difference, and an exception allows no more than it says."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance import trees
from acceptance.trees import ONLY_OURS, ONLY_THEIRS, Rule

CASE = "apt/small"


def plant(root: Path) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/motd").write_text("hello\n")
    (root / "etc/issue").hardlink_to(root / "etc/motd")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/true").write_bytes(b"\x7fELF")
    (root / "bin").symlink_to("usr/bin")
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "small.list").write_text("/.\n/bin\n/bin/true\n")
    os.utime(root / "usr/bin/true", (1, 1))
    return root


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return plant(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    root = plant(tmp_path / "theirs")
    os.utime(root / "bin", (1, 1), follow_symlinks=False)
    os.utime(tmp_path / "ours/bin", (1, 1), follow_symlinks=False)
    return root


def found(ours: Path, theirs: Path, *rules: Rule) -> list[str]:
    """Return path and field of each finding."""
    said = trees.findings(CASE, trees.read(ours), trees.read(theirs), rules)
    return [re.sub(r"^/(.*?): ([a-z ]+).*", r"\1 \2", text) for text in said]


def rule(*paths: str, differs: tuple[str, ...] = ("content",), case: str = "apt/*", check: str = "") -> Rule:
    return Rule(paths, differs, (case,), "a test", check)


def test_equal_trees_have_no_findings(ours: Path, theirs: Path) -> None:
    assert found(ours, theirs) == []


def _write(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(text)


def _part(root: Path) -> None:
    (root / "etc/issue").unlink()
    (root / "etc/issue").write_text("hello\n")


def _point_elsewhere(root: Path) -> None:
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_write("etc/new", ""), ["etc/new only theirs"]),
        (_write("etc/motd", "other\n"), ["etc/issue content", "etc/motd content"]),
        (_part, ["etc/motd name"]),
        (_point_elsewhere, ["etc/os-release content"]),
        (lambda root: (root / "etc").chmod(0o700), ["etc mode"]),
        (lambda root: (root / "etc/os-release").unlink(), ["etc/os-release only ours"]),
        (lambda root: os.utime(root / "usr/bin/true", (2, 2)), ["usr/bin/true mtime"]),
        (lambda root: os.utime(root / "etc/motd", (2, 2)), []),
    ],
    ids=["new", "content", "hard link", "target", "mode", "missing", "time of a package's file", "time of another"],
)
def test_a_difference_is_found(ours: Path, theirs: Path, change: Callable[[Path], object], expected: list[str]) -> None:
    change(theirs)
    assert found(ours, theirs) == expected


@pytest.mark.root
def test_an_owner_and_an_attribute_are_found(ours: Path, theirs: Path) -> None:
    os.chown(theirs / "etc", 1, 2)
    os.setxattr(theirs / "usr/bin/true", "security.capability", struct.pack("<5I", 0x2000001, 1 << 10, 0, 0, 0))
    assert found(ours, theirs) == ["etc uid", "etc gid", "usr/bin/true xattrs"]


def test_an_exception_allows_its_field_alone(ours: Path, theirs: Path) -> None:
    (theirs / "usr/bin/true").write_text("")
    (theirs / "usr/bin/true").chmod(0o755)
    os.utime(theirs / "usr/bin/true", (1, 1))
    assert found(ours, theirs, rule("usr/bin/true")) == ["usr/bin/true mode"]


def test_a_star_stands_for_one_name(ours: Path, theirs: Path) -> None:
    (theirs / "usr/bin/false").write_text("")
    assert found(ours, theirs, rule("usr/*", differs=(ONLY_THEIRS,)))[0] == "usr/bin/false only theirs"
    assert found(ours, theirs, rule("usr/bin/*", differs=(ONLY_THEIRS,))) == []


def test_an_exception_of_another_comparison_does_not_hold(ours: Path, theirs: Path) -> None:
    (theirs / "usr/bin/true").unlink()
    assert found(ours, theirs, rule("usr/bin/true", differs=(ONLY_OURS,), case="mmdebstrap/*")) == [
        "usr/bin/true only ours"
    ]


def test_an_exception_that_nothing_needs_is_a_finding(ours: Path, theirs: Path) -> None:
    assert found(ours, theirs, rule("etc/motd")) == ["exception without a difference: etc/motd"]


def keystore(*entries: tuple[str, int, bytes]) -> bytes:
    """Return a Java trust store of alias, milliseconds and certificate."""
    data = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, date, certificate in entries:
        name = alias.encode()
        data += struct.pack(">IH", 2, len(name)) + name + struct.pack(">QH", date, 5) + b"X.509"
        data += struct.pack(">I", len(certificate)) + certificate
    return data + bytes(20)


STORE = keystore(("a", 1, b"x"), ("b", 1, b"y"))


@pytest.mark.parametrize(
    ("check", "own", "other", "holds"),
    [
        ("same lines", b"a\nb\n", b"b\na\n", True),
        ("same lines", b"a\nb\n", b"b\na\na\n", False),
        ("same stanzas", b"A: 1\n\nB: 2\n\n", b"B: 2\n\nA: 1\n\n", True),
        ("same stanzas", b"A: 1\n\nB: 2\n\n", b"B: 2\n\nA: 2\n\n", False),
        ("more stanzas", b"A: 1\n\nB: 2\n\n", b"B: 2\n\n", True),
        ("more stanzas", b"A: 1\n\nB: 2\n\n", b"C: 2\n\n", False),
        ("ours is empty", b"", b"x", True),
        ("ours is empty", b"y", b"x", False),
        ("same certificates", STORE, keystore(("b", 2, b"y"), ("a", 3, b"x")), True),
        ("same certificates", STORE, keystore(("a", 1, b"y"), ("b", 1, b"x")), False),
    ],
)
def test_what_must_be_equal_nevertheless_is_asked(
    ours: Path, theirs: Path, check: str, own: bytes, other: bytes, *, holds: bool
) -> None:
    (ours / "file").write_bytes(own)
    (theirs / "file").write_bytes(other)
    assert (found(ours, theirs, rule("file", check=check)) == []) is holds


def test_every_exception_says_where_what_and_why() -> None:
    fields = {"kind", "mode", "uid", "gid", "content", "xattrs", "name", "mtime", ONLY_OURS, ONLY_THEIRS}
    for exception in trees.rules():
        assert exception.reason
        assert exception.paths
        assert exception.cases
        assert exception.differs
        assert set(exception.differs) <= fields
        assert exception.check in {"", *trees.CHECKS}
