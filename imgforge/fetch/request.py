"""What is asked of the downloader, how long it tries, and the errors that it may end with."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError


class OfflineError(FetchError):
    """The bytes are not on this machine, and the caller said not to use the network."""


class NotFoundError(FetchError):
    """No URL has it: every server that answered said that there is no such file."""


class RefusedError(FetchError):
    """A server does not let us have it: credentials, certificate, or a request that it will never answer."""


class PassingError(FetchError):
    """A failure that may pass with the next attempt; whoever asks this room gets the last as a plain FetchError.

    Attributes:
        wait: seconds that the server asks to wait; None when it does not say.
    """

    def __init__(self, text: str, *, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class TooLargeError(IntegrityError):
    """More bytes than were vouched for or are allowed; no more than that was read."""


class WrongBytesError(IntegrityError):
    """The bytes are not those that the digest or the size names."""


@attrs.frozen
class Request:
    """One file to fetch.

    Attributes:
        urls: where it may be had, best first: ``http``, ``https`` or ``file``.
        what: its name, for people.
        cap: most bytes that are read.
        digest: what its bytes must hash to; None when something else vouches for them, such as a signature.
        size: how many bytes it has, when known beforehand.
    """

    urls: tuple[str, ...]
    what: str
    cap: int
    digest: Digest | None = None
    size: int | None = None

    @property
    def limit(self) -> int:
        """Most bytes that can be right: the size when known, else the cap."""
        return self.cap if self.size is None else self.size


@attrs.frozen
class Known:
    """What a server said of a file that we have, so that it need not send the same again.

    Source: RFC 9110, sections 8.8 (validators) and 13.1 (preconditions).
    """

    url: str
    etag: str = ""
    modified: str = ""


@attrs.frozen
class Answer:
    """A small file that was fetched into memory.

    Attributes:
        data: its bytes; None when the server says that what we know is still the newest.
        known: to be given with the next request.
    """

    data: bytes | None
    known: Known


@attrs.frozen
class Patience:
    """How long to try; times in seconds.

    Attributes:
        attempts: tries of one URL that bring nothing, before the next URL is tried.
        connect: until a connection stands, all addresses of a host together.
        stall: until the headers are there as a whole, until the next piece of a body, and the stretch over which `rate`
            is watched.
        rate: bytes per second below which a transfer counts as stalled.
        total: until a body that is held in memory is there as a whole.
        delay: before the second try; doubled before each further one.
        ceiling: longest wait, also when a server asks for more: then the URL is given up.
        clock: returns the seconds that have passed since some moment; by it a token expires.
    """

    attempts: int = 5
    connect: float = 10.0
    stall: float = 30.0
    rate: int = 1024
    total: float = 300.0
    delay: float = 0.5
    ceiling: float = 60.0
    clock: Callable[[], float] = time.monotonic
