"""Variations of a comparison: names to do without, and a second source under pins. All drawn from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

from imgforge.solver.values import Solution
from oracle.root import Listed, lay_out

EXTRA = "extra"
"""The suite of the second source."""

_STANZA = re.compile(rb"Package: (\S+)\n(?:.+\n)*?Version: (\S+)\n")


def second_source(archive: Path, main: Listed, *, seed: int) -> Listed:
    """Lay out a suite with newer, older, and other packages of the same version, of a twentieth of those of another."""
    source = random.Random(seed)
    stanzas = [
        _changed(stanza, source) for stanza in main.packages.read_bytes().split(b"\n\n") if source.random() < 0.05
    ]
    release = {"Origin": "Elsewhere", "Label": "Extra", "Suite": EXTRA, "Codename": EXTRA, "Version": "1.0"}
    if source.random() < 0.5:
        release["NotAutomatic"] = "yes"
        if source.random() < 0.5:
            release["ButAutomaticUpgrades"] = "yes"
    return lay_out(archive, EXTRA, b"\n\n".join(stanza for stanza in stanzas if stanza) + b"\n\n", release=release)


def _changed(stanza: bytes, source: random.Random) -> bytes:
    """Give a stanza another version, and its relations to packages of that very version too."""
    match = _STANZA.search(stanza)
    if match is None:
        return b""
    if source.random() < 0.2:
        return _rebuilt(stanza, source)
    version = match[2].decode()
    epoch, colon, rest = version.rpartition(":")
    other = f"{epoch}{colon}{rest}+extra1" if source.random() < 0.6 else f"{epoch}{colon}0~{rest}"
    relations = re.compile(rb"^(Version: )" + re.escape(match[2]) + rb"$", re.MULTILINE)
    return relations.sub(rb"\g<1>" + other.encode(), stanza)


def _rebuilt(stanza: bytes, source: random.Random) -> bytes:
    """Return the stanza of another ``.deb`` of the same version: of another size, and often with another relation."""
    lines = [line for line in stanza.split(b"\n") if not line.startswith((b"Size: ", b"SHA256: "))]
    added = source.choice((b"", b"Depends: libc6", b"Conflicts: no-such-package", b"Installed-Size: 7"))
    if added:
        field = added.partition(b":")[0]
        lines = [line for line in lines if not line.startswith(field + b":")]
    return b"\n".join([*lines, *([added] if added else []), b"Size: 4242", b"SHA256: " + b"4" * 64])


def preferences(names: Sequence[str], *, seed: int) -> str:
    """Draw a preferences file: a priority for the second source, and a few for single packages."""
    source = random.Random(seed)
    records = []
    for _ in range(source.randint(0, 6)):
        name = source.choice(names)
        pattern = source.choice((name, f"{name[:4]}*", f"src:{name}", f"/^{re.escape(name[:5])}/"))
        pin = source.choice(
            ("release n=extra", "release o=Debian", "release a=oldstable-security", "version *+extra1", "version 1*")
        )
        records.append((pattern, pin, source.choice((-1, 1, 100, 400, 500, 700, 990, 1001))))
    if source.random() < 0.8:
        records.append(
            (
                "*",
                source.choice(("release n=extra", "release l=Extra,c=main")),
                source.choice((-1, 50, 100, 500, 600, 990, 1001)),
            )
        )
    return "\n".join(f"Package: {name}\nPin: {pin}\nPin-Priority: {priority}\n" for name, pin, priority in records)


def exclusions(solutions: Sequence[Solution], asked: frozenset[str], *, seed: int) -> frozenset[str]:
    """Draw names to do without from what solutions bring in and nobody asked for."""
    source = random.Random(seed)
    names = sorted({package.name for solution in solutions for package in solution.install} - asked)
    return frozenset(source.sample(names, k=min(len(names), source.randint(1, 6))))


def excluding(names: frozenset[str]) -> str:
    """Return preferences by which APT does without some names."""
    return "".join(f"Package: {name}\nPin: version *\nPin-Priority: -1\n\n" for name in sorted(names))
