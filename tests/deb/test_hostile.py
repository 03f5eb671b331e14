"""Hostile packages: each is refused with its own error, and the good one beside it is accepted."""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO

import attrs
import pytest
from builders import debs
from builders.parts import BINARY, CONTROL, DATA, FIELDS, control_tar, odd_tar
from hypothesis import given, settings
from hypothesis import strategies as st

from imgforge.codec import BombError
from imgforge.deb import errors
from imgforge.deb.control import DebControlError
from imgforge.deb.package import LIMITS, DebPackage, Limits, open_deb
from imgforge.deb.version import VersionError
from imgforge.errors import IntegrityError
from imgforge.tar import TarError
from imgforge.tree import Entry, Kind, UnsafePathError

pytestmark = pytest.mark.attack

SMALL = attrs.evolve(LIMITS, control=1 << 20, data=1 << 20, entries=100)


def opened(*members: tuple[str, bytes], limits: Limits = LIMITS) -> DebPackage:
    return open_deb(io.BytesIO(debs.build_ar(members)), what="x.deb", limits=limits)


def with_control(text: str) -> DebPackage:
    return opened(BINARY, ("control.tar", control_tar(text)), DATA)


def walk(package: DebPackage) -> list[str]:
    paths = []
    for entry, content in package.entries():
        content.read()
        paths.append(entry.path)
    return paths


def test_good_package_is_accepted() -> None:
    assert walk(opened(BINARY, CONTROL, DATA)) == ["x"]


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ([], errors.MissingMemberError),
        ([BINARY], errors.MissingMemberError),
        ([BINARY, DATA], errors.MissingMemberError),
        ([BINARY, CONTROL], errors.MissingMemberError),
        ([CONTROL, DATA], errors.MissingMemberError),
        ([BINARY, CONTROL, ("_data.tar", DATA[1])], errors.MissingMemberError),
        ([BINARY, CONTROL, ("Data.tar", DATA[1])], errors.MissingMemberError),
        ([CONTROL, BINARY, DATA], errors.MemberOrderError),
        ([BINARY, DATA, CONTROL], errors.MemberOrderError),
        ([("_x", b""), BINARY, CONTROL, DATA], errors.MemberOrderError),
        ([("x", b""), BINARY, CONTROL, DATA], errors.MemberOrderError),
        ([BINARY, ("x", b""), CONTROL, DATA], errors.MemberOrderError),
        ([BINARY, CONTROL, ("x", b""), DATA], errors.MemberOrderError),
        ([BINARY, BINARY, CONTROL, DATA], errors.DuplicateMemberError),
        ([BINARY, CONTROL, CONTROL, DATA], errors.DuplicateMemberError),
        ([BINARY, CONTROL, DATA, DATA], errors.DuplicateMemberError),
        ([BINARY, CONTROL, DATA, CONTROL], errors.DuplicateMemberError),
        ([BINARY, CONTROL, DATA, BINARY], errors.DuplicateMemberError),
        ([BINARY, CONTROL, ("control.tar.gz", b""), DATA], errors.DuplicateMemberError),
        ([BINARY, CONTROL, ("control.tar/", CONTROL[1]), DATA], errors.DuplicateMemberError),
        ([BINARY, CONTROL, DATA, ("data.tar.xz", b"")], errors.DuplicateMemberError),
        ([BINARY, CONTROL, DATA, ("_x", b""), ("_x", b"")], errors.DuplicateMemberError),
    ],
)
def test_members_are_there_once_and_in_order(members: list[tuple[str, bytes]], error: type[errors.DebError]) -> None:
    with pytest.raises(error):
        opened(*members)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"3.0\n",
        b"1.0\n",
        b"2\n",
        b"2.0",
        b"20.0\n",
        b"2.0 \n",
        b"2.x\n",
        b" 2.0\n",
        b"\xff\n",
        b"2." + b"0" * 2000,
    ],
)
def test_other_format_version_is_refused(text: bytes) -> None:
    with pytest.raises(errors.FormatVersionError, match=r"expected '2\.0'"):
        opened(("debian-binary", text), CONTROL, DATA)


@pytest.mark.parametrize(
    "members",
    [
        [BINARY, ("control.tar.bz2", debs.compress(CONTROL[1], "bzip2")), DATA],
        [BINARY, ("control.tar.lzma", debs.compress(CONTROL[1], "lzma")), DATA],
        [BINARY, CONTROL, ("data.tar.lzma", debs.compress(DATA[1], "xz"))],
        [BINARY, CONTROL, ("data.tar.lzma", DATA[1])],
        [BINARY, CONTROL, ("data.tar.lzma", b"]")],
        [BINARY, CONTROL, ("data.tar.xz", debs.compress(DATA[1], "lzma"))],
        [BINARY, CONTROL, ("data.tar.Z", DATA[1])],
        [BINARY, CONTROL, ("data.tar.gz.xz", debs.compress(DATA[1], "xz"))],
        [BINARY, CONTROL, ("data.tarball", DATA[1])],
        [BINARY, ("control.tar.gz", debs.compress(CONTROL[1], "xz")), DATA],
        [BINARY, ("control.tar", debs.compress(CONTROL[1], "gzip")), DATA],
        [BINARY, ("control.tar.xz", CONTROL[1]), DATA],
        [BINARY, CONTROL, ("data.tar.zst", debs.compress(DATA[1], "gzip"))],
        [BINARY, CONTROL, ("data.tar", debs.compress(DATA[1], "bzip2"))],
        [BINARY, CONTROL, ("data.tar.xz", b"")],
    ],
)
def test_compression_that_packages_do_not_have_or_that_is_not_the_named_one_is_refused(
    members: list[tuple[str, bytes]],
) -> None:
    with pytest.raises(errors.CompressionError, match=r"x\.deb: "):
        opened(*members)


@pytest.mark.parametrize("rest", [b"garbage", b"\0" * 60, b"\n", b"PK\x05\x06" + bytes(18)])
def test_trailing_garbage_of_the_package_is_refused(rest: bytes) -> None:
    data = debs.build_ar([BINARY, CONTROL, DATA]) + rest

    with pytest.raises(errors.TrailingBytesError):
        open_deb(io.BytesIO(data), what="x.deb")


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_trailing_garbage_of_a_tar_is_refused(compression: str) -> None:
    ending = debs.EXTENSIONS[compression]
    control = (f"control.tar{ending}", debs.compress(CONTROL[1] + bytes(5000) + b"x", compression))
    data = (f"data.tar{ending}", debs.compress(DATA[1] + bytes(5000) + b"x", compression))

    with pytest.raises(errors.TrailingBytesError, match=r"control\.tar"):
        opened(BINARY, control, DATA)
    with pytest.raises(errors.TrailingBytesError, match=r"data\.tar"):
        walk(opened(BINARY, CONTROL, data))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_trailing_garbage_of_a_compressed_stream_is_refused(compression: str) -> None:
    name = f"data.tar{debs.EXTENSIONS[compression]}"

    with pytest.raises(IntegrityError):
        walk(opened(BINARY, CONTROL, (name, debs.compress(DATA[1], compression) + b"garbage")))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_control_bomb_is_refused(compression: str) -> None:
    bomb = control_tar(None, (Entry("templates", Kind.FILE), bytes(40 << 20)))
    name = f"control.tar{debs.EXTENSIONS[compression]}"

    with pytest.raises((BombError, TarError)):
        opened(BINARY, (name, debs.compress(bomb, compression)), DATA)


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_bomb_of_padding_is_refused(compression: str) -> None:
    ending = debs.EXTENSIONS[compression]
    control = (f"control.tar{ending}", debs.compress(CONTROL[1] + bytes(40 << 20), compression))
    data = (f"data.tar{ending}", debs.compress(DATA[1] + bytes(2 << 20), compression))

    with pytest.raises(BombError):
        opened(BINARY, control, DATA)
    with pytest.raises(BombError):
        walk(opened(BINARY, CONTROL, data, limits=SMALL))


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_data_bomb_is_refused_and_only_when_it_is_walked(compression: str) -> None:
    bomb = debs.compress(debs.build_tar([(Entry("x", Kind.FILE), bytes(2 << 20))]), compression)
    package = opened(BINARY, CONTROL, (f"data.tar{debs.EXTENSIONS[compression]}", bomb), limits=SMALL)

    with pytest.raises((BombError, TarError)):
        walk(package)


def test_bomb_of_entries_is_refused() -> None:
    many = debs.build_tar((Entry(f"{number}", Kind.FILE), b"") for number in range(101))

    with pytest.raises(TarError, match="more than 100 entries"):
        walk(opened(BINARY, CONTROL, ("data.tar", many), limits=SMALL))


def test_bomb_of_control_files_is_refused() -> None:
    many = control_tar(None, *((Entry(f"f{number}", Kind.FILE), b"") for number in range(300)))

    with pytest.raises(TarError, match="more than 256 entries"):
        opened(BINARY, ("control.tar", many), DATA)


def test_oversize_control_is_refused() -> None:
    with pytest.raises(errors.ControlSizeError):
        with_control(debs.control_text({**FIELDS, "Description": "x" * (1 << 20)}))


@pytest.mark.parametrize("path", ["../control", "../../etc/passwd", "a/../../b", "..", "/etc/passwd"])
def test_control_that_climbs_is_refused(path: str) -> None:
    with pytest.raises(UnsafePathError):
        opened(BINARY, ("control.tar", odd_tar(path, kind=tarfile.REGTYPE)), DATA)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("postinst", Kind.SYMLINK, target="/etc/shadow"),
        Entry("postinst", Kind.HARDLINK, target="control"),
        Entry("sub", Kind.DIRECTORY),
        Entry("sub/postinst", Kind.FILE),
        Entry("pipe", Kind.FIFO),
        Entry("sda", Kind.BLOCK, device=(8, 0)),
        Entry("list", Kind.FILE),
        Entry("a b", Kind.FILE),
        Entry(".hidden", Kind.FILE),
        Entry("new\nline", Kind.FILE),
        Entry("x" * 101, Kind.FILE),
        Entry("\udcff", Kind.FILE),
        Entry("control", Kind.FILE),
    ],
)
def test_control_archive_of_anything_but_control_files_is_refused(entry: Entry) -> None:
    with pytest.raises(errors.ControlArchiveError):
        opened(BINARY, ("control.tar", control_tar(None, (entry, b""))), DATA)


def test_control_archive_without_control_is_refused() -> None:
    with pytest.raises(errors.ControlArchiveError, match="no file 'control'"):
        opened(BINARY, ("control.tar", debs.build_tar([(Entry("md5sums", Kind.FILE), b"")])), DATA)
    with pytest.raises(errors.ControlArchiveError, match="no file 'control'"):
        opened(BINARY, ("control.tar", bytes(1024)), DATA)


@pytest.mark.parametrize("field", ["Package", "Version", "Architecture"])
def test_control_without_a_required_field_is_refused(field: str) -> None:
    with pytest.raises(errors.ControlFieldError, match=field):
        with_control(debs.control_text({**FIELDS, field: ""}))
    with pytest.raises(errors.ControlFieldError, match=field):
        with_control(debs.control_text({**FIELDS, field: ""}) + f"{field}:\n")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("Package", "../../etc/cron.d/x", errors.ControlFieldError),
        ("Package", "a/b", errors.ControlFieldError),
        ("Package", ".a", errors.ControlFieldError),
        ("Package", "a b", errors.ControlFieldError),
        ("Package", "a\n b", errors.ControlFieldError),
        ("Package", "a:amd64", errors.ControlFieldError),
        ("Package", "ä", errors.ControlFieldError),
        ("Package", "\udcff", errors.ControlFieldError),
        ("Package", "a" * 201, errors.ControlFieldError),
        ("Architecture", "../x", errors.ControlFieldError),
        ("Architecture", "amd64 i386", errors.ControlFieldError),
        ("Version", "v1", VersionError),
        ("Version", "1/../../x", VersionError),
        ("Version", "1 2", VersionError),
        ("Version", "1\n 2", VersionError),
        ("Version", "1-", VersionError),
        ("Status", "install ok installed", errors.ControlFieldError),
        ("status", "install ok installed", errors.ControlFieldError),
        ("Conffiles", "\n /etc/shadow 0123", errors.ControlFieldError),
        ("Triggers-Pending", "x", errors.ControlFieldError),
    ],
)
def test_control_field_that_dpkg_would_refuse_is_refused(field: str, value: str, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        with_control(debs.control_text({**FIELDS, field: value}))


@pytest.mark.parametrize(
    "text",
    [
        "Package: a\nPackage: b\n",
        "no colon\n",
        " begins\n",
        "Package: a\n \nVersion: 1\n",
        "Package: a\0\n",
        "# comment\n",
    ],
)
def test_malformed_control_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(DebControlError, match=r"x\.deb: control:\d: "):
        with_control(text)


@pytest.mark.parametrize(
    "text", ["", "\n\n", debs.control_text(FIELDS) + "\nPackage: b\n", debs.control_text(FIELDS)[:-1]]
)
def test_control_of_no_or_two_stanzas_or_cut_off_is_refused(text: str) -> None:
    with pytest.raises(errors.ControlFieldError, match="one stanza"):
        with_control(text)


def test_control_that_is_not_utf_8_keeps_its_bytes() -> None:
    package = with_control(debs.control_text({**FIELDS, "Maintainer": "J\udcf6rg"}))

    assert package.control["Maintainer"].encode("utf-8", "surrogateescape") == b"J\xf6rg"


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_every_truncation_is_refused(compression: str) -> None:
    data = debs.build_deb("a", "1", files={"x": bytes(range(256)) * 9}, compression=compression)

    for length in range(0, len(data) - 1, 7):
        with pytest.raises(IntegrityError):
            walk(open_deb(io.BytesIO(data[:length]), what="x.deb"))


GOOD = {
    compression: debs.build_deb("a", "1", files={"etc/x": b"abc" * 50, "usr/y": b"y"}, compression=compression)
    for compression in ("none", "gzip", "xz", "zstd")
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_any_damage_is_harmless_or_refused(compression: str, position: int, damage: bytes) -> None:
    data = bytearray(GOOD[compression])
    position %= len(data)
    data[position : position + len(damage)] = damage
    stream: BinaryIO = io.BytesIO(data)

    try:
        paths = walk(open_deb(stream, what="x.deb"))
    except IntegrityError:
        return
    assert all(not path.startswith(("/", "../")) for path in paths)
