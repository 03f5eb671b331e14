"""What servers answer instead of a file; redirects and proxies; and that no text holds a secret."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.downloads import DATA, QUICK, Listener, wanted
from builders.servers import Fault, Server, serve

from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import (
    NotFoundError,
    RefusedError,
)
from imgforge.fetch.url import redact


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
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any of several
        fetcher.fetch(wanted(f"{server.url}/file?token=hunter2"), target)
    seen: BaseException | None = caught.value
    texts = [*listener.notes]
    while seen is not None:
        texts.append(repr(seen))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert not [text for text in texts if "hunter2" in text]
