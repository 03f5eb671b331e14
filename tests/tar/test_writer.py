from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import attrs
import pytest
from builders import trees
from hypothesis import given
from hypothesis import strategies as st

from imgforge.tar import END, TarError, Writer, header, read
from imgforge.tree import ROOT, Entry, Kind, text

PART = st.binary(min_size=1, max_size=120).filter(
    lambda part: b"/" not in part and b"\0" not in part and part not in (b".", b"..")
)
PATH = st.lists(PART, min_size=1, max_size=6).map(lambda parts: text(b"/".join(parts)))
TARGET = st.binary(min_size=1, max_size=300).filter(lambda target: b"\0" not in target).map(text)
IDS = st.integers(0, (1 << 32) - 2)
TIMES = st.integers(-(1 << 34), 1 << 36)
XATTRS = st.dictionaries(
    st.from_regex(r"(user|trusted|security)\.[a-z.]{1,20}", fullmatch=True), st.binary(max_size=200), max_size=3
).map(lambda values: tuple(sorted(values.items())))


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(st.sampled_from(Kind))
    content = draw(st.binary(max_size=1500)) if kind is Kind.FILE else b""
    targets = {Kind.SYMLINK: TARGET, Kind.HARDLINK: PATH}
    is_device = kind in (Kind.CHARACTER, Kind.BLOCK)
    entry = Entry(
        path=draw(PATH),
        kind=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(IDS),
        gid=draw(IDS),
        mtime=draw(TIMES),
        size=len(content),
        target=draw(targets.get(kind, st.just(""))),
        device=draw(st.tuples(st.integers(0, 0xFFF), st.integers(0, 0xFFFFF))) if is_device else (0, 0),
        xattrs=draw(XATTRS),
    )
    return entry, content


@given(st.lists(entries(), max_size=5))
def test_what_is_written_is_read_back(pairs: list[tuple[Entry, bytes]]) -> None:
    stream = io.BytesIO(trees.archive(pairs))
    assert [(entry, content.read()) for entry, content in read(stream, what="x")] == pairs


@given(st.lists(entries(), min_size=1, max_size=5))
def test_tarfile_reads_the_same(pairs: list[tuple[Entry, bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(trees.archive(pairs))) as archive:
        for member, (entry, content) in zip(archive, pairs, strict=True):
            assert member.name == entry.path
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            assert int(member.mtime) == entry.mtime
            assert member.linkname == entry.target
            assert (member.uname, member.gname) == ("", "")
            if entry.kind is Kind.FILE:
                stream = archive.extractfile(member)
                assert stream is not None
                assert stream.read() == content


def test_gnu_tar_reads_the_same(tmp_path: Path) -> None:
    pairs = [
        trees.directory("deep/" + "d" * 90),
        trees.file("deep/" + "d" * 90 + "/" + "f" * 200, b"content"),
        trees.file("späte", b"x", uid=3_000_000, mtime=-5),
        trees.symlink("link", "t" * 150),
        trees.hardlink("other", "späte"),
    ]
    (tmp_path / "x.tar").write_bytes(trees.archive(pairs))
    listed = subprocess.run(
        ["tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--file", tmp_path / "x.tar"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )
    assert listed.stderr == b""
    lines = listed.stdout.decode().splitlines()
    assert len(lines) == len(pairs)
    assert all(entry.path in line for (entry, _), line in zip(pairs, lines, strict=True))
    assert "0/3000000" in lines[2] or "3000000/0" in lines[2]
    assert "1969-12-31 23:59" in lines[2]


def test_the_bytes_are_these() -> None:
    """Layers that were pushed have these bytes; a change of this digest changes every image."""
    pairs = [
        trees.directory(ROOT),
        trees.directory("usr/bin", mode=0o2755, gid=50),
        trees.file("usr/bin/env", b"#!", mode=0o4755),
        trees.file("usr/" + "n" * 120, b"long name", xattrs=(("security.capability", b"\1\0"), ("user.b", b""))),
        trees.file("p" * 60 + "/" + "n" * 60, b"split name"),
        trees.symlink("bin", "usr/bin"),
        trees.hardlink("env", "usr/bin/env"),
        trees.device("null", 1, 3),
        trees.fifo("pipe"),
    ]
    digest = hashlib.sha256(trees.archive(pairs)).hexdigest()
    assert digest == "c317bac5ca49cea35586b0d11c1f175b2d5927e3c2d4d5f4e637ab17121a4df5"


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({}, 1),
        ({"path": "a" * 100}, 1),
        ({"path": "a" * 101}, 3),
        ({"path": "a" * 155 + "/" + "b" * 100}, 1),
        ({"path": "a" * 156 + "/" + "b" * 100}, 3),
        ({"path": "a" * 10 + "/" + "b" * 101}, 3),
        ({"uid": 0o7777777}, 1),
        ({"uid": 0o7777777 + 1}, 3),
        ({"gid": 0o7777777 + 1}, 3),
        ({"mtime": 0o77777777777}, 1),
        ({"mtime": 0o77777777777 + 1}, 3),
        ({"mtime": -1}, 3),
        ({"size": (8 << 30) - 1}, 1),
        ({"size": 8 << 30}, 3),
        ({"xattrs": (("user.a", b""),)}, 3),
    ],
)
def test_a_pax_header_is_written_only_when_ustar_does_not_do(changes: dict[str, object], blocks: int) -> None:
    entry = attrs.evolve(Entry("f", Kind.FILE), **changes)  # type: ignore[arg-type]
    assert len(header(entry)) == blocks * 512


def test_a_directory_s_slash_counts_as_part_of_its_name() -> None:
    assert len(header(Entry("a" * 99, Kind.DIRECTORY))) == 512
    assert len(header(Entry("a" * 100, Kind.DIRECTORY))) == 3 * 512


@pytest.mark.parametrize("content", [b"", b"12", b"1234", io.BytesIO(b"12"), io.BytesIO(b"1234"), None])
def test_content_of_another_size_is_refused(content: bytes | io.BytesIO | None) -> None:
    with pytest.raises(TarError, match="'f': expected 3 bytes of content"):
        Writer(io.BytesIO()).add(Entry("f", Kind.FILE, size=3), content)


def test_a_link_with_a_size_is_refused() -> None:
    with pytest.raises(TarError, match="'f': a hardlink with a size of 3 bytes"):
        header(Entry("f", Kind.HARDLINK, target="g", size=3))


def test_the_archive_ends_only_when_all_went_well() -> None:
    stream = io.BytesIO()
    with pytest.raises(TarError), Writer(stream) as writer:
        writer.add(Entry("f", Kind.FILE, size=3), b"")
    assert not stream.getvalue().endswith(END)


def test_the_offset_counts_what_was_written() -> None:
    stream = io.BytesIO()
    with Writer(stream) as writer:
        for pair in (trees.file("a", b"x" * 513), trees.file("b" * 101, b"y"), trees.directory("d")):
            writer.add(*pair)
            assert writer.offset == len(stream.getvalue())
    assert writer.offset == len(stream.getvalue())


def test_a_long_name_that_is_not_utf_8_is_marked_as_bytes() -> None:
    name = text(b"caf\xe9/" + b"n" * 120)
    data = trees.archive([trees.file(name, b"x"), trees.symlink("s", text(b"\xff" * 101))])
    assert data.count(b"21 hdrcharset=BINARY\n") == 2
    assert [entry.target or entry.path for entry, _ in read(io.BytesIO(data), what="x")] == [name, "\udcff" * 101]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [name, "s"]


def test_content_is_read_to_its_end_whatever_a_read_gives() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 3))

    stream = io.BytesIO()
    Writer(stream).add(Entry("f", Kind.FILE, size=10), Slow(b"0123456789"))
    assert stream.getvalue()[512:522] == b"0123456789"
