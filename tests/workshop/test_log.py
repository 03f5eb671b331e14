"""The log of commands: what happens when it cannot be written."""

from __future__ import annotations

from pathlib import Path

from imgforge.workshop.log import Log


def test_a_log_on_a_full_disk_ends_and_fails_nothing() -> None:
    seen: list[str] = []
    log = Log(Path("/dev/full"), most=1 << 20, show=seen.append)
    for _ in range(100):
        log.hear(b"x" * 4095 + b"\n")
    log.hear(b"the end")
    log.close()
    assert (len(seen), seen[-1]) == (101, "the end\n")
