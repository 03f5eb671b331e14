"""Whatever a header holds, what comes of it is an answer or one of imgforge's own errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import pytest
from builders import wires
from builders.downloads import QUICK
from builders.wires import Box, Wire, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import Known, Request
from imgforge.fetch.response import announced, retry_after

ONCE = attrs.evolve(QUICK, attempts=1)

VALUES = (
    "", " ", "0", "-1", "+1", "1.5", "1e9", "0x10", "9" * 18, "9" * 19, "9" * 5000, "\u00b2", "\u00bd", "NaN", "inf",
    "-0", "1_000",
    "5, 5", "5, 6", "5;6", "bytes", "bytes ", "bytes */5", "bytes 0-/5", "bytes 5-0/5", "bytes 0-0/0", "bytes 1-2/*",
    "bytes=0-5",
    "bytes 999999999999999999-999999999999999999/999999999999999999", "bytes 0-1/" + "9" * 4400,
    "bytes " + "9" * 4400 + "-1/2",
    "Mon, 99 Foo 9999 99:99:99 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
    "Thu, 01 Jan 0001 00:00:00 +2359",
    "Thu, 01 Jan 1970 00:00:00 +99999999999999999999", "1 Jan 0", ",", "()" * 500, "(" * 5000, '"' * 5000, "\\",
    "\x80\xff", "a\x0bb", "\t",
    "http://[::1", "//", "///", "\\\\evil\\x", "http://a@b/", "https://a\\@b/", "file:///etc/passwd",
    "http://127.0.0.1:99999/", "ftp://x/",
    "javascript:x", "http://\u00e9/", "%", "%zz", "/%", "?" * 9000, "#", ".", "..", "chunked", "gzip", "gzip, chunked",
    "identity", "br",
    "W/", 'W/"', '"', "sha256:", "sha256:x", "sha256:" + "0" * 64, "sha512:" + "f" * 128,
    "text/html; charset=" + "x" * 5000, "/", "a/b/c",
    "close, keep-alive", "upgrade", "h2c", "100-continue", "<", "<>", '<>; rel="next"', "<x>; rel=next",
    '</x>; rel="next"; rel="prev"',
)  # fmt: skip

NAMES = (
    "Location", "Content-Range", "Content-Length", "Retry-After", "Content-Type", "Content-Encoding",
    "Transfer-Encoding", "ETag",
    "Last-Modified", "Range", "Connection", "Set-Cookie", "Trailer", "WWW-Authenticate", "Link", "Proxy-Authenticate",
    "Date", "Age",
)  # fmt: skip

STATUSES = (
    "200 OK",
    "206 Partial Content",
    "302 Found",
    "304 Not Modified",
    "401 No",
    "407 No",
    "416 No",
    "429 Wait",
    "503 Wait",
)


@pytest.fixture(scope="module")
def box() -> Iterator[tuple[Box, Wire]]:
    with wires.boxed() as made:
        yield made


def ask(box: tuple[Box, Wire], answer: bytes) -> None:
    """Read a small file, and see that whatever happens is an error of ours."""
    box[0].answer = answer
    url = f"{box[1].url}/file"
    with Fetcher(patience=ONCE) as fetcher, contextlib.suppress(FetchError, IntegrityError):
        fetcher.read(Request((url,), what="file", cap=1000, size=None), Known(url, '"x"'))


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_a_header_is_a_crash(box: tuple[Box, Wire], name: str) -> None:
    for value in VALUES:
        for status in STATUSES if name in ("Location", "Retry-After", "Content-Range") else STATUSES[:3]:
            raw = value.encode("utf-8", "surrogateescape").decode("latin-1")
            ask(box, whole(status, (name, raw), body=b"hello"))


TEXT = st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.one_of(TEXT, st.sampled_from(VALUES)), st.sampled_from(STATUSES))
def test_no_header_at_all_is_a_crash(box: tuple[Box, Wire], name: str, value: str, status: str) -> None:
    ask(box, whole(status, (name, value.encode("utf-8").decode("latin-1")), body=b"hello"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_at_all_are_a_crash(box: tuple[Box, Wire], data: bytes) -> None:
    for beginning in (
        b"",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        ask(box, beginning + data)


@given(st.one_of(TEXT, st.sampled_from(VALUES)))
def test_a_time_to_wait_is_a_time_or_none(value: str) -> None:
    assert (retry_after(value) or 0.0) >= 0
    assert (announced({"Content-Length": value}) or 0) >= 0
