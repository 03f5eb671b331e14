"""Debian's docker-registry on the loopback interface, open, with passwords, with tokens, with TLS."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

USER, PASSWORD = "alice", "wonderland"
HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu\n"
"""The cheapest bcrypt of the password: docker-registry computes it for each request."""

_PATIENCE = 30
_LISTENING = re.compile(rb"listening on 127\.0\.0\.1:([0-9]+)")


@attrs.frozen
class Registry:
    """A running registry.

    Attributes:
        host: with the port.
        root: where it keeps its files; unused when they are in memory.
    """

    host: str
    root: Path


@contextlib.contextmanager
def serve(
    directory: Path,
    *,
    auth: Mapping[str, Any] | None = None,
    tls: tuple[Path, Path] | None = None,
    on_disk: bool = False,
) -> Iterator[Registry]:
    """Run a registry during a block.

    Args:
        directory: for its configuration and files.
        auth: the section ``auth`` of its configuration.
        tls: its certificate and key.
        on_disk: keep blobs in files, rather than in memory.
    """
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    root = directory / "root"
    config = directory / "config.json"
    config.write_text(json.dumps(_configuration(root if on_disk else None, auth=auth, tls=tls)))
    log = directory / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as server,
    ):
        try:
            yield Registry(f"127.0.0.1:{_port(server, log)}", root)
        finally:
            server.kill()


def _configuration(
    root: Path | None, *, auth: Mapping[str, Any] | None, tls: tuple[Path, Path] | None
) -> dict[str, Any]:
    storage = {"filesystem": {"rootdirectory": str(root)}} if root else {"inmemory": {}}
    certificate = {"tls": {"certificate": str(tls[0]), "key": str(tls[1])}} if tls else {}
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {**storage, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", **certificate},
        **({"auth": auth} if auth else {}),
    }


def _port(server: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the registry to say on which port it listens."""
    end = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < end:
        found = _LISTENING.search(log.read_bytes())
        if found:
            return int(found[1])
        time.sleep(0.01)
    raise AssertionError(log.read_text())


def passwords(directory: Path) -> dict[str, Any]:
    """Return the section ``auth`` for one user with a password."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "htpasswd"
    path.write_text(HTPASSWD)
    return {"htpasswd": {"realm": "tests", "path": str(path)}}
