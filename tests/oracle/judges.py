"""The judges: apt-get itself, and libapt asked in one process."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from oracle.root import Root

_INSTALL = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) .*\[(\S+)\]\)")
_KNOT = re.compile("Could not configure|Couldn't configure|MaxLoopCount|packages left unconfigured")
_NEW = re.compile(
    r"^The following (?:NEW packages will be installed|packages will be upgraded):\n((?: .*\n)+)", re.MULTILINE
)
_STEP = re.compile(r"^(Inst|Conf) ([^ :]+)")
_PYTHON = "/usr/bin/python3"
_REMOVE = re.compile(r"^(?:Remv|Purg) (\S+) ")


@attrs.frozen
class Verdict:
    """What a resolver answers: the changes, or why not.

    Attributes:
        install: ``name:architecture=version`` of each package to install or upgrade.
        remove: names of each installed package that would go.
        error: why there is no answer; empty when there is one.
        unordered: the names to install where APT chose them and then found no order for them: a knot of Pre-Depends.
        order: each step, whether it unpacks (or configures) and the package's name; empty when nobody knows.
    """

    install: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    error: str = ""
    unordered: frozenset[str] = frozenset()
    order: tuple[tuple[bool, str], ...] = ()


def by_apt_get(root: Root, names: Sequence[str], *, recommends: bool) -> Verdict:
    """Ask ``apt-get -s install``."""
    option = f"APT::Install-Recommends={'true' if recommends else 'false'}"
    done = root.run("apt-get", "-s", "-o", option, "--allow-downgrades", "install", *names)
    if done.returncode:
        text = done.stdout + done.stderr
        return Verdict(error=text.strip() or "no message", unordered=_unordered(text))
    install = (match for match in map(_INSTALL.match, done.stdout.splitlines()) if match)
    remove = (match for match in map(_REMOVE.match, done.stdout.splitlines()) if match)
    return Verdict(
        frozenset(f"{match[1].partition(':')[0]}:{match[3]}={match[2]}" for match in install),
        frozenset(match[1] for match in remove),
        order=tuple((match[1] == "Inst", match[2]) for match in map(_STEP.match, done.stdout.splitlines()) if match),
    )


def _unordered(text: str) -> frozenset[str]:
    if not _KNOT.search(text):
        return frozenset()
    return frozenset(name for block in _NEW.findall(text) for name in block.replace("*", "").split())


def has_batch(chroot: Path | None) -> bool:
    """Tell whether the Python of the system, or of a chroot, has python3-apt."""
    command = ["chroot", str(chroot)] if chroot else []
    try:
        done = subprocess.run([*command, _PYTHON, "-c", "import apt_pkg"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return not done.returncode


def by_batch(root: Root, questions: Iterable[Sequence[str]], *, recommends: bool) -> Iterator[Verdict]:
    """Ask libapt about many requests in one process."""
    script = (Path(__file__).parent / "batch.py").read_text()  # as text: a chroot does not have the file
    command = root.command(_PYTHON, "-c", script, "true" if recommends else "false")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=root.environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as asked:
        assert asked.stdin is not None
        assert asked.stdout is not None
        for names in questions:
            asked.stdin.write(json.dumps(list(names)) + "\n")
            asked.stdin.flush()
            answer = json.loads(asked.stdout.readline())
            changes = answer.get("result", [])
            yield Verdict(
                frozenset(change[1:] for change in changes if change[0] == "+"),
                frozenset(change[1:] for change in changes if change[0] == "-"),
                answer.get("error", ""),
            )
        asked.stdin.close()
