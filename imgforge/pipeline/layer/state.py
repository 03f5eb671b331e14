"""The state of an image: what configuring its packages changed, as one tar, cached by all that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from imgforge import record
from imgforge.deb import relation
from imgforge.layer.directories import decide, parents, skeleton
from imgforge.layer.fragment import Fragment
from imgforge.layer.rules import MERGED_USR, PathRules
from imgforge.pipeline.layer import owners
from imgforge.pipeline.layer.fragments import Fragments, Made, directories_of
from imgforge.pipeline.layer.owners import Accounts
from imgforge.pipeline.layer.wish import STATE_FORMAT
from imgforge.report import Reporter, Step, running
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache
from imgforge.tar import writer
from imgforge.tree import Entry, Kind
from imgforge.workshop import configure, steps
from imgforge.workshop.client import Workshop
from imgforge.workshop.configure import Job
from imgforge.workshop.runs import ScriptRun

LOG = "log"
"""Where in the scratch directory the log of configuring is."""

UPGRADE = "the base has another version"
"""Why dpkg unpacks a package that the base has, in `Installation.reasons`."""


@attrs.frozen
class State:
    """A configured state.

    Attributes:
        key: names it: a digest of everything it depends on.
        tar: the whole layer, uncompressed.
        runs: what ran, in order, and how long.
        notes: what to tell of it: see `rootfs.identities`.
    """

    key: str
    tar: Path
    runs: tuple[ScriptRun, ...]
    notes: tuple[str, ...] = ()
    was_cached: bool = attrs.field(default=False, eq=False)


@attrs.frozen
class Installation:
    """How the packages of an image get into it.

    Attributes:
        native: their files are layers; only their scripts run.
        archives: the image's own dpkg unpacks them, and everything of theirs is state: upgrades of packages of the
            base, and packages whose files meet something that only dpkg may decide about.
        reasons: why, for each package in `archives`.
    """

    native: tuple[Made, ...]
    archives: tuple[Made, ...]
    reasons: Mapping[str, str]


def key_of(*, chain_id: str, installation: Installation, job_text: str, epoch: int) -> str:
    """Return the name of a state: equal names mean equal bytes."""
    question = json.dumps(
        [STATE_FORMAT, chain_id, [m.key for m in installation.native], [str(m.deb) for m in installation.archives],
         job_text, epoch]
    )  # fmt: skip
    return hashlib.sha256(question.encode()).hexdigest()


def find(key: str, *, cache: Cache) -> State | None:
    """Return a state that was configured before, if the cache still has it."""
    tar, runs = cache.get("states", f"{key}.tar"), cache.read("states", f"{key}.runs")
    if tar is None or runs is None:
        return None
    rows, notes = record.load(runs)
    return State(key, tar, tuple(ScriptRun(*row) for row in rows), notes, was_cached=True)


def configured(
    key: str,
    job: Job,
    *,
    base: tuple[Path, ...],
    epoch: int,
    cache: Cache,
    workshop: Workshop,
    scratch: Path,
    reporter: Reporter,
) -> State:
    """Configure the packages of a job on a base.

    Raises:
        LostFileError: a file is not as its package ships it.
        BuildError: a script failed.
    """
    output = scratch / "state.tar"
    names = len(job.units) + len(job.archives)
    with running(reporter, Step("configure", f"{names} packages", names, "packages")):
        done = workshop.configure(
            configure.steps(job),
            base=base,
            work=scratch / "work",
            output=output,
            epoch=epoch,
            times=job.times,
            log=scratch / LOG,
        )
    for one in done.altered:
        reporter.noted(f"{one.package}: /{one.path}: {one.what} by a script, as under dpkg")
    rows = tuple((run.label, run.seconds) for run in done.runs)
    cache.put("states", f"{key}.runs", record.dump((rows, done.notes)))
    return State(key, cache.adopt("states", f"{key}.tar", output), done.runs, done.notes)


def divide(made: tuple[Made, ...], *, facts: Facts, installed: frozenset[str], architecture: str) -> Installation:
    """Say which packages can be laid out natively and which the image's own dpkg must unpack.

    Args:
        made: the packages to install, in order.
        facts: of the base.
        installed: names of the packages that the base has.
        architecture: of the image, as dpkg names it.
    """
    reasons: dict[str, str] = {}
    claims = _Claims(facts)
    known = Accounts.of(facts, ())
    for one in made:
        fragment = one.fragment
        upgrade = UPGRADE if fragment.package in installed else ""
        path, other = claims.conflict(fragment)
        if upgrade or path:
            reasons[fragment.package] = upgrade or f"/{path} is {claims.what(path)}"
        if other:  # dpkg can only decide between files that it has unpacked itself
            reasons.setdefault(other, f"/{path} is also in {fragment.package}")
        claims.add(fragment)
        if installed and (name := owners.undecided(fragment, known)):
            reasons.setdefault(fragment.package, f"its preinst may make {name!r}, who owns files of it")
    _keep_order(made, reasons, architecture=architecture)
    native = tuple(one for one in made if one.fragment.package not in reasons)
    return Installation(native, tuple(one for one in made if one.fragment.package in reasons), reasons)


class _Claims:
    """What is at which path, while packages are added one after the other.

    Args:
        facts: of the base.
    """

    def __init__(self, facts: Facts) -> None:
        self._base = facts.entries
        self._special = _special_paths(facts)
        self._links = {path for path, entry in facts.entries.items() if entry.kind is Kind.SYMLINK}
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def conflict(self, fragment: Fragment) -> tuple[str, str]:
        """Return a path that a package cannot simply have, and the package that has it; empty texts for none."""
        for entry in fragment.entries:
            path = entry.path
            if path in self._special or path in self._base or path in self._files or path in self._directories:
                return path, self._files.get(path) or self._directories.get(path, "")
        above = {parent for entry in fragment.entries for parent in parents(entry.path)}
        for path in sorted(above.union(entry.path for entry in fragment.directories)):
            if path in self._links or path in self._files:
                return path, self._files.get(path, "")
        return "", ""

    def what(self, path: str) -> str:
        """Say what stands in the way at a path, for people."""
        return self._special.get(path) or f"also in {self._files.get(path) or self._directories.get(path, 'the base')}"

    def add(self, fragment: Fragment) -> None:
        """Count a package's paths as taken."""
        for entry in fragment.entries:
            self._files[entry.path] = fragment.package
            if entry.kind is Kind.SYMLINK:
                self._links.add(entry.path)
        for entry in fragment.directories:
            self._directories.setdefault(entry.path, fragment.package)


def _special_paths(facts: Facts) -> dict[str, str]:
    """Return the paths about which dpkg-divert(1) or dpkg-statoverride(1) has said something.

    They are known there as they were given: through the image's own symlinks or not.
    """
    diversions = [line for line in facts.text("var/lib/dpkg/diversions").split("\n") if line]
    said = {path.lstrip("/"): "diverted" for path in (*diversions[0::3], *diversions[1::3])}
    for line in filter(None, facts.text("var/lib/dpkg/statoverride").split("\n")):
        words = line.split(" ", 3)
        said[words[-1].lstrip("/")] = "under an override"
    aliases = tuple(name for name in MERGED_USR if name in facts.entries and facts.entries[name].kind is Kind.SYMLINK)
    return {PathRules(aliases).place(path): text for path, text in said.items()}


def _keep_order(made: tuple[Made, ...], reasons: dict[str, str], *, architecture: str) -> None:
    """Add to `reasons` what must be configured before something that dpkg itself unpacks (Pre-Depends)."""
    by_name = {one.fragment.package: one.fragment for one in made}
    queue = list(reasons)
    while queue:
        fragment = by_name[queue.pop()]
        groups = relation.parse(fragment.pre_depends, architecture=architecture)
        needed = {item.name for group in groups for item in group} & by_name.keys() - reasons.keys()
        for name in sorted(needed):
            reasons[name] = f"{fragment.package} pre-depends on it"
            queue.append(name)


def build_skeleton(
    installation: Installation, *, facts: Facts, target: Path, workshop: Workshop, scratch: Path
) -> Path | None:
    """Make the tree of directories whose values differ between packages; see `layer.directories.skeleton`."""
    decided, base = decided_directories(installation, facts=facts), facts.directories()
    differing = skeleton(decided, [directories_of(made.fragment) for made in installation.native], base=base)
    if not differing:
        return None
    tar = scratch / "skeleton.tar"
    with tar.open("wb") as sink:
        output = writer.Writer(sink)
        for entry in differing:
            output.add(entry, None)
    workshop.extract((tar,), target)
    return target


def trees(installation: Installation, *, fragments: Fragments, workshop: Workshop) -> tuple[str, ...]:
    """Return the trees of the native packages, in order."""
    return tuple(str(fragments.tree(made, workshop)) for made in installation.native)


def decided_directories(installation: Installation, *, facts: Facts) -> dict[str, Entry]:
    """Return the directories of the native packages, as the image has them."""
    return decide(facts.directories(), [made.fragment.directories for made in installation.native])


__all__ = ["Installation", "State", "configured", "divide", "find", "key_of", "steps"]
