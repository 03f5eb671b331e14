"""File URLs: a mirror on this machine, read with the same caps as any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from imgforge.access import ANYTHING, Access
from imgforge.document import disk
from imgforge.errors import StoreError, UsageError
from imgforge.fetch.request import NotFoundError, RefusedError, Request, TooLargeError
from imgforge.fetch.sink import Sink
from imgforge.fetch.url import Url

_CHUNK = 1 << 20


def copy(url: str, sink: Sink, *, request: Request, told: Callable[[int], None], access: Access = ANYTHING) -> None:
    """Write a file of this machine to a sink, from its beginning.

    Raises:
        NotFoundError: there is no such file.
        RefusedError: the URL names a host or a directory, or the file must not be read.
        TooLargeError: it has more bytes than the request allows.
        StoreError: the disk cannot read it.
        RestrictedError: it is not among the files that may be read.
    """
    path = _path(url)
    if path is None:
        raise RefusedError("a file URL names an absolute path and no NUL")
    sink.restart()
    real = access.path(path, what=request.what)
    try:
        stream = disk.open_steady(real)
    except FileNotFoundError:
        raise NotFoundError("not there") from None
    except UsageError:
        raise RefusedError("is no file") from None
    except OSError as error:
        raise RefusedError(f"cannot be read: {error.strerror}") from None
    with stream:
        while data := _piece(stream, path):
            if sink.position + len(data) > request.limit:
                raise TooLargeError(f"{request.what}: expected at most {request.limit} bytes, got more")
            sink.write(data)
            told(sink.position)


def _path(url: str) -> Path | None:
    """Return the path of a URL; None when it is nothing that a file's name can be."""
    path = Path(unquote(Url.parse(url).path))
    return None if "\0" in str(path) else path


def _piece(stream: BinaryIO, path: Path) -> bytes:
    try:
        return stream.read(_CHUNK)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
