"""Root filesystems as values, and what differs between two of them.

Each exception that `exceptions.toml` names says in which comparisons it holds and what may differ there. It must occur
in all of these: an exception that nothing needs any more is a finding too.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
import struct
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

EXCEPTIONS = Path(__file__).parent / "exceptions.toml"
ONLY_OURS, ONLY_THEIRS = "only ours", "only theirs"

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_ALIASES = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@attrs.frozen
class Node:
    """What one path is.

    Attributes:
        kind: of file.
        mode: permissions.
        uid: owner.
        gid: group.
        content: digest of a file, target of a symlink, numbers of a device.
        xattrs: names and values.
        name: the first path of the same inode: two trees agree on what is hard-linked.
        mtime: seconds since 1970 of a package's file; None where nothing promises one.
    """

    kind: str
    mode: str
    uid: int
    gid: int
    content: str
    xattrs: tuple[tuple[str, bytes], ...]
    name: str
    mtime: int | None


@attrs.frozen
class Tree:
    """A root filesystem on this disk, and its nodes by path."""

    root: Path
    nodes: Mapping[str, Node]


@attrs.frozen
class Difference:
    """What differs at one path: a field of `Node`, or in which tree alone the path is."""

    path: str
    field: str
    ours: object = None
    theirs: object = None

    def __str__(self) -> str:
        values = "" if self.field in (ONLY_OURS, ONLY_THEIRS) else f": {self.ours!r}, theirs {self.theirs!r}"
        return f"/{self.path}: {self.field}{values}"


@attrs.frozen
class Rule:
    """An exception.

    Attributes:
        paths: patterns of paths; a star does not stand for a slash.
        differs: the fields, or presences, that may differ.
        cases: patterns of the comparisons that it is for.
        reason: why that is right.
        check: what must hold nevertheless: a name of `CHECKS`.
    """

    paths: tuple[str, ...]
    differs: tuple[str, ...]
    cases: tuple[str, ...]
    reason: str
    check: str = ""

    def is_for(self, case: str) -> bool:
        return any(fnmatch.fnmatchcase(case, pattern) for pattern in self.cases)

    def allows(self, difference: Difference, ours: Tree, theirs: Tree) -> bool:
        """Tell whether a difference is this exception."""
        if difference.field not in self.differs or not any(_matches(difference.path, glob) for glob in self.paths):
            return False
        return not self.check or CHECKS[self.check](difference, ours, theirs)


def read(root: Path) -> Tree:
    """Return the values of everything below a directory."""
    shipped = _shipped(root)
    nodes: dict[str, Node] = {}
    names: dict[tuple[int, int], str] = {}
    for path, status in sorted(_walk(root, "")):
        disk = root / path
        form = stat.S_IFMT(status.st_mode)
        nodes[path] = Node(
            kind=_KINDS[form],
            mode=f"{stat.S_IMODE(status.st_mode):04o}",
            uid=status.st_uid,
            gid=status.st_gid,
            content=_content(disk, form, status.st_rdev),
            xattrs=tuple(
                (name, os.getxattr(disk, name, follow_symlinks=False))
                for name in sorted(os.listxattr(disk, follow_symlinks=False))
            ),
            name=names.setdefault((status.st_dev, status.st_ino), path),
            mtime=int(status.st_mtime) if form != stat.S_IFDIR and path in shipped else None,
        )
    return Tree(root, nodes)


def _walk(root: Path, below: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(root / below) as entries:
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            yield path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, path)


def _content(disk: Path, form: int, device: int) -> str:
    if form == stat.S_IFREG:
        with disk.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if form == stat.S_IFLNK:
        return str(disk.readlink())
    if form in (stat.S_IFCHR, stat.S_IFBLK):
        return f"{os.major(device)}:{os.minor(device)}"
    return ""


def _shipped(root: Path) -> frozenset[str]:
    """Return the paths that dpkg's database says are packages' own, as a merged /usr has them."""
    lists = (root / "var/lib/dpkg/info").glob("*.list")
    paths = {line.lstrip("/") for file in lists for line in file.read_text().splitlines()}
    merged = {f"usr/{path}" for path in paths if path.partition("/")[0] in _ALIASES}
    return frozenset(paths | merged)


def compare(ours: Tree, theirs: Tree) -> Iterator[Difference]:
    """Yield every difference, in the order of the paths."""
    for path in sorted(ours.nodes.keys() | theirs.nodes.keys()):
        own, other = ours.nodes.get(path), theirs.nodes.get(path)
        if own is None:
            yield Difference(path, ONLY_THEIRS)
        elif other is None:
            yield Difference(path, ONLY_OURS)
        else:
            for field in attrs.fields_dict(Node):
                values = getattr(own, field), getattr(other, field)
                if values[0] != values[1]:
                    yield Difference(path, field, *values)


def rules(path: Path = EXCEPTIONS) -> tuple[Rule, ...]:
    """Return the exceptions of a file."""
    with path.open("rb") as file:
        return tuple(_rule(row) for row in tomllib.load(file)["exception"])


def _rule(row: Mapping[str, Any]) -> Rule:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Rule(**fields)


def findings(case: str, ours: Tree, theirs: Tree, exceptions: tuple[Rule, ...]) -> tuple[str, ...]:
    """Return the differences that no exception allows, and the exceptions that nothing needed, for people.

    Args:
        case: names the comparison: ``apt/python3-bookworm``.
        ours: the tree that imgforge made.
        theirs: the tree to compare with.
        exceptions: of any cases.
    """
    found, used = _judged(case, ours, theirs, exceptions)
    idle = [rule for rule in exceptions if rule.is_for(case) and rule not in used]
    return (*found, *(f"exception without a difference: {', '.join(rule.paths)}" for rule in idle))


def unexpected(case: str, ours: Tree, theirs: Tree, exceptions: tuple[Rule, ...]) -> tuple[str, ...]:
    """Return the differences that no exception allows, for people; see `findings`."""
    return _judged(case, ours, theirs, exceptions)[0]


def _judged(
    case: str, ours: Tree, theirs: Tree, exceptions: tuple[Rule, ...]
) -> tuple[tuple[str, ...], frozenset[Rule]]:
    """Return the differences that no exception allows, and the exceptions that allow one."""
    applying = [rule for rule in exceptions if rule.is_for(case)]
    used: set[Rule] = set()
    found = []
    for difference in compare(ours, theirs):
        allowing = [rule for rule in applying if rule.allows(difference, ours, theirs)]
        used.update(allowing)
        if not allowing:
            found.append(str(difference))
    return tuple(found), frozenset(used)


def _matches(path: str, pattern: str) -> bool:
    parts, globs = path.split("/"), pattern.split("/")
    return len(parts) == len(globs) and all(map(fnmatch.fnmatchcase, parts, globs))


Check = Callable[[Difference, Tree, Tree], bool]


def _of_contents(holds: Callable[[bytes, bytes], bool]) -> Check:
    def check(difference: Difference, ours: Tree, theirs: Tree) -> bool:
        return holds((ours.root / difference.path).read_bytes(), (theirs.root / difference.path).read_bytes())

    return check


def _same_lines(ours: bytes, theirs: bytes) -> bool:
    return sorted(ours.splitlines()) == sorted(theirs.splitlines())


def _same_stanzas(ours: bytes, theirs: bytes) -> bool:
    return _stanzas(ours) == _stanzas(theirs)


def _more_stanzas(ours: bytes, theirs: bytes) -> bool:
    return _stanzas(ours) > _stanzas(theirs)


def _stanzas(data: bytes) -> set[bytes]:
    return set(data.strip().split(b"\n\n"))


def _ours_is_empty(ours: bytes, _theirs: bytes) -> bool:
    return not ours


def _same_certificates(ours: bytes, theirs: bytes) -> bool:
    return sorted(_keystore(ours)) == sorted(_keystore(theirs))


def _keystore(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield alias and certificate of each entry of a JKS file; see OpenJDK's ``JavaKeyStore.engineLoad``."""
    at = 12
    for _ in range(struct.unpack_from(">I", data, 8)[0]):
        alias_end = at + 6 + struct.unpack_from(">H", data, at + 4)[0]
        type_end = alias_end + 10 + struct.unpack_from(">H", data, alias_end + 8)[0]
        end = type_end + 4 + struct.unpack_from(">I", data, type_end)[0]
        yield data[at:alias_end], data[alias_end + 8 : end]
        at = end


def _theirs_has_acls(difference: Difference, ours: Tree, theirs: Tree) -> bool:
    own, other = (dict(tree.nodes[difference.path].xattrs) for tree in (ours, theirs))
    return own == {name: value for name, value in other.items() if not name.startswith("system.posix_acl_")}


CHECKS: Mapping[str, Check] = {
    "more stanzas": _of_contents(_more_stanzas),
    "ours is empty": _of_contents(_ours_is_empty),
    "same certificates": _of_contents(_same_certificates),
    "same lines": _of_contents(_same_lines),
    "same stanzas": _of_contents(_same_stanzas),
    "theirs has ACLs": _theirs_has_acls,
}
"""What may be asked of a path that differs, by the words that `exceptions.toml` uses."""
