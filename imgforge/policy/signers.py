"""Which signatures a rule asks for and does not get."""

from __future__ import annotations

from collections.abc import Iterator

from imgforge.policy.parts import Signers


def missing(wanted: Signers, got: frozenset[str]) -> Iterator[str]:
    """Say which signatures are missing: each of the wanted ones must be there, by one of its keys.

    Args:
        wanted: what a rule says.
        got: names of the policy's keys whose signatures are good.
    """
    have = ", ".join(map(repr, sorted(got)))
    for signer in wanted:
        if not got & set(signer.names):
            yield f"expected a signature by {signer}, got {f'those by {have}' if have else 'none that is good'}"
