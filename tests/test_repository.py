"""What the repository holds: its top level, and no name that belongs to one machine."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

TOP_LEVEL = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "imgforge",
    "manifests",
    "pyproject.toml",
    "setup.cfg",
    "tests",
}
EXAMPLE_HOST = "mirrors.wikimedia.org"
"""The one public mirror that examples may name."""

_URI_HOST = re.compile(r"https?://(?:[^/@\s\"']*@)?([^/\s:\"']+)")


def _tracked() -> list[str]:
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listing.stdout.split("\0") if name]


def _texts() -> dict[str, str]:
    names = [name for name in _tracked() if (REPOSITORY / name).is_file()]
    return {name: (REPOSITORY / name).read_bytes().decode("utf-8", "replace") for name in names}


def _registry_hosts() -> set[str]:
    """Return the hosts that this machine takes packages from, whatever they are called: they are configuration."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    tools = [
        tool for tool in (["pip", "config", "list"], ["npm", "config", "get", "registry"]) if shutil.which(tool[0])
    ]
    said = [path.read_text(errors="replace") for path in sources if path.is_file()]
    said += [subprocess.run(tool, capture_output=True, text=True, check=False).stdout for tool in tools]
    hosts = {host for text in said for host in _URI_HOST.findall(text)}
    return {host for host in hosts if "." in host and not host.startswith("127.")} - {EXAMPLE_HOST}


def test_the_top_level_is_exactly_this() -> None:
    tops = {name.split("/")[0] for name in _tracked()}
    assert {top for top in tops if not top.startswith(".")} == TOP_LEVEL


def test_the_build_runs_by_the_file_that_continuous_integration_calls() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "oracle", "breadth", "clean"])
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_host_of_a_package_registry_is_named() -> None:
    hosts = _registry_hosts()
    named = {name: sorted(host for host in hosts if host in text) for name, text in _texts().items()}
    assert {name: found for name, found in named.items() if found} == {}


REGISTRIES = {
    "npm" + "js": ("org", "com"),
    "py" + "pi": ("org", "io"),
    "python" + "hosted": ("org",),
    "ruby" + "gems": ("org",),
    "crates": ("io",),
    "packa" + "gist": ("org", "com"),
    "nu" + "get": ("org",),
    "me" + "tacpan": ("org",),
    "hex": ("pm",),
    "hack" + "age.haskell": ("org",),
    "proxy.go" + "lang": ("org",),
    "repo1.ma" + "ven": ("org",),
    "maven.apa" + "che": ("org",),
    "deb.deb" + "ian": ("org",),
    "ftp.deb" + "ian": ("org",),
    "snapshot.deb" + "ian": ("org",),
    "security.deb" + "ian": ("org",),
    "archive.ubun" + "tu": ("com",),
    "warehouse.readthe" + "docs": ("io",),
    "conda.ana" + "conda": ("org",),
    "clo" + "jars": ("org",),
    "jit" + "pack": ("io",),
    "yarn" + "pkg": ("com",),
    "coco" + "apods": ("org",),
    "c" + "pan": ("org",),
}
"""Hosts of public package registries, by their parts: no file spells them out, this one included."""

_REGISTRY = re.compile(
    "|".join(
        rf"(?<![A-Za-z0-9-]){re.escape(name)}\.(?:{'|'.join(ends)})(?![A-Za-z0-9-])"
        for name, ends in REGISTRIES.items()
    )
)


def test_no_public_package_registry_is_named() -> None:
    """Not plainly, and not in base64, as in a token that says where it is from."""
    encoded = re.compile(
        "|".join(base64.b64encode(name.encode())[: len(name) * 4 // 3].decode() for name in ("py" + "pi.org",))
    )
    named = {name: sorted({*_REGISTRY.findall(text), *encoded.findall(text)}) for name, text in _texts().items()}
    assert {name: found for name, found in named.items() if found} == {}


def test_no_path_of_this_machine_is_named() -> None:
    places = {str(REPOSITORY), str(Path.home())} - {"/", "/root", "/home"}
    named = {name: sorted(place for place in places if place in text) for name, text in _texts().items()}
    assert {name: found for name, found in named.items() if found} == {}


def test_a_todo_has_the_number_of_an_issue() -> None:
    marker = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b(?!\(#\d+\))")
    assert [name for name, text in _texts().items() if marker.search(text)] == []
