"""The outer archive: what GNU ar and dpkg read is read, everything odd is refused."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from builders.debs import MTIME, ar_header, build_ar
from hypothesis import given
from hypothesis import strategies as st

from imgforge.deb import ar
from imgforge.deb.errors import ArError, DebError, TrailingBytesError

MAGIC = b"!<arch>\n"


def members(data: bytes) -> tuple[ar.Member, ...]:
    return ar.members(io.BytesIO(data), what="x.deb")


def content(data: bytes, member: ar.Member) -> bytes:
    return ar.Section(io.BytesIO(data), member).read()


def test_members_of_even_and_odd_size_are_found() -> None:
    data = build_ar([("a", b"12"), ("bb", b"123"), ("c", b""), ("d", b"1")])

    found = members(data)

    assert [(member.name, member.mtime, member.size) for member in found] == [
        ("a", MTIME, 2),
        ("bb", MTIME, 3),
        ("c", MTIME, 0),
        ("d", MTIME, 1),
    ]
    assert [content(data, member) for member in found] == [b"12", b"123", b"", b"1"]


def test_archive_of_binutils_is_read(tmp_path: Path) -> None:
    for name in ("debian-binary", "data"):
        (tmp_path / name).write_text(name + "\n")
    argv = ["ar", "rcD", "x.a", "debian-binary", "data"]
    subprocess.run(argv, cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin"})
    data = (tmp_path / "x.a").read_bytes()

    assert [(member.name, content(data, member)) for member in members(data)] == [
        ("debian-binary", b"debian-binary\n"),
        ("data", b"data\n"),
    ]


def test_name_with_a_slash_behind_it_and_missing_last_padding_are_read() -> None:
    (member,) = members(MAGIC + ar_header("data.tar/", "3") + b"123")

    assert (member.name, member.size) == ("data.tar", 3)


def test_archive_without_members_is_read() -> None:
    assert members(MAGIC) == ()


@pytest.mark.parametrize("data", [b"", b"!<arch>", b"!<thin>\n", b"\x1f\x8b" + bytes(100), b"0.939000\n"])
def test_other_files_are_no_archive(data: bytes) -> None:
    with pytest.raises(ArError, match="not a Debian package"):
        members(data)


@pytest.mark.parametrize(
    "size",
    ["9999999999", "4", "", "-3", "-9999999", "+3", " 3", "3 3", "0x3", "3.0", "3e0", "1_0", "٣", "3\0", "\0\0\0"],
)
def test_absurd_size_is_refused(size: str) -> None:
    header = f"{'a':<16}{MTIME:<12}{0:<6}{0:<6}{'100644':<8}".encode() + size.encode().ljust(10)[:10] + b"`\n"

    with pytest.raises(ArError):
        members(MAGIC + header + b"123")


@pytest.mark.parametrize("mtime", ["", "-1", "1 1", "1e9", "0x10", "999999999999"])
def test_absurd_time_is_refused(mtime: str) -> None:
    with pytest.raises(ArError):
        members(MAGIC + ar_header("a", "0", mtime=mtime))


@pytest.mark.parametrize("name", ["", "/", "//", "/12", "#1/20", "a/b", "a b", "\xe4", "a\0b", "../x", "\x7f", "a\n"])
def test_name_that_is_long_or_not_printable_ascii_is_refused(name: str) -> None:
    with pytest.raises(ArError):
        members(MAGIC + ar_header(name, "0"))


def test_header_without_its_end_mark_is_refused() -> None:
    with pytest.raises(TrailingBytesError, match="expected the header"):
        members(MAGIC + ar_header("a", "0", end=b"\0\0"))


@pytest.mark.parametrize("rest", [b"x", b"\n", b"\0" * 60, b"PK\x03\x04" + bytes(200), ar_header("b", "0")[:59]])
def test_what_follows_the_last_member_is_refused(rest: bytes) -> None:
    with pytest.raises(TrailingBytesError):
        members(build_ar([("a", b"12")]) + rest)


def test_padding_that_is_no_newline_is_refused() -> None:
    with pytest.raises(ArError, match="padding"):
        members(MAGIC + ar_header("a", "1") + b"1\0" + ar_header("b", "0"))


def test_archive_of_endless_members_is_refused() -> None:
    with pytest.raises(ArError, match="more than 32 members"):
        members(build_ar([(f"m{number}", b"") for number in range(33)]))


def test_every_truncation_is_refused_or_loses_whole_members() -> None:
    data = build_ar([("a", b"1234"), ("b", b"12345678")])
    whole = {8, 72}

    for length in range(len(data)):
        if length in whole:
            assert len(members(data[:length])) == sorted(whole).index(length)
            continue
        with pytest.raises(DebError):
            members(data[:length])


def test_sections_of_one_stream_take_turns() -> None:
    data = build_ar([("a", b"aaaa"), ("b", b"bbbb")])
    stream = io.BytesIO(data)
    first, second = (ar.Section(stream, member) for member in ar.members(stream, what="x"))

    assert [first.read(2), second.read(3), first.read(), second.read(), first.read(1)] == [
        b"aa",
        b"bbb",
        b"aa",
        b"b",
        b"",
    ]
    assert not first.seekable()


@given(st.lists(st.tuples(st.from_regex(r"\A[!-.0-~]{1,15}\Z"), st.binary(max_size=9)), max_size=6))
def test_built_archives_are_read_back(given_members: list[tuple[str, bytes]]) -> None:
    data = build_ar(given_members)

    assert [(member.name, content(data, member)) for member in members(data)] == given_members


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = members(MAGIC + data)
    except DebError:
        return
    assert all(0 <= member.size <= len(data) for member in found)
