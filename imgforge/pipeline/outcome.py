"""What a build is asked for, and what came of it."""

from __future__ import annotations

import attrs

from imgforge.digest import Digest
from imgforge.image import Image
from imgforge.pipeline.layer.installed import Installed
from imgforge.pipeline.lock.locking import Locked


@attrs.frozen
class Built:
    """An image that was built.

    Attributes:
        name: of its manifest.
        digest: of its OCI manifest: the image's identity.
        image: its manifest and configuration.
        installed: its own package and state layers.
        lock: what was installed.
        reused: whether nothing at all had to be made.
    """

    name: str
    digest: Digest
    image: Image
    installed: Installed
    lock: Locked
    reused: bool = attrs.field(default=False, eq=False)


@attrs.frozen
class Mode:
    """How locks are treated.

    Attributes:
        locked: a lock that does not fit is an error, and none is written.
        upgrade: packages whose versions are free; empty for all, None to take a lock that fits.
        may_miss: whether those packages need not be in the lock: there are other locks.
    """

    locked: bool = False
    upgrade: tuple[str, ...] | None = None
    may_miss: bool = False
