"""The configuration file: what imgforge uses on a machine, or for a user, unless it is told otherwise.

It says how bytes are reached, never what an image is: nothing in it can change a digest. docs/cli.md describes it.
"""

import os
from pathlib import Path
from typing import Annotated

import attrs

from imgforge.document import yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.document.rule import Rule, checked
from imgforge.errors import ManifestError, Position, Problem, UsageError

VERSION = 1
"""The format's version, which a file gives as ``imgforge: 1``."""

_CAP = 1 << 20
_MACHINE = Path("/etc/imgforge/config.yaml")

MIRRORED = Rule("a suite or the beginning of a URI", pattern=r"[^\s=]+")
URI = Rule("a URI with http, https or file", pattern=r"(https?://|file:/)\S+")


@attrs.frozen(field_transformer=checked)
class Configuration:
    """What one file says.

    Attributes:
        mirrors: pairs of a suite, or the beginning of a URI, and the URI to use in its stead.
    """

    mirrors: tuple[tuple[Annotated[str, MIRRORED], Annotated[str, URI]], ...] = attrs.field(default=(), repr=False)


def parse(text: str, *, file: str) -> Configuration:
    """Read a configuration file's text.

    Raises:
        ManifestError: it is not what the format says; all problems together.
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
    """Return the files that are looked for, what counts most first: the user's and the machine's.

    ``$IMGFORGE_CONFIG`` names one to read in their stead, or none when it is empty.

    Args:
        home: the user's directory of configuration, for example ``~/.config``, if there is one.
    """
    given = os.environ.get("IMGFORGE_CONFIG")
    if given is not None:
        return (Path(given),) if given else ()
    return (home / "imgforge" / "config.yaml", _MACHINE) if home else (_MACHINE,)


def read(path: Path) -> Configuration:
    """Read a configuration file; one that does not exist says nothing.

    Raises:
        UsageError: it cannot be read.
        ManifestError: it is not what the format says.
    """
    try:
        with path.open("rb") as stream:
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
