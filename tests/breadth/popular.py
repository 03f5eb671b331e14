"""Makes the list of the packages of a release that images use most, from the archive's own Packages files.

    PYTHONPATH=tests python -m breadth.popular bookworm

The archive does not count installations. So a package's score is the weighted number of packages that need it:

- Only packages of the sections of `SHARES` count, which are what images hold: no desktops, games or translations.
- A package counts 100-fold if images are known to ask for it (tests/data/oracle/popular.txt, tests/privacy/alarms.py).
- One that depends on it counts 16, one at two steps 4, at three steps 1. Of alternatives the first counts that exists.
- One that recommends it counts 4, one that suggests it 1: servers are seldom depended on.

The list is what images are known to ask for, then the best of each section of servers, of languages and of `-dev`
packages, as many as `SHARES` says, then the best of all. Packages of the shipped base are left out: they are installed
already.
The same indices give the same list.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import attrs
from oracle import draw
from oracle.compare import index_of, starting_point
from oracle.root import Listed, host_lists
from privacy.alarms import SETS

from breadth import lists
from imgforge.apt.universe import Universe
from imgforge.deb import relation

COUNT = 1500
ARCHITECTURE = "amd64"

SHARES: Mapping[str, Mapping[str, int]] = {
    "servers": {"admin": 40, "database": 35, "httpd": 35, "mail": 35, "net": 55, "web": 20},
    "languages": {
        "cli-mono": 5, "gnu-r": 15, "golang": 10, "haskell": 10, "interpreters": 30, "java": 35, "javascript": 35,
        "lisp": 10, "ocaml": 5, "perl": 45, "php": 30, "python": 80, "ruby": 30, "rust": 5,
    },
    "-dev": {"libdevel": 160},
    "what these need": {
        "devel": 0, "editors": 0, "fonts": 0, "graphics": 0, "kernel": 0, "libs": 0, "localization": 0, "math": 0,
        "misc": 0, "science": 0, "shells": 0, "tex": 0, "text": 0, "utils": 0, "vcs": 0,
    },
}  # fmt: skip
"""How many packages of each section are in the list, at least; the rest of it are the best of all these sections."""

_ASKED = "what images ask for"
_KNOWN_WEIGHT = 100
_STEP_WEIGHTS = (16, 4, 1)
_RECOMMENDED, _SUGGESTED = 4, 1


@attrs.frozen
class Member:
    """A package of the archive as the list sees it.

    Attributes:
        name: of the package.
        section: without the component.
        needs: what it depends on: of each group of alternatives the first that exists.
        recommends: likewise.
        suggests: likewise.
    """

    name: str
    section: str
    needs: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()


def members(universe: Universe) -> dict[str, Member]:
    """Return the candidates of all packages of an archive by name."""
    names = sorted(set(universe.names()))
    candidates = {name: found for name in names if (found := universe.candidate(name)) is not None}

    def resolved(*fields: str) -> tuple[str, ...]:
        groups = (group for field in fields for group in relation.parse(field, architecture=ARCHITECTURE))
        found = (_first_of(universe, (item.name for item in group), candidates) for group in groups)
        return tuple(dict.fromkeys(name for name in found if name))

    return {
        name: Member(
            name,
            package.section.rpartition("/")[2],
            resolved(package.pre_depends, package.depends),
            resolved(package.recommends),
            resolved(package.suggests),
        )
        for name, package in candidates.items()
    }


def _first_of(universe: Universe, names: Iterable[str], known: Collection[str]) -> str:
    for name in names:
        if name in known:
            return name
        provider = min((package.name for package, _ in universe.providers(name)), default="")
        if provider in known:
            return provider
    return ""


def scores(packages: Mapping[str, Member], asked: Collection[str]) -> Counter[str]:
    """Return how much each package is used; see above."""
    sections = {section for shares in SHARES.values() for section in shares}
    found: Counter[str] = Counter()
    for package in packages.values():
        if package.section not in sections and package.name not in asked:
            continue
        weight = _KNOWN_WEIGHT if package.name in asked else 1
        for names, step in zip(_reached(package, packages), _STEP_WEIGHTS, strict=False):
            found.update(dict.fromkeys(names, weight * step))
        found.update(dict.fromkeys(package.recommends, weight * _RECOMMENDED))
        found.update(dict.fromkeys(package.suggests, weight * _SUGGESTED))
    return found


def _reached(package: Member, packages: Mapping[str, Member]) -> Iterator[frozenset[str]]:
    """Yield what a package needs at one step, at two, and so on; each name once."""
    seen = {package.name}
    edge = frozenset(package.needs) - seen
    for _ in _STEP_WEIGHTS:
        yield edge
        seen |= edge
        edge = frozenset(name for one in edge for name in packages[one].needs) - seen


def choose(
    packages: Mapping[str, Member], *, asked: Collection[str], base: Collection[str], count: int = COUNT
) -> dict[str, tuple[str, ...]]:
    """Return the list by group, each group from the most used package to the least.

    Args:
        packages: all of the archive, by name.
        asked: what images are known to ask for; names that do not exist are left out.
        base: what is installed already.
        count: how many packages the list has in all.
    """
    score = scores(packages, asked)
    ranked = sorted(packages.keys() - set(base), key=lambda name: (-score[name], name))
    groups = {_ASKED: tuple(name for name in ranked if name in asked)[:count]}
    taken = set(groups[_ASKED])

    def take(fits: Callable[[str], bool], most: int) -> list[str]:
        left = min(most, count - len(taken))
        found = [name for name in ranked if name not in taken and fits(name)][:left]
        taken.update(found)
        return found

    for group, shares in SHARES.items():
        names = [name for section, share in shares.items() for name in take(_of(packages, section), share)]
        groups[group] = tuple(names)
    known = {section for shares in SHARES.values() for section in shares} - {"libdevel"}
    rest = take(lambda name: packages[name].section in known, count)
    groups = {group: tuple(sorted(names, key=ranked.index)) for group, names in groups.items()}
    return {**groups, "what these need": tuple(rest)}


def _of(packages: Mapping[str, Member], section: str) -> Callable[[str], bool]:
    return lambda name: packages[name].section == section


def known_to_be_asked() -> frozenset[str]:
    """Return what images are known to ask for."""
    return frozenset((*draw.POPULAR, *(name for row in SETS for name in row.split())))


def text_of(groups: Mapping[str, tuple[str, ...]], *, release: str, suites: Iterable[Listed]) -> str:
    """Return the list as its file has it."""
    total = sum(map(len, groups.values()))
    lines = [
        f"# The {total} most used packages of {release}: `make breadth` installs each of them alone.",
        "# Made by tests/breadth/popular.py, which says how, from the main component of these suites:",
        *(f"#   {suite.name} of {suite.release.get('Date', 'no date')}" for suite in suites),
    ]
    for group, names in groups.items():
        lines += ["#", f"# {group}: {len(names)}", *names]
    return "\n".join(lines) + "\n"


def made(release: str, place: Path) -> str:
    """Return the list of a release, from the indices that the host has or that its mirror has.

    Args:
        release: its codename.
        place: an empty directory.
    """
    suites = host_lists(place / "archive", release=release)
    universe = Universe([index_of(suite) for suite in suites], architecture=ARCHITECTURE)
    base = [package.name for package in starting_point("minbase", universe, release=release)]
    groups = choose(members(universe), asked=known_to_be_asked(), base=base)
    return text_of(groups, release=release, suites=suites)


def main() -> int:
    """Write the lists of the releases that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("release", nargs="+", choices=lists.RELEASES)
    for release in parser.parse_args().release:
        with tempfile.TemporaryDirectory(prefix="popular-") as place:
            text = made(release, Path(place))
        lists.path_of(release).parent.mkdir(parents=True, exist_ok=True)
        lists.path_of(release).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
