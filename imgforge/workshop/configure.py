"""From unpacked packages to the steps that make them installed ones. Pure.

The packages' files are there already, as trees; what is left is what dpkg would do with its database and
the maintainer scripts: ``preinst`` before the files are visible, ``status`` and trigger entries, one
``dpkg --configure`` by the image's own dpkg, and the alternatives that the manifest chooses.

Sources: Debian Policy chapter 6 (maintainer scripts), 6.6 (unpacking), 7.2 (Pre-Depends); dpkg's
``lib/dpkg/trigdeferred.c`` for the format of ``triggers/Unincorp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from imgforge.deb import relation
from imgforge.layer.fragment import Fragment
from imgforge.workshop import triggers
from imgforge.workshop.steps import Append, Copy, Divert, Link, Mount, Remove, Run, Step, Write

ADMIN = "var/lib/dpkg"
POLICY_RC = "usr/sbin/policy-rc.d"
_ARCHIVES = "var/cache/imgforge"
_INCOMING = "var/lib/dpkg/tmp.ci"  # where dpkg itself keeps the scripts of a package that it unpacks

CORE = ("base-passwd", "base-files", "libc6", "perl-base", "dpkg")
"""What must be configured before anything else can, when an image starts from nothing (as debootstrap does)."""


@attrs.frozen
class Unit:
    """One package to configure.

    Attributes:
        fragment: what is known of it.
        tree: the tree that holds its files.
        pre_depends: packages of the same job that its Pre-Depends can mean.
        depends: packages of the same job that its Depends can mean.
    """

    fragment: Fragment
    tree: str
    pre_depends: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()


def units(fragments: tuple[Fragment, ...], *, trees: tuple[str, ...], architecture: str) -> tuple[Unit, ...]:
    """Return the packages of a job with what ties them to each other."""
    providers: dict[str, list[str]] = {}
    for fragment in fragments:
        providers.setdefault(fragment.package, []).append(fragment.package)
        for group in relation.parse(fragment.provides, architecture=architecture):
            providers.setdefault(group[0].name, []).append(fragment.package)

    def meant(field: str) -> tuple[str, ...]:
        names = (item.name for group in relation.parse(field, architecture=architecture) for item in group)
        return tuple(dict.fromkeys(provider for name in names for provider in providers.get(name, ())))

    return tuple(
        Unit(fragment, tree, pre_depends=meant(fragment.pre_depends), depends=meant(fragment.depends))
        for fragment, tree in zip(fragments, trees, strict=True)
    )


def in_order(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Return units with what they need before them, Pre-Depends first; a cycle is cut where it is entered.

    The order depends on the packages alone, not on the order in which they are given: a lock has none.
    """
    by_name = {unit.fragment.package: unit for unit in sorted(units, key=lambda unit: unit.fragment.package)}
    placed: dict[str, Unit] = {}
    entered: set[str] = set()
    for start in by_name:
        stack = [start]
        while stack:
            name = stack[-1]
            entered.add(name)
            needs = (need for need in (*by_name[name].pre_depends, *by_name[name].depends) if need not in entered)
            need = next(needs, None)
            if need is not None:
                stack.append(need)
                continue
            placed.setdefault(name, by_name[name])
            stack.pop()
    return tuple(placed.values())


@attrs.frozen
class Job:
    """All that configuring depends on.

    Attributes:
        units: packages whose files are mounted, in order of installation.
        archives: name and .deb path of packages that the image's own dpkg must unpack: upgrades of what the
            base has, and packages whose files meet a diversion, an override or another package's file.
        skeleton: a tree of directories that lies above the units, or "".
        interests: what the base's packages are interested in: lines of ``triggers/File``.
        alternatives: name and path that the manifest chooses.
        from_nothing: the image has no base.
        architecture: of the image, as dpkg names it.
        auto_installed: name and architecture of packages that nobody asked for by name.
        aliases: top-level symlinks to make first when the image starts from nothing.
        times: with which packages ship what is in `archives`, by path: seconds since 1970.
    """

    units: tuple[Unit, ...]
    archives: tuple[tuple[str, str], ...] = ()
    skeleton: str = ""
    interests: str = ""
    alternatives: tuple[tuple[str, str], ...] = ()
    from_nothing: bool = False
    architecture: str = "amd64"
    auto_installed: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    times: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)


def steps(job: Job) -> tuple[Step, ...]:
    """Return everything that happens between the mounted trees and the finished state, in order."""
    return (
        *_prepare(job),
        *_unpack_archives(job),
        *(_from_nothing(job) if job.from_nothing else _in_waves(job)),
        *_mark_automatic(job),
        *_alternatives(job),
        Remove((POLICY_RC,)),
    )


def _prepare(job: Job) -> Iterator[Step]:
    if job.from_nothing:
        yield Mount(_trees(job, job.units))
        for alias in job.aliases:
            yield Link(alias, f"usr/{alias}")
        yield Write(f"{ADMIN}/arch", f"{job.architecture}\n")
        yield Write(f"{ADMIN}/info/format", "1\n", keep=True)
    else:
        yield Mount(())
    yield Write(POLICY_RC, "#!/bin/sh\nexit 101\n", mode=0o755, keep=True)


def _unpack_archives(job: Job) -> Iterator[Step]:
    if not job.archives:
        return
    inside = tuple(f"{_ARCHIVES}/{name}.deb" for name, _ in job.archives)
    for path, (_, source) in zip(inside, job.archives, strict=True):
        yield Copy(source, path)
    argv = ("dpkg", "--unpack", "--no-triggers", "--force-confnew", "--auto-deconfigure", "--force-depends")
    yield Run("unpack", (*argv, *(f"/{path}" for path in inside)))
    yield Remove((*inside, _ARCHIVES))


def _from_nothing(job: Job) -> Iterator[Step]:
    yield from _register(job.units, job)
    yield from _preinsts(job.units)
    names = {unit.fragment.package for unit in job.units}
    for name in CORE:
        if name in names:
            yield Run("configure", ("dpkg", "--configure", "--force-depends", name))
    yield from _configure_all()


def _in_waves(job: Job) -> Iterator[Step]:
    """Let each package's preinst run before its files are there, and after its Pre-Depends are configured."""
    wave_of = waves(job.units)
    last = max(wave_of.values(), default=0)
    configured: set[str] = set()
    for wave in range(last + 1):
        units = tuple(unit for unit in job.units if wave_of[unit.fragment.package] == wave)
        shown = tuple(unit for unit in job.units if wave_of[unit.fragment.package] <= wave)
        if wave > 0:
            closure = _closure(job.units, _needed(units), wave_of=wave_of, below=wave)
            names = tuple(name for name in closure if name not in configured)  # dpkg fails on one that is
            configured.update(names)
            yield Run("configure", ("dpkg", "--configure", *names))
        yield from _preinsts(units)
        yield Mount(_trees(job, shown))
        yield Divert(tuple((path, unit.fragment.package) for unit in units for path in unit.fragment.shipped))
        yield from _register(units, job)
    yield from _configure_all()


def _configure_all() -> Iterator[Step]:
    yield Run("configure", ("dpkg", "--configure", "-a", "--force-confnew"))


def _trees(job: Job, units: tuple[Unit, ...]) -> tuple[str, ...]:
    trees = tuple(unit.tree for unit in units)
    return (*trees, job.skeleton) if job.skeleton and trees else trees


def _preinsts(units: tuple[Unit, ...]) -> Iterator[Step]:
    for unit in (unit for unit in units if unit.fragment.preinst):
        written = tuple(_control_files(unit.fragment))
        yield from written
        argv = (f"/{_INCOMING}/preinst", "install")
        yield Run(f"preinst {unit.fragment.package}", argv, _script_environment(unit))
        yield Remove((*(file.path for file in written), _INCOMING))


def _control_files(fragment: Fragment) -> Iterator[Write]:
    """Write what a preinst finds beside itself: there debconf reads the package's name, templates and config script."""
    yield Write(f"{_INCOMING}/control", fragment.control)
    if fragment.templates:
        yield Write(f"{_INCOMING}/templates", fragment.templates)
    if fragment.config:
        yield Write(f"{_INCOMING}/config", fragment.config, mode=0o755)
    yield Write(f"{_INCOMING}/preinst", fragment.preinst, mode=0o755)


def _script_environment(unit: Unit) -> tuple[tuple[str, str], ...]:
    """Return what dpkg(1), section "Environment / Internal environment", promises to a script."""
    return (
        ("DPKG_ADMINDIR", f"/{ADMIN}"),
        ("DPKG_MAINTSCRIPT_ARCH", unit.fragment.architecture),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_MAINTSCRIPT_NAME", "preinst"),
        ("DPKG_MAINTSCRIPT_PACKAGE", unit.fragment.package),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
    )


def _register(units: tuple[Unit, ...], job: Job) -> Iterator[Step]:
    """Write what dpkg's database says of unpacked packages, and the triggers that their files set off."""
    yield Append(f"{ADMIN}/status", "".join(stanza(unit.fragment) for unit in units))
    named: dict[str, list[str]] = {}
    files: list[str] = []
    for unit in units:
        for name, line in triggers.interests(unit.fragment):
            if name.startswith("/"):
                files.append(f"{name} {line}\n")
            else:
                named.setdefault(name, []).append(f"{line}\n")
    if files:
        yield Append(f"{ADMIN}/triggers/File", "".join(files))
    for name, lines in sorted(named.items()):
        yield Append(f"{ADMIN}/triggers/{name}", "".join(lines))
    interests = job.interests + "".join(
        f"{name} {line}\n"
        for unit in job.units
        for name, line in triggers.interests(unit.fragment)
        if name.startswith("/")
    )
    activated = triggers.activations(tuple(unit.fragment for unit in units), interests=interests)
    if activated:
        yield Append(f"{ADMIN}/triggers/Unincorp", "".join(f"{name} -\n" for name in activated))


def stanza(fragment: Fragment) -> str:
    """Return the package's stanza of ``/var/lib/dpkg/status`` right after an unpack, with its empty line."""
    # Only a newline ends a line, whatever else Unicode calls one; and the first field may have further lines.
    lines = ["Status: install ok unpacked", *(line for line in fragment.control.split("\n") if line.strip())]
    if fragment.conffiles:
        lines.append("Conffiles:")
        lines.extend(f" {path} {digest}" for path, digest in fragment.conffiles)
    return "\n".join(lines) + "\n\n"


def waves(units: tuple[Unit, ...]) -> dict[str, int]:
    """Return the wave in which each package is unpacked.

    Only a package that has a preinst and a Pre-Depends inside this job makes a difference that anybody can
    see: it waits until those, and all that they depend on, are configured.
    """
    by_name = {unit.fragment.package: unit for unit in units}
    wave = dict.fromkeys(by_name, 0)
    for unit in units:
        needed = tuple(name for name in unit.pre_depends if name in by_name)
        if not unit.fragment.preinst or not needed:
            continue
        below = _reach(by_name, needed)
        if unit.fragment.package not in below:
            wave[unit.fragment.package] = 1 + max(wave[name] for name in below)
    return wave


def _needed(units: tuple[Unit, ...]) -> tuple[str, ...]:
    return tuple(name for unit in units if unit.fragment.preinst for name in unit.pre_depends)


def _reach(by_name: Mapping[str, Unit], names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in found or name not in by_name:
            continue
        found.add(name)
        queue.extend((*by_name[name].pre_depends, *by_name[name].depends))
    return found


def _closure(
    units: tuple[Unit, ...], names: tuple[str, ...], *, wave_of: Mapping[str, int], below: int
) -> tuple[str, ...]:
    reached = _reach({unit.fragment.package: unit for unit in units}, names)
    return tuple(
        unit.fragment.info_name
        for unit in units
        if unit.fragment.package in reached and wave_of[unit.fragment.package] < below
    )


def _mark_automatic(job: Job) -> Iterator[Step]:
    """Record, as apt does, which packages nobody asked for: ``apt-get autoremove`` works in the image."""
    if job.auto_installed:
        text = "".join(
            f"Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
            for name, architecture in sorted(job.auto_installed)
        )
        yield Append("var/lib/apt/extended_states", text)


def _alternatives(job: Job) -> Iterator[Step]:
    for name, path in job.alternatives:
        yield Run(f"alternative {name}", ("update-alternatives", "--set", name, path))
