"""Amounts that a policy gives: an age, a size, and the keys that must all have signed."""

from __future__ import annotations

import re

import attrs

_HOURS = {"hour": 1, "day": 24, "week": 24 * 7}
_BYTES = {"kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@attrs.frozen
class Age:
    """How old something may be, in seconds."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> Age:
        """Read ``30 days``."""
        number, unit = text.split(" ")
        return cls(int(number) * _HOURS[unit.removesuffix("s")] * 3600)

    def __str__(self) -> str:
        return spoken(self.seconds)


def spoken(seconds: int) -> str:
    """Return a duration for people: days where there are two, else hours."""
    days, hours = seconds // 86400, seconds // 3600
    return f"{days} days" if days > 1 else f"{hours} hour{'' if hours == 1 else 's'}"


@attrs.frozen
class Size:
    """How large something may be, in bytes."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``300 MB``."""
        number, unit = text.split(" ")
        return cls(int(number) * _BYTES[unit])

    def __str__(self) -> str:
        return megabytes(self.bytes)


def megabytes(size: int) -> str:
    """Return a number of bytes for people, rounded up."""
    return f"{-(-size // 100_000) / 10:g} MB"


@attrs.frozen
class Signer:
    """A key that must have signed, or several of which one will do: ``operations`` or ``new-key | old-key``."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read names with bars between."""
        return cls(tuple(re.split(r" *\| *", text)))

    def __str__(self) -> str:
        return " or ".join(map(repr, self.names))
