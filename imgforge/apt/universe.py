"""All packages that the sources of one resolve offer, and APT's choice among the versions of a name.

The candidate of a name is what APT would install: the version of the highest priority (imgforge.apt.pins), and of
equal ones the highest version, never older than what is installed unless a pin of 1000 or more says so.

Source: apt_preferences(5), "APT's Default Priority Assignments" and "The Effect of APT Preferences"; agreement with
apt-get is measured by tests/oracle.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from imgforge.apt.index import Index
from imgforge.apt.package import Package, is_same
from imgforge.apt.pins import DOWNGRADE, Pin, Preferences
from imgforge.apt.values import IndexFile
from imgforge.deb import relation
from imgforge.deb.version import sort_key

ANY = ":any"
"""Ends a name that only packages with ``Multi-Arch: allowed`` answer to (deb-control(5), ``Multi-Arch``)."""

Withhold = Callable[[IndexFile, str], str]
"""Returns why a package of an index does not exist here, by its name; empty text where it does."""

_PRIORITIES = {"": 0, "required": 1, "important": 2, "standard": 3, "optional": 4, "extra": 5}


def priority_rank(package: Package) -> int:
    """Return the place of the field ``Priority`` in APT's order: smaller is more important."""
    return _PRIORITIES.get(package.priority, 5)


def is_vital(package: Package) -> bool:
    """Tell whether APT treats a package as Essential: it counts itself among them (``pkgCacheGen::ForceEssential``)."""
    return package.essential or package.name == "apt"


class Universe:
    """The indices of a resolve, in the order of the sources. Answers are remembered: a universe is used for many."""

    def __init__(
        self,
        indices: Sequence[Index],
        *,
        architecture: str,
        pins: Sequence[Pin] = (),
        prefer: Mapping[str, str] | None = None,
        withhold: Withhold | None = None,
    ) -> None:
        """Put indices together.

        Args:
            indices: in the order of the sources, as APT would read them.
            architecture: the machine's, as Debian calls it; packages of any other but ``all`` do not exist here.
            pins: in the order of the preferences files.
            prefer: versions that go before every other choice, where they still exist, no pin forbids them, and
                nothing newer is installed: what a lock says.
            withhold: leaves packages out as if their index did not list them: neither they nor what they provide is a
                candidate, and they decide no order.
        """
        self.indices = tuple(indices)
        self.architecture = architecture
        self._preferences = Preferences(pins, architecture=architecture)
        self._prefer = dict(prefer or {})
        self._withhold = withhold
        self._versions: dict[str, tuple[tuple[Package, ...], ...]] = {}
        self._providers: dict[str, tuple[tuple[Package, str | None], ...]] = {}
        self._ranks: dict[str, tuple[int, int, int, int]] = {}
        self._candidates: dict[tuple[str, Package | None], Package | None] = {}

    def versions(self, name: str) -> tuple[Package, ...]:
        """Return the versions of a package, the highest first; of a version that two indices list, the first one's.

        Two of them are equal where indices list other content under one version.
        """
        return tuple(same[0] for same in self._grouped(name))

    def same(self, installed: Package) -> Package | None:
        """Return what an index lists for the very version that is installed, or None."""
        return next((one for one in self.versions(installed.name) if is_same(one, installed)), None)

    def candidate(self, name: str, installed: Package | None = None) -> Package | None:
        """Return the version that APT would install; None when there is none, or pins forbid all.

        Args:
            name: of the package.
            installed: the installed version, which is a candidate itself.
        """
        key = (name, installed)
        if key not in self._candidates:
            self._candidates[key] = self._choose(name, installed)
        return self._candidates[key]

    def priority(self, package: Package, *, is_installed: bool = False) -> int:
        """Return the pin priority of a version."""
        return self._preferences.of_version(self._group_of(package), is_installed=is_installed)

    def providers(self, name: str) -> tuple[tuple[Package, str | None], ...]:
        """Return every version of every package that provides a name, and the version that it provides (or None).

        A package does not provide its own name here. For ``NAME:any`` these are the packages called so and the
        providers of the name, as far as they are ``Multi-Arch: allowed``.
        """
        found = self._providers.get(name)
        if found is None:
            found = self._providers[name] = tuple(self._find_providers(name))
        return found

    def important(self) -> tuple[Package, ...]:
        """Return the candidates that are Essential or of priority ``required``, by name."""
        names = {package.name for index in self.indices for package in index.important() if self._fits(package)}
        candidates = (self.candidate(name) for name in sorted(names))
        return tuple(
            package for package in candidates if package and (package.essential or package.priority == "required")
        )

    def names(self) -> Iterator[str]:
        """Return the names of all packages, for suggestions; in no useful order and some twice."""
        for index in self.indices:
            yield from (name for name in index.names() if not self._withheld(index.file, name))

    def withheld(self, name: str) -> tuple[str, ...]:
        """Return why indices that have a package, or a provider of a name, do not count for it; nothing when all do."""
        if self._withhold is None:
            return ()
        listed = ((index, package) for index in self.indices for package in index.packages(name))
        provided = ((index, package) for index in self.indices for package in index.providers(name))
        pairs = itertools.chain(listed, provided)
        reasons = (self._withheld(index.file, package.name) for index, package in pairs)
        return tuple(dict.fromkeys(filter(None, reasons)))

    def rank(self, name: str) -> tuple[int, int, int, int]:
        """Return where a name is first mentioned: APT's order of names, by which it decides when nothing else does.

        Of two providers that are equal in everything APT takes the one mentioned last (depcache.cc, CompareProviders).
        """
        found = self._ranks.get(name)
        if found is None:
            found = self._ranks[name] = self._find_rank(name)
        return found

    def _find_rank(self, name: str) -> tuple[int, int, int, int]:
        for number, index in enumerate(self.indices):
            skip = None if self._withhold is None else functools.partial(self._withheld, index.file)
            mention = index.mention(name, architecture=self.architecture, skip=skip)
            if mention is not None:
                return (number, *mention)
        return (len(self.indices), 0, 0, 0)

    def _fits(self, package: Package) -> bool:
        if package.architecture not in (self.architecture, "all"):
            return False
        return self._withhold is None or package.index is None or not self._withhold(package.index, package.name)

    def _withheld(self, file: IndexFile, name: str) -> str:
        return "" if self._withhold is None else self._withhold(file, name)

    def _grouped(self, name: str) -> tuple[tuple[Package, ...], ...]:
        """Return the versions, the highest first and equal ones in the order of the indices, each with who lists it."""
        grouped = self._versions.get(name)
        if grouped is None:
            groups: list[list[Package]] = []
            for package in (package for index in self.indices for package in index.packages(name)):
                if self._fits(package):
                    same = next((group for group in groups if is_same(group[0], package)), None)
                    groups.append([package]) if same is None else same.append(package)
            groups.sort(key=lambda group: sort_key(group[0].version), reverse=True)
            grouped = self._versions[name] = tuple(map(tuple, groups))
        return grouped

    def _group_of(self, package: Package) -> tuple[Package, ...]:
        return next((group for group in self._grouped(package.name) if package in group), ())

    def _choose(self, name: str, installed: Package | None) -> Package | None:
        offers = list(self._grouped(name))
        own = None if installed is None else sort_key(installed.version)
        if installed is not None and not any(is_same(same[0], installed) for same in offers):
            offers = sorted([*offers, (installed,)], key=lambda same: sort_key(same[0].version), reverse=True)
        preferred = [same for same in offers if same[0].version == self._prefer.get(name)]
        wanted = [same for same in preferred if sort_key(same[0].version) >= (own or b"")]
        return self._best(wanted, installed) or self._best(offers, installed)

    def _best(self, offers: Sequence[tuple[Package, ...]], installed: Package | None) -> Package | None:
        """Return the version of the highest priority, of several the first (policy.cc, GetCandidateVer)."""
        chosen, highest = None, -1
        own = None if installed is None else sort_key(installed.version)
        for same in offers:
            is_installed = installed is not None and is_same(same[0], installed)
            priority = self._preferences.of_version(same, is_installed=is_installed)
            if priority == 0 or priority <= highest:
                continue
            if own is not None and priority < DOWNGRADE and sort_key(same[0].version) < own:
                continue
            chosen, highest = same[0], priority
        return chosen

    def _find_providers(self, name: str) -> Iterator[tuple[Package, str | None]]:
        if name.endswith(ANY):
            base = name.removesuffix(ANY)
            for package in self.versions(base):
                if package.multi_arch == "allowed":
                    yield package, package.version
            for package, version in self.providers(base):
                if package.multi_arch == "allowed":
                    yield package, version
        plain = name.removesuffix(ANY)  # as the table of an index has it
        listed = (package for index in self.indices for package in index.providers(plain) if self._fits(package))
        for package in dict.fromkeys(self._group_of(package)[0] for package in listed):
            versions = _versions_provided(package, self.architecture).get(name, ())
            yield from ((package, version) for version in versions)


@functools.lru_cache(maxsize=1 << 14)
def provisions(package: Package, architecture: str) -> tuple[tuple[str, str | None], ...]:
    """Return the names that a package provides beside its own, each with its version (or None).

    A name with ``:ARCHITECTURE`` is the plain name when the architecture is the package's, and left out otherwise.
    Only ``=`` has a meaning in Provides (Policy 7.5); APT ignores an item with another operator, and so does this.
    """
    found = []
    for item in itertools.chain.from_iterable(relation.parse(package.provides, architecture=architecture)):
        is_itself = item.name == package.name and item.version in (None, package.version)
        if is_itself or item.operator not in (None, "="):
            continue
        if item.qualifier in (None, "any"):
            found.append((item.name + (ANY if item.qualifier else ""), item.version))
        elif item.qualifier == architecture:
            found.append((item.name, item.version))
    return tuple(found)


@functools.lru_cache(maxsize=1 << 12)
def _versions_provided(package: Package, architecture: str) -> dict[str, list[str | None]]:
    """Map each provided name to the versions: some packages provide hundreds of names."""
    found: dict[str, list[str | None]] = {}
    for name, version in provisions(package, architecture):
        found.setdefault(name, []).append(version)
    return found
