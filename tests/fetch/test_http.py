"""Mirrors that drop, truncate, stall and change their mind: the file comes through."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.downloads import DATA, QUICK, Listener, ranges, wanted
from builders.servers import Fault, Server

from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher


def test_a_file_is_fetched(server: Server, fetcher: Fetcher, target: Path, listener: Listener) -> None:
    assert fetcher.fetch(wanted(f"{server.url}/file"), target) == target
    assert target.read_bytes() == DATA
    assert (listener.amount, listener.steps) == (len(DATA), ["file"])
    assert sorted(target.parent.iterdir()) == [target, target.parent / "www"]


def test_no_encoding_is_asked_for(server: Server, fetcher: Fetcher, target: Path) -> None:
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert server.asked[0].headers["Accept-Encoding"] == "identity"


def test_an_encoding_that_was_not_asked_for_is_not_undone(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(headers=(("Content-Encoding", "x-gzip"),)))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("cut", [0, 1, 100, 200_000, len(DATA) - 1])
def test_a_dropped_connection_is_resumed_where_it_broke(
    server: Server, fetcher: Fetcher, target: Path, listener: Listener, cut: int
) -> None:
    server.fault("file", Fault(drop=cut))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, f"bytes={cut}-" if cut else None]
    assert listener.amount == len(DATA)


def test_a_line_that_drops_again_and_again_brings_the_file_in_the_end(
    server: Server, fetcher: Fetcher, target: Path
) -> None:
    server.always("file", Fault(drop=70_000))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert len(server.asked) == 5


def test_a_line_that_brings_nothing_is_given_up(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.always("file", Fault(drop=0))
    with pytest.raises(FetchError, match=r"connection closed .*\(tried 3 times\)"):
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert len(server.asked) == 3
    assert not target.exists()


def test_a_stalled_transfer_is_resumed(server: Server, fetcher: Fetcher, target: Path, listener: Listener) -> None:
    server.fault("file", Fault(stall=100_000))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-"]
    assert "stalled" in listener.notes[0]


def test_a_byte_now_and_then_counts_as_stalled(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(trickle=0.02))
    start = time.monotonic()
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert time.monotonic() - start < 5


def test_a_part_of_an_interrupted_run_is_resumed_by_the_next(server: Server, target: Path) -> None:
    server.fault("file", *[Fault(drop=0)] * 3)
    target.with_name("got.part").write_bytes(DATA[:123_456])
    with Fetcher(patience=QUICK) as first, pytest.raises(FetchError):
        first.fetch(wanted(f"{server.url}/file"), target)
    with Fetcher(patience=QUICK) as second:
        second.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert set(ranges(server)) == {"bytes=123456-"}


def test_a_whole_part_needs_no_request(server: Server, fetcher: Fetcher, target: Path) -> None:
    target.with_name("got.part").write_bytes(DATA)
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert server.asked == []


@pytest.mark.parametrize("size", [10, len(DATA), len(DATA) + 1], ids=["short", "whole", "too long"])
def test_a_part_with_wrong_bytes_is_dropped_and_the_file_fetched_anew(
    server: Server, fetcher: Fetcher, target: Path, size: int
) -> None:
    target.with_name("got.part").write_bytes(b"x" * size)
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server)[-1] is None


def test_a_file_that_changed_between_two_attempts_is_not_pieced_together(
    server: Server, fetcher: Fetcher, target: Path
) -> None:
    other = bytes(reversed(DATA))
    server.fault("file", Fault(body=other, drop=100_000))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-", None]


def test_a_server_without_ranges_starts_again(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(drop=100_000), Fault(ranges=False))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_a_range_that_begins_elsewhere_is_not_used(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(drop=100_000), Fault(shift=5))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-", None]


def test_a_range_behind_the_servers_end_starts_again(server: Server, fetcher: Fetcher, target: Path) -> None:
    target.with_name("got.part").write_bytes(DATA[:200_000])
    server.fault("file", Fault(cut=100))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_bytes_without_an_announced_length_are_checked_all_the_same(
    server: Server, fetcher: Fetcher, target: Path
) -> None:
    server.fault("file", Fault(length=False))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_a_chunked_answer_is_read(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(chunked=True))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_a_chunked_answer_that_breaks_off_is_resumed(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(chunked=True, drop=100))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-"]


KILLED = """
import sys
from pathlib import Path
from builders.downloads import wanted
from imgforge.fetch.http import Fetcher
Fetcher().fetch(wanted(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_fetch_is_resumed_by_the_next(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(stall=100_000))
    places = os.pathsep.join(str(Path(__file__).parents[number]) for number in (1, 2))
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, f"{server.url}/file", target], env={**os.environ, "PYTHONPATH": places}
    ) as process:
        part = target.with_name("got.part")
        wait_until(lambda: part.exists() and part.stat().st_size == 100_000)
        process.kill()
    assert not target.exists()
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-"]


def wait_until(is_so: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
