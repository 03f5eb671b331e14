"""Many things done by one command of which some fail: the others are told first, then what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import imgforge

Subject = TypeVar("Subject")
Value = TypeVar("Value")


class Failures:
    """Keeps what failed for the end.

    Args:
        reporter: hears of each failure when it comes.
        text: what a failure means for its subject: ``is not locked``.
    """

    def __init__(self, reporter: imgforge.Reporter, text: str) -> None:
        self._reporter = reporter
        self._text = text
        self._errors: list[imgforge.ImgforgeError] = []

    def sifted(
        self, results: Iterable[tuple[Subject, Value | imgforge.ImgforgeError]]
    ) -> Iterator[tuple[Subject, Value]]:
        """Yield what was done, and keep what was not."""
        for subject, result in results:
            if isinstance(result, imgforge.ImgforgeError):
                self._errors.append(result)
                self._reporter.warned(f"{subject}: {self._text}")
            else:
                yield subject, result

    def refuse(self) -> None:
        """Return if nothing failed.

        Raises:
            ImgforgeError: the only one that was kept.
            ExceptionGroup: all of several.
        """
        if len(self._errors) > 1:
            raise ExceptionGroup(self._text, self._errors)
        if self._errors:
            raise self._errors[0]
