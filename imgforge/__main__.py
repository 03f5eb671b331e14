"""``python -m imgforge`` and the ``imgforge`` command."""

from __future__ import annotations

import sys

from imgforge.cli.main import main as perform


def main() -> int:
    """Do what the process's command line says and return its exit code."""
    return perform(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
