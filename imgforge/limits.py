"""Resource limits of a command in an image, and of an image. Pure.

docs/sandbox.md, "Limits", documents each limit and what happens when it is exceeded.
"""

from __future__ import annotations

import attrs

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_BYTES = {"kB": 1000, "MB": 1000**2, "GB": 1000**3, **dict(_UNITS)}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_SHORT_SECONDS = {"s": 1, "m": 60, "h": 3600}

LAYER_RATIO = 1000
"""Maximum ratio of a layer's size to its compressed size. gzip reaches 1032 on zeros; no real tree reaches 100."""

LAYER_FREE = 256 << 20
"""Size in bytes that is always allowed for a layer, regardless of `LAYER_RATIO`."""

SIZE_PATTERN = r"[1-9][0-9]{0,6} (kB|MB|GB|KiB|MiB|GiB)"
TIME_PATTERN = r"[1-9][0-9]{0,6} (second|minute|hour)s?"


@attrs.frozen(kw_only=True)
class Limits:
    """The limits. Sizes are in bytes.

    Attributes:
        memory: of all processes of a command together.
        processes: of a command, including threads.
        time: seconds for a command; None for no limit, which is the default of `imgforge run`.
        output: output of a command during a build.
        disk: total writes of an image's commands, and size of the largest file.
        layer: uncompressed size of a layer that is read.
        image: total uncompressed size of the layers of an image that is read.
    """

    memory: int = 8 << 30
    processes: int = 4096
    time: int | None = 3600
    output: int = 64 << 20
    disk: int = 16 << 30
    layer: int = 16 << 30
    image: int = 64 << 30

    def unpacked(self, compressed: int) -> int:
        """Return the maximum uncompressed size of a layer, given its compressed size."""
        return min(self.layer, max(LAYER_FREE, LAYER_RATIO * compressed))

    def shown(self, name: str) -> str:
        """Format a limit for people: ``8 GiB``, ``4096``, ``60 minutes``."""
        value = getattr(self, name)
        if name == "processes":
            return str(value)
        if name == "time":
            return shown_time(value)
        return shown_size(value)

    @staticmethod
    def seconds(text: str) -> int | None:
        """Parse ``90``, ``90s``, ``15m`` or ``2h``; return None for anything else."""
        number, unit = (text[:-1], text[-1]) if text[-1:] in _SHORT_SECONDS else (text, "s")
        if not (number.isascii() and number.isdigit() and len(number) < 8 and int(number)):
            return None
        return int(number) * _SHORT_SECONDS[unit]


def size(text: str) -> int:
    """Parse ``300 MB`` or ``4 GiB``; the text must match `SIZE_PATTERN`."""
    number, unit = text.split(" ")
    return int(number) * _BYTES[unit]


def seconds(text: str) -> int:
    """Parse ``90 seconds`` or ``2 hours``; the text must match `TIME_PATTERN`."""
    number, unit = text.split(" ")
    return int(number) * _SECONDS[unit.removesuffix("s")]


def shown_size(value: int) -> str:
    """Format a size in the largest unit that divides it."""
    for unit, factor in _UNITS:
        if value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} bytes"


def shown_time(value: int) -> str:
    """Format a duration in seconds or minutes."""
    return f"{value // 60} minutes" if value % 60 == 0 and value > 60 else f"{value} seconds"
