"""The lock, version 1: the exact packages for a manifest, by digest and platform.

It names sources but never mirrors, and has no timestamps: resolving to the same packages on another day gives the same
text. Packages are sorted by name, one per line, so that an update of one package changes one line. See docs/lock.md.
Annotations are not postponed in this module, because `checked` evaluates them when a class is created.
"""

import collections
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any

import attrs

from imgforge.digest import Digest
from imgforge.document import names, yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.document.rule import ContradictionError, Keyed, Rule, checked
from imgforge.errors import IntegrityError, ManifestError

VERSION = 1
"""The format version."""

_VERSION_KEY = "imgforge-lock"
_LIMITS = yaml.Limits(characters=16 << 20, nodes=2_000_000)
_LARGEST = 1 << 40

_ONE_LINE = Rule("one line of text", r"[^\x00-\x1f\x7f]+")
_SIZE = Rule(f"a number of bytes from 0 to {_LARGEST}", least=0, most=_LARGEST)
_POOL = Rule("a path below the archive's root", names.SOURCE_PATH.pattern, reason=names.SOURCE_PATH.reason)

Line = Annotated[str, _ONE_LINE]
Hash = Annotated[Digest, names.DIGEST]


def digest_of(question: Iterable[str]) -> Digest:
    """Return the digest of the resolver's inputs from a manifest (`manifest.question`)."""
    return Digest.of("\n".join(question).encode())


@attrs.frozen(kw_only=True, field_transformer=checked)
class LockedSource:
    """A source of packages in this lock.

    Attributes:
        name: the name that packages refer to.
        identity: `apt.sources.Source.identity`: suites, components, keys; never a mirror.
    """

    name: Line
    identity: Line


@attrs.frozen(kw_only=True, field_transformer=checked)
class LockedPackage:
    """A package to install, and its file.

    Attributes:
        path: path of the ``.deb`` below the archive's root.
        size: size of the ``.deb`` in bytes.
        digest: digest of the ``.deb``.
        source: name of its source.
        requested: whether it was requested, by the manifest or for an image from scratch; False for a dependency.
    """

    name: Annotated[str, names.PACKAGE]
    version: Annotated[str, names.VERSION]
    architecture: Annotated[str, names.ARCHITECTURE]
    size: Annotated[int, _SIZE]
    digest: Hash
    path: Annotated[PurePosixPath, _POOL]
    source: Line
    requested: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.architecture}={self.version}"


def _by_name(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


def _by_platform(entries: "Iterable[PlatformLock]") -> "tuple[PlatformLock, ...]":
    return tuple(sorted(entries, key=lambda entry: entry.platform))


def _by_source(sources: Iterable[LockedSource]) -> tuple[LockedSource, ...]:
    return tuple(sorted(sources, key=lambda source: source.name))


@attrs.frozen(kw_only=True, field_transformer=checked)
class PlatformLock:
    """The packages for one platform.

    Attributes:
        platform: such as ``linux/amd64``.
        asked: the resolver's inputs from the manifest, one per line (`manifest.question`).
        answers: digest of those lines.
        base: digest of the base's manifest; None for scratch.
        sources: sorted by name.
        packages: the packages to add to the base, sorted by name and architecture.
    """

    platform: Annotated[str, names.PLATFORM]
    asked: tuple[Line, ...]
    answers: Hash = attrs.field(default=attrs.Factory(lambda self: digest_of(self.asked), takes_self=True))
    base: Hash | None = None
    sources: Annotated[tuple[LockedSource, ...], Keyed("name")] = attrs.field(converter=_by_source, default=())
    packages: tuple[LockedPackage, ...] = attrs.field(converter=_by_name, default=())

    def __attrs_post_init__(self) -> None:
        """Refuse duplicate packages, packages of unknown sources, and a digest of other inputs."""
        known = {source.name for source in self.sources}
        counts = collections.Counter((package.name, package.architecture) for package in self.packages)
        places = [
            ("packages", f"'{name}:{architecture}' is given twice")
            for (name, architecture), count in counts.items()
            if count > 1
        ]
        places += [
            ("packages", f"'{package.name}' is of {package.source!r}, which is not among 'sources'")
            for package in self.packages
            if package.source not in known
        ]
        if self.answers != digest_of(self.asked):
            places.append(("answers", "is not the digest of 'asked': the lock was changed by hand or by a merge"))
        if places:
            raise ContradictionError(tuple(places))

    @property
    def requested(self) -> tuple[LockedPackage, ...]:
        """The packages that the manifest requests by name."""
        return tuple(package for package in self.packages if package.requested)


@attrs.frozen(kw_only=True, field_transformer=checked)
class Lock:
    """The result of resolving a manifest.

    Attributes:
        name: name of the image.
        locked: the packages for each platform, sorted by platform.
    """

    name: Annotated[str, names.IMAGE]
    locked: Annotated[tuple[PlatformLock, ...], Keyed("platform")] = attrs.field(
        converter=_by_platform, metadata={"key": "platforms"}
    )

    @property
    def platforms(self) -> Mapping[str, PlatformLock]:
        """The packages by platform."""
        return MappingProxyType({entry.platform: entry for entry in self.locked})

    @classmethod
    def parse(cls, text: str, *, file: str) -> "Lock":
        """Parse a lock.

        Args:
            text: JSON, as written by `dump`.
            file: file name for positions.

        Raises:
            ManifestError: with all problems found.
        """
        return _fast(text) or _slow(text, file)

    def dump(self) -> str:
        """Return the lock as canonical JSON, with a trailing newline."""
        return "".join(_written(self))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("duplicate key")
    return values


def _fast(text: str) -> Lock | None:
    """Parse a valid lock, or return None. Recording the position of every value would take ten times as long."""
    try:
        data = json.loads(text[: _LIMITS.characters + 1], object_pairs_hook=_once)
        version = data.pop(_VERSION_KEY)
        entries = data.pop("platforms")
        locked = [PlatformLock(platform=platform, **_values(entry)) for platform, entry in entries.items()]
        lock = Lock(locked=locked, **data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IntegrityError):
        return None
    return lock if version == VERSION and type(version) is int else None


def _values(entry: dict[str, Any]) -> dict[str, Any]:
    """Convert JSON objects to the arguments of a `PlatformLock`."""
    values = dict(entry)
    values["asked"] = tuple(values["asked"])
    for key in {"answers", "base"} & values.keys():
        values[key] = Digest.parse(values[key])
    sources = values.get("sources", {})
    values["sources"] = [LockedSource(name=name, **source) for name, source in sources.items()]
    values["packages"] = [
        LockedPackage(
            **package | {"digest": Digest.parse(package["digest"]), "path": PurePosixPath(package["path"])},
        )
        for package in values.get("packages", ())
    ]
    return values


def _slow(text: str, file: str) -> Lock:
    """Parse a lock with the position of every value.

    Raises:
        ManifestError: with all problems found.
    """
    reading = yaml.read_versioned(text, file=file, key=_VERSION_KEY, limits=_LIMITS)
    if reading.root is None:
        raise ManifestError(reading.problems)
    binder = Binder(reading.problems)
    lock: Lock | None = bind_versioned(binder, reading.root, Lock, key=_VERSION_KEY, version=VERSION)
    if lock is None or binder.problems:
        raise ManifestError(tuple(binder.problems))
    return lock


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _written(lock: Lock) -> Iterator[str]:
    yield f'{{\n "{_VERSION_KEY}": {VERSION},\n "name": {_json(lock.name)},\n "platforms": {{'
    for index, entry in enumerate(lock.locked):
        yield f"{',' if index else ''}\n  {_json(entry.platform)}: {{\n"
        yield f'   "answers": "{entry.answers}",\n'
        yield _lines("asked", map(_json, entry.asked), brackets="[]") + ",\n"
        if entry.base is not None:
            yield f'   "base": "{entry.base}",\n'
        sources = (f'{_json(source.name)}: {{"identity": {_json(source.identity)}}}' for source in entry.sources)
        yield _lines("sources", sources, brackets="{}") + ",\n"
        yield _lines("packages", map(_package, entry.packages), brackets="[]") + "\n  }"
    yield "\n }\n}\n"


def _lines(key: str, items: Iterable[str], *, brackets: str) -> str:
    body = ",\n".join(f"    {item}" for item in items)
    return f'   "{key}": {brackets[0]}\n{body}\n   {brackets[1]}' if body else f'   "{key}": {brackets}'


def _package(package: LockedPackage) -> str:
    values = attrs.asdict(package, recurse=False) | {"digest": str(package.digest), "path": str(package.path)}
    if not package.requested:
        del values["requested"]
    return _json(values)


def differences(locked: PlatformLock, *, asked: Iterable[str], base: Digest | None) -> tuple[str, ...]:
    """Return why a lock does not match its manifest; empty if it does.

    Args:
        locked: the lock of the platform.
        asked: the resolver's inputs from the current manifest (`manifest.question`).
        base: digest of the current base's manifest; None for scratch.
    """
    now, then = set(asked), set(locked.asked)
    lines = [f"no longer asked: {line}" for line in sorted(then - now)]
    lines += [f"newly asked: {line}" for line in sorted(now - then)]
    if base != locked.base:
        lines.append(f"base was {locked.base or 'scratch'}, is {base or 'scratch'}")
    return tuple(lines)


def changes(before: PlatformLock | None, after: PlatformLock) -> tuple[str, ...]:
    """Return the differences between two locks of a platform: packages added, removed, and of another version."""
    old = {(package.name, package.architecture): package for package in (before.packages if before else ())}
    new = {(package.name, package.architecture): package for package in after.packages}
    lines = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was is None:
            lines.append(f"added {now}")
        elif now is None:
            lines.append(f"removed {was}")
        elif was.version != now.version:
            lines.append(f"changed {was} to {now.version}")
        elif was.digest != now.digest:
            lines.append(f"changed {was}: other bytes of the same version")
    return tuple(lines)
