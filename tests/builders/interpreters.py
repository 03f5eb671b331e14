"""A Python with our modules that every user of this machine can run, whoever's home the checkout lies in."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]
_FOR_TESTS_ONLY = ("__pycache__", "mypy*", "_mypy*", "ruff*", "pip*", "pytest*", "_pytest*", "hypothesis*", "coverage*")


def everybodys(place: Path) -> Path:
    """Return an interpreter for everybody; what has to be made for it goes to a directory that everybody can reach."""
    if all(_is_open(Path(path)) for path in (sys.executable, sys.prefix, sys.base_prefix, _REPOSITORY)):
        return Path(sys.executable)
    system = Path(f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}")
    if not system.exists():
        pytest.skip(f"{sys.executable} cannot be run by other users, and there is no {system}")
    subprocess.run([system, "-I", "-m", "venv", "--without-pip", place / "venv"], check=True, capture_output=True)
    site = next((place / "venv").glob("lib/python*/site-packages"))
    modules = [_opened(_REPOSITORY / "imgforge", place).parent]
    modules += [_opened(Path(path), place) for path in sys.path if path.endswith("site-packages")]
    (site / "ours.pth").write_text("".join(f"{path}\n" for path in modules))
    return place / "venv/bin/python3"


def _opened(directory: Path, place: Path) -> Path:
    """Return a directory that everybody can read: itself or a copy."""
    if _is_open(directory):
        return directory
    target = place / "modules" / directory.name
    return Path(shutil.copytree(directory, target, ignore=shutil.ignore_patterns(*_FOR_TESTS_ONLY)))


def _is_open(path: Path) -> bool:
    real = path.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (real, *real.parents))
