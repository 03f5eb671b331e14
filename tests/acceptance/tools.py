"""Other people's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest


def attempt(
    *argv: str | Path, environment: Mapping[str, str] | None = None, apart: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program and return how it ended, both of its outputs in one text; skip the test where it is missing.

    Args:
        argv: the command.
        environment: in place of the caller's.
        apart: with mounts of its own, which end with it.
    """
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return subprocess.run(
        [*(("unshare", "--mount") if apart else ()), *map(str, argv)],
        env=os.environ if environment is None else environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run(*argv: str | Path, environment: Mapping[str, str] | None = None, apart: bool = False) -> str:
    """Run a program and return what it printed; see `attempt`.

    Raises:
        AssertionError: it failed.
    """
    done = attempt(*argv, environment=environment, apart=apart)
    assert done.returncode == 0, f"{argv[0]}: exit status {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout
