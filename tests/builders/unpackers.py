"""Other people's programs that unpack images: umoci, and podman, which mounts what it unpacked."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
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
    _need("podman")
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as name:  # its runroot has 50 characters
        layouts.write(Path(name, "image"), layers)
        places = ("--root", f"{name}/root", "--runroot", f"{name}/run", "--tmpdir", f"{name}/tmp")
        storage = ("podman", *places, "--storage-driver", "vfs")
        # a path of its own would become a part of the image's name, which not every path can be
        pulled = _run(*storage, "pull", "--quiet", "oci:image:base", cwd=name)
        if pulled.returncode:
            assert "applying layer" in pulled.stderr.lower(), pulled.stderr
            return None
        image = pulled.stdout.split()[-1]
        mounted = _run(*storage, "image", "mount", image)
        assert mounted.returncode == 0, mounted.stderr
        try:
            return seen(Path(mounted.stdout.split()[-1]))
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
