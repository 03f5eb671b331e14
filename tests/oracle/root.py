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

KINDS = ("", "-updates", "-security")
"""What follows a release's codename in the names of its suites, in the order of the sources."""

SUITES = tuple(f"bookworm{kind}" for kind in KINDS)
_RELEASE_FIELDS = ("Origin", "Label", "Suite", "Version", "Codename", "NotAutomatic", "ButAutomaticUpgrades", "Date")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@attrs.frozen
class Listed:
    """One suite of the archive on disk: its name, what its Release says, and its Packages file."""

    name: str
    release: dict[str, str]
    packages: Path
    component: str = "main"


@attrs.frozen
class _Target:
    """A Packages file that an APT has."""

    suite: str
    base: str
    path: Path


def host_lists(target: Path, *, release: str = "bookworm") -> tuple[Listed, ...]:
    """Lay the lists of a release's suites out as an archive below `target`, in the order of the suites.

    They are the host's, or, of a release that the host does not use, fetched from where the host has its own from.
    """
    found = _targets(None)
    suites = [f"{release}{kind}" for kind in KINDS]
    if not all(suite in found for suite in suites):
        found = _fetched(target.parent / f"fetched-{release}", suites, found)
    return tuple(_copied(target, found[suite]) for suite in suites)


def _copied(target: Path, found: _Target) -> Listed:
    command = ["/usr/lib/apt/apt-helper", "cat-file", str(found.path)]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    inrelease = Path(str(found.path).split("_main_binary-")[0] + "_InRelease").read_text()
    return lay_out(target, found.suite, data, release=_release_fields(inrelease))


def _targets(config: Path | None) -> dict[str, _Target]:
    """Return what an APT has of Debian's main component, by suite."""
    form = "$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(ARCHITECTURE)\t$(REPO_URI)\t$(FILENAME)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    environment = {**os.environ, **({"APT_CONFIG": str(config)} if config else {})}
    lines = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
    rows = (line.split("\t") for line in lines)
    return {
        suite: _Target(suite, base, Path(path))
        for origin, suite, component, architecture, base, path in rows
        if (origin, component, architecture) == ("Debian", "main", "amd64")
    }


def _fetched(place: Path, suites: Sequence[str], host: dict[str, _Target]) -> dict[str, _Target]:
    homes = {kind: target.base for kind in KINDS for suite, target in host.items() if suite.endswith(kind)}
    homes[""] = next(target.base for suite, target in host.items() if "-" not in suite)
    lines = [
        f"deb [signed-by={_KEYRING} arch=amd64] {homes['-' + kind if kind else '']} {suite} main\n"
        for suite in suites
        for kind in [suite.partition("-")[2]]
    ]
    root = Root(place, sources=lines, status="")
    return _targets(root.config)


def lay_out(target: Path, suite: str, packages: bytes, *, release: dict[str, str]) -> Listed:
    """Write one suite of an archive: its Packages file, and a Release that vouches for it."""
    dists = target / "dists" / suite
    file = dists / "main" / "binary-amd64" / "Packages"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    fields = {"Date": "Sat, 01 Nov 2025 00:00:00 UTC", **release, "Architectures": "amd64", "Components": "main"}
    text = "".join(f"{name}: {value}\n" for name, value in fields.items()) + "SHA256:\n"
    (dists / "Release").write_text(f"{text} {digest} {len(packages)} main/binary-amd64/Packages\n")
    return Listed(suite, release, file)


def _release_fields(inrelease: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in inrelease.splitlines())
    return {name: value for name, _, value in pairs if name in _RELEASE_FIELDS}


def inside(path: Path, chroot: Path | None) -> Path:
    """Return a path as it is called inside a chroot."""
    return path if chroot is None else Path("/") / path.relative_to(chroot)


def local_sources(archive: Path, suites: Sequence[str], *, chroot: Path | None = None) -> list[str]:
    """Return the sources of an archive that `lay_out` wrote."""
    return [f"deb [trusted=yes arch=amd64] file:{inside(archive, chroot)} {suite} main\n" for suite in suites]


class Root:
    """One private APT root with one starting point."""

    def __init__(
        self,
        path: Path,
        *,
        sources: Sequence[str],
        status: str,
        chroot: Path | None = None,
        solver: str = "internal",
    ) -> None:
        """Write the root and let its APT read its sources.

        Args:
            path: an empty directory.
            sources: lines of sources.list; see `local_sources`.
            status: dpkg's status of the starting point.
            chroot: where another APT lives that is to be asked; `path` lies below it.
            solver: ``APT::Solver``; since APT 3 there is ``3.0`` beside ``internal``.
        """
        self._chroot = chroot
        self.path = path
        for directory in ("etc", "state/lists/partial", "cache/archives/partial", "empty"):
            (path / directory).mkdir(parents=True, exist_ok=True)
        (path / "status").write_text(status)
        self.prefer("")
        (path / "etc/sources.list").write_text("".join(sources))
        self.config = path / "etc/apt.conf"
        self.config.write_text(_CONFIG.format(path=inside(path, chroot), solver=solver))
        self.run("apt-get", "update", check=True)
        self.run("apt-cache", "gencaches", check=True)

    def prefer(self, preferences: str) -> None:
        """Replace the text of apt_preferences."""
        (self.path / "etc/preferences").write_text(preferences)

    def run(self, *argv: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one of APT's programs in this root."""
        return subprocess.run(self.command(*argv), env=self.environment, check=check, capture_output=True, text=True)

    def command(self, *argv: str) -> tuple[str, ...]:
        """Return what runs a program where this root's APT lives."""
        return ("chroot", str(self._chroot), *argv) if self._chroot else argv

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which APT reads this root."""
        config = inside(self.config, self._chroot)
        return {"APT_CONFIG": str(config), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}


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
APT::Solver "{solver}";
APT::Get::List-Cleanup "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Debug::NoLocking "true";
"""
