from __future__ import annotations

import contextlib
import functools
import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from builders import tarballs, trees
from builders.tarballs import END, block, member, pax, star
from builders.trickles import Trickle
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import IntegrityError
from imgforge.tar import LAYER, PACKAGE, Content, Forms, Limits, TarError, read
from imgforge.tar.member import PLAIN
from imgforge.tree import ROOT, Entry, Kind, UnsafePathError


def everything(data: bytes, *, limits: Limits | None = None) -> list[tuple[Entry, bytes]]:
    stream = io.BytesIO(data)
    return [(entry, content.read()) for entry, content in read(stream, what="x", limits=limits or Limits())]


def entries(data: bytes) -> list[Entry]:
    return [entry for entry, _ in everything(data)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tarfile_writes_is_read(form: int) -> None:
    long = "n" * (95 if form == tarfile.USTAR_FORMAT else 200)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for kind, name, target in (
            (tarfile.DIRTYPE, "d", ""),
            (tarfile.REGTYPE, f"d/{long}", ""),
            (tarfile.SYMTYPE, "s", long),
            (tarfile.LNKTYPE, "h", f"d/{long}"),
            (tarfile.CHRTYPE, "c", ""),
            (tarfile.FIFOTYPE, "p", ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.uid, info.mtime = kind, target, 0o750, 1000, 77
            info.size = 5 if kind == tarfile.REGTYPE else 0
            info.devmajor, info.devminor = 5, 1
            archive.addfile(info, io.BytesIO(b"hello"))
    same = functools.partial(Entry, mode=0o750, uid=1000, mtime=77)
    assert everything(stream.getvalue()) == [
        (same("d", Kind.DIRECTORY), b""),
        (same(f"d/{long}", Kind.FILE, size=5), b"hello"),
        (same("s", Kind.SYMLINK, target=long), b""),
        (same("h", Kind.HARDLINK, target=f"d/{long}"), b""),
        (same("c", Kind.CHARACTER, device=(5, 1)), b""),
        (same("p", Kind.FIFO), b""),
    ]


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes_is_read(form: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "dir").mkdir(parents=True)
    (source / "dir" / "file").write_bytes(b"x" * 1000)
    (source / "link").symlink_to("dir/file")
    os.link(source / "dir" / "file", source / "other")
    archive = subprocess.run(
        ["tar", f"--format={form}", "--sort=name", "--mtime=@5", "--create", "--directory", source, "."],
        check=True,
        capture_output=True,
    ).stdout
    got = [(entry.path, entry.kind, entry.target, entry.size, entry.mtime) for entry in entries(archive)]
    assert got == [
        (ROOT, Kind.DIRECTORY, "", 0, 5),
        ("dir", Kind.DIRECTORY, "", 0, 5),
        ("dir/file", Kind.FILE, "", 1000, 5),
        ("link", Kind.SYMLINK, "dir/file", 0, 5),
        ("other", Kind.HARDLINK, "dir/file", 0, 5),
    ]


def test_a_file_named_with_a_slash_is_a_directory_in_the_oldest_archives() -> None:
    assert entries(block(b"old/", flag=b"\0", magic=b"") + END) == [Entry("old", Kind.DIRECTORY)]


def test_a_prefix_is_joined_only_in_posix_s_form() -> None:
    assert entries(block(b"n", prefix=b"p/q") + END)[0].path == "p/q/n"
    assert entries(block(b"n", prefix=b"p/q", magic=b"ustar  \0") + END)[0].path == "n"
    assert entries(block(b"n", prefix=b"p/q", magic=b"") + END)[0].path == "n"


def test_a_posix_header_needs_no_version() -> None:
    assert entries(block(b"n", prefix=b"p/q", magic=b"ustar\0") + END)[0].path == "p/q/n"


def test_the_times_in_star_s_header_are_no_part_of_the_name() -> None:
    assert entries(star(b"n", prefix=b"p" * 131, content=b"1") + END)[0].path == "p" * 131 + "/n"


def test_a_pax_header_speaks_for_the_next_entry_only() -> None:
    first = pax({b"path": b"long", b"uid": b"4000000", b"mtime": b"12.5", b"SCHILY.xattr.user.a": b"1"})
    got = entries(first + member(b"short") + member(b"next") + END)
    assert got[0] == Entry("long", Kind.FILE, uid=4000000, mtime=12, xattrs=(("user.a", b"1"),))
    assert got[1] == Entry("next", Kind.FILE)


def test_a_pax_size_is_the_size() -> None:
    data = pax({b"size": b"600"}) + block(size=0) + tarballs.padded(b"x" * 600) + member(b"next") + END
    assert [(entry.path, entry.size) for entry in entries(data)] == [("f", 600), ("next", 0)]


def test_a_global_header_with_a_comment_is_passed_over() -> None:
    """``git archive`` writes the commit so."""
    assert entries(pax({b"comment": b"0" * 40}, flag=b"g") + member() + END) == [Entry("f", Kind.FILE)]


def test_an_empty_pax_value_leaves_the_header_s() -> None:
    assert entries(pax({b"path": b"", b"uid": b""}) + block(b"n", prefix=b"p") + END)[0].path == "p/n"


def test_the_type_bits_of_a_mode_are_dropped() -> None:
    assert entries(block(mode=b"0104755\0") + END)[0].mode == 0o4755


def test_a_name_that_is_not_utf_8_survives() -> None:
    assert entries(member(b"caf\xe9") + END)[0].path == "caf\udce9"


@pytest.mark.parametrize("tail", [b"", bytes(512), END, bytes(10240), END + b"anything"])
def test_reading_stops_at_the_end(tail: bytes) -> None:
    assert len(entries(member() + tail)) == 1


def test_the_last_padding_may_be_missing() -> None:
    data = block(b"f", size=600) + b"x" * 600
    for missing in (data, data + bytes(300)):
        for stream in (io.BytesIO(missing), Trickle(missing)):
            got = [content.read() for _, content in read(cast("BinaryIO", stream), what="x")]
            assert got == [b"x" * 600]


def test_an_archive_inside_a_file_is_read_from_where_the_stream_stands(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"before!" + member(b"f", b"content") + END)
    with (tmp_path / "x").open("rb") as stream:
        stream.seek(7)
        for _, content in read(stream, what="x"):
            assert isinstance(content, Content)
            assert content.location() == (stream.fileno(), 7 + 512)
            assert content.read(3) == b"con"
            assert content.location() == (stream.fileno(), 7 + 512 + 3)


def test_only_a_real_file_has_locations(tmp_path: Path) -> None:
    data = member(b"f", b"content") + END
    (tmp_path / "x").write_bytes(data)
    (tmp_path / "x.gz").write_bytes(gzip.compress(data))
    pipe: BinaryIO = io.BufferedReader(Trickle(data))
    with gzip.open(tmp_path / "x.gz") as zipped, (tmp_path / "x").open("rb", buffering=0) as real:
        located = []
        for stream in (io.BytesIO(data), zipped, pipe, real):
            for _, content in read(cast("BinaryIO", stream), what="x"):
                assert isinstance(content, Content)
                located.append(content.location() is not None)
    assert located == [False, False, False, True]


@given(st.lists(st.binary(max_size=2000), max_size=6), st.lists(st.integers(-1, 900), min_size=1, max_size=9))
def test_content_is_the_same_however_it_is_read(contents: list[bytes], sizes: list[int]) -> None:
    data = trees.archive([trees.file(f"f{number}", content) for number, content in enumerate(contents)])
    for stream in (io.BytesIO(data), Trickle(data), io.BufferedReader(Trickle(data, step=13))):
        for (_, content), expected in zip(read(cast("BinaryIO", stream), what="x"), contents, strict=True):
            got = b""
            for size in sizes:
                piece = content.read(size)
                assert expected[len(got) :].startswith(piece)
                got += piece


def test_content_is_closed_when_the_archive_moves_on() -> None:
    walk = read(io.BytesIO(member(b"a", b"1") + member(b"b", b"2") + END), what="x")
    _, first = next(walk)
    next(walk)
    with pytest.raises(ValueError, match="x: 'a': read after the archive moved on"):
        first.read()


@pytest.mark.parametrize("name", [b"../up", b"a/../../b", b"/etc/passwd", b"..", b"a/..", b"//x"])
@pytest.mark.parametrize("flag", [b"0", b"2", b"5"])
def test_a_name_that_climbs_or_is_absolute_is_refused(name: bytes, flag: bytes) -> None:
    for data in (block(name, flag=flag, link=b"t"), pax({b"path": name}) + block(flag=flag, link=b"t")):
        with pytest.raises(UnsafePathError, match="refused"):
            entries(data + END)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"/etc/passwd", "etc/passwd"),
        (b"//etc//passwd", "etc/passwd"),
        (b"/./etc/./passwd", "etc/passwd"),
        (b"/", ROOT),
        (b"///", ROOT),
        (b"/.", ROOT),
    ],
)
def test_a_leading_slash_is_the_root_where_that_is_agreed_on(name: bytes, path: str) -> None:
    for forms in (PACKAGE, LAYER):
        found = read(io.BytesIO(block(name, flag=b"5") + END), what="x", forms=forms)
        assert [entry.path for entry, _ in found] == [path]
        linked = read(io.BytesIO(block(b"l", flag=b"1", link=b"/etc/passwd") + END), what="x", forms=forms)
        assert [entry.target for entry, _ in linked] == ["etc/passwd"]


@pytest.mark.parametrize(
    ("name", "path"),
    [(b"a/../b", "b"), (b"/a/../b", "b"), (b"a/b/../../c/./d", "c/d"), (b"a/..", ROOT), (b"..a/..b", "..a/..b")],
)
def test_two_dots_take_back_a_part_in_a_layer(name: bytes, path: str) -> None:
    found = read(io.BytesIO(block(name, flag=b"5") + END), what="x", forms=LAYER)
    assert [entry.path for entry, _ in found] == [path]


@pytest.mark.attack
@pytest.mark.parametrize(
    "name", [b"..", b"../up", b"/..", b"/../up", b"//..//up", b"a/../../up", b"/a/./../../up", b"a/../.."]
)
@pytest.mark.parametrize("forms", [PLAIN, PACKAGE, LAYER])
def test_no_form_of_name_climbs_above_the_root(name: bytes, forms: Forms) -> None:
    for data in (block(name, flag=b"5"), pax({b"path": name}) + block(flag=b"5"), block(flag=b"1", link=name)):
        with pytest.raises(UnsafePathError, match="refused"):
            list(read(io.BytesIO(data + END), what="x", forms=forms))


@pytest.mark.parametrize("target", [b"../up", b"/etc/shadow", b"a/../../b", b""])
def test_a_hard_link_that_climbs_or_is_absolute_is_refused(target: bytes) -> None:
    with pytest.raises(UnsafePathError, match="x: 'f': hard link: "):
        entries(block(flag=b"1", link=target) + END)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (block(b"./", flag=b"0"), "'./': a file whose name ends in a slash"),
        (block(b".", flag=b"2", link=b"t"), "'.': the root must be a directory"),
        (block(flag=b"1", link=b"."), "'f': a hard link to the root"),
        (block(flag=b"2"), "'f': a symlink to nothing"),
        (pax({b"linkpath": b"a\0b"}) + block(flag=b"2"), "'f': a symlink to nothing, to a NUL"),
        (pax({b"linkpath": b"l" * 4096}) + block(flag=b"2"), "'f': a symlink to nothing, to a NUL, or longer"),
        (block(flag=b"1", link=b"t", size=5), "'f': a hardlink with a size of 5 bytes"),
        (block(flag=b"2", link=b"t", size=5), "'f': a symlink with a size of 5 bytes"),
        (block(flag=b"5", size=5), "'f': a dir with a size of 5 bytes"),
        (block(flag=b"3", size=5), "'f': a char with a size of 5 bytes"),
        (pax({b"size": b"5"}) + block(flag=b"5"), "'f': a dir with a size of 5 bytes"),
        (block(size=b"\xff" + b"\xff" * 11), "'f': a file with a size of -1 bytes"),
        (block(flag=b"S"), "a sparse file is refused"),
        (block(flag=b"M"), "'f': an entry of type 'M' is refused"),
        (block(flag=b"D"), "'f': an entry of type 'D' is refused"),
        (block(flag=b"V"), "'f': an entry of type 'V' is refused"),
        (block(flag=b"Z"), "'f': an entry of type 'Z' is refused"),
        (pax({b"GNU.sparse.major": b"1"}) + block(), "a sparse file is refused"),
        (pax({b"path": b"evil"}, flag=b"g") + block(), "a global pax header sets 'path'"),
        (pax({b"uid": b"0"}, flag=b"g") + block(), "a global pax header sets 'uid'"),
        (pax({b"path": b"a"}) + pax({b"path": b"b"}) + block(), "two 'x' headers for one entry"),
        (member(b"L", b"a\0", flag=b"L") * 2 + block(), "two 'L' headers for one entry"),
        (member(b"L", b"a\0", flag=b"L") + pax({b"path": b"b"}) + block(), "'path' is given twice for one entry"),
        (member(b"K", b"a\0", flag=b"K") + pax({b"linkpath": b"b"}) + block(), "'linkpath' is given twice"),
        (block(uid=b"\x80\0\0\0\xff\xff\xff\xff"), "'f': owner 4294967295 is out of range"),
        (block(gid=b"\xff" * 8), "'f': owner -1 is out of range"),
        (pax({b"uid": b"99999999999"}) + block(), "'f': owner 99999999999 is out of range"),
        (pax({b"mtime": b"1" * 18}) + block(), "'f': modification time 1"),
        (block(mtime=b"\x80" + b"\xff" * 11), "'f': modification time "),
        (block(flag=b"3", device=(b"0010000\0", b"")), "'f': device (4096, 0) is out of range"),
        (block(flag=b"4", device=(b"\xff" * 8, b"")), "'f': device (-1, 0) is out of range"),
        (block(mode=b"rwxr-xr\0"), "'f': expected an octal number"),
        (block(b"f", size=9)[:100], "truncated within a header"),
        (member(content=b"x" * 600)[:700], "truncated"),
        (member(content=b"x" * 600)[:-425], "truncated"),
        (pax({b"path": b"a"}), "truncated after an extended header"),
        (pax({b"path": b"a"})[:800], "truncated within an extended header"),
        (b"x" * 512, "expected an octal number"),
        (block()[:200] + b"!" + block()[201:], "header 1 has a wrong checksum"),
        (block() + bytes(512) + block(b"hidden"), "a lone zero block is followed by more"),
    ],
)
def test_what_readers_disagree_about_is_refused(data: bytes, text: str) -> None:
    for stream in (io.BytesIO(data), io.BufferedReader(Trickle(data))):
        with pytest.raises(TarError) as caught:
            [content.read() for _, content in read(stream, what="x")]
        assert str(caught.value).startswith("x: ")
        assert text in str(caught.value)


@pytest.mark.parametrize("size", [2**33, 2**40, 2**62, 2**87])
def test_an_absurd_size_is_refused_before_anything_is_read(size: int) -> None:
    for data in (block(size=b"\x80" + size.to_bytes(11, "big")), pax({b"size": b"%d" % (size % 10**20)}) + block()):
        for stream in (io.BytesIO(data), io.BufferedReader(Trickle(data))):
            with pytest.raises(TarError):
                [content.read() for _, content in read(stream, what="x")]


def test_an_absurd_extended_header_is_refused() -> None:
    with pytest.raises(TarError, match="an extended header of 2000000 bytes, at most 1048576"):
        entries(block(flag=b"x", size=2_000_000) + bytes(2_000_000))


def test_limits_are_kept() -> None:
    data = member(b"a", b"12345") + member(b"b", b"12345") + pax({b"comment": b"c"}, flag=b"g") * 3 + END
    assert len(everything(data, limits=Limits(entries=5, single=5, total=10))) == 2
    for limits, text in (
        (Limits(entries=4), "more than 4 entries"),
        (Limits(single=4), "'a': 5 bytes are more than is accepted"),
        (Limits(total=9), "'b': 5 bytes are more than is accepted"),
    ):
        with pytest.raises(TarError, match=text):
            everything(data, limits=limits)


def test_content_that_nobody_reads_is_checked_too() -> None:
    data = member(b"a", b"x" * 5000)[:-600]
    for stream in (io.BytesIO(data), io.BufferedReader(Trickle(data))):
        with pytest.raises(TarError, match="truncated"):
            list(read(stream, what="x"))


@given(st.data())
def test_damage_gives_an_integrity_error_or_nothing(data: st.DataObject) -> None:
    archive = bytearray(
        trees.archive([trees.file("a" * 120, b"1" * 600), trees.symlink("s", "t" * 130), trees.directory("d")])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    for start in range(0, len(archive), 512):  # right checksums let the damage through to the fields
        if data.draw(st.booleans()):
            fixed = archive[start : start + 148] + b" " * 8 + archive[start + 156 : start + 512]
            archive[start + 148 : start + 156] = b"%06o\0 " % sum(fixed)
    with contextlib.suppress(IntegrityError):
        everything(bytes(archive[: data.draw(st.integers(0, len(archive)))]))
