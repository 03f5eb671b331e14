"""The configuration file: defaults of a machine or a user.

It affects how data is fetched, but never the content of an image: no digest depends on it. Documented in docs/cli.md.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import attrs

from imgforge.document import disk, yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.document.rule import Rule, checked
from imgforge.errors import ManifestError, Position, Problem, UsageError
from imgforge.limits import SIZE_PATTERN, TIME_PATTERN, Limits, seconds, size

VERSION = 1
"""The format version, given as ``imgforge: 1``."""

_CAP = 1 << 20
_MACHINE = Path("/etc/imgforge/config.yaml")

MIRRORED = Rule("a suite or the beginning of a URI", pattern=r"[^\s=]+")
URI = Rule("a URI with http, https or file", pattern=r"(https?://|file:/)\S+")


SIZE = Rule("a size such as '4 GiB'", pattern=SIZE_PATTERN)
TIME = Rule("a time such as '90 seconds' or '2 hours'", pattern=TIME_PATTERN)
COUNT = Rule("a number from 16 to 4194304", least=16, most=1 << 22)  # Linux's maximum number of process ids


@attrs.frozen(field_transformer=checked, kw_only=True)
class LimitsSection:
    """Limits in a configuration file; see `imgforge.limits.Limits`."""

    memory: Annotated[str, SIZE] | None = None
    processes: Annotated[int, COUNT] | None = None
    time: Annotated[str, TIME] | None = None
    output: Annotated[str, SIZE] | None = None
    disk: Annotated[str, SIZE] | None = None
    layer: Annotated[str, SIZE] | None = None
    image: Annotated[str, SIZE] | None = None

    def over(self, below: Limits) -> Limits:
        """Return limits, overridden by those of this section."""
        given = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        read = {name: size(value) for name, value in given.items() if name not in ("processes", "time")}
        if self.processes is not None:
            read["processes"] = self.processes
        if self.time is not None:
            read["time"] = seconds(self.time)
        return attrs.evolve(below, **read)


@attrs.frozen(field_transformer=checked)
class Configuration:
    """A configuration file.

    Attributes:
        mirrors: pairs of a suite, or a prefix of a URI, and the URI to use instead.
        limits: resource limits of commands and images.
        cache_size: how much of the disk the cache may take.
    """

    mirrors: tuple[tuple[Annotated[str, MIRRORED], Annotated[str, URI]], ...] = attrs.field(default=(), repr=False)
    limits: LimitsSection | None = None
    cache_size: Annotated[str, SIZE] | None = None


def limits(files: Iterable[Configuration]) -> Limits:
    """Merge the limits of configuration files with the defaults; the first file has precedence."""
    found = Limits()
    for file in reversed(tuple(files)):
        found = file.limits.over(found) if file.limits else found
    return found


def cache_size(files: Iterable[Configuration]) -> int | None:
    """Return how many bytes of disk the cache may take, by the file that counts most; None if none gives it."""
    return next((size(file.cache_size) for file in files if file.cache_size), None)


def parse(text: str, *, file: str) -> Configuration:
    """Parse a configuration file.

    Raises:
        ManifestError: with all problems found.
    """
    reading = yaml.read_versioned(text, file=file, key="imgforge")
    binder = Binder(reading.problems)
    found: Configuration | None = None
    if reading.root is not None:
        found = bind_versioned(binder, reading.root, Configuration, key="imgforge", version=VERSION)
    if found is None or binder.problems:
        raise ManifestError(tuple(binder.problems))
    return found


def places(home: Path | None) -> tuple[Path, ...]:
    """Return the paths of configuration files in order of precedence: the user's, then the machine's.

    ``$IMGFORGE_CONFIG`` replaces both; if it is empty, none is read.

    Args:
        home: the user's configuration directory, for example ``~/.config``, if any.
    """
    given = os.environ.get("IMGFORGE_CONFIG")
    if given is not None:
        return (Path(given),) if given else ()
    return (home / "imgforge" / "config.yaml", _MACHINE) if home else (_MACHINE,)


def read(path: Path) -> Configuration:
    """Read a configuration file. A missing file has no settings.

    Raises:
        UsageError: it cannot be read.
        ManifestError: with all problems found.
    """
    try:
        with disk.open_file(path) as stream:
            data = stream.read(_CAP + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Configuration()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    try:
        return parse(data.decode(), file=str(path))
    except UnicodeDecodeError as error:
        problem = Problem(Position(str(path), data.count(b"\n", 0, error.start) + 1, 1), "is not UTF-8")
        raise ManifestError((problem,)) from error
