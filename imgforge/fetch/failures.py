"""One error out of several: at each URL of a file, and of several files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.request import NotFoundError, PassingError, Request
from imgforge.fetch.url import redact

_NAMED = 10
"""Failures that are named in one text."""

Failure = FetchError | IntegrityError
AnyFailure = TypeVar("AnyFailure", bound=BaseException)


def at(url: str, error: Failure) -> Failure:
    """Return the error with the URL in its text, and its class, which says whose fault it is, kept."""
    said = type(error) if not isinstance(error, PassingError) else FetchError
    return _noted(said(f"{redact(url)}: {error}"), (error,))


def summed(request: Request, failures: list[Failure]) -> Failure:
    """Return one error for the failures at all URLs: of wrong bytes first, of "not there" only when all say so."""
    wrong = [error for error in failures if isinstance(error, IntegrityError)]
    other = [error for error in failures if not isinstance(error, NotFoundError)]
    kind = type((wrong or other or [NotFoundError("")])[0])
    texts = [str(error) for error in failures] or ["no URL to fetch it from"]
    return _noted(kind(f"{request.what}: " + "; ".join(texts)), failures)


def gathered(failures: list[FetchError]) -> FetchError:
    """Return one error for several transfers, of their common class, with the notes of each kept once."""
    if len(failures) == 1:
        return failures[0]
    kinds = {type(error) for error in failures}
    kind = kinds.pop() if len(kinds) == 1 else FetchError
    lines = sorted(str(error) for error in failures)
    more = [f"… and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return _noted(kind("\n".join([f"{len(lines)} transfers failed:", *lines[:_NAMED], *more])), failures)


def _noted(error: AnyFailure, failures: Iterable[BaseException]) -> AnyFailure:
    """Give an error the notes of others, each once."""
    for note in dict.fromkeys(note for failure in failures for note in getattr(failure, "__notes__", ())):
        error.add_note(note)
    return error
