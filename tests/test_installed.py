"""Installed in any way, imgforge has its manifests: what they are is package data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
_DEPENDENCIES = sysconfig.get_path("purelib")


def _shipped() -> list[str]:
    files = [path for path in (REPOSITORY / "manifests").rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(REPOSITORY)) for path in files if "__pycache__" not in path.parts)


def _run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout: building writes beside what it reads."""
    place = tmp_path_factory.mktemp("wheel")
    for name in ("imgforge", "manifests", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-a", REPOSITORY / name, place / name], check=True)
    try:
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place / "out", place)
    except AssertionError as error:
        if "No matching distribution found for setuptools" in str(error) or "connection" in str(error).lower():
            pytest.skip("needs setuptools from the host's package index")
        raise
    (made,) = (place / "out").glob("*.whl")
    return made


def test_the_wheel_has_every_shipped_file(wheel: Path) -> None:
    names = [name.removeprefix("imgforge/") for name in zipfile.ZipFile(wheel).namelist()]
    assert sorted(name for name in names if name.startswith("manifests/")) == _shipped()


@pytest.mark.parametrize("way", ["target", "prefix", "user", "environment", "editable"])
def test_the_manifests_are_found(way: str, wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    tag = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python, path = sys.executable, {"PYTHONPATH": f"{tmp_path}:{_DEPENDENCIES}"}
    if way == "target":
        _run(*pip, "--target", tmp_path, wheel)
    elif way == "prefix":
        _run(*pip, "--ignore-installed", "--prefix", tmp_path, wheel)
        path = {"PYTHONPATH": f"{tmp_path}/lib/{tag}/site-packages:{_DEPENDENCIES}"}
    elif way == "user":
        # a virtual environment has no user's directory: the interpreter that it is made of has
        python = str(Path(sys.base_prefix) / "bin" / tag)
        user = {"PYTHONUSERBASE": str(tmp_path), "PYTHONPATH": _DEPENDENCIES, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        _run(python, *pip[1:], "--ignore-installed", "--user", wheel, **user)
        path = {**user, "PYTHONPATH": f"{tmp_path}/lib/{tag}/site-packages:{_DEPENDENCIES}"}
    elif way == "environment":  # as pipx makes one for each program
        _run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
        python = str(tmp_path / "bin" / "python")
        _run(*pip, "--ignore-installed", "--prefix", tmp_path, wheel)
        path = {"PYTHONPATH": f"{tmp_path}/lib/{tag}/site-packages:{_DEPENDENCIES}"}
    else:
        path = {"PYTHONPATH": f"{REPOSITORY}:{_DEPENDENCIES}"}
    listed = json.loads(_run(python, "-m", "imgforge", "manifests", "--json", **path))
    places = {str(Path(one["path"])) for one in listed}
    expected = {name for name in _shipped() if name.endswith(".yaml")}
    assert {place[place.index("manifests/") :] for place in places} == expected
    top = REPOSITORY if way == "editable" else tmp_path
    assert [place for place in places if not place.startswith(f"{top}/")] == []
    assert [one["name"] for one in listed if not one["description"]] == []


def test_the_key_of_a_shipped_base_is_found_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    places = {"IMGFORGE_STORE": str(tmp_path / "store"), "IMGFORGE_CACHE": str(tmp_path / "cache")}
    path = {"PYTHONPATH": f"{tmp_path}:{_DEPENDENCIES}", "IMGFORGE_CONFIG": ""}
    assert _run(sys.executable, "-m", "imgforge", "check", "hello-php", **path, **places) == ""
