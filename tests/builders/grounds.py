"""The smallest Debian that configures packages: this machine's programs in tiny packages, and their archive.

dpkg, the shell, the C library and the account tools are the real ones, copied from the host into packages with the
names that they have in Debian. So an image starts from nothing as it does with the real archive, in a second and
without a network.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from builders.archives import Archive
from builders.debs import Content, build_deb
from imgforge.tree import Entry, Kind

SUITE = "ground"
"""A suite's name that no host's APT configuration carries: its mirrors would come first."""

_SHELL = ("dash",)
_TOOLS = (
    *("basename", "dirname", "find", "xargs"),
    *("cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "diff", "env", "false", "grep", "head", "hostname", "id"),
    *(
        "ln",
        "ls",
        "md5sum",
        "mkdir",
        "mkfifo",
        "mknod",
        "mktemp",
        "mv",
        "readlink",
        "rm",
        "rmdir",
        "sed",
        "sleep",
        "sort",
    ),
    *("stat", "tail", "tar", "touch", "tr", "true", "uname", "wc"),
)
_DPKG = (
    *("dpkg", "dpkg-deb", "dpkg-divert", "dpkg-maintscript-helper", "dpkg-query", "dpkg-split", "dpkg-statoverride"),
    *("dpkg-trigger", "start-stop-daemon", "update-alternatives"),
)
_ACCOUNTS = ("groupadd", "useradd", "usermod")
_CAPABILITIES = ("setcap",)
_PLACES = "/usr/bin:/usr/sbin:/bin:/sbin"
_DIRECTORIES = {
    "boot": 0o755,
    "dev": 0o755,
    "etc/dpkg/dpkg.cfg.d": 0o755,
    "home": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr/share/doc": 0o755,
    "var/cache": 0o755,
    "var/lib/apt/lists": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
}
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\ndaemon:x:1:\nadm:x:4:\nwww-data:x:33:\nstaff:x:50:\nnogroup:x:65534:\n"
_MASTERS = "\n".join(
    f"[ -e /etc/{name} ] || cp /usr/share/base-passwd/{name}.master /etc/{name}" for name in ("passwd", "group")
)
_SHADOWS = """
if [ ! -e /etc/shadow ]; then
    sed 's/^\\([^:]*\\):.*/\\1:*:19000:0:99999:7:::/' /etc/passwd > /etc/shadow
    sed 's/^\\([^:]*\\):.*/\\1:*::/' /etc/group > /etc/gshadow
    chown root:adm /etc/shadow /etc/gshadow
    chmod 640 /etc/shadow /etc/gshadow
fi"""


@contextlib.contextmanager
def ground() -> Iterator[Archive]:
    """Publish the packages for a block of code, in the suite `SUITE`, where everybody of this machine can read them."""
    if shutil.which("dpkg") is None:
        pytest.skip("needs a Debian machine: its dpkg goes into the tiny packages")
    with tempfile.TemporaryDirectory(prefix="imgforge-ground-") as name:
        path = Path(name)
        path.chmod(0o755)
        archive = Archive(path)
        archive.suites = {}
        for deb in packages():
            archive.add(deb, suite=SUITE)
        archive.publish()
        yield archive


def write_manifest(directory: Path, name: str, *, archives: Mapping[str, Archive] | None = None, **keys: Any) -> Path:
    """Write a manifest, and the keyrings of the archives that it draws from, if any; return its path.

    Args:
        directory: where it goes.
        name: the image's.
        archives: the manifest's sources by name, each with all its suites, at its ``file`` URL.
        keys: further top keys of the manifest.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"imgforge": 1, "name": name, "base": "ground"}
    for source, archive in (archives or {}).items():
        (directory / f"{source}.gpg").write_bytes(archive.keyring)
        spec = {"suites": list(archive.suites), "components": ["main"], "uris": [archive.url]}
        document.setdefault("sources", {})[source] = {**spec, "signed-by": f"{source}.gpg"}
    path = directory / f"{name}.yaml"
    path.write_text(json.dumps({**document, **keys}, indent=1) + "\n")
    return path


def packages() -> tuple[bytes, ...]:
    """Return the packages of the ground."""
    essential = {"Essential": "yes", "Priority": "required"}
    on_libraries = {**essential, "Pre-Depends": "libc6"}
    masters = {"passwd": _PASSWD, "group": _GROUP}
    shell = Entry("", Kind.SYMLINK, mode=0o777, target="dash")
    accounts = {**_programs(_ACCOUNTS, "usr/sbin"), "etc/login.defs": _LOGIN_DEFS}
    return (
        _deb("base-files", _base_files(), fields=essential),
        _deb(
            "base-passwd",
            {f"usr/share/base-passwd/{name}.master": text.encode() for name, text in masters.items()},
            scripts={"postinst": _MASTERS},
            fields=on_libraries,
        ),
        _libc6(),
        _deb("dash", {**_programs(_SHELL, "bin"), "bin/sh": shell}, fields=on_libraries),
        _deb("coreutils", _programs(_TOOLS, "bin"), fields=on_libraries),
        _deb("dpkg", _dpkg(), fields=on_libraries),
        _deb(
            "passwd",
            accounts,
            scripts={"postinst": _SHADOWS},
            conffiles=("/etc/login.defs",),
            fields={"Priority": "required", "Depends": "base-passwd"},
        ),
        _deb("libcap2-bin", _programs(_CAPABILITIES, "sbin")),
    )


def clock_library() -> Path | None:
    """Return libfaketime, which shows a program another time; None where the host has none."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def _libc6() -> bytes:
    """Return the package of the libraries that all programs load, ldconfig and its trigger."""
    programs = (_found(name) for name in (*_SHELL, *_TOOLS, *_DPKG, *_ACCOUNTS, *_CAPABILITIES))
    libraries = _libraries([path for path in (*programs, clock_library()) if path is not None])
    return _deb(
        "libc6",
        {**libraries, "etc/ld.so.conf": b"/usr/local/lib\n", **_programs(("ldconfig",), "sbin")},
        scripts={"postinst": "ldconfig"},
        conffiles=("/etc/ld.so.conf",),
        triggers="interest-noawait ldconfig\n",
        fields={"Priority": "required", "Multi-Arch": "same"},
    )


def _dpkg() -> dict[str, Content]:
    return {
        **_programs(_DPKG, "usr/bin"),
        "usr/share/dpkg/sh/dpkg-error.sh": Path("/usr/share/dpkg/sh/dpkg-error.sh").read_bytes(),
        "etc/alternatives/README": b"alternatives\n",
        "var/lib/dpkg/alternatives": _directory(0o755),
    }


_LOGIN_DEFS = b"UID_MIN 1000\nUID_MAX 60000\nSYS_UID_MIN 100\nSYS_UID_MAX 999\nGID_MIN 1000\nGID_MAX 60000\nUMASK 022\n"


def _deb(name: str, files: Mapping[str, Content], **options: Any) -> bytes:
    return build_deb(name, "1.0", architecture=_architecture(), files=files, compression="zstd", **options)


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def _base_files() -> dict[str, Content]:
    directories: dict[str, Content] = {path: _directory(mode) for path, mode in _DIRECTORIES.items()}
    return {**directories, "etc/os-release": b"ID=ground\n", "etc/debian_version": b"12.0\n"}


def _directory(mode: int) -> Entry:
    return Entry("", Kind.DIRECTORY, mode=mode)


def _found(program: str) -> Path | None:
    found = shutil.which(program, path=_PLACES)
    return Path(found) if found else None


def _programs(names: Iterable[str], directory: str) -> dict[str, Content]:
    """Return programs of the host as files of a package; one that it lacks is left out."""
    found = {name: _found(name) for name in names}
    return {f"{directory}/{name}": _executable(path) for name, path in found.items() if path is not None}


def _executable(path: Path) -> Content:
    return Entry("", Kind.FILE, mode=0o755), path.read_bytes()


def _libraries(programs: list[Path]) -> dict[str, Content]:
    """Return every shared library that the programs load, at the paths where they look for it."""
    listing = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    paths = sorted(set(re.findall(r"(/lib\S+\.so\S*) \(", listing)))
    return {path.lstrip("/"): _executable(Path(path)) for path in paths}
