"""Compressed streams: reads untrusted input with limits, and writes output that is identical on all machines."""

from __future__ import annotations

from imgforge.codec.source import BombError
from imgforge.codec.stream import decompress
from imgforge.codec.xz import LZMA_HEADER, is_lzma

__all__ = ["LZMA_HEADER", "BombError", "decompress", "is_lzma"]
