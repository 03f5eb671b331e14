"""Running an image in the sandbox, as its configuration says."""

from __future__ import annotations

import json
import os
import subprocess

import attrs

from imgforge.errors import UsageError
from imgforge.limits import Limits
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.report import Reporter
from imgforge.rootfs.accounts import GROUP, PASSWD
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache
from imgforge.workshop.client import Workshop

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    image: Base, argv: tuple[str, ...], *, limits: Limits, cache: Cache, workshop: Workshop, reporter: Reporter
) -> int:
    """Run an image's program, or another, on a throw-away copy and return its exit code.

    Args:
        image: what to run.
        argv: instead of the image's `cmd`; the whole command where the image has no entrypoint.
        limits: what the program may use.
        cache: keeps the trees of the image's layers.
        workshop: unpacks those that are missing.
        reporter: hears of progress.

    Raises:
        UsageError: the image has no command, or its user is unknown.
    """
    execution = image.image.config.execution
    command = (*(execution.entrypoint or ()), *(argv or execution.cmd or ()))
    if not command:
        raise UsageError(f"{image.name}: the image has no command; give one after `--`")
    facts = reading.facts_of(image, cache=cache, reporter=reporter)
    trees = reading.trees_of(image, cache=cache, workshop=workshop, reporter=reporter)
    user, home = user_of(execution.user, facts)
    with cache.scratch(remove=workshop.clear) as scratch:
        request = {
            "argv": command,
            "rung": workshop.rung.name,
            "trees": [str(tree) for tree in trees],
            "work": str(scratch),
            "user": user,
            "env": _environment(home, execution.env),
            "workdir": execution.workdir or "/",
            "limits": attrs.asdict(limits),
        }
        return subprocess.run(workshop.session(json.dumps(request)), check=False).returncode


def _environment(home: str, given: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the program's environment: the image's, and what of the caller's terminal it needs to know."""
    environment = {"PATH": _PATH, "HOME": home, **dict(given)}
    if os.isatty(0) and "TERM" in os.environ:
        environment.setdefault("TERM", os.environ["TERM"])
    return environment


def user_of(wanted: str, facts: Facts) -> tuple[list[int], str]:
    """Return uid, gid and further groups, and the home, of a configuration's ``User``.

    Source: OCI image-spec, config.md: ``user``, ``uid``, ``user:group``, ``uid:gid``, ``uid:group``, ``user:gid``.

    Raises:
        UsageError: the image does not know the user or the group.
    """
    name, _, group = (wanted or "0").partition(":")
    row = _find(facts.text(PASSWD), name)
    if row is None and not name.isdigit():
        raise UsageError(f"user {name!r}: the image has no such user")
    uid = int(row[2]) if row else int(name)
    gid = int(row[3]) if row else 0
    home = row[5] if row and len(row) > 5 else "/"
    if group:
        found = _find(facts.text(GROUP), group)
        if found is None and not group.isdigit():
            raise UsageError(f"group {group!r}: the image has no such group")
        return [uid, int(found[2]) if found else int(group)], home
    return [uid, gid, *_groups(facts.text(GROUP), row[0] if row else "", gid)], home


def _find(text: str, key: str) -> list[str] | None:
    rows = [line.split(":") for line in text.split("\n") if line.count(":") > 2]
    return next((row for row in rows if row[0] == key), next((row for row in rows if row[2] == key), None))


def _groups(text: str, user: str, gid: int) -> list[int]:
    rows = [line.split(":") for line in text.split("\n") if line.count(":") > 2]
    return [int(row[2]) for row in rows if user and user in row[3].split(",") and int(row[2]) != gid]
