"""Unpack two layers, run a script on them and tell what it changed, in a fresh process on one rung of the sandbox.

Run as ``python -m builders.rungs RUNG DIRECTORY``; prints one line for each entry.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from builders import trees
from builders.layers import told
from builders.trees import Pair, directory, file, hardlink, opaque, symlink, whiteout
from imgforge.rootfs import snapshot
from imgforge.rootfs.capture import capture
from imgforge.rootfs.copy import copy_tree
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import OWNER, RealOwners, RecordedOwners, owners_for
from imgforge.sandbox import mounts
from imgforge.sandbox.enter import enter
from imgforge.sandbox.rung import Rung
from imgforge.tree import ROOT

EPOCH = 1_700_000_000

LAYERS: list[list[Pair]] = [
    [
        directory(ROOT),
        directory("bin", uid=1, gid=1),
        file("bin/a", b"tool", mode=0o4755),
        file("bin/b", b"tool", uid=33, gid=33, mode=0o640),
        directory("etc", mode=0o2775, gid=50),
        file("etc/conf", b"one\n", uid=33),
        symlink("etc/link", "conf", uid=33, gid=34),
        symlink("etc/other", "conf", uid=65534, gid=65534),
        file("gone/1"),
        file("opaque/1", b"1", uid=7),
        file("opaque/2", b"2"),
        directory("tmp", mode=0o1777),
    ],
    [
        file("etc/sub/new", b"new", gid=8),
        whiteout("gone"),
        opaque("opaque"),
        file("opaque/3", b"3", uid=33),
        hardlink("bin/c", "bin/a"),
    ],
]

SCRIPT = """
set -e
rm bin/b
echo two >etc/conf
echo more >>etc/sub/new
touch opaque/3
chmod 700 tmp && chmod 1777 tmp
rm -r opaque && mkdir opaque && printf 9 >opaque/9
mkdir -m 711 made && cp -p bin/a made/
ln made/a made/twin
ln -s nowhere made/link
mkfifo -m 600 made/pipe
mv bin moved
rm etc/other
"""


def main() -> None:
    """Do all of it."""
    rung, place = Rung(sys.argv[1]), Path(sys.argv[2])
    os.umask(0o027)
    place.mkdir()
    enter(rung)
    owners = owners_for(rung.name)
    lowers: list[Path] = []
    for number, layer in enumerate(LAYERS):
        tree = place / f"tree{number}"
        tree.mkdir()
        result = extract(trees.members(layer), tree, owners=owners, whiteouts="overlay", lowers=lowers)
        assert not result.skipped
        assert not result.disowned
        lowers.append(tree)
    if rung is Rung.CHROOT:
        root = _new(place / "root")
        for tree in lowers:
            copy_tree(tree, root, owners=owners)
        before = snapshot.snapshot(root)
        _run(root, owners)
        pairs = told(snapshot.changes(root, before, owners=owners, lowers=lowers, epoch=EPOCH))
    else:
        upper, work, root = (_new(place / name) for name in ("upper", "work", "root"))
        mounts.overlay(lowers, upper=upper, work=work, target=root, userxattr=rung.has_user_namespace)
        _run(root, owners)
        mounts.unmount(root)
        pairs = told(capture(upper, owners=owners, lowers=lowers, epoch=EPOCH))
    for entry, content in pairs:
        owner = f"{entry.uid}:{entry.gid}"
        words = [entry.kind.value, f"{entry.mode:04o}", owner, f"@{entry.mtime}", f"/{entry.path}", entry.target]
        print(" ".join(word for word in (*words, repr(content) if content else "") if word))


def _new(path: Path) -> Path:
    path.mkdir(mode=0o755)
    return path


def _run(root: Path, owners: RealOwners | RecordedOwners) -> None:
    """Run the script, and change owners as the sandbox does on this rung."""
    subprocess.run(["/bin/sh", "-c", SCRIPT], cwd=root, check=True, umask=0o022)
    if isinstance(owners, RecordedOwners):
        owners.remember(b"made/link", 12, 34)
        os.setxattr(root / "made" / "a", OWNER, b"12:0")
    else:
        os.chown(root / "made" / "link", 12, 34, follow_symlinks=False)
        os.chown(root / "made" / "a", 12, 0)
    (root / "made" / "a").chmod(0o4750)


if __name__ == "__main__":
    main()
