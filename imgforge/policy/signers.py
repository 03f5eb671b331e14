"""Required signatures that are missing."""

from __future__ import annotations

from collections.abc import Iterator

from imgforge.policy.parts import Signers


def missing(wanted: Signers, got: frozenset[str]) -> Iterator[str]:
    """Yield a message for each required signer without a valid signature.

    Args:
        wanted: the signers that a rule requires; any key of each suffices.
        got: names of the policy's keys with valid signatures.
    """
    have = ", ".join(map(repr, sorted(got)))
    for signer in wanted:
        if not got & set(signer.names):
            yield f"expected a signature by {signer}, got {f'those by {have}' if have else 'no valid one'}"
