"""A desk: acquires from an archive as a person would, again and again with one cache."""

from __future__ import annotations

import functools
from pathlib import Path

from builders.archives import NOW
from imgforge.apt import mirrors
from imgforge.apt.acquire import acquire
from imgforge.apt.release import Waived
from imgforge.apt.sources import Source
from imgforge.apt.values import IndexFile
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import Patience
from imgforge.report import Reporter
from imgforge.store.cache import Cache

QUICK = Patience(attempts=3, connect=2, stall=1, delay=0.01, ceiling=1)


class Listener(Reporter):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


class Desk:
    """Has one cache for all that it acquires."""

    def __init__(self, path: Path) -> None:
        self.cache = Cache(path)
        self.listener = Listener()

    def get(
        self,
        source: Source,
        *,
        now: int = NOW,
        offline: bool = False,
        waived: Waived = Waived.NOTHING,
        overrides: tuple[tuple[str, str], ...] = (),
    ) -> tuple[IndexFile, ...]:
        with Fetcher(patience=QUICK, reporter=self.listener, offline=offline) as fetcher:
            return acquire(
                source,
                architecture="amd64",
                cache=self.cache,
                fetcher=fetcher,
                bases_of=functools.partial(mirrors.candidates, overrides=overrides),
                now=now,
                waived=waived,
            )

    def only(self, source: Source, *, now: int = NOW) -> str:
        (index,) = self.get(source, now=now)
        return index.path.read_text()
