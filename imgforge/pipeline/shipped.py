"""The manifests that can be named: those of the caller's directories, and those that come with imgforge."""

from __future__ import annotations

import attrs

from imgforge.errors import ImgforgeError
from imgforge.manifest import files
from imgforge.settings import Settings

_BYTES_MAX = 4096
"""How far into a manifest its description goes."""


@attrs.frozen
class Named:
    """A manifest that can be built by its name.

    Attributes:
        name: of the image.
        base: what it stands on.
        description: the comment at the manifest's start; may be empty.
        path: of the file.
    """

    name: str
    base: str
    description: str
    path: str


def manifests(*, settings: Settings) -> tuple[Named, ...]:
    """Return the manifests of the settings' directories, in the order of their names; a name counts once.

    Args:
        settings: where manifests are.
    """
    found: dict[str, Named] = {}
    for directory in settings.manifests:
        here: dict[str, Named] = {}
        for path in files.manifests(directory):
            try:
                file = files.read(path)
            except ImgforgeError:  # YAML of something else
                continue
            here[file.manifest.name] = Named(
                file.manifest.name, file.manifest.base, description_of(files.head(path, most=_BYTES_MAX)), str(path)
            )
        found = {**here, **found}
    return tuple(found[name] for name in sorted(found))


def description_of(text: str) -> str:
    """Return the comment that a manifest begins with, in one line; empty where there is none."""
    lines = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(line for line in lines if line)
