"""The verb that runs an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from imgforge import late
from imgforge.pipeline import readable
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.image.machine import own_platform
from imgforge.sandbox.volume import Volume
from imgforge.settings import Settings

environment = late.module("imgforge.pipeline.image.environment")
running = late.module("imgforge.pipeline.image.running")
workshops = late.module("imgforge.workshop.client")


def run(  # noqa: PLR0913 - one for each option of the command
    image: str,
    argv: tuple[str, ...] = (),
    *,
    settings: Settings,
    env: Mapping[str, str | None] | None = None,
    env_files: tuple[Path, ...] = (),
    volumes: tuple[Volume, ...] = (),
    user: str = "",
    workdir: str = "",
    timeout: int | None = None,
) -> int:
    """Run an image in the sandbox as its configuration says, and return the program's exit code.

    Args:
        image: a name in the store or a reference.
        argv: instead of the image's command.
        settings: places, the sandbox and its limits; `Limits.time` is for builds.
        env: variables that are set after the image's and those of files; None takes this process's value.
        env_files: files of variables, a ``NAME=VALUE`` a line; the last counts.
        volumes: files and directories of this machine that the program sees, read-only unless they say otherwise.
        user: ``USER[:GROUP]``, by name or number, instead of the image's.
        workdir: an absolute path instead of the image's.
        timeout: seconds until the program is killed; None: it may run for ever.

    Raises:
        UsageError: the image has no command or no such user, or a volume's source is missing.
        SandboxError: no sandbox works here, or this one has no mounts for volumes.
    """
    env = environment.resolved(*map(environment.read, env_files), env or {})
    options = running.RunOptions(env=env, volumes=volumes, user=user, workdir=workdir)
    with (
        readable.cache(settings) as cache,
        Builder(settings, cache=cache) as builder,
        workshops.Workshop(settings.sandbox, settings.limits) as workshop,
    ):
        workshop.start()  # while the image is opened
        where: dict[str, Any] = {"cache": cache, "workshop": workshop, "reporter": settings.reporter}
        where["limits"] = attrs.evolve(settings.limits, time=timeout)
        return int(running.run(builder.open(image, platform=own_platform()), argv, options=options, **where))
