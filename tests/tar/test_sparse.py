from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest
from builders import foreign
from builders.tarballs import END, block, member, old_sparse, padded, pax, sparse_header, tar_of
from builders.trickles import Trickle
from hypothesis import given
from hypothesis import strategies as st

from imgforge.tar import LAYER, LIMITS, PACKAGE, Forms, Limits, TarError, read
from imgforge.tar.sparse import Sparse
from imgforge.tree import UnsafePathError

MAX = (1 << 63) - 1
PAIR = b"%011o\0%011o\0"


def contents(data: bytes, *, forms: Forms = LAYER, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Return the content of each file, the same by every way of reading."""
    found = [
        {
            entry.path: content.read()
            for entry, content in read(cast("BinaryIO", stream), what="x", limits=limits, forms=forms)
        }
        for stream in (io.BytesIO(data), Trickle(data), io.BufferedReader(Trickle(data, step=13)))
    ]
    assert found[0] == found[1] == found[2]
    return found[0]


@pytest.mark.parametrize("form", foreign.SPARSE)
def test_what_gnu_tar_stores_without_holes_is_the_file(form: str) -> None:
    assert contents(foreign.sparse(form)) == {"opt": b"", "opt/holes": foreign.HOLES, "opt/next": b"next"}


@pytest.mark.parametrize("form", foreign.SPARSE)
def test_the_size_of_an_entry_is_that_of_the_whole_file(form: str) -> None:
    for entry, content in read(io.BytesIO(foreign.sparse(form)), what="x", forms=LAYER):
        if entry.path == "opt/holes":
            assert entry.size == len(foreign.HOLES)
            assert isinstance(content, Sparse)
            assert content.location() is None
            assert sum(len(data) for _, data in content.pieces()) < len(foreign.HOLES) // 2


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=1500)), max_size=30),
    st.integers(0, 3000),
    st.lists(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_pieces_and_holes_of_any_size(gaps: list[tuple[int, bytes]], last: int, sizes: list[int]) -> None:
    pieces, whole = [], b""
    for gap, data in gaps:
        whole += bytes(gap)
        pieces.append((len(whole), data))
        whole += data
    whole += bytes(last)
    data = tar_of(old_sparse(b"s", pieces, size=len(whole)), member(b"next", b"1"))
    assert contents(data) == {"s": whole, "next": b"1"}
    _, content = next(read(io.BytesIO(data), what="x", forms=LAYER))
    got, number = b"", 0
    while piece := content.read(sizes[number % len(sizes)]):
        got, number = got + piece, number + 1
    assert got == whole


def test_what_nobody_read_of_a_sparse_file_is_passed_over() -> None:
    data = tar_of(old_sparse(b"s", [(0, b"a" * 700), (5000, b"b")], size=6000), member(b"next", b"1"))
    for stream in (io.BytesIO(data), Trickle(data)):
        walk = read(cast("BinaryIO", stream), what="x", forms=LAYER)
        next(walk)[1].read(100)
        entry, content = next(walk)
        assert (entry.path, content.read()) == ("next", b"1")


@pytest.mark.parametrize("form", foreign.SPARSE)
def test_only_a_layer_may_have_one(form: str) -> None:
    for forms in (Forms(), PACKAGE):
        with pytest.raises(TarError, match="x: a sparse file is refused"):
            contents(foreign.sparse(form), forms=forms)


def test_its_holes_count() -> None:
    data = tar_of(old_sparse(b"s", [], size=1000), old_sparse(b"t", [], size=1000))
    assert len(contents(data, limits=Limits(single=1000, total=2000))) == 2
    for limits, name in ((Limits(single=999), "s"), (Limits(total=1999), "t")):
        with pytest.raises(TarError, match=f"x: '{name}': 1000 bytes are more than is accepted"):
            contents(data, limits=limits)


def _first(values: dict[bytes, bytes], content: bytes = b"") -> bytes:
    """Return a file of pax records, with one piece at its beginning."""
    return tar_of(pax(values), member(b"s", content))


def _map(*lines: int) -> bytes:
    return padded(b"".join(b"%d\n" % line for line in lines))


ONE_ZERO = {
    b"GNU.sparse.major": b"1",
    b"GNU.sparse.minor": b"0",
    b"GNU.sparse.name": b"s",
    b"GNU.sparse.realsize": b"9",
}
ZERO_ONE = {b"GNU.sparse.size": b"9", b"GNU.sparse.numblocks": b"1", b"GNU.sparse.name": b"s"}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("data", "text"),
    [
        # a map that is no map of the file
        (tar_of(old_sparse(b"s", [(4, b"12"), (2, b"34")], size=9)), "goes backwards, overlaps, or leaves the file"),
        (tar_of(old_sparse(b"s", [(0, b"1234"), (2, b"56")], size=9)), "goes backwards, overlaps, or leaves the file"),
        (tar_of(old_sparse(b"s", [(0, b"12"), (0, b"34")], size=9)), "goes backwards, overlaps, or leaves the file"),
        (tar_of(old_sparse(b"s", [(5, b"12345")], size=9)), "goes backwards, overlaps, or leaves the file"),
        (tar_of(old_sparse(b"s", [(10, b"")], size=9)), "goes backwards, overlaps, or leaves the file"),
        (tar_of(sparse_header(b"s", [b"\xff" * 24], size=b"%011o\0" % 9, stored=0)), "goes backwards"),
        (
            tar_of(sparse_header(b"s", [PAIR % (0, 9)], size=b"\xff" * 12, stored=9), padded(b"123456789")),
            "goes backwards",
        ),
        (
            tar_of(sparse_header(b"s", [PAIR % (0, 9)], size=b"%011o\0" % 9, stored=5), padded(b"12345")),
            "does not fit its 5",
        ),
        (
            tar_of(sparse_header(b"s", [PAIR % (0, 5)], size=b"%011o\0" % 9, stored=9), padded(b"123456789")),
            "not fit its 9",
        ),
        (tar_of(sparse_header(b"s", [b"rubbish" * 4], size=b"%011o\0" % 9, stored=0)), "expected an octal number"),
        # a bomb
        (
            tar_of(sparse_header(b"s", [], size=b"\x80" + MAX.to_bytes(11, "big"), stored=0)),
            f"{MAX} bytes are more than",
        ),
        (_first({**ONE_ZERO, b"GNU.sparse.realsize": b"%d" % MAX}, _map(0)), f"{MAX} bytes are more than"),
        (
            _first({**ZERO_ONE, b"GNU.sparse.size": b"%d" % MAX, b"GNU.sparse.map": b"0,0"}),
            f"{MAX} bytes are more than",
        ),
        (_first({**ONE_ZERO, b"GNU.sparse.realsize": b"9" * 30}, _map(0)), "expected a decimal number"),
        (
            sparse_header(b"s", [PAIR % (n, 0) for n in range(60_000)], size=b"%011o\0" % 99_999, stored=0),
            "the map of a sparse",
        ),
        (_first(ONE_ZERO, _map(MAX)), "the map of a sparse file is truncated"),
        (_first(ONE_ZERO, b"1" * 5120), "the map of a sparse file is truncated"),
        # one reader takes it for another file than the next
        (_first({**ONE_ZERO, b"GNU.sparse.minor": b"1"}, _map(0)), "of an unknown form"),
        (_first({**ONE_ZERO, b"GNU.sparse.map": b"0,0"}, _map(0)), "of an unknown form"),
        (_first({b"GNU.sparse.name": b"s"}), "of an unknown form"),
        (_first({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}, _map(0)), "of an unknown form"),
        (_first({**ZERO_ONE, b"GNU.sparse.map": b"0"}), "another number of pieces than it names"),
        (_first({**ZERO_ONE, b"GNU.sparse.map": b"0,0,9,0"}), "another number of pieces than it names"),
        (_first({**ZERO_ONE, b"GNU.sparse.map": b"0,x"}), "expected a decimal number"),
        (_first({**ZERO_ONE, b"GNU.sparse.map": b"0,-1"}), "expected a decimal number"),
        (_first({**ZERO_ONE, b"GNU.sparse.map": b"0,4"}, b"12345"), "does not fit its 5 stored bytes"),
        (_first({**ZERO_ONE, b"GNU.sparse.offset": b"0"}), "is not made of pairs"),
        (_first({**ZERO_ONE, b"GNU.sparse.numbytes": b"0", b"GNU.sparse.offset": b"0"}), "is not made of pairs"),
        (_first({**ZERO_ONE, b"GNU.sparse.offset": b"0", b"GNU.sparse.numbytes": b"0,0"}), "is not made of pairs"),
        (
            _first({**ZERO_ONE, b"GNU.sparse.map": b"0,0", b"GNU.sparse.offset": b"0", b"GNU.sparse.numbytes": b"0"}),
            "pairs",
        ),
        (tar_of(pax(ZERO_ONE), old_sparse(b"s", [], size=9)), "a sparse file of two forms"),
        (tar_of(block(b"s", flag=b"S")), "of an unknown form"),
        (
            tar_of(pax(ZERO_ONE | {b"GNU.sparse.map": b"0,0"}), block(b"s", flag=b"2", link=b"t")),
            "'s': a sparse symlink",
        ),
        (tar_of(pax(ZERO_ONE | {b"GNU.sparse.map": b"0,0"}), block(b"s", flag=b"5")), "'s': a sparse dir"),
        (tar_of(old_sparse(b"s/", [], size=9, flag=b"S")), "a file whose name ends in a slash"),
        # cut off
        (old_sparse(b"s", [(0, b"1" * 600)], size=900)[:-500], "truncated"),
        (sparse_header(b"s", [PAIR % (n, 0) for n in range(30)], size=b"%011o\0" % 99, stored=0)[:600], "truncated"),
        (pax(ONE_ZERO) + member(b"s", _map(1, 0, 9) + b"123456789")[:600], "truncated"),
    ],
)
def test_a_map_that_lies_is_refused(data: bytes, text: str) -> None:
    for stream in (io.BytesIO(data), Trickle(data)):
        with pytest.raises(TarError) as caught:
            [content.read() for _, content in read(cast("BinaryIO", stream), what="x", forms=LAYER)]
        assert str(caught.value).startswith("x: ")
        assert text in str(caught.value)


@pytest.mark.attack
@pytest.mark.parametrize("name", [b"../up", b"/../up", b"a/../../up"])
def test_the_name_in_a_sparse_file_s_records_is_judged_too(name: bytes) -> None:
    with pytest.raises(UnsafePathError, match=r"a path with '\.\.' is refused"):
        contents(_first({**ZERO_ONE, b"GNU.sparse.name": name, b"GNU.sparse.map": b"0,0"}) + END)
