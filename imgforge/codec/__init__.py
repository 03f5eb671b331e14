"""Compressed streams: reads untrusted input with limits, and writes output that is identical on all machines."""

from __future__ import annotations

from imgforge.codec.source import BombError
from imgforge.codec.stream import decompress

__all__ = ["BombError", "decompress"]
