"""How much one command in an image, and one image, may use. Pure.

docs/sandbox.md, "Limits", says what each means and what happens beyond it.
"""

from __future__ import annotations

import attrs

_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_BYTES = {"kB": 1000, "MB": 1000**2, "GB": 1000**3, **dict(_UNITS)}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_SHORT_SECONDS = {"s": 1, "m": 60, "h": 3600}

LAYER_RATIO = 1000
"""How often a layer may be larger than its compressed bytes. gzip reaches 1032 on zeros, and no real tree 100."""

LAYER_FREE = 256 << 20
"""Bytes that a layer may always have: `LAYER_RATIO` is for larger ones."""

SIZE_PATTERN = r"[1-9][0-9]{0,6} (kB|MB|GB|KiB|MiB|GiB)"
TIME_PATTERN = r"[1-9][0-9]{0,6} (second|minute|hour)s?"


@attrs.frozen(kw_only=True)
class Limits:
    """The limits; sizes in bytes.

    Attributes:
        memory: of all processes of one command together.
        processes: of one command, threads included.
        time: seconds that one command may run; None for no limit. `imgforge run` has one only when it is asked for.
        output: that one command may print in a build.
        disk: that the commands of one image may write, and the largest single file.
        layer: of one layer of an image that is read, unpacked.
        image: of all layers of such an image, unpacked.
    """

    memory: int = 8 << 30
    processes: int = 4096
    time: int | None = 3600
    output: int = 64 << 20
    disk: int = 16 << 30
    layer: int = 16 << 30
    image: int = 64 << 30

    def unpacked(self, compressed: int) -> int:
        """Return how large a layer may be whose compressed bytes are so many."""
        return min(self.layer, max(LAYER_FREE, LAYER_RATIO * compressed))

    def shown(self, name: str) -> str:
        """Return one limit for people: ``8 GiB``, ``4096``, ``60 minutes``."""
        value = getattr(self, name)
        if name == "processes":
            return str(value)
        if name == "time":
            return shown_time(value)
        return shown_size(value)

    @staticmethod
    def seconds(text: str) -> int | None:
        """Read ``90``, ``90s``, ``15m`` or ``2h``; None for anything else."""
        number, unit = (text[:-1], text[-1]) if text[-1:] in _SHORT_SECONDS else (text, "s")
        if not (number.isascii() and number.isdigit() and len(number) < 8 and int(number)):
            return None
        return int(number) * _SHORT_SECONDS[unit]


def size(text: str) -> int:
    """Read ``300 MB`` or ``4 GiB``, which `SIZE_PATTERN` has checked."""
    number, unit = text.split(" ")
    return int(number) * _BYTES[unit]


def seconds(text: str) -> int:
    """Read ``90 seconds`` or ``2 hours``, which `TIME_PATTERN` has checked."""
    number, unit = text.split(" ")
    return int(number) * _SECONDS[unit.removesuffix("s")]


def shown_size(value: int) -> str:
    """Return a number of bytes for people, in the largest unit that divides it."""
    for unit, factor in _UNITS:
        if value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} bytes"


def shown_time(value: int) -> str:
    """Return a number of seconds for people."""
    return f"{value // 60} minutes" if value % 60 == 0 and value > 60 else f"{value} seconds"
