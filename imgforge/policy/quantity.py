"""Ages, sizes and required signers, as written in a policy."""

from __future__ import annotations

import re

import attrs

_HOURS = {"hour": 1, "day": 24, "week": 24 * 7}
_BYTES = {"kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@attrs.frozen
class Age:
    """A maximum age, in seconds."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> Age:
        """Parse an age such as ``30 days``."""
        number, unit = text.split(" ")
        return cls(int(number) * _HOURS[unit.removesuffix("s")] * 3600)

    def __str__(self) -> str:
        return spoken(self.seconds)


def spoken(seconds: int) -> str:
    """Format a duration: in days from two days on, else in hours."""
    days, hours = seconds // 86400, seconds // 3600
    return f"{days} days" if days > 1 else f"{hours} hour{'' if hours == 1 else 's'}"


@attrs.frozen
class Size:
    """A maximum size, in bytes."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Parse a size such as ``300 MB``."""
        number, unit = text.split(" ")
        return cls(int(number) * _BYTES[unit])

    def __str__(self) -> str:
        return megabytes(self.bytes)


def megabytes(size: int) -> str:
    """Format a size in MB, rounded up."""
    return f"{-(-size // 100_000) / 10:g} MB"


@attrs.frozen
class Signer:
    """A required signer: one key, or alternatives, as in ``operations`` or ``new-key | old-key``."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Parse key names separated by ``|``."""
        return cls(tuple(re.split(r" *\| *", text)))

    def __str__(self) -> str:
        return " or ".join(map(repr, self.names))
