"""A private APT root: its own configuration, sources, status and caches, over the indices that the host has.

The host's verified lists are laid out as a small archive on disk, which the private APT reads through ``file:``. So the
judge and the judged read the same bytes, whatever mirror the host uses, and other archives can stand beside it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")
_RELEASE_FIELDS = ("Origin", "Label", "Suite", "Version", "Codename", "NotAutomatic", "ButAutomaticUpgrades")


@attrs.frozen
class Listed:
    """One suite of the archive on disk: its name, what its Release says, and its Packages file."""

    name: str
    release: dict[str, str]
    packages: Path
    component: str = "main"


def host_lists(target: Path, *, suites: Sequence[str] = SUITES) -> tuple[Listed, ...]:
    """Lay the host's lists of some suites out as an archive below `target`, in the order of the suites."""
    form = "$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(ARCHITECTURE)\t$(FILENAME)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = []
    for suite in suites:
        wanted = [line.split("\t") for line in lines if line.startswith("Debian\t")]
        names = {row[4] for row in wanted if row[1] == suite and row[2] == "main" and row[3] == "amd64"}
        if not names:
            message = f"the host's APT has no list of {suite}"
            raise LookupError(message)
        (name,) = names
        data = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", name], check=True, capture_output=True).stdout
        inrelease = Path(name.split("_main_binary-")[0] + "_InRelease").read_text()
        found.append(lay_out(target, suite, data, release=_release_fields(inrelease)))
    return tuple(found)


def lay_out(target: Path, suite: str, packages: bytes, *, release: dict[str, str]) -> Listed:
    """Write one suite of an archive: its Packages file, and a Release that vouches for it."""
    dists = target / "dists" / suite
    file = dists / "main" / "binary-amd64" / "Packages"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    text = "".join(f"{name}: {value}\n" for name, value in release.items())
    text += "Architectures: amd64\nComponents: main\nDate: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n"
    (dists / "Release").write_text(f"{text} {digest} {len(packages)} main/binary-amd64/Packages\n")
    return Listed(suite, release, file)


def _release_fields(inrelease: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in inrelease.splitlines())
    return {name: value for name, _, value in pairs if name in _RELEASE_FIELDS}


class Root:
    """One private APT root with one starting point."""

    def __init__(self, path: Path, *, archive: Path, suites: Sequence[str], status: str) -> None:
        """Write the root and let its APT read the archive.

        Args:
            path: an empty directory.
            archive: what `lay_out` wrote.
            suites: in the order of the sources.
            status: dpkg's status of the starting point.
        """
        self.path = path
        for directory in ("etc", "state/lists/partial", "cache/archives/partial", "empty"):
            (path / directory).mkdir(parents=True, exist_ok=True)
        (path / "status").write_text(status)
        self.prefer("")
        (path / "etc/sources.list").write_text(
            "".join(f"deb [trusted=yes arch=amd64] file:{archive} {suite} main\n" for suite in suites)
        )
        self.config = path / "etc/apt.conf"
        self.config.write_text(_CONFIG.format(path=path))
        self.run("apt-get", "update", check=True)
        self.run("apt-cache", "gencaches", check=True)

    def prefer(self, preferences: str) -> None:
        """Replace the text of apt_preferences."""
        (self.path / "etc/preferences").write_text(preferences)

    def run(self, *argv: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one of APT's programs in this root."""
        environment = {"APT_CONFIG": str(self.config), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        return subprocess.run(argv, env=environment, check=check, capture_output=True, text=True)


_CONFIG = """\
#clear APT::NeverAutoRemove;
Dir "{path}";
Dir::State "{path}/state";
Dir::State::status "{path}/status";
Dir::State::extended_states "{path}/extended_states";
Dir::Cache "{path}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc "{path}/etc";
Dir::Etc::main "{path}/empty/none";
Dir::Etc::parts "{path}/empty";
Dir::Etc::sourceparts "{path}/empty";
Dir::Etc::preferencesparts "{path}/empty";
Dir::Etc::trustedparts "{path}/empty";
Dir::Bin::dpkg "/usr/bin/dpkg";
Dir::Log "{path}";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
APT::Get::List-Cleanup "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Debug::NoLocking "true";
"""
