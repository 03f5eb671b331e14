"""What there is to do for a wish: which packages go which way, in which order, and the key of the result. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from imgforge.apt.package import Package, parse
from imgforge.apt.pool import file_name
from imgforge.apt.status import parse_status
from imgforge.errors import BuildError
from imgforge.image import packages_step
from imgforge.layer import group as grouping
from imgforge.layer.group import Group, Piece
from imgforge.layer.rules import MERGED_USR, PathRules
from imgforge.manifest.model import Manifest
from imgforge.pipeline.image import base as bases
from imgforge.pipeline.layer import state as states
from imgforge.pipeline.layer.fragments import Made
from imgforge.pipeline.layer.state import Installation
from imgforge.pipeline.layer.wish import Wish
from imgforge.rootfs.facts import Facts
from imgforge.solver.check import check
from imgforge.tree import Kind
from imgforge.workshop import configure, order, steps
from imgforge.workshop.configure import POLICY_RC, Job
from imgforge.workshop.order import Unit

_CONFIGURATION = re.compile(r"[A-Za-z0-9_-]+")
_FILTER = re.compile(r"^path-(?P<kind>exclude|include)(?:=|[ \t])[ \t]*(?P<glob>.*\S)", re.MULTILINE)


@attrs.frozen
class Task:
    """The configuring of a wish, before any tree has a place: units name their fragment's key as their tree."""

    made: tuple[Made, ...]
    installation: Installation
    job: Job
    epoch: int
    key: str


def task_of(wish: Wish, made: tuple[Made, ...], *, facts: Facts) -> Task:
    """Return what there is to do.

    Raises:
        BuildError: the image starts from nothing and two packages claim one path, or the packages do not fit together.
    """
    by_key = {one.key: one for one in made}
    units = order.in_order(
        order.units(
            tuple(one.fragment for one in made), trees=tuple(one.key for one in made), architecture=wish.architecture
        )
    )
    ordered = tuple(by_key[unit.tree] for unit in units)
    there = parse_status(facts.text("var/lib/dpkg/status"))
    _refuse_unfit(ordered, there, architecture=wish.architecture)
    installed = frozenset(package.name for package in there)
    installation = states.divide(ordered, facts=facts, installed=installed, architecture=wish.architecture)
    if wish.base is None and installation.reasons:
        name, reason = next(iter(installation.reasons.items()))
        raise BuildError(f"{name}: {reason}: an image from scratch has no dpkg yet that could decide between them")
    job = _job(wish, units, installation=installation, facts=facts)
    epoch = max(*(one.fragment.timestamp for one in made), bases.epoch(wish.base) if wish.base else 0, 0)
    key = states.key_of(
        chain_id=wish.base.chain_id if wish.base else "",
        installation=installation,
        job_text=steps.dump(configure.steps(job)),
        epoch=epoch,
    )
    return Task(ordered, installation, job, epoch, key)


def _refuse_unfit(made: tuple[Made, ...], there: tuple[Package, ...], *, architecture: str) -> None:
    """Refuse packages that dpkg would not have together, whatever resolved them: by what they say of themselves.

    An index that says otherwise, or a lock that somebody edited, is found here; dpkg itself looks at conflicts only of
    what it unpacks. What was wrong about the base before is not this build's to judge.
    """
    native = (architecture, "all")
    new = tuple(
        parse(one.fragment.control.encode("utf-8", "surrogateescape").strip(), what=file_name(one.locked), index=None)
        for one in made
    )
    replaced = {package.name for package in new if package.architecture in native}
    kept = (one for one in there if one.name not in replaced or one.architecture not in native)
    problems = check((*kept, *new), architecture=architecture)
    if not problems:
        return
    known = frozenset(check(there, architecture=architecture))
    ours = [problem for problem in problems if problem not in known]
    if ours:
        error = BuildError(f"the packages do not fit together: {ours[0]}")
        for problem in ours[1:5]:
            error.add_note(problem)
        error.add_note(
            "a lock that was edited, or a package that is not what its index says; `--upgrade` resolves anew"
        )
        raise error


def _job(wish: Wish, units: tuple[Unit, ...], *, installation: Installation, facts: Facts) -> Job:
    requested = {package.name for package in wish.packages if package.requested}
    automatic = tuple(
        (one.fragment.package, _apt_architecture(one.fragment.architecture, wish))
        for one in (*installation.native, *installation.archives)
        if one.fragment.package not in requested
    )
    return Job(
        tuple(unit for unit in units if unit.fragment.package not in installation.reasons),
        archives=tuple((one.fragment.package, str(one.deb)) for one in installation.archives),
        unpacked=tuple((one.key, one.fragment.package) for one in installation.archives),
        unpacked_conffiles=tuple(path for one in installation.archives for path, _ in one.fragment.conffiles),
        interests=facts.text("var/lib/dpkg/triggers/File"),
        alternatives=tuple((name, str(path)) for name, path in wish.manifest.alternatives),
        from_nothing=wish.base is None,
        architecture=wish.architecture,
        auto_installed=automatic,
        aliases=_aliases_to_make(units) if wish.base is None else (),
        has_policy=POLICY_RC in facts.entries or any(_ships(unit, POLICY_RC) for unit in units),
    )


def _ships(unit: Unit, path: str) -> bool:
    return any(entry.path == path for entry in unit.fragment.entries)


def _apt_architecture(architecture: str, wish: Wish) -> str:
    """Return what APT writes of a package: the image's architecture for one of ``all`` (`Pkg.Arch()` of libapt)."""
    return wish.architecture if architecture == "all" else architecture


def _aliases_to_make(units: tuple[Unit, ...]) -> tuple[str, ...]:
    """Return the merged-/usr links that no package ships: since trixie, base-files brings them itself."""
    shipped = {entry.path for unit in units for entry in unit.fragment.entries}
    used = {"bin", "lib", "sbin"} | {
        path.split("/")[1] for unit in units for path in unit.fragment.shipped if path.startswith("/lib")
    }
    return tuple(name for name in MERGED_USR if name in used and name not in shipped)


def path_rules(manifest: Manifest, facts: Facts, *, from_nothing: bool) -> PathRules:
    """Return the path rules of an image: its base's symlinks, and the manifest's filters."""
    aliases = tuple(
        name
        for name in MERGED_USR
        if from_nothing or ((entry := facts.entries.get(name)) is not None and entry.kind is Kind.SYMLINK)
    )
    own = (*(("exclude", glob) for glob in manifest.exclude), *(("include", glob) for glob in manifest.include))
    return PathRules(aliases, (*_inherited_filters(facts), *own))


def _inherited_filters(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield the path filters of the base's configuration of dpkg (dpkg.cfg(5)), in the order in which dpkg reads it."""
    for path, data in facts.below("etc/dpkg/dpkg.cfg.d"):
        if _CONFIGURATION.fullmatch(path.rpartition("/")[2]):
            for found in _FILTER.finditer(data.decode("utf-8", "surrogateescape")):
                yield found["kind"], found["glob"].strip("\"'")


def groups_of(made: tuple[Made, ...], manifest: Manifest) -> tuple[Group, ...]:
    """Return the layers that the manifest's strategy makes of the packages."""
    pieces = tuple(Piece(one.key, one.fragment.package, one.fragment.source, one.fragment.size) for one in made)
    if manifest.layers.strategy == "single":
        return grouping.single(pieces)
    return grouping.by_source(pieces, budget=manifest.layers.budget)


def state_step(installation: Installation) -> str:
    """Return the history's text for the state layer."""
    count = len(installation.native) + len(installation.archives)
    step = f"imgforge: configure {count} packages"
    if installation.archives:
        names = ((one.fragment.package, one.fragment.version) for one in installation.archives)
        return f"{step}; {packages_step(names)}"
    return step
