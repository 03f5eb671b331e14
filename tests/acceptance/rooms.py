"""Room for large trees."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = 4 << 30
"""Most bytes that the trees of one test have, twice over."""


@contextlib.contextmanager
def room(path: Path) -> Iterator[Path]:
    """Give a new directory for trees of hundreds of megabytes, in memory where there is enough; removed at the end."""
    path.mkdir()
    in_memory = _memory_available() > 2 * SIZE
    if in_memory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,size={SIZE}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        if in_memory:
            subprocess.run(["umount", path], check=True)
        shutil.rmtree(path)


def _memory_available() -> int:
    """Return the bytes that programs can get without swapping."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
