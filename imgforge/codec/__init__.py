"""Compressed streams: anybody's are read with a cap, ours are written the same on every machine."""

from __future__ import annotations

from imgforge.codec.source import BombError
from imgforge.codec.stream import decompress

__all__ = ["BombError", "decompress"]
