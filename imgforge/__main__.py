"""``python -m imgforge`` and the ``imgforge`` command."""

from __future__ import annotations

import gc
import sys

from imgforge import interruption
from imgforge.cli.main import main as perform

_ALLOCATIONS = 50_000
"""Objects after which Python looks for garbage in cycles: what a run makes it mostly keeps until it ends."""


def main() -> int:
    """Do what the process's command line says and return its exit code."""
    gc.set_threshold(_ALLOCATIONS)
    code = perform(sys.argv[1:])
    interruption.over()
    return code


if __name__ == "__main__":
    sys.exit(main())
