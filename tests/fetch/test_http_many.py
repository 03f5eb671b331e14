"""Several files at once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from builders.downloads import DATA, QUICK, wanted
from builders.servers import Fault, Server

from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    NotFoundError,
    Patience,
    WrongBytesError,
)


def test_several_files_come_as_they_are_ready(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    pairs = []
    for number in range(20):
        data = b"%d" % number * 1000
        (server.root / f"f{number}").write_bytes(data)
        pairs.append((wanted(f"{server.url}/f{number}", data=data), tmp_path / f"t{number}"))
    assert {target.name for _, target in fetcher.fetch_all(pairs)} == {f"t{number}" for number in range(20)}


def test_what_cannot_be_had_is_said_after_the_rest_is_there(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    urls = [f"{server.url}/gone{number}" for number in range(12)] + [f"{server.url}/file"]
    arrived = []
    with pytest.raises(NotFoundError, match="12 transfers failed") as caught:
        arrived += list(fetcher.fetch_all((wanted(url), tmp_path / str(n)) for n, url in enumerate(urls)))
    assert (tmp_path / "12").read_bytes() == DATA
    assert "… and 2 more" in str(caught.value)


def test_wrong_bytes_stop_everything(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    (server.root / "slow").write_bytes(DATA)
    server.always("slow", Fault(trickle=0.05))
    server.always("file", Fault(flip=True))
    urls = [f"{server.url}/slow", f"{server.url}/file"]
    start = time.monotonic()
    with pytest.raises(WrongBytesError):
        list(fetcher.fetch_all((wanted(url), tmp_path / str(n)) for n, url in enumerate(urls)))
    assert time.monotonic() - start < 5
    (server.root / "good").write_bytes(DATA)
    fetcher.fetch(wanted(f"{server.url}/good"), tmp_path / "good")


def test_a_caller_that_leaves_early_leaves_no_threads(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    before = threading.active_count()
    stream = fetcher.fetch_all((wanted(f"{server.url}/file"), tmp_path / str(n)) for n in range(50))
    next(stream)
    stream.close()
    assert [one.name for one in threading.enumerate() if one.name.startswith("fetch")] == []
    assert threading.active_count() <= before + 10  # the server's own, one for each connection


def test_shuffled_arrival_gives_the_same_files(server: Server, tmp_path: Path) -> None:
    made: list[dict[str, bytes]] = []
    for order in (1, -1):
        folder = tmp_path / str(order)
        folder.mkdir()
        pairs = [(wanted(f"{server.url}/file"), folder / str(number)) for number in range(8)][::order]
        with Fetcher(patience=QUICK, jobs=3) as fetcher:
            list(fetcher.fetch_all(pairs))
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]


def test_a_stalled_transfer_does_not_keep_an_error_waiting(server: Server, tmp_path: Path) -> None:
    (server.root / "stalled").write_bytes(DATA)
    server.always("stalled", Fault(stall=1000))
    server.always("file", Fault(flip=True))
    pairs = [(wanted(f"{server.url}/{name}"), tmp_path / name) for name in ("stalled", "file")]
    start = time.monotonic()
    with Fetcher(patience=Patience(stall=60)) as fetcher, pytest.raises(WrongBytesError):
        list(fetcher.fetch_all(pairs))
    assert time.monotonic() - start < 10


def test_a_pause_does_not_keep_an_error_waiting(server: Server, tmp_path: Path) -> None:
    (server.root / "busy").write_bytes(DATA)
    server.always("busy", Fault(status=503, headers=(("Retry-After", "50"),)))
    server.always("file", Fault(flip=True))
    pairs = [(wanted(f"{server.url}/{name}"), tmp_path / name) for name in ("busy", "file")]
    start = time.monotonic()
    with Fetcher() as fetcher, pytest.raises(WrongBytesError):
        list(fetcher.fetch_all(pairs))
    assert time.monotonic() - start < 10


def test_what_fails_stops_only_what_was_begun_with_it(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    (server.root / "slow").write_bytes(DATA[:1000])
    server.fault("slow", Fault(trickle=0.0005))
    server.always("file", Fault(flip=True))

    def group(name: str) -> str:
        data = DATA if name == "file" else DATA[:1000]
        try:
            list(fetcher.fetch_all([(wanted(f"{server.url}/{name}", data=data), tmp_path / name)]))
        except WrongBytesError:
            return f"{name}: wrong"
        return f"{name}: right"

    assert sorted(fetcher.each(group, ["slow", "file"])) == ["file: wrong", "slow: right"]
