"""Rules for package sources: signing keys, suites, components and packages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from imgforge.apt.sources import spellings
from imgforge.policy.model import Policy
from imgforge.policy.parts import SourceRule
from imgforge.policy.pattern import matches_any
from imgforge.policy.refusal import MOST, Refusal, listed
from imgforge.policy.subject import PackageUse, Places, SourceUse

Part = tuple[str, str]
"""A suite and a component; the component is empty for a flat archive."""

_CONSENTS = {
    "allow-expired": "be used past its Valid-Until",
    "allow-suite-mismatch": "come with the Release of another suite",
    "allow-weak-key": "be signed by a key that is too weak",
}
"""What a source may take that APT or imgforge takes from none, by the key that allows it."""


def rules_for(policy: Policy, source: SourceUse, part: Part) -> tuple[SourceRule, ...]:
    """Return the rules that allow a part of a source.

    A rule must list all certificates that the source accepts: any one of them could sign anything.
    """
    suite, component = part
    return tuple(
        rule
        for rule in policy.sources or ()
        if source.fingerprints
        and set(source.fingerprints) <= {key.lower() for key in rule.keys}
        and any(matches_any(rule.suites, name) for name in spellings(suite))
        and (not component or matches_any(rule.components, component))
    )


def refusals(
    policy: Policy, sources: tuple[SourceUse, ...], packages: tuple[PackageUse, ...] = (), *, places: Places
) -> tuple[Refusal, ...]:
    """Return the violations by sources and their packages.

    Args:
        policy: the policy.
        sources: the sources that a lock uses, of the manifest or of the base.
        packages: the packages of the lock, if there is one.
        places: positions in the manifest.
    """
    if policy.sources is None:
        return ()
    found = [refusal for source in sources for refusal in _of_source(policy, source, places)]
    return (*found, *_of_packages(policy, sources, packages, places))


def withhold(policy: Policy, sources: tuple[SourceUse, ...]) -> Callable[[str, Part, str], str] | None:
    """Return a function that gives the reason why a package must not be used; its result is empty if it may be.

    Its arguments are the name of the source, the part and the name of the package. Parts that no rule allows provide no
    packages. Returns None if the policy allows every package of every part.
    """
    if policy.sources is None:
        return None
    rules = {(source.name, part): rules_for(policy, source, part) for source in sources for part in source.parts}
    if all(any("*" in rule.packages for rule in one) for one in rules.values()):
        return None

    @functools.cache
    def reason(source: str, part: Part, package: str) -> str:
        found = rules.get((source, part), ())
        if any(matches_any(rule.packages, package) for rule in found):
            return ""
        by = f" ({found[0].position.file}:{found[0].position.line})" if found and found[0].position else ""
        return f"policy sources.packages{by}: {_unlisted(package, source, part, found)}"

    return reason


def _unlisted(package: str, source: str, part: Part, rules: tuple[SourceRule, ...]) -> str:
    allowed = listed(dict.fromkeys(name for rule in rules for name in rule.packages)) or "nothing"
    from_ = f"source {source!r}, {' '.join(part).strip()}"
    return f"package {package!r} is not allowed from {from_}: expected {allowed}"


def _of_source(policy: Policy, source: SourceUse, places: Places) -> Iterator[Refusal]:
    where = places.at(f"sources.{source.name}", "base")
    known = {key.lower() for rule in policy.sources or () for key in rule.keys}
    by = policy.sources[0].position if policy.sources else None
    strangers = [key for key in source.fingerprints if key not in known]
    if strangers or not source.fingerprints:
        got = listed(key.upper() for key in strangers) or "no key at all"
        yield Refusal("sources", where, f"source {source.name!r}: signed by {got}, which no rule allows", by)
        return
    refused = [part for part in source.parts if not rules_for(policy, source, part)]
    if refused:
        text = listed(f"{suite} {component}".strip() for suite, component in refused)
        yield Refusal("sources", where, f"source {source.name!r}: no rule allows {text} with its keys", by)
        return
    for key in _CONSENTS:
        if getattr(source, key.replace("-", "_")):
            yield from _without_consent(policy, source, key, places)


def _without_consent(policy: Policy, source: SourceUse, key: str, places: Places) -> Iterator[Refusal]:
    for part in source.parts:
        rules = rules_for(policy, source, part)
        if not any(getattr(rule, key.replace("-", "_")) for rule in rules):
            where = places.at(f"sources.{source.name}.{key}", f"sources.{source.name}", "base")
            text = f"source {source.name!r}: no rule lets {' '.join(part).strip()} {_CONSENTS[key]}"
            yield Refusal(f"sources.{key}", where, text, rules[0].position)
            return


def _of_packages(
    policy: Policy, sources: tuple[SourceUse, ...], packages: tuple[PackageUse, ...], places: Places
) -> Iterator[Refusal]:
    by_name = {source.name: source for source in sources}
    count = 0
    for package in packages:
        refusal = _of_package(policy, by_name.get(package.source), package, places)
        count += refusal is not None
        if refusal is not None and count <= MOST:
            yield refusal
    if count > MOST:
        yield Refusal("sources.packages", places.at("packages", "base"), f"and {count - MOST} packages more")


def _of_package(policy: Policy, source: SourceUse | None, package: PackageUse, places: Places) -> Refusal | None:
    """Check a package against all parts of the source that it may come from: an unknown origin is not trusted."""
    if source is None:
        text = f"package {package.name!r} is of source {package.source!r}, which the image does not use"
        return Refusal("sources.packages", places.package(package.name), text, hint="lock again")
    if package.parts:
        return _of_listed(policy, source, package, places)
    may_be = [
        (suite, component)
        for suite, component in source.parts
        if suite in (package.suites or source.suites) and package.component in (None, component)
    ]
    for part in may_be:
        rules = rules_for(policy, source, part)
        if not rules or any(matches_any(rule.packages, package.name) for rule in rules):
            continue  # a part that no rule allows is refused along with its source
        hint = "give each suite its own source, so that the lock records which one a package is from"
        return Refusal(
            "sources.packages",
            places.package(package.name, source.name),
            _unlisted(package.name, source.name, part, rules),
            rules[0].position,
            hint if len(may_be) > 1 else "",
        )
    return None


def _of_listed(policy: Policy, source: SourceUse, package: PackageUse, places: Places) -> Refusal | None:
    """Check a package against the parts whose signed index lists it; one that allows it suffices."""
    rules = {part: rules_for(policy, source, part) for part in package.parts}
    if any(matches_any(rule.packages, package.name) for found in rules.values() for rule in found):
        return None
    part, found = next(iter(rules.items()))
    return Refusal(
        "sources.packages",
        places.package(package.name, source.name),
        _unlisted(package.name, source.name, part, found),
        found[0].position if found else None,
    )
