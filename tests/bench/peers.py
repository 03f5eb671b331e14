"""The tools that imgforge is measured beside: buildah with apt-get, mmdebstrap, and apt-get's own resolver.

Each does as little as it can: packages and indices are on this disk, no signature is verified, nothing is compressed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from oracle.root import Root, local_sources

from bench import clock
from bench.clock import Lap
from bench.mirror import Mirror

_BASE = "localhost/base"
_MEASURED = "localhost/measured"
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

_PLAIN = """\
APT::Sandbox::User "root";
Acquire::Languages "none";
"""
_TUNED = """\
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Options { "--force-unsafe-io"; };
"""
"""What Docker's Debian images add: no parsed indices left in the layer, no fsync. Both make the peer faster."""


def _installing(packages: Sequence[str]) -> str:
    return f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {' '.join(packages)}"


def lacking() -> tuple[str, ...]:
    """Return what this machine or user does not have, of what the peers need."""
    missing = tuple(tool for tool in ("apt-get", "buildah", "mmdebstrap") if shutil.which(tool) is None)
    return (*missing, *(() if os.geteuid() == 0 else ("root",)))


class Buildah:
    """``buildah bud`` with one ``RUN apt-get install`` on our base, in a storage of its own."""

    def __init__(self, path: Path, *, mirror: Mirror, log: Path, is_tuned: bool) -> None:
        """Use a directory; `take` gives it the base.

        Args:
            path: its own.
            mirror: where its packages and indices are.
            log: gets what it prints.
            is_tuned: APT and dpkg are set as in Docker's Debian images, instead of as the base has them.
        """
        self._path = path
        self._mirror = mirror
        self._log = log
        for name in ("lists/partial", "sources", "conf", "desk"):
            (path / name).mkdir(parents=True, exist_ok=True)
        (path / "conf/99bench").write_text(_PLAIN + _TUNED * is_tuned)
        (path / "sources/bench.list").write_text(mirror.lines("file"))
        self._storage = ("--root", str(path / "root"), "--runroot", str(path / "runroot"))
        self._driver = next(driver for driver in ("overlay", "vfs") if self._works(driver))

    def take(self, store: Path, name: str) -> None:
        """Copy the base out of an OCI layout, unpack it, and read the mirror's indices once."""
        identity = self._ask("pull", "--quiet", f"oci:{store}:{name}").split()[-1]
        self._ask("tag", identity, _BASE)
        self._bud("apt-get update", self._volumes())

    def install(self, packages: Sequence[str]) -> Lap:
        """Build an image with these packages, and return what that cost; `forget` it when nothing is measured."""
        return self._bud(_installing(packages), self._volumes())

    def publish(self, packages: Sequence[str]) -> Lap:
        """Do the same as Dockerfiles do it, up to what imgforge has at its end; return what that cost.

        Packages are downloaded, indices are not, since an image keeps none; the image becomes an OCI layout.
        """
        laid_out = self._path / "layout"
        built = self._bud(f"apt-get update && {_installing(packages)}", self._volumes(without="/var/lib/apt/lists"))
        argv = [*self._command("push"), "--quiet", _MEASURED, f"oci:{laid_out}:measured"]
        pushed = clock.measured(argv, log=self._log, env=_ENVIRONMENT)
        shutil.rmtree(laid_out)
        return built + pushed

    def forget(self) -> None:
        """Remove all that was built."""
        for name in self._ask("images", "--quiet", "--filter", f"since={_BASE}").split():
            self._ask("rmi", "--force", name)

    def close(self) -> None:
        """Let go of the storage: it keeps its directory mounted on itself."""
        self._ask("rmi", "--all", "--force")
        subprocess.run(["umount", str(self._path / "root/overlay")], check=False, capture_output=True)

    def _bud(self, command: str, volumes: Iterable[str]) -> Lap:
        desk = self._path / "desk"
        (desk / "Containerfile").write_text(f"FROM {_BASE}\nRUN {command}\n")
        options = ("--isolation", "chroot", "--pull=never", "--no-cache", "--tag", _MEASURED)
        argv = [*self._command("bud"), *options, *volumes, str(desk)]
        return clock.measured(argv, log=self._log, env=_ENVIRONMENT)

    def _volumes(self, *, without: str = "") -> Iterator[str]:
        places = {
            "/etc/apt/apt.conf.d": self._path / "conf",
            "/etc/apt/sources.list.d": self._path / "sources",
            "/var/cache/apt/archives": self._mirror.archives,
            "/var/lib/apt/lists": self._path / "lists",
            str(self._mirror.path): self._mirror.path,
        }
        for inside, outside in places.items():
            if inside != without:
                yield from ("--volume", f"{outside}:{inside}")

    def _works(self, driver: str) -> bool:
        argv = ["buildah", *self._storage, "--storage-driver", driver, "info"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0

    def _command(self, verb: str) -> list[str]:
        return ["buildah", *self._storage, "--storage-driver", self._driver, verb]

    def _ask(self, verb: str, *arguments: str) -> str:
        argv = [*self._command(verb), *arguments]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout


def bootstrap(mirror: Mirror, *, desk: Path, log: Path) -> Lap:
    """Make a minimal system with mmdebstrap, as an uncompressed tar."""
    target = desk / "minbase.tar"
    sources = mirror.lines("copy").splitlines()
    argv = ["mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar", mirror.suites[0], str(target), *sources]
    lap = clock.measured(argv, log=log, env={**_ENVIRONMENT, "TMPDIR": str(desk)})
    target.unlink()
    return lap


class Resolver:
    """``apt-get -s install`` on the base's packages, over the mirror's indices."""

    def __init__(self, path: Path, *, mirror: Mirror, status: str, log: Path) -> None:
        """Make a root of APT's own.

        Args:
            path: an empty directory.
            mirror: where the indices are.
            status: dpkg's, of the base.
            log: gets what it prints.
        """
        self._root = Root(path, sources=local_sources(mirror.path, mirror.suites), status=status)
        self._log = log

    def install(self, packages: Sequence[str], *, parsed: bool) -> Lap:
        """Resolve, and return what that cost.

        Args:
            packages: what is asked for.
            parsed: with APT's parsed form of the indices, or without.
        """
        cold = () if parsed else ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
        argv = ["apt-get", *cold, "-s", "install", "--no-install-recommends", *packages]
        return clock.measured(argv, log=self._log, env={"APT_CONFIG": str(self._root.config), "LC_ALL": "C.UTF-8"})
