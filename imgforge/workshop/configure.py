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

from imgforge.layer.fragment import Fragment
from imgforge.workshop import order, triggers
from imgforge.workshop.order import Unit
from imgforge.workshop.steps import Append, Copy, Link, Mount, Remove, Run, Step, Verify, Write

ADMIN = "var/lib/dpkg"
POLICY_RC = "usr/sbin/policy-rc.d"
_ARCHIVES = "var/cache/imgforge"
_INCOMING = "var/lib/dpkg/tmp.ci"  # where dpkg itself keeps the scripts of a package that it unpacks

CORE = ("base-passwd", "base-files", "libc6", "perl-base", "dpkg")
"""What must be configured before anything else can, when an image starts from nothing (as debootstrap does)."""


@attrs.frozen
class Job:
    """All that configuring depends on.

    Attributes:
        units: packages whose files are mounted, in order of installation.
        archives: name and .deb path of packages that the image's own dpkg must unpack: upgrades of what the
            base has, and packages whose files meet a diversion, an override or another package's file.
        unpacked: tree and name of those packages.
        unpacked_conffiles: their conffiles.
        skeleton: a tree of directories that lies above the units, or "".
        interests: what the base's packages are interested in: lines of ``triggers/File``.
        alternatives: name and path that the manifest chooses.
        from_nothing: the image has no base.
        architecture: of the image, as dpkg names it.
        auto_installed: name and architecture of packages that nobody asked for by name.
        aliases: top-level symlinks to make first when the image starts from nothing.
        times: with which packages ship what is in `archives`, by path: seconds since 1970.
        has_policy: the base or a package has a ``policy-rc.d``, which stays and decides.
    """

    units: tuple[Unit, ...]
    archives: tuple[tuple[str, str], ...] = ()
    unpacked: tuple[tuple[str, str], ...] = ()
    unpacked_conffiles: tuple[str, ...] = ()
    skeleton: str = ""
    interests: str = ""
    alternatives: tuple[tuple[str, str], ...] = ()
    from_nothing: bool = False
    architecture: str = "amd64"
    auto_installed: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    times: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    has_policy: bool = False


def steps(job: Job) -> tuple[Step, ...]:
    """Return everything that happens between the mounted trees and the finished state, in order."""
    return (
        *_prepare(job),
        *_unpack_archives(job),
        *(_from_nothing(job) if job.from_nothing else _in_waves(job)),
        *_mark_automatic(job),
        *_alternatives(job),
        *(() if job.has_policy else (Remove((POLICY_RC,)),)),
        Verify(_arrived(job.units), job.unpacked, (*_conffiles(job.units), *job.unpacked_conffiles)),
    )


def _prepare(job: Job) -> Iterator[Step]:
    if job.from_nothing:
        conffiles = _conffiles(_waiting(job.units, job))
        yield Mount(_trees(job, job.units), arrived=_arrived(job.units), conffiles=conffiles)
        for alias in job.aliases:
            yield Link(alias, f"usr/{alias}")
        yield Write(f"{ADMIN}/arch", f"{job.architecture}\n")
        yield Write(f"{ADMIN}/info/format", "1\n", keep=True)
    else:
        yield Mount(())
    if not job.has_policy:
        yield Write(POLICY_RC, "#!/bin/sh\nexit 101\n", mode=0o755)


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
    scripted = tuple(unit for unit in job.units if unit.fragment.preinst)  # dpkg unpacks them after their scripts
    yield Mount(
        _trees(job, job.units),
        arrived=_arrived(scripted),
        shipped=_shipped(job.units),
        settled=_conffiles(job.units),
    )
    names = {unit.fragment.package for unit in job.units}
    for name in CORE:
        if name in names:
            yield Run("configure", ("dpkg", "--configure", "--force-confnew", "--force-depends", name))
    yield from _configure_all()


def _in_waves(job: Job) -> Iterator[Step]:
    """Let each package's preinst run before its files are there, and after its Pre-Depends are configured."""
    wave_of = order.waves(job.units)
    last = max(wave_of.values(), default=0)
    configured: set[str] = set()
    for wave in range(last + 1):
        units = tuple(unit for unit in job.units if wave_of[unit.fragment.package] == wave)
        shown = tuple(unit for unit in job.units if wave_of[unit.fragment.package] <= wave)
        if wave > 0:
            needed = order.before(units, job.units, wave_of=wave_of)
            names = tuple(name for name in needed if name not in configured)  # dpkg fails on one that is
            configured.update(names)
            yield Run("configure", ("dpkg", "--configure", "--force-confnew", *names))
        yield from _preinsts(units)
        yield Mount(
            _trees(job, shown),
            arrived=_arrived(units),
            shipped=_shipped(units),
            conffiles=_conffiles(units),
        )
        yield from _register(units, job)
    yield from _configure_all()


def _configure_all() -> Iterator[Step]:
    yield Run("configure", ("dpkg", "--configure", "-a", "--force-confnew"))


def _trees(job: Job, units: tuple[Unit, ...]) -> tuple[str, ...]:
    trees = tuple(unit.tree for unit in units)
    return (*trees, job.skeleton) if job.skeleton and trees else trees


def _arrived(units: tuple[Unit, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((unit.tree, unit.fragment.package) for unit in units)


def _shipped(units: tuple[Unit, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((path, unit.fragment.package) for unit in units for path in unit.fragment.shipped)


def _waiting(units: tuple[Unit, ...], job: Job) -> tuple[Unit, ...]:
    """Return the packages whose conffiles are not to be seen before they are configured.

    From nothing, those of required packages are: each of these uses files of others before these are configured, and
    debootstrap has configured all of them before it looks at another package.
    """
    seen = order.required(job.units) if job.from_nothing else frozenset()
    return tuple(unit for unit in units if unit.fragment.package not in seen)


def _conffiles(units: tuple[Unit, ...]) -> tuple[str, ...]:
    return tuple(path for unit in units for path, _ in unit.fragment.conffiles)


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
    waiting = frozenset(unit.fragment.package for unit in _waiting(units, job))
    stanzas = (stanza(unit.fragment, waits=unit.fragment.package in waiting) for unit in units)
    yield Append(f"{ADMIN}/status", "".join(stanzas))
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


def stanza(fragment: Fragment, *, waits: bool) -> str:
    """Return the package's stanza of ``/var/lib/dpkg/status`` right after an unpack, with its empty line.

    Args:
        fragment: of the package.
        waits: whether its conffiles are put in place when it is configured.
    """
    # Only a newline ends a line, whatever else Unicode calls one; and the first field may have further lines.
    lines = ["Status: install ok unpacked", *(line for line in fragment.control.split("\n") if line.strip())]
    if fragment.conffile_lines:
        lines.append("Conffiles:")
        lines.extend(f" {path} {_conffile(digest, waits=waits)}" for path, digest in fragment.conffile_lines)
    return "\n".join(lines) + "\n\n"


def _conffile(digest: str, *, waits: bool) -> str:
    if not digest:
        return "newconffile remove-on-upgrade"
    return "newconffile" if waits else digest


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
