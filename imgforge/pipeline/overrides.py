"""What a manifest's configuration changes in the configuration of the image below."""

from __future__ import annotations

from imgforge.manifest.parts import Config
from imgforge.oci.config import Overrides
from imgforge.pipeline.policy.marks import Marks


def of(config: Config, marks: Marks) -> Overrides:
    """Return the changes, the marks of private inputs among the labels."""
    return Overrides(
        user=config.user,
        workdir=None if config.workdir is None else str(config.workdir),
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        stop_signal=config.stop_signal,
        env=config.env,
        labels=(*config.labels, *marks.image),
        ports=tuple(str(port) for port in config.ports),
        volumes=tuple(str(volume) for volume in config.volumes),
    )
