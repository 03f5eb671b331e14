"""A package's file ``triggers``: what it is interested in, and what its unpacking sets off.

Source: deb-triggers(5); dpkg's lib/dpkg/trigname.c and src/main/trigproc.c for the names that it accepts.
"""

from __future__ import annotations

import re

from imgforge.deb.errors import TriggersError

DIRECTIVES = ("activate", "activate-await", "activate-noawait", "interest", "interest-await", "interest-noawait")

# dpkg keeps a name's interests in a file of that name: what could be another file is none. A path is looked up only.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*|/[!-~]*")
_TAKEN = ("File", "Lock", "Unincorp")


def parse(text: str, *, what: str) -> tuple[tuple[str, str], ...]:
    """Return directives and the names of their triggers, in order.

    Args:
        text: the whole file.
        what: its name in messages.

    Raises:
        TriggersError: a line is none that dpkg accepts.
    """
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = re.findall(r"[^ \t]+", line.partition("#")[0])
        if not words:
            continue
        if len(words) != 2 or words[0] not in DIRECTIVES:
            raise TriggersError(f"{what}:{number}: expected a directive and a trigger, got {line[:80]!r}")
        if not _NAME.fullmatch(words[1]) or words[1] in _TAKEN:
            raise TriggersError(f"{what}:{number}: expected a path or a package's name, got {words[1][:80]!r}")
        found.append((words[0], words[1]))
    return tuple(found)
