"""What the downloader's tests share: a file, a request for it, and somebody who hears of it."""

from __future__ import annotations

from builders.servers import Server
from imgforge.digest import Digest
from imgforge.fetch.request import Patience, Request
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


def wanted(*urls: str, data: bytes = DATA, cap: int = 1 << 20) -> Request:
    return Request(urls, what="file", cap=cap, digest=Digest.of(data), size=len(data))


def ranges(server: Server) -> list[str | None]:
    return [asked.headers.get("Range") for asked in server.asked]
