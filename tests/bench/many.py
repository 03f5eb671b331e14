"""Lock many manifests of one source in one process: ``many.py STORE CACHE DIRECTORY``."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import imgforge
from imgforge.errors import ResolveError

COUNT = 200
_SEED = 4


def write(directory: Path, *, base: str, names: Sequence[str], count: int = COUNT) -> None:
    """Write manifests on one base, each of one to five packages; the same names give the same manifests."""
    source = random.Random(_SEED)
    for number in range(count):
        packages = ", ".join(dict.fromkeys(source.choices(names, k=source.randint(1, 5))))
        path = directory / f"many-{number:03}.yaml"
        path.write_text(f"imgforge: 1\nname: {path.stem}\nbase: {base}\npackages: [{packages}]\n")


def main() -> None:
    """Lock every manifest of a directory, and print how many had an answer."""
    store, cache, directory = map(Path, sys.argv[1:4])
    settings = imgforge.Settings.default(store=store, cache=cache, offline=True)
    answered = 0
    for path, made in imgforge.lock_each(sorted(directory.glob("many-*.yaml")), settings=settings):
        if isinstance(made, ResolveError):
            print(f"{path}: {made}")
        elif isinstance(made, imgforge.ImgforgeError):
            raise made
        else:
            answered += 1
    print(answered)


if __name__ == "__main__":
    main()
