"""A refusal: which rule says no, to what, and where a person wrote that."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from imgforge.errors import PolicyError, Position

MOST = 20
"""How many things of one kind are named before the rest is counted."""


@attrs.frozen
class Refusal:
    """One thing that the policy forbids.

    Attributes:
        rule: the rule's name, such as ``image.setuid``.
        where: the offending place of the manifest; None when there is none, as for an image that was pulled.
        text: what is wrong: object first, then what was expected and what came.
        by: where the policy says so; None where no policy has to.
        hint: what to do about it; may be empty.
    """

    rule: str
    where: Position | None
    text: str
    by: Position | None = None
    hint: str = ""

    def __str__(self) -> str:
        """Return ``app.yaml:3:7: policy bases (policy.yaml:4): …``."""
        where = f"{self.where}: " if self.where else ""
        by = f" ({self.by.file}:{self.by.line})" if self.by else ""
        return f"{where}policy {self.rule}{by}: {self.text}"


class RefusedError(PolicyError):
    """The policy forbids it.

    Attributes:
        refusals: all of them.
    """

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep the refusals in their order; their hints become notes."""
        self.refusals = refusals
        super().__init__("\n".join(map(str, refusals)))
        for hint in dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint):
            self.add_note(hint)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise when there are refusals.

    Raises:
        RefusedError: with all of them.
    """
    found = tuple(refusals)
    if found:
        raise RefusedError(found)


def listed(names: Iterable[str]) -> str:
    """Return names for a message: the first of them, and how many more there are."""
    every = list(names)
    rest = len(every) - MOST
    return ", ".join(every[:MOST]) + (f" and {rest} more" if rest > 0 else "")
