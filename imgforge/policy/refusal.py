"""Refusals: the violated rule, what violates it, and its position in the manifest."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from imgforge.errors import PolicyError, Position

MOST = 20
"""Maximum number of items to list in a message before summarizing the rest."""


@attrs.frozen
class Refusal:
    """A violation of a rule.

    Attributes:
        rule: name of the rule, such as ``image.setuid``.
        where: position in the manifest; None if there is no manifest, as for a pulled image.
        text: the problem: object first, then expected and got.
        by: position of the rule in the policy; None for built-in rules.
        hint: how to fix it; may be empty.
    """

    rule: str
    where: Position | None
    text: str
    by: Position | None = None
    hint: str = ""

    def __str__(self) -> str:
        """Return e.g. ``app.yaml:3:7: policy bases (policy.yaml:4): …``."""
        where = f"{self.where}: " if self.where else ""
        by = f" ({self.by.file}:{self.by.line})" if self.by else ""
        return f"{where}policy {self.rule}{by}: {self.text}"


class RefusedError(PolicyError):
    """The policy forbids the operation.

    Attributes:
        refusals: all violations.
    """

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        """Store the refusals and add their hints as notes."""
        self.refusals = refusals
        super().__init__("\n".join(map(str, refusals)))
        for hint in dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint):
            self.add_note(hint)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise an error if there are refusals.

    Raises:
        RefusedError: with all of them.
    """
    found = tuple(refusals)
    if found:
        raise RefusedError(found)


def listed(names: Iterable[str]) -> str:
    """Join names for a message, at most `MOST` and the number of the rest."""
    every = list(names)
    rest = len(every) - MOST
    return ", ".join(every[:MOST]) + (f" and {rest} more" if rest > 0 else "")
