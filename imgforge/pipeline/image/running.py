"""Running an image in the sandbox, as its configuration says."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from imgforge.errors import UsageError
from imgforge.limits import Limits
from imgforge.pipeline.image import unpacking
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.rootfs.accounts import GROUP, PASSWD
from imgforge.rootfs.facts import Facts
from imgforge.sandbox import binds
from imgforge.sandbox.volume import Volume
from imgforge.store.cache import Cache
from imgforge.workshop.client import Workshop

_REAL_TIME = re.compile(r"(RTMIN|RTMAX)([+-][0-9]{1,2})?")
_ID = re.compile(r"[0-9]{1,10}")
_ID_MAX = (1 << 31) - 1
"""Docker takes none above (moby/sys/user); the kernel's largest numbers mean "no id" (setresuid(2))."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _is_absolute(_instance: RunOptions, _attribute: attrs.Attribute[str], value: str) -> None:
    if value and (not value.startswith("/") or "\0" in value):
        raise UsageError(f"working directory {value[:200]!r}: expected an absolute path")


@attrs.frozen(kw_only=True)
class RunOptions:
    """What a caller changes of an image's configuration for one run.

    Attributes:
        env: variables that are set after the image's, in order.
        volumes: files of this machine that the program sees.
        user: ``USER[:GROUP]`` instead of the image's; empty for that.
        workdir: an absolute path instead of the image's; empty for that.
    """

    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    volumes: tuple[Volume, ...] = ()
    user: str = ""
    workdir: str = attrs.field(default="", validator=_is_absolute)


_AS_CONFIGURED = RunOptions()


def run(
    image: Base,
    argv: tuple[str, ...],
    *,
    options: RunOptions = _AS_CONFIGURED,
    limits: Limits,
    cache: Cache,
    workshop: Workshop,
    reporter: Reporter,
) -> int:
    """Run an image's program, or another, on a throw-away copy and return its exit code.

    Args:
        image: what to run.
        argv: instead of the image's `cmd`; the whole command where the image has no entrypoint.
        options: what differs from the image's configuration.
        limits: what the program may use.
        cache: keeps the trees of the image's layers.
        workshop: unpacks those that are missing.
        reporter: gets the progress.

    Raises:
        UsageError, SandboxError: no command, an unknown user, no source of a volume; a rung without mounts.
    """
    binds.check(options.volumes, workshop.rung)
    trees = unpacking.trees_of(image, cache=cache, workshop=workshop, reporter=reporter)
    asked = _asked(image, argv, options, Facts({}, workshop.read(trees, (PASSWD, GROUP))))
    request = {
        "rung": workshop.rung.name,
        "trees": [str(tree) for tree in trees],
        **asked,
        "volumes": [(str(one.source), one.target, one.is_writable) for one in options.volumes],
        "limits": attrs.asdict(limits),
        "stop_signal": _stop_signal(image, reporter),
    }
    with cache.scratch(remove=workshop.clear) as scratch:
        return workshop.converse({**request, "work": str(scratch)})


def _asked(image: Base, argv: tuple[str, ...], options: RunOptions, facts: Facts) -> dict[str, Any]:
    execution = image.image.config.execution
    user, home = user_of(options.user or execution.user, facts)
    return {
        "argv": _command(image, argv),
        "user": user,
        "env": _variables(home, dict(execution.env) | dict(options.env)),
        "workdir": options.workdir or execution.workdir or "/",
    }


def _command(image: Base, argv: tuple[str, ...]) -> tuple[str, ...]:
    execution = image.image.config.execution
    command = (*(execution.entrypoint or ()), *(argv or execution.cmd or ()))
    if not command:
        raise UsageError(f"{image.name}: the image has no command; give one after `--`")
    return command


def _stop_signal(image: Base, reporter: Reporter) -> int:
    text = image.image.config.execution.stop_signal
    found = signal_of(text) if text else signal.SIGTERM
    if found is None:
        reporter.warned(f"{image.name}: stop signal {text!r}: no such signal; SIGTERM is used")
    return found or signal.SIGTERM


def signal_of(text: str) -> int | None:
    """Return the number of a configuration's ``StopSignal``: a name, with or without ``SIG``, or a number.

    Source: OCI image-spec, config.md: ``SIGNAME``, such as ``SIGKILL`` or ``SIGRTMIN+3``.
    """
    name = text.upper().removeprefix("SIG")
    found = _REAL_TIME.fullmatch(name)
    if found:
        number = signal.Signals[f"SIG{found[1]}"] + int(found[2] or 0)
    elif name.isascii() and name.isdigit():
        number = int(name[:4])
    else:
        number = int(getattr(signal, f"SIG{name}", 0)) if name.isalnum() else 0
    return number if number in signal.valid_signals() else None


def _variables(home: str, given: Mapping[str, str]) -> dict[str, str]:
    terminal = {"TERM": os.environ["TERM"]} if os.isatty(0) and "TERM" in os.environ else {}
    return {"PATH": _PATH, "HOME": home, **terminal, **given}


def user_of(wanted: str, facts: Facts) -> tuple[list[int], str]:
    """Return uid, gid and further groups, and the home, of a configuration's ``User``.

    Source: OCI image-spec, config.md: ``user``, ``uid``, ``user:group``, ``uid:gid``, ``uid:group``, ``user:gid``.

    Raises:
        UsageError: the image does not know the user or the group.
    """
    name, _, group = wanted.partition(":")
    name = name or "0"
    row = _find(facts.text(PASSWD), name)
    if row is None and not _is_id(name):
        raise UsageError(f"user {name!r}: the image has no such user")
    uid = int(row[2]) if row else int(name)
    gid = int(row[3]) if row else 0
    home = row[5] if row and len(row) > 5 else "/"
    if group:
        found = _find(facts.text(GROUP), group)
        if found is None and not _is_id(group):
            raise UsageError(f"group {group!r}: the image has no such group")
        return [uid, int(found[2]) if found else int(group)], home
    return [uid, gid, *_groups(facts.text(GROUP), row[0] if row else "", gid)], home


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None and int(text) <= _ID_MAX


def _find(text: str, key: str) -> list[str] | None:
    rows = list(_rows(text))
    return next((row for row in rows if row[0] == key), next((row for row in rows if row[2] == key), None))


def _groups(text: str, user: str, gid: int) -> list[int]:
    rows = _rows(text)
    return [int(row[2]) for row in rows if user and user in row[3].split(",") and int(row[2]) != gid]


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of an account file whose numbers are numbers: the file is the image's, which may be hostile."""
    for line in text.split("\n"):
        row = line.split(":")
        is_user = len(row) > 4
        if len(row) > 3 and _is_id(row[2]) and (not is_user or _is_id(row[3])):
            yield row
