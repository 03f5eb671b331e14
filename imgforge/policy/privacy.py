"""Filter the findings of the secret scan by the policy's allow-list. Each entry must give a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from imgforge.errors import Position
from imgforge.policy.model import Policy
from imgforge.policy.parts import Allowance
from imgforge.policy.pattern import matches, matches_any
from imgforge.policy.refusal import Refusal
from imgforge.policy.subject import Places
from imgforge.privacy.finding import Finding

_HINT = "a secret that was in a layer is known to everybody who can pull it: replace it, then build without it"


def refusals(
    policy: Policy,
    findings: Iterable[Finding],
    *,
    places: Places,
    packages: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> tuple[Refusal, ...]:
    """Return a refusal for each finding that is not allowed, in the order of positions.

    Args:
        policy: the policy; without one, nothing is allowed.
        findings: the findings of `privacy.scan`.
        places: positions in the image's manifest.
        packages: names of the packages in each layer, by the layer's name in findings.
    """
    return tuple(
        Refusal(
            "privacy.scan",
            _where(finding, places, packages.get(finding.place.layer, frozenset())),
            f"{finding}{f' [sha256 {finding.sha256}]' if finding.sha256 else ''}",
            policy.privacy.position,
            _HINT,
        )
        for finding in sorted(findings)
        if not any(_allows(allowance, finding) for allowance in policy.privacy.allow)
    )


def _allows(allowance: Allowance, finding: Finding) -> bool:
    """Return whether an allow-list entry covers a finding; the path of an archive covers all of its members."""
    is_there = allowance.path is None or (
        bool(finding.place.layer) and matches(allowance.path, f"/{finding.place.path}")
    )
    is_it = allowance.sha256 in (None, finding.sha256)
    return is_there and is_it and matches_any((allowance.finding,), finding.kind)


def _where(finding: Finding, places: Places, packages: frozenset[str]) -> Position | None:
    if len(packages) == 1:
        (package,) = packages
        return places.package(package)
    if finding.place.layer:
        return places.file(finding.place.path)
    kind, _, name = finding.place.path.partition(" ")
    key = {"env": "config.env", "label": "config.labels"}.get(kind, "config")
    return places.at(f"{key}.{name}", key, "config", "name")
