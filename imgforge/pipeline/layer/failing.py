"""What helps to mend a script that failed: its log, what brings its package in, and what apt-get would have done."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from imgforge.apt.package import Package, parse
from imgforge.deb import relation
from imgforge.errors import BuildError, IntegrityError, ScriptFailure, StoreError
from imgforge.pipeline.layer.state import UPGRADE
from imgforge.pipeline.layer.task import Task
from imgforge.pipeline.layer.wish import Wish
from imgforge.store.cache import Cache

KIND = "logs"
"""Of the logs of builds that failed, in the cache."""

_NAMES_MOST = 20
_NETWORK = re.compile(
    r"name resolution|resolve host|resolving host|network is unreachable|name or service not known", re.IGNORECASE
)
"""glibc's words for a network that is not there (gai_strerror(3), strerror(3)), and those of curl and wget."""


def explain(error: BuildError, *, wish: Wish, task: Task, log: Path, cache: Cache) -> None:
    """Keep the log of a build that failed, and add to the error what helps to mend it.

    Args:
        error: of `Workshop.configure`.
        wish: what was to be installed.
        task: how.
        log: what the commands printed; moved into the cache.
        cache: takes it.
    """
    kept, failure = _kept(log, task.key, cache), error.failure
    if failure is not None:
        made = {one.fragment.package: one.fragment.version for one in task.made}
        origin = _origin(failure.package.partition(":")[0], wish, task) if failure.package else ""
        version = made.get(failure.package.partition(":")[0], "")
        error.failure = attrs.evolve(failure, version=version, origin=origin, log=str(kept or ""))
        for note in filter(None, (origin, _others(failure), _blocked(failure), _apt(error, failure))):
            error.add_note(note)
    if kept is not None:
        error.add_note(f"the whole log: {kept}")


def _kept(log: Path, key: str, cache: Cache) -> Path | None:
    """Return where the log is kept; None where it is not: what failed is the error, not a full disk."""
    with contextlib.suppress(OSError, StoreError):
        return cache.adopt(KIND, f"{key}.log", log) if log.stat().st_size else None
    return None


def _others(failure: ScriptFailure) -> str:
    return f"failed, too: {_listed(failure.others)}" if failure.others else ""


def _blocked(failure: ScriptFailure) -> str:
    return f"not configured because of that: {_listed(failure.blocked)}" if failure.blocked else ""


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES_MOST} more" if len(names) > _NAMES_MOST else ""
    return f"{', '.join(names[:_NAMES_MOST])}{more}"


def _apt(error: BuildError, failure: ScriptFailure) -> str:
    """Return what apt-get would have done, as far as that is certain."""
    if type(error) is not BuildError:
        return "apt-get has no such limit"
    if any(_NETWORK.search(line) for line in failure.words):
        return "the sandbox has no network; apt-get runs scripts with the machine's"
    if failure.reported:
        return f"apt-get would stop here, too: dpkg reports {failure.reported!r}"
    if failure.step.startswith("preinst "):
        return "apt-get would stop here, too: dpkg unpacks no package whose preinst fails"
    return ""


def _origin(name: str, wish: Wish, task: Task) -> str:
    """Return what brings a package into the image."""
    versions = {one.fragment.package: one.fragment.version for one in task.made}
    base = f"the base {wish.base.name!r}" if wish.base else "the base"
    if name not in versions:
        return f"{name} is part of {base}"
    of = f"{name} {versions[name]}"
    if task.installation.reasons.get(name) == UPGRADE:
        of = f"{of} is an upgrade of what {base} has, and"
    requests = {request.name: request.position for request in wish.manifest.packages}
    chain = _chain(name, requests, task, architecture=wish.architecture)
    if not chain:
        return f"{of} is in the lock; no package that the manifest requests needs it"
    position = requests.get(chain[0][0])
    at = f" ({position})" if position else ""
    if len(chain) == 1:
        return f"{of} is requested{at}"
    needs = ", which ".join(f"{verb} {package}" for package, verb in chain[1:])
    return f"{of} is brought in by {chain[0][0]}{at}, which {needs}"


def _chain(name: str, requests: Mapping[str, object], task: Task, *, architecture: str) -> tuple[tuple[str, str], ...]:
    """Return a shortest way from what is requested to a package: names, and how each is needed by the one before."""
    packages = [
        parse(one.fragment.control.encode("utf-8", "surrogateescape").strip(), what=one.fragment.package, index=None)
        for one in task.made
    ]
    asked = {package.name for package in packages if package.name in requests} or {
        one.locked.name for one in task.made if one.locked.requested
    }
    needs = _needs(packages, architecture=architecture)
    ways: dict[str, tuple[tuple[str, str], ...]] = {first: ((first, ""),) for first in sorted(asked)}
    queue = list(ways)
    while queue and name not in ways:
        at = queue.pop(0)
        for needed, verb in needs[at].items():
            if needed not in ways:
                ways[needed] = (*ways[at], (needed, verb))
                queue.append(needed)
    return ways.get(name, ())


def _needs(packages: list[Package], *, architecture: str) -> dict[str, dict[str, str]]:
    """Return which of some packages each needs, and how."""
    providers: dict[str, list[str]] = {}
    for package in packages:
        for provided in (package.name, *_named(package.provides, architecture)):
            providers.setdefault(provided, []).append(package.name)
    found: dict[str, dict[str, str]] = {package.name: {} for package in packages}
    for package in packages:
        depends = (*_named(package.pre_depends, architecture), *_named(package.depends, architecture))
        verbs = {
            **dict.fromkeys(_named(package.recommends, architecture), "recommends"),
            **dict.fromkeys(depends, "depends on"),
        }
        for name, verb in verbs.items():
            found[package.name].update(dict.fromkeys(providers.get(name, ()), verb))
    return found


def _named(field: str, architecture: str) -> tuple[str, ...]:
    """Return the names in a relation field; nothing of one that cannot be read: no package came in by it."""
    with contextlib.suppress(IntegrityError):
        return tuple(item.name for group in relation.parse(field, architecture=architecture) for item in group)
    return ()
