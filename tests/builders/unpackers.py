"""Other people's programs that unpack images: umoci, and podman, which mounts what it unpacked."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import layouts, trees
from imgforge.rootfs.owners import SECOND


def umoci(layers: tuple[bytes, ...], place: Path) -> dict[str, str] | None:
    """Return the tree that umoci makes of layers; None where it refuses them."""
    _need("umoci")
    layout, bundle = place / "umoci-image", place / "bundle"
    layouts.write(layout, layers)
    done = _run("umoci", "unpack", "--image", f"{layout}:base", str(bundle))
    return seen(bundle / "rootfs") if done.returncode == 0 else None


def podman(layers: tuple[bytes, ...], _place: Path) -> dict[str, str] | None:
    """Return the tree that podman makes of layers, by containers/storage; None where it refuses them."""
    with tempfile.TemporaryDirectory(prefix="layers-") as name:
        layouts.write(Path(name, "image"), layers)
        # a path of its own would become a part of the image's name, which not every path can be
        with pulled_by_podman("oci:image:base", cwd=name) as root:
            return seen(root) if root else None


@contextlib.contextmanager
def pulled_by_podman(source: str, *options: str, cwd: str | None = None) -> Iterator[Path | None]:
    """Pull an image into a storage of its own; give its root, mounted, or None where podman refuses a layer.

    Args:
        source: where the image is.
        options: of ``podman pull``.
        cwd: where relative sources begin.
    """
    _need("podman")
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as name:  # its runroot has 50 characters
        places = ("--root", f"{name}/root", "--runroot", f"{name}/run", "--tmpdir", f"{name}/tmp")
        storage = ("podman", *places, "--storage-driver", "vfs")
        done = _run(*storage, "pull", "--quiet", *options, source, cwd=cwd)
        if done.returncode:
            assert "applying layer" in done.stderr.lower(), done.stderr
            yield None
            return
        image = done.stdout.split()[-1]
        mounted = _run(*storage, "image", "mount", image)
        assert mounted.returncode == 0, mounted.stderr
        try:
            yield Path(mounted.stdout.split()[-1])
        finally:
            _run(*storage, "image", "umount", "--force", image)


def seen(root: Path) -> dict[str, str]:
    """Return a tree as it is compared: with the whole seconds of its files' times, and none of its directories'.

    Nobody keeps those of directories that no entry names, and umoci sets fractions of seconds, which imgforge drops.
    """
    found = {path: text.rsplit(" @", 1) for path, text in trees.view(root, times=True).items()}
    return {
        path: text if path.endswith("/") else f"{text} @{int(time) // SECOND}" for path, (text, time) in found.items()
    }


UNPACKERS: dict[str, Callable[[tuple[bytes, ...], Path], dict[str, str] | None]] = {"umoci": umoci, "podman": podman}


def _need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def _run(*words: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)
