from __future__ import annotations

import tarfile

import pytest
from builders import tarballs
from hypothesis import given
from hypothesis import strategies as st

from imgforge.tar import form
from imgforge.tar.form import TarError


@given(st.integers(-(1 << 86), (1 << 86) - 1))
def test_a_base_256_number_is_what_tarfile_wrote(value: int) -> None:
    info = tarfile.TarInfo("f")
    info.mtime = value
    field = info.tobuf(tarfile.GNU_FORMAT)[136:148]
    assert form.number(field, what="x") == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b"   644 \0", 0o644),
        (b"644     ", 0o644),
        (b"\0\0\0\0\0\0\0\0", 0),
        (b"        ", 0),
        (b"7777777\0", 0o7777777),
        (b"\x80\0\0\0\0\0\0\1", 1),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
    ],
)
def test_a_number_is_read_in_every_writer_s_form(field: bytes, value: int) -> None:
    assert form.number(field, what="x") == value


@pytest.mark.parametrize(
    "field", [b"0o644\0\0\0", b"-000644\0", b"8888888\0", b"6_4_4__\0", b"64 4   \0", b"abcdefg\0"]
)
def test_a_number_that_is_none_is_refused(field: bytes) -> None:
    with pytest.raises(TarError, match="x: expected an octal number"):
        form.number(field, what="x")


@given(st.dictionaries(st.binary(min_size=1, max_size=9).filter(lambda key: b"=" not in key), st.binary(max_size=120)))
def test_records_are_what_was_written(values: dict[bytes, bytes]) -> None:
    data = b"".join(tarballs.record(key, value) for key, value in values.items())
    assert form.records(data, what="x") == values


@pytest.mark.parametrize(
    "data",
    [
        b"5 a=b",
        b"7 a=b\n",
        b"99 a=b\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"6a=b\n",
        b"6 a:b\n",
        b"6 =ab\n",
        b"3 \n",
        b"2 ",
        b"\n",
        b" 6 a=b\n",
        b"00000000006 a=b\n",
        b"6 a=b\n\0\0",
        b"99999999999999999999999999 a=b\n",
    ],
)
def test_a_record_with_a_wrong_length_or_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(TarError, match="x: a pax record at byte"):
        form.records(data, what="x")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"0", 0), (b"12.999999999", 12), (b"-1", -1), (b"-1.0", -1), (b"-1.5", -2), (b"-0.25", -1), (b"7.", 7)],
)
def test_a_time_is_rounded_down(value: bytes, seconds: int) -> None:
    assert form.seconds(value, what="x") == seconds


@pytest.mark.parametrize("value", [b"", b"1e9", b".5", b"+1", b"nan", b"1" * 19, b"1.2.3"])
def test_a_time_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(TarError, match="x: expected a time"):
        form.seconds(value, what="x")


@pytest.mark.parametrize("value", [b"-1", b"1.0", b"0x1", b"1_0", b"9" * 21])
def test_a_decimal_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(TarError, match="x: expected a decimal number"):
        form.decimal(value, what="x")


def test_star_s_attributes_win_over_libarchive_s() -> None:
    found = {
        b"SCHILY.xattr.user.a": b"\0\n=raw",
        b"LIBARCHIVE.xattr.user.a": b"bm90",
        b"LIBARCHIVE.xattr.user.b%3d": b"aGVsbG8",
        b"mtime": b"1",
    }
    assert form.xattrs(found, what="x") == (("user.a", b"\0\n=raw"), ("user.b=", b"hello"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"SCHILY.xattr.", b""),
        (b"SCHILY.xattr." + b"a" * 256, b""),
        (b"SCHILY.xattr.user.a", b"v" * 65537),
        (b"SCHILY.xattr.user.a\0b", b""),
        (b"LIBARCHIVE.xattr.user.a", b"a"),
    ],
)
def test_an_attribute_that_no_file_can_have_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(TarError, match="x: "):
        form.xattrs({key: value}, what="x")


def test_a_sum_of_signed_bytes_is_accepted() -> None:
    block = bytearray(512)
    block[:4] = b"\xc3\xa9ab"
    signed = sum(byte - 256 if byte > 127 else byte for byte in block) + 256
    assert form.is_checksum_right(bytes(block), signed)
    assert form.is_checksum_right(bytes(block), sum(block) + 256)
    assert not form.is_checksum_right(bytes(block), signed + 1)
