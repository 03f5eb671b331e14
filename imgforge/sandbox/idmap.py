"""The user and group ids of a new user namespace: a range by newuidmap(1), or one id (user_namespaces(7))."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path

import attrs

from imgforge.errors import SandboxError
from imgforge.sandbox import syscalls

IDS = 65535
"""Ids that a Debian image needs: 0 to nobody's 65534 (Debian Policy 9.2.2)."""

_TOOL_PATH = "/usr/bin:/bin:/usr/local/bin"
_MOST_BYTES = 1 << 20
_MOST_RANGES = 300  # the kernel takes 340 lines a map


@attrs.frozen
class Range:
    """So many ids that follow each other, inside and outside."""

    inside: int
    outside: int
    count: int


def unshare_single(flags: int, *, uid: int = 0, gid: int = 0) -> None:
    """Enter a new user namespace that knows one user and one group, which are the caller's outside.

    Args:
        flags: further namespaces to make with it, as for unshare(2).
        uid: what the caller is inside.
        gid: its group inside.

    Raises:
        OSError: the kernel refuses.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | flags)
    Path("/proc/self/setgroups").write_bytes(b"deny")
    _write("/proc/self/uid_map", (Range(uid, outer_uid, 1),))
    _write("/proc/self/gid_map", (Range(gid, outer_gid, 1),))


def unshare_range(flags: int) -> None:
    """Enter a new user namespace with the caller's subordinate ids, and be root there.

    The maps can only be written from outside: a helper process forked before does it.

    Raises:
        OSError: the kernel refuses.
        SandboxError: the caller has too few subordinate ids, or newuidmap failed.
    """
    uids, gids = _ranges("uid"), _ranges("gid")
    entered, entering = os.pipe()
    answer, answering = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(entering)
        os._exit(_map_parent(os.getppid(), uids, gids, pipes=(entered, answering)))
    os.close(entered)
    os.close(answering)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | flags)
        os.write(entering, b"1")
        failure = os.read(answer, 4096)
    finally:
        os.close(entering)
        os.close(answer)
        os.waitpid(helper, 0)
    if failure != b"ok":
        raise SandboxError(failure.decode(errors="replace") or "the helper that maps ids was killed")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.setgroups([])


def _map_parent(parent: int, uids: tuple[Range, ...], gids: tuple[Range, ...], *, pipes: tuple[int, int]) -> int:
    """Write the maps of the process that entered its namespace; runs in the helper, returns its exit code."""
    entered, answering = pipes
    try:
        if os.read(entered, 1) == b"1":
            _map("uid", parent, uids)
            _map("gid", parent, gids)
            os.write(answering, b"ok")
    except BaseException as error:  # noqa: BLE001 the helper ends here and must not unwind into the caller's frames
        os.write(answering, str(error).encode(errors="replace")[:4096])
        return 1
    return 0


def _map(kind: str, process: int, ranges: tuple[Range, ...]) -> None:
    if os.geteuid() == 0:
        _write(f"/proc/{process}/{kind}_map", ranges)
        return
    numbers = [str(number) for one in ranges for number in (one.inside, one.outside, one.count)]
    tool = f"new{kind}map"
    try:
        done = subprocess.run(
            [tool, str(process), *numbers],
            env={"PATH": _TOOL_PATH, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise SandboxError(f"{tool} is not installed (Debian's package uidmap)") from error
    if done.returncode != 0:
        raise SandboxError(f"{tool}: {done.stderr.decode(errors='replace').strip()}")


def _write(path: str, ranges: Iterable[Range]) -> None:
    """Write a map, which the kernel takes in one write only."""
    lines = "".join(f"{one.inside} {one.outside} {one.count}\n" for one in ranges)
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, lines.encode())
    finally:
        os.close(descriptor)


def _ranges(kind: str) -> tuple[Range, ...]:
    """Return the map for the caller: root's ids as they are, or the caller and then its subordinate ids."""
    if os.geteuid() == 0:
        return own_ranges(Path(f"/proc/self/{kind}_map").read_text(encoding="ascii"))
    caller = os.geteuid()
    try:
        name = pwd.getpwuid(caller).pw_name
    except KeyError:
        name = ""
    path = Path(f"/etc/sub{kind}")
    text = path.read_text(encoding="utf-8", errors="replace")[:_MOST_BYTES] if path.exists() else ""
    first = caller if kind == "uid" else os.getegid()
    ranges = (Range(0, first, 1), *subordinate(text, owners=(name, str(caller))))
    mapped = sum(one.count for one in ranges)
    if mapped < IDS:
        raise SandboxError(f"{path}: expected {IDS - 1} subordinate ids for {name or caller}, got {mapped - 1}")
    return ranges


def own_ranges(text: str) -> tuple[Range, ...]:
    """Return the map that keeps every id of the namespace whose ``uid_map`` this is.

    Raises:
        SandboxError: the namespace has too few ids itself.
    """
    ranges = []
    for line in text.splitlines():
        inside, _, count = (int(number) for number in line.split())
        ranges.append(Range(inside, inside, count))
    if sum(one.count for one in ranges) < IDS:
        raise SandboxError(f"expected {IDS} ids in the namespace of this process, got {sum(r.count for r in ranges)}")
    return tuple(ranges)


def subordinate(text: str, *, owners: tuple[str, str]) -> tuple[Range, ...]:
    """Return the ranges of one owner in the text of /etc/subuid or /etc/subgid, placed from id 1 on (subuid(5)).

    Args:
        text: lines ``owner:first:count``; a line of another form is skipped, as newuidmap does.
        owners: the names of the owner: login name and numeric id.
    """
    ranges: list[Range] = []
    inside = 1
    for line in text.splitlines():
        owner, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if owner not in owners or not owner or not (first.isdecimal() and count.isdecimal()) or int(count) == 0:
            continue
        ranges.append(Range(inside, int(first), int(count)))
        inside += int(count)
    return tuple(ranges[:_MOST_RANGES])
