"""The policy and the manifest of these tests, and refusals as text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imgforge import policy
from imgforge.manifest import load
from imgforge.policy.refusal import Refusal, RefusedError
from imgforge.policy.subject import Places, SourceUse

DATA = Path(__file__).parents[1] / "data" / "policy"
POLICY = policy.load((DATA / "policy.yaml").read_text(encoding="utf-8"), file="policy.yaml")
MANIFEST = load((DATA / "web.yaml").read_text(encoding="utf-8"), file="web.yaml")
PLACES = Places(MANIFEST)

NOW = 1_700_000_000
DAY = 86_400
DEBIAN_KEY = "0123456789abcdef0123456789abcdef01234567"
EXAMPLE_KEY = "fedcba9876543210fedcba9876543210fedcba98"
DEBIAN = SourceUse("debian", (DEBIAN_KEY,), ("bookworm",), ("main",))
PHP = SourceUse("php", (EXAMPLE_KEY,), ("bookworm-example",), ("component/php83",))


def told(refusals: Iterable[Refusal]) -> str:
    """Return what a caller is told: the error's text and its notes, as the command line prints them."""
    error = RefusedError(tuple(refusals))
    return "".join(f"{line}\n" for line in (str(error), *(f"hint: {note}" for note in getattr(error, "__notes__", ()))))
