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
class Altered:
    """A file of a package that a script changed after the package was unpacked.

    Attributes:
        path: in the image, relative.
        package: that ships it.
        what: ``removed``, ``replaced`` by something of another kind, or ``changed``.
    """

    path: str
    package: str
    what: str


@attrs.frozen
class Configured:
    """What came of configuring an image's packages, beside its files.

    Attributes:
        runs: what ran, in order.
        altered: packages' files that scripts changed.
        notes: what to tell of what the scripts left: see `rootfs.identities`.
    """

    runs: tuple[ScriptRun, ...]
    altered: tuple[Altered, ...]
    notes: tuple[str, ...]
