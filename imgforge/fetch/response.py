"""What a server's answer means: go on, try again, or give this URL up.

Source: RFC 9110 (HTTP semantics), sections 10.2.3 (Retry-After), 14 (range requests), 15 (status codes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime

from imgforge.fetch import parallel
from imgforge.fetch.request import (
    NotFoundError,
    PassingError,
    Patience,
    RefusedError,
    Request,
    TooLargeError,
    WrongBytesError,
)
from imgforge.fetch.sink import Sink
from imgforge.fetch.wire import Response

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_NUMBER = re.compile(r"[0-9]{1,18}")
_GONE = (404, 410)
_AGAIN = (408, 421, 425, 429)


def read(response: Response, sink: Sink, *, request: Request, patience: Patience, told: Callable[[int], None]) -> None:
    """Write the body of an answer to a sink that may have its beginning already.

    Args:
        response: with its body unread.
        sink: takes the bytes.
        request: says what is expected.
        patience: says how slow is too slow.
        told: hears after each chunk how many bytes the sink has.

    Raises:
        PassingError: the server is overloaded, stalls or drops the connection.
        NotFoundError: there is no such file.
        RefusedError: the server will not give it.
        WrongBytesError: the server announces another size than expected.
        TooLargeError: it sends more than the request allows.
    """
    _check_status(response, sink, request=request)
    rest = _rest(response.headers, request=request, has=sink.position)
    end = None if rest is None else sink.position + rest
    for chunk in chunks(response, patience, total=patience.total if sink.is_memory else None):
        if sink.position + len(chunk) > (request.limit if end is None else end):
            raise TooLargeError(f"{request.what}: expected at most {request.limit} bytes, got more")
        sink.write(chunk)
        told(sink.position)
    if end is not None and sink.position < end:
        raise PassingError(f"connection closed after {sink.position} of {end} bytes")


def _check_status(response: Response, sink: Sink, *, request: Request) -> None:
    """Accept 200 and a fitting 206; a 200 to a range request means that the server starts from the beginning."""
    status = response.status
    if status == 200:
        sink.restart()
    elif status == 206 and sink.position:
        _check_range(response.headers.get("Content-Range", ""), sink, request=request)
        sink.is_pieced = True
    elif status == 416:
        sink.restart()
        raise PassingError("the server has less than what was received before", wait=0)
    elif status in _GONE:
        raise NotFoundError(f"not there (HTTP {status})")
    elif status in _AGAIN or status >= 500:
        raise PassingError(f"HTTP {status}", wait=retry_after(response.headers.get("Retry-After", "")))
    else:
        raise RefusedError(f"refused (HTTP {status})")


def _check_range(text: str, sink: Sink, *, request: Request) -> None:
    match = _RANGE.fullmatch(text.strip())
    if match is None or int(match[1]) != sink.position:
        position = sink.position
        sink.restart()
        raise PassingError(f"asked from byte {position}, got Content-Range {text[:60]!r}", wait=0)
    if match[3] != "*" and request.size is not None and int(match[3]) != request.size:
        raise WrongBytesError(f"{request.what}: expected {request.size} bytes, the server has {match[3][:20]}")


def _rest(headers: Mapping[str, str], *, request: Request, has: int) -> int | None:
    """Return how many bytes follow, as the server says; None when it does not."""
    rest = announced(headers)
    if rest is None:
        return None
    total = has + rest
    if request.size is not None and total != request.size:
        raise WrongBytesError(f"{request.what}: expected {request.size} bytes, the server has {total}")
    if total > request.cap:
        raise TooLargeError(f"{request.what}: expected at most {request.cap} bytes, the server has {total}")
    return rest


def chunks(response: Response, patience: Patience, *, total: float | None = None) -> Iterator[bytes]:
    """Yield the body as it comes, undecoded, and watch that it comes fast enough.

    Args:
        response: whose body.
        patience: says how slow is too slow.
        total: seconds for the whole body, where it is held in memory; None for as long as it comes fast enough.

    Raises:
        PassingError: it is too slow, or the connection is dropped.
        FetchError: nobody wants it any more.
    """
    begun = since = time.monotonic()
    received = 0
    while chunk := response.read(_CHUNK, seconds=patience.stall):
        yield chunk
        parallel.check()
        received += len(chunk)
        now = time.monotonic()
        if now - since > patience.stall:
            if received < patience.rate * (now - since):
                raise PassingError(f"stalled: {received} bytes in {now - since:.0f} s")
            since, received = now, 0
        if total is not None and now - begun > total:
            raise PassingError(f"not there as a whole after {total:.0f} s")


def retry_after(text: str) -> float | None:
    """Read Retry-After, seconds or a date, as seconds from now; None for anything else."""
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text[:100]).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, IndexError):  # whatever a date's parser makes of foreign text
        return None


def announced(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes a body has, as its header says; None when it does not."""
    text = headers.get("Content-Length", "")
    return int(text) if _NUMBER.fullmatch(text) else None
