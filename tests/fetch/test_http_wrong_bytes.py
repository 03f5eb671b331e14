"""Mirrors that serve something else, or too much of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.downloads import DATA, ranges, wanted
from builders.servers import Fault, Server

from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    Request,
    TooLargeError,
    WrongBytesError,
)

WRONG = {
    "flipped": (Fault(flip=True), WrongBytesError, "expected sha256:"),
    "shorter": (Fault(cut=100), WrongBytesError, "expected 307200 bytes, the server has 100"),
    "longer": (Fault(body=DATA + b"x"), WrongBytesError, "expected 307200 bytes, the server has 307201"),
    "shorter, no length": (Fault(cut=100, length=False), WrongBytesError, "expected 307200 bytes, got 100"),
    "longer, no length": (Fault(body=DATA + b"x", length=False), TooLargeError, "expected at most 307200 bytes"),
    "another": (Fault(body=bytes(reversed(DATA))), WrongBytesError, "expected sha256:"),
    "nothing": (Fault(body=b""), WrongBytesError, "expected 307200 bytes, the server has 0"),
}


@pytest.mark.parametrize(("fault", "error", "text"), WRONG.values(), ids=WRONG.keys())
def test_wrong_bytes_are_refused_and_never_asked_for_again(
    server: Server, fetcher: Fetcher, target: Path, fault: Fault, error: type[Exception], text: str
) -> None:
    server.always("file", fault)
    with pytest.raises(error, match=text):
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert len(server.asked) == 1
    assert not target.exists()
    assert not target.with_name("got.part").exists()


@pytest.mark.parametrize("fault", [fault for fault, _, _ in WRONG.values()], ids=WRONG.keys())
def test_the_next_mirror_gives_the_right_bytes_and_none_of_the_wrong_are_used(
    server: Server, fetcher: Fetcher, target: Path, fault: Fault
) -> None:
    (server.root / "bad").write_bytes(DATA)
    server.always("bad", fault)
    fetcher.fetch(wanted(f"{server.url}/bad", f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, None]


def test_what_one_mirror_began_the_next_completes(server: Server, fetcher: Fetcher, target: Path) -> None:
    (server.root / "bad").write_bytes(DATA)
    server.fault("bad", Fault(drop=100_000))
    server.always("bad", Fault(drop=0))
    fetcher.fetch(wanted(f"{server.url}/bad", f"{server.url}/file"), target)
    assert ranges(server)[-1] == "bytes=100000-"


def test_a_request_above_its_cap_is_not_made(server: Server, fetcher: Fetcher, target: Path) -> None:
    with pytest.raises(TooLargeError, match="file: 307200 bytes, expected at most 1000"):
        fetcher.fetch(wanted(f"{server.url}/file", cap=1000), target)
    assert server.asked == []


@pytest.mark.parametrize("length", [True, False])
def test_a_file_without_a_known_size_is_capped(server: Server, fetcher: Fetcher, target: Path, *, length: bool) -> None:
    server.always("file", Fault(length=length))
    request = Request((f"{server.url}/file",), what="file", cap=1000)
    with pytest.raises(TooLargeError, match="expected at most 1000 bytes"):
        fetcher.fetch(request, target)
    with pytest.raises(TooLargeError, match="expected at most 1000 bytes"):
        fetcher.read(request)
