"""What became of each package, kept as JSON lines, and the table that sums it up."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from breadth import kinds
from breadth.reasons import Reason

INSTALLS, FAILS, SAME = "installs", "fails too", "prints the same"
"""What apt-get does with a package that fails here."""

OK, THEIRS, NAMED, OPEN = "ok", "apt-get's too", "named", "open"
FAILED = (THEIRS, NAMED, OPEN)
"""What a failure counts as: apt-get has it, too; reasons.toml names it; neither."""


@attrs.frozen
class Result:
    """What became of one package.

    Attributes:
        package: its name.
        kind: `kinds.BUILT`, or how it failed.
        culprit: the package whose script failed.
        text: of the error, or what dpkg says, or what differs: a line each.
        apt: what apt-get does with it; empty where it was not asked.
        apt_text: the end of what it printed, where it fails.
        packages: how many packages the image has beyond its base.
        seconds: of the build.
        compared: whether the tree was compared with apt-get's.
    """

    package: str
    kind: str
    culprit: str = ""
    text: str = ""
    apt: str = ""
    apt_text: str = ""
    packages: int = 0
    seconds: float = 0.0
    compared: bool = False


def append(path: Path, result: Result) -> None:
    """Add a line; several processes may at once."""
    line = json.dumps(attrs.asdict(result)) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> dict[str, Result]:
    """Return the last result of each package; a line that a killed run left half is none."""
    found: dict[str, Result] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            result = Result(**json.loads(line))
        except json.JSONDecodeError:
            continue
        found[result.package] = result
    return found


def verdict(result: Result, reasons: tuple[Reason, ...], *, release: str) -> str:
    """Return what a result counts as: `OK`, or one of `FAILED`."""
    if result.kind == kinds.BUILT:
        return OK
    if result.apt in (FAILS, SAME):
        return THEIRS
    named = any(reason.explains(result.culprit or result.package, result.kind, release) for reason in reasons)
    return NAMED if named else OPEN


def table(results: Mapping[str, Result], reasons: tuple[Reason, ...], *, release: str) -> Iterator[str]:
    """Yield the lines of the summary."""
    built = sum(result.kind == kinds.BUILT for result in results.values())
    compared = [result for result in results.values() if result.compared]
    same = sum(result.kind == kinds.BUILT for result in compared)
    yield f"{release}: {built} of {len(results)} packages are built and clean"
    yield f"{release}: {same} of {len(compared)} compared trees are apt-get's"
    yield " ".join(("kind".ljust(10), "all".rjust(6), *(name.rjust(len(name) + 2) for name in FAILED)))
    for kind in kinds.KINDS:
        found = (verdict(result, reasons, release=release) for result in results.values() if result.kind == kind)
        counts = Counter(found)
        if counts:
            cells = (str(counts[name]).rjust(len(name) + 2) for name in FAILED)
            yield " ".join((kind.ljust(10), str(counts.total()).rjust(6), *cells))


def line(result: Result, reasons: tuple[Reason, ...], *, release: str) -> str:
    """Return one result as a line for people."""
    found = verdict(result, reasons, release=release)
    if found == OK:
        compared = ", compared" if result.compared else ""
        notes = (one.reason for one in reasons if one.explains(result.package, result.kind, release))
        note = "".join(f"; {text}" for text in notes)
        return f"{found}: {result.package}: {result.packages} packages, {result.seconds:.1f} s{compared}{note}"
    blame = f" {result.culprit}:" if result.culprit not in ("", result.package) else ""
    first = next(iter(result.text.splitlines()), "")
    apt = f" (apt-get {result.apt})" if result.apt else ""
    return f"{found}: {result.package}: {result.kind}:{blame} {first}{apt}"
