"""Other people's tools, as tests run them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def run(*argv: str | Path) -> str:
    """Return what a tool prints; skip the test where the tool is not installed, and fail it where the tool fails."""
    tool = shutil.which(str(argv[0]))
    if tool is None:
        pytest.skip(f"{argv[0]} is not installed")
    done = subprocess.run([tool, *map(str, argv[1:])], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
