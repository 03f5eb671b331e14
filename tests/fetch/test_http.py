"""The downloader against mirrors that drop, truncate, stall, lie, refuse and change their mind."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.servers import Fault, Server, serve

from imgforge.digest import Digest
from imgforge.errors import FetchError, StoreError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    Known,
    NotFoundError,
    OfflineError,
    Patience,
    RefusedError,
    Request,
    TooLargeError,
    WrongBytesError,
    redact,
)
from imgforge.report import Reporter, Step

DATA = bytes(range(256)) * 1200  # 307,200 bytes: more than one chunk, more than counts as progress
QUICK = Patience(attempts=3, connect=2, stall=0.3, rate=100, delay=0.01, ceiling=1)


class Listener(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.amount = 0
        self.steps: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)

    def advanced(self, _step: Step, amount: int) -> None:
        self.amount += amount

    def finished(self, step: Step, _seconds: float) -> None:
        self.steps.append(step.subject)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "www"
    root.mkdir()
    (root / "file").write_bytes(DATA)
    with serve(root) as running:
        yield running


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def fetcher(listener: Listener) -> Iterator[Fetcher]:
    with Fetcher(patience=QUICK, reporter=listener) as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "got"


def wanted(*urls: str, data: bytes = DATA, cap: int = 1 << 20) -> Request:
    return Request(urls, what="file", cap=cap, digest=Digest.of(data), size=len(data))


def ranges(server: Server) -> list[str | None]:
    return [asked.headers.get("Range") for asked in server.asked]


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


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_overloaded_server_is_asked_again(server: Server, fetcher: Fetcher, target: Path, status: int) -> None:
    server.fault("file", Fault(status=status), Fault(status=status))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_retry_after_is_waited_for(server: Server, fetcher: Fetcher, target: Path, listener: Listener) -> None:
    server.fault("file", Fault(status=429, headers=(("Retry-After", "1"),)))
    start = time.monotonic()
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert time.monotonic() - start >= 1
    assert listener.notes == [f"file: {server.url}/file: HTTP 429; trying again in 1 s"]


def test_a_date_in_retry_after_is_understood(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.fault("file", Fault(status=503, headers=(("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),)))
    fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert target.read_bytes() == DATA


def test_a_server_that_asks_for_too_long_a_wait_is_left_for_the_next(
    server: Server, fetcher: Fetcher, target: Path
) -> None:
    (server.root / "busy").write_bytes(DATA)
    server.always("busy", Fault(status=429, headers=(("Retry-After", "3600"),)))
    start = time.monotonic()
    fetcher.fetch(wanted(f"{server.url}/busy", f"{server.url}/file"), target)
    assert time.monotonic() - start < 1
    with pytest.raises(FetchError, match="asks to wait 3600 s"):
        fetcher.fetch(wanted(f"{server.url}/busy"), target)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 451])
def test_a_refusal_is_final(server: Server, fetcher: Fetcher, target: Path, status: int) -> None:
    server.always("file", Fault(status=status))
    with pytest.raises(RefusedError, match=f"refused \\(HTTP {status}\\)"):
        fetcher.fetch(wanted(f"{server.url}/file"), target)
    assert len(server.asked) == 1


def test_not_found_means_that_all_said_so(server: Server, fetcher: Fetcher, target: Path) -> None:
    with pytest.raises(NotFoundError, match=r"file: .*/a: not there .*; .*/b: not there"):
        fetcher.fetch(wanted(f"{server.url}/a", f"{server.url}/b"), target)
    server.always("b", Fault(status=500))
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(wanted(f"{server.url}/a", f"{server.url}/b"), target)
    assert not isinstance(caught.value, NotFoundError)


def test_nobody_listening_is_said(fetcher: Fetcher, target: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file"
        with pytest.raises(FetchError, match="connection refused"):
            fetcher.fetch(wanted(url), target)


def test_a_dead_host_is_asked_less_patiently_the_next_time(fetcher: Fetcher, target: Path, listener: Listener) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file"
        for _ in range(2):
            with pytest.raises(FetchError):
                fetcher.fetch(wanted(url), target)
    assert len(listener.notes) == 2


@pytest.mark.parametrize("url", ["foo://x/y", "http://", "http://[x/", "http://127.0.0.1:99999/", "nonsense", ""])
def test_a_url_that_is_none_is_refused(fetcher: Fetcher, target: Path, url: str) -> None:
    with pytest.raises(FetchError):
        fetcher.fetch(wanted(url), target)


def test_redirects_are_followed_but_not_for_ever(server: Server, fetcher: Fetcher, target: Path) -> None:
    server.always("moved", Fault(status=302, headers=(("Location", "/file"),)))
    server.always("round", Fault(status=302, headers=(("Location", "/round"),)))
    fetcher.fetch(wanted(f"{server.url}/moved"), target)
    assert target.read_bytes() == DATA
    with pytest.raises(RefusedError, match="too many redirects"):
        fetcher.fetch(wanted(f"{server.url}/round"), target)


def test_a_redirect_to_a_file_of_this_machine_is_refused(
    server: Server, fetcher: Fetcher, target: Path, tmp_path: Path
) -> None:
    server.always("moved", Fault(status=302, headers=(("Location", (tmp_path / "www/file").as_uri()),)))
    with pytest.raises(RefusedError):
        fetcher.fetch(wanted(f"{server.url}/moved"), target)


def test_credentials_do_not_follow_a_redirect_to_another_host(server: Server, target: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "www") as other:
        location = other.url.replace("127.0.0.1", "localhost") + "/file"
        server.always("moved", Fault(status=302, headers=(("Location", location),)))
        with Fetcher(patience=QUICK, credentials=lambda _url: ("user", "secret")) as fetcher:
            fetcher.fetch(wanted(f"{server.url}/moved"), target)
        assert "Authorization" in server.asked[0].headers
        assert "Authorization" not in other.asked[0].headers


def test_a_proxy_is_used_when_given(server: Server, target: Path) -> None:
    with Fetcher(patience=QUICK, proxies=(("http", server.url),)) as fetcher:
        fetcher.fetch(wanted("http://mirror.invalid/file"), target)
    assert target.read_bytes() == DATA


def test_a_proxy_of_the_environment_is_used(
    server: Server, fetcher: Fetcher, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    fetcher.fetch(wanted("http://mirror.invalid/file"), target)
    assert target.read_bytes() == DATA


# Caps.


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


# Small files in memory.


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


# Several at once.


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
    with pytest.raises(NotFoundError, match="12 files could not be fetched") as caught:
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


# Secrets.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host/path", "https://…@host/path"),
        ("https://token@host:8080/path?key=secret#part", "https://…@host:8080/path?…"),
        ("http://host/path", "http://host/path"),
        ("http://[::1", "(a malformed URL)"),
    ],
)
def test_a_shown_url_holds_no_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    "act",
    [
        lambda server: server.always("*", Fault(status=403)),
        lambda server: server.always("*", Fault(status=500)),
        lambda server: server.always("*", Fault(flip=True)),
        lambda server: server.always("*", Fault(drop=0)),
        lambda server: server.close(),
    ],
)
def test_no_error_and_no_note_holds_a_secret(
    server: Server, fetcher: Fetcher, target: Path, listener: Listener, act: Callable[[Server], None]
) -> None:
    act(server)
    url = server.url.replace("//", "//user:hunter2@") + "/file?token=hunter2"
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any of several
        fetcher.fetch(wanted(url), target)
    seen: BaseException | None = caught.value
    texts = [*listener.notes]
    while seen is not None:
        texts.append(repr(seen))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert not [text for text in texts if "hunter2" in text]
