from __future__ import annotations

import io
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci.verified import drain, verified

DATA = bytes(range(256)) * 20_000


def opened(data: bytes, *, size: int | None = len(DATA), digest: Digest | None = None) -> BinaryIO:
    return verified(io.BytesIO(data), digest=digest or Digest.of(DATA), size=size, what="it")


@given(pieces=st.lists(st.integers(0, 1_000_000), max_size=20), is_size_known=st.booleans())
def test_the_right_bytes_pass_whatever_pieces_they_are_read_in(*, pieces: list[int], is_size_known: bool) -> None:
    stream = opened(DATA, size=len(DATA) if is_size_known else None)
    assert b"".join([*(stream.read(piece) for piece in pieces), stream.read()]) == DATA
    assert stream.read() == b""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DATA[:-1], f"it: expected {len(DATA)} bytes, got {len(DATA) - 1}"),
        (b"", f"it: expected {len(DATA)} bytes, got 0"),
        (DATA + b"x", f"it: expected {len(DATA)} bytes, got more"),
        (DATA[:-1] + b"x", "it: expected sha256:"),
        (b"x" + DATA[1:], "it: expected sha256:"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(IntegrityError) as error:
        drain(opened(data))
    assert str(error.value).startswith(message)


def test_wrong_bytes_are_refused_before_the_last_of_them_is_handed_out() -> None:
    stream = opened(DATA[:-1] + b"x")
    assert stream.read(len(DATA) // 2) == DATA[: len(DATA) // 2]
    with pytest.raises(IntegrityError):
        stream.read(len(DATA) // 2)


def test_without_a_size_the_digest_is_compared_at_the_end() -> None:
    for data in (DATA + b"x", DATA[:-1], b""):
        with pytest.raises(IntegrityError, match="it: expected sha256:"):
            drain(opened(data, size=None))


def test_no_bytes_are_verified_when_opened() -> None:
    assert opened(b"", size=0, digest=Digest.of(b"")).read() == b""
    with pytest.raises(IntegrityError, match="it: expected 0 bytes, got more"):
        opened(b"x", size=0, digest=Digest.of(b""))
    with pytest.raises(IntegrityError, match="it: expected sha256:"):
        opened(b"", size=0)


def test_sha512_is_verified() -> None:
    digest = Digest(
        "sha512",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    )
    assert opened(b"", size=0, digest=digest).read() == b""


def test_closing_closes_the_stream_below() -> None:
    below = io.BytesIO(DATA)
    verified(below, digest=Digest.of(DATA), size=len(DATA), what="it").close()
    assert below.closed
