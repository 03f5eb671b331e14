"""What ran in an image, as values.

Apart from `steps`, which are made anew for each image: what ran is asked for long afterwards, by who makes nothing.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class ScriptRun:
    """One thing that ran in the image while its packages were configured.

    Attributes:
        label: ``preinst NAME``, ``configure NAME``, ``trigger NAME``, or the command's own label.
        seconds: wall clock.
    """

    label: str
    seconds: float


@attrs.frozen
class Configured:
    """What came of configuring an image's packages, beside its files.

    Attributes:
        runs: what ran, in order.
        notes: what to tell of what the scripts left: see `rootfs.identities`.
    """

    runs: tuple[ScriptRun, ...]
    notes: tuple[str, ...]
