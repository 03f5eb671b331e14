"""What the real dpkg makes of packages on an image: its files on this disk, and dpkg in a chroot of them."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from builders.worlds import Image

_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TZ": "UTC",
}
_OF_A_MOMENT = (
    "var/lib/dpkg/lock",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/log/",
    "incoming",
)
_UNORDERED = {"status": b"\n\n", "diversions": b"\n", "statoverride": b"\n"}
"""Files of dpkg whose order is that of installation, and what parts their records."""

_APT = "var/lib/apt/extended_states"


def lay_out(image: Image, root: Path) -> Path:
    """Write an image's files to a new directory, as a runtime would, and return it."""
    root.mkdir()
    for path, shown in sorted(image.paths.items(), key=lambda item: (item[1].member.islnk(), item[0])):
        member, disk = shown.member, root / path
        if path in ("", "."):
            continue
        if member.isdir():
            disk.mkdir(exist_ok=True)
        elif member.issym():
            disk.symlink_to(member.linkname)
        elif member.islnk():
            disk.hardlink_to(root / member.linkname)
            continue
        elif member.isfifo():
            os.mkfifo(disk)
        else:
            disk.write_bytes(shown.content)
        os.chown(disk, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            disk.chmod(member.mode)
    return root


def install(root: Path, debs: Iterable[bytes], *options: str) -> None:
    """Install packages with the image's own dpkg, in this order."""
    incoming = root / "incoming"
    incoming.mkdir(exist_ok=True)
    names = []
    for number, deb in enumerate(debs):
        (incoming / f"{number}.deb").write_bytes(deb)
        names.append(f"/incoming/{number}.deb")
    call(root, "dpkg", "--force-unsafe-io", "--force-confnew", *options, "--install", *names)


def call(root: Path, *argv: str) -> str:
    """Run a command in a chroot and return what it printed."""
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", str(root), *argv],
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def differences(ours: Path, theirs: Path) -> dict[str, tuple[str, str]]:
    """Return what two directories have at each path where they differ."""
    one, other = tree(ours), tree(theirs)
    found = {path: (one.get(path, ""), other.get(path, "")) for path in sorted(one.keys() | other.keys())}
    return {path: lines for path, lines in found.items() if lines[0] != lines[1]}


def tree(root: Path) -> dict[str, str]:
    """Return everything below a directory in a line each, but what a moment leaves behind, and what APT alone writes.

    The lists of packages are left out: dpkg takes a directory that it makes off the lists of other packages.
    """
    return {
        path: line
        for path, line in sorted(_lines(root, ""))
        if not path.startswith(_OF_A_MOMENT) and path != _APT and not path.endswith((".list", "/info/format"))
    }


def _lines(root: Path, below: str) -> Iterator[tuple[str, str]]:
    with os.scandir(root / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path, status = f"{below}{entry.name}", entry.stat(follow_symlinks=False)
            yield path, _line(Path(entry.path), status)
            if entry.is_dir(follow_symlinks=False):
                yield from _lines(root, f"{path}/")


def _line(disk: Path, status: os.stat_result) -> str:
    values = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISREG(status.st_mode):
        content = disk.read_bytes()
        if disk.name in _UNORDERED:
            content = b"".join(sorted(content.split(_UNORDERED[disk.name])))
        return f"{values} {hashlib.sha256(content).hexdigest()[:8]}"
    return f"{values} -> {disk.readlink()}" if stat.S_ISLNK(status.st_mode) else values
