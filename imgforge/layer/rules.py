"""Which paths of a package enter the image, and under which name.

Pure. Two rules, both taken from dpkg's behaviour:

* aliases: under a merged /usr the directories ``/bin``, ``/lib``, … are symlinks of the base while packages ship
  ``./lib/…``. A layer that held a directory ``lib/`` would replace the symlink, so its content goes to ``usr/lib``.
* path filters as dpkg(1) ``--path-exclude`` and ``--path-include``: shell patterns in which ``*`` also matches a slash.
  The last that matches decides; a directory, or a link that may stand for one, stays when something included may lie
  below it (dpkg's `filter_should_skip`).
"""

from __future__ import annotations

import fnmatch
import functools
import re

import attrs

MERGED_USR = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""The top-level directories that usrmerge turns into symlinks (debootstrap's `setup_merged_usr`)."""


@functools.lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob), re.DOTALL)


def _fixed_prefix(glob: str) -> str:
    """Return the part of a pattern before its first wildcard."""
    return re.split(r"[*?\[\\]", glob, maxsplit=1)[0]


@attrs.frozen
class PathRules:
    """What happens to each path of a package.

    Attributes:
        aliases: top-level names that are symlinks to ``usr/NAME`` in the image.
        filters: ``exclude`` or ``include`` and a pattern of absolute image paths, in dpkg's order.
    """

    aliases: tuple[str, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()

    def place(self, path: str) -> str:
        """Return where a package's path lies once the image's own symlinks are followed."""
        first = path.split("/", 1)[0]
        return f"usr/{path}" if first in self.aliases else path

    def admits(self, path: str, *, is_directory: bool) -> bool:
        """Tell whether a path enters the image.

        Args:
            path: relative, as the package has it.
            is_directory: whether it is a directory, or a symlink that may stand for one.
        """
        absolute = "/" + path
        verdict = "include"
        for kind, glob in self.filters:
            if _pattern(glob).match(absolute):
                verdict = kind
        if verdict == "include":
            return True
        return is_directory and any(_may_lie_below(absolute, glob) for kind, glob in self.filters if kind == "include")


def _may_lie_below(directory: str, glob: str) -> bool:
    prefix = _fixed_prefix(glob)
    return prefix.startswith(directory + "/") or (len(prefix) < len(glob) and (directory + "/").startswith(prefix))
