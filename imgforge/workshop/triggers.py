"""dpkg's triggers: what packages are interested in, and what unpacking them sets off. Pure.

Source: deb-triggers(5), and dpkg's ``doc/spec/triggers.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgforge.deb import triggers
from imgforge.layer.fragment import Fragment


def _directives(fragment: Fragment) -> tuple[tuple[str, str], ...]:
    return triggers.parse(fragment.triggers, what=f"{fragment.package}: triggers")


def interests(fragment: Fragment) -> Iterator[tuple[str, str]]:
    """Yield trigger names and the line that stands for this package's interest in them."""
    for directive, name in _directives(fragment):
        if directive in ("interest", "interest-await"):
            yield name, fragment.info_name
        elif directive == "interest-noawait":
            yield name, f"{fragment.info_name}/noawait"


def activations(fragments: tuple[Fragment, ...], *, interests: str) -> tuple[str, ...]:
    """Return the triggers that unpacking these packages activates, in a fixed order.

    Args:
        fragments: what is unpacked.
        interests: the lines of ``triggers/File``: a path and who is interested in what lies at or below it.
    """
    found = {
        name for fragment in fragments for directive, name in _directives(fragment) if directive.startswith("activate")
    }
    watched = {line.split()[0] for line in interests.split("\n") if line.strip()}
    for fragment in fragments:
        for path in fragment.shipped:
            found.update(_watched_above(path, watched))
    return tuple(sorted(found))


def _watched_above(path: str, watched: set[str]) -> Iterator[str]:
    while path and path != "/.":
        if path in watched:
            yield path
        path = path.rpartition("/")[0]
