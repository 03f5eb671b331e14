"""Small files in memory, file URLs, no network, and disks that refuse."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from builders.downloads import DATA, wanted
from builders.servers import Fault, Server

from imgforge.errors import FetchError, StoreError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    Known,
    NotFoundError,
    OfflineError,
    RefusedError,
    Request,
    TooLargeError,
)


def test_a_small_file_is_read_into_memory(server: Server, fetcher: Fetcher) -> None:
    answer = fetcher.read(Request((f"{server.url}/none", f"{server.url}/file"), what="file", cap=1 << 20))
    assert answer.data == DATA
    assert answer.known.url == f"{server.url}/file"


def test_what_is_known_is_not_sent_again(server: Server, fetcher: Fetcher) -> None:
    request = Request((f"{server.url}/file",), what="file", cap=1 << 20)
    known = fetcher.read(request).known
    assert fetcher.read(request, known).data is None
    (server.root / "file").write_bytes(b"new")
    assert fetcher.read(request, known).data == b"new"


def test_a_not_modified_that_was_not_asked_for_is_refused(server: Server, fetcher: Fetcher) -> None:
    server.always("file", Fault(status=304))
    with pytest.raises(RefusedError):
        fetcher.read(Request((f"{server.url}/file",), what="file", cap=100), Known("elsewhere", "tag"))


def test_a_small_file_survives_a_dropped_connection(server: Server, fetcher: Fetcher) -> None:
    server.fault("file", Fault(drop=100_000))
    assert fetcher.read(Request((f"{server.url}/file",), what="file", cap=1 << 20)).data == DATA


# File URLs, offline, disks.


def test_a_file_url_is_copied(fetcher: Fetcher, target: Path, tmp_path: Path) -> None:
    source = tmp_path / "with space+%"
    source.write_bytes(DATA)
    fetcher.fetch(wanted(source.as_uri()), target)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("file:///nonexistent/file", NotFoundError),
        ("file:///", RefusedError),
        ("file://host/etc/passwd", RefusedError),
        ("file:relative", RefusedError),
        ("file:///a%00b", RefusedError),
        ("file://[x/a", RefusedError),
        ("http://[x/a", RefusedError),
    ],
)
def test_a_file_url_that_names_no_file_is_an_error(
    fetcher: Fetcher, target: Path, url: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        fetcher.fetch(wanted(url), target)


def test_a_file_url_is_capped(fetcher: Fetcher, target: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 101)
    with pytest.raises(TooLargeError):
        fetcher.read(Request(((tmp_path / "file").as_uri(),), what="file", cap=100))


def test_offline_refuses_what_needs_the_network(server: Server, target: Path, tmp_path: Path) -> None:
    with Fetcher(offline=True) as fetcher:
        with pytest.raises(OfflineError, match="file: not in the cache, and offline"):
            fetcher.fetch(wanted(f"{server.url}/file"), target)
        fetcher.fetch(wanted(f"{server.url}/file", (tmp_path / "www/file").as_uri()), target)
    assert server.asked == []


def test_no_url_at_all_is_an_error(fetcher: Fetcher, target: Path) -> None:
    with pytest.raises(FetchError, match="no URL to fetch it from"):
        fetcher.fetch(wanted(), target)


def test_a_disk_that_refuses_is_the_disks_fault(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        fetcher.fetch(wanted(f"{server.url}/file"), tmp_path / "missing/got")


def test_a_part_that_is_a_link_is_not_followed(server: Server, fetcher: Fetcher, target: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    target.with_name("got.part").symlink_to(victim)
    with pytest.raises(StoreError):
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert victim.read_bytes() == b"precious"


def test_a_disk_that_takes_no_more_is_the_disks_fault(server: Server, fetcher: Fetcher, target: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # Python ignores the signal: the write fails
    try:
        with pytest.raises(StoreError, match="File too large"):
            fetcher.fetch(wanted(f"{server.url}/file"), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA
