"""What gitleaks finds and imgforge does not: compares the stored list with a config/gitleaks.toml.

`python tests/privacy/gitleaks.py PATH` prints the rules that the list lacks, and those that are gone.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

LIST = Path(__file__).parents[1] / "data" / "privacy" / "gitleaks.txt"
NOT = "- "
"""Begins the reason why imgforge does not find something."""


def stored() -> dict[str, str]:
    """Return for each rule of gitleaks the kind that imgforge finds it as, or the reason why it does not."""
    lines = (line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


def compare(path: Path) -> list[str]:
    """Return what is different between the list and a configuration of gitleaks."""
    theirs = {rule["id"] for rule in tomllib.loads(path.read_text(encoding="utf-8"))["rules"]}
    ours = set(stored())
    return [f"new: {name}" for name in sorted(theirs - ours)] + [f"gone: {name}" for name in sorted(ours - theirs)]


if __name__ == "__main__":
    print("\n".join(compare(Path(sys.argv[1])) or ["the list is complete"]))
