"""Tar archives: read anybody's safely, write ours byte for byte the same.

The formats are POSIX.1-2017 `pax`_ (ustar with extended headers) and the GNU extensions that layers and
packages really hold. Not a general archiver: volumes and incremental dumps are refused.

.. _pax: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
"""

from __future__ import annotations

from imgforge.tar.content import Content
from imgforge.tar.form import TarError
from imgforge.tar.member import LAYER, PACKAGE, Forms
from imgforge.tar.reader import LIMITS, Limits, Names, read
from imgforge.tar.writer import END, Writer, header

__all__ = [
    "END",
    "LAYER",
    "LIMITS",
    "PACKAGE",
    "Content",
    "Forms",
    "Limits",
    "Names",
    "TarError",
    "Writer",
    "header",
    "read",
]
