"""The lock, version 1: exactly which packages answer a manifest, by digest, for each platform.

It names sources, never mirrors, and holds no time: the same answer found on another day is the same text. Written with
one package a line in the order of names, so that an update of one package changes one line. See docs/lock.md.
Annotations are not postponed here, because `checked` reads them when a class is made.
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
"""The format's version."""

_VERSION_KEY = "imgforge-lock"
_LIMITS = yaml.Limits(characters=16 << 20, nodes=2_000_000)
_LARGEST = 1 << 40

_ONE_LINE = Rule("one line of text", r"[^\x00-\x1f\x7f]+")
_SIZE = Rule(f"a number of bytes from 0 to {_LARGEST}", least=0, most=_LARGEST)
_POOL = Rule("a path below the archive's root", names.SOURCE_PATH.pattern, reason=names.SOURCE_PATH.reason)

Line = Annotated[str, _ONE_LINE]
Hash = Annotated[Digest, names.DIGEST]


def digest_of(question: Iterable[str]) -> Digest:
    """Return the digest of what a manifest asks (`manifest.question`)."""
    return Digest.of("\n".join(question).encode())


@attrs.frozen(kw_only=True, field_transformer=checked)
class LockedSource:
    """A source that packages of this lock come from.

    Attributes:
        name: what packages call it.
        identity: `apt.sources.Source.identity`: suites, components, keys; never a mirror.
    """

    name: Line
    identity: Line


@attrs.frozen(kw_only=True, field_transformer=checked)
class LockedPackage:
    """One package to install, and where its bytes are.

    Attributes:
        path: of the ``.deb``, below the root of the archive.
        size: of the ``.deb``, in bytes.
        digest: of the ``.deb``.
        source: the name of its source.
        requested: whether the manifest asks for it, or a package that does depends on it.
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
    """What is installed for one platform.

    Attributes:
        platform: such as ``linux/amd64``.
        asked: what the manifest asked, line by line (`manifest.question`).
        answers: the digest of those lines.
        base: the digest of the base's manifest; None from scratch.
        sources: in the order of their names.
        packages: those that are not in the base yet, in the order of names and architectures.
    """

    platform: Annotated[str, names.PLATFORM]
    asked: tuple[Line, ...]
    answers: Hash = attrs.field(default=attrs.Factory(lambda self: digest_of(self.asked), takes_self=True))
    base: Hash | None = None
    sources: Annotated[tuple[LockedSource, ...], Keyed("name")] = attrs.field(converter=_by_source, default=())
    packages: tuple[LockedPackage, ...] = attrs.field(converter=_by_name, default=())

    def __attrs_post_init__(self) -> None:
        """Refuse packages that stand twice or come from nowhere, and a digest of other questions."""
        known = {source.name for source in self.sources}
        counts = collections.Counter((package.name, package.architecture) for package in self.packages)
        places = [
            ("packages", f"'{name}:{architecture}' stands here twice")
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
        """The packages that the manifest asks for by name."""
        return tuple(package for package in self.packages if package.requested)


@attrs.frozen(kw_only=True, field_transformer=checked)
class Lock:
    """Everything that a manifest leaves open, decided.

    Attributes:
        name: the image's.
        locked: for each platform, in the order of their names.
    """

    name: Annotated[str, names.IMAGE]
    locked: Annotated[tuple[PlatformLock, ...], Keyed("platform")] = attrs.field(
        converter=_by_platform, metadata={"key": "platforms"}
    )

    @property
    def platforms(self) -> Mapping[str, PlatformLock]:
        """What is locked, by platform."""
        return MappingProxyType({entry.platform: entry for entry in self.locked})

    @classmethod
    def parse(cls, text: str, *, file: str) -> "Lock":
        """Read a lock.

        Args:
            text: JSON, as `dump` writes it.
            file: its name in positions.

        Raises:
            ManifestError: with every problem found.
        """
        return _fast(text) or _slow(text, file)

    def dump(self) -> str:
        """Return the lock as JSON in its one canonical form, with a newline at the end."""
        return "".join(_written(self))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("duplicate key")
    return values


def _fast(text: str) -> Lock | None:
    """Return what a good lock says, or None: reading every value's position costs ten times the time."""
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
    """Return the arguments of a `PlatformLock` from JSON's objects."""
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
    """Return what a lock says after looking at each value, with its position.

    Raises:
        ManifestError: with every problem found.
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
    """Say why a lock does not answer a manifest any more; nothing when it does.

    Args:
        locked: the lock of the platform.
        asked: what the manifest asks now (`manifest.question`).
        base: the digest of the base's manifest now; None from scratch.
    """
    now, then = set(asked), set(locked.asked)
    lines = [f"no longer asked: {line}" for line in sorted(then - now)]
    lines += [f"newly asked: {line}" for line in sorted(now - then)]
    if base != locked.base:
        lines.append(f"base was {locked.base or 'scratch'}, is {base or 'scratch'}")
    return tuple(lines)


def changes(before: PlatformLock | None, after: PlatformLock) -> tuple[str, ...]:
    """Say what changed between two locks of one platform: packages added, removed and with another version."""
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
