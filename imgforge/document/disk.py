"""Documents and what they name, read from disk."""

from __future__ import annotations

from pathlib import Path

from imgforge.errors import ManifestError, Position, Problem, UsageError


def read(path: Path, *, most: int, position: Position) -> bytes:
    """Return the content of a file that a person wrote or named.

    Args:
        path: of the file.
        most: bytes that it may have.
        position: where it is named, for what is wrong with it.

    Raises:
        ManifestError: it is larger than allowed.
        UsageError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: expected a file, got a directory, pipe or device")
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > most:
        raise ManifestError((Problem(position, f"{path}: expected at most {most} bytes, got more"),))
    return data
