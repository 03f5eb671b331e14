"""What may have been meant by the name of an image that the store does not have."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path

from imgforge.errors import StoreError
from imgforge.manifest import files
from imgforge.oci.reference import STORE, Reference, elsewhere


@contextlib.contextmanager
def explained(reference: Reference, *, manifests: tuple[Path, ...] = ()) -> Iterator[None]:
    """Add to the error of an image that the store does not have what may have been meant."""
    try:
        yield
    except StoreError as error:
        if reference.transport == STORE and reference.digest is None:
            names = (name for directory in manifests for name in files.names(directory))
            for close in difflib.get_close_matches(reference.name, names, n=1):
                error.add_note(f"did you mean the manifest {close!r}?")
            if there := elsewhere(reference.name):
                error.add_note(f"an image of a registry is written {there}")
        raise
