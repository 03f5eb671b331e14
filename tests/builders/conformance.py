"""OCI's own conformance suite for registries: built once by Go from the module that tests/data/conformance pins."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

_MODULE = Path(__file__).parents[1] / "data" / "conformance"
_PACKAGE = "github.com/opencontainers/distribution-spec/conformance"
_GO = (1, 24)
"""The oldest Go that builds it: Debian 12 has an older one, so nothing installs it for these tests."""

_SECONDS = 300


@attrs.frozen
class Result:
    """How a registry did.

    Attributes:
        code: the suite's exit code.
        apis: by name of a part of the API: ``Pass``, ``FAIL``, ``Skip``, ``Disabled``.
        data: likewise, by kind of content.
        text: what the suite printed.
    """

    code: int
    apis: dict[str, str]
    data: dict[str, str]
    text: str = attrs.field(repr=False)


def build(place: Path) -> Path:
    """Return the suite's program, or skip the test where Go or its modules cannot be had.

    Args:
        place: keeps the program, for the next time; half a minute of building.
    """
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go([0-9]+)\.([0-9]+)", version)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        pytest.skip(f"expected Go {_GO[0]}.{_GO[1]} or newer, got {version.strip()}")
    pinned = hashlib.sha256((_MODULE / "go.sum").read_bytes()).hexdigest()[:12]
    program = place / f"conformance-{pinned}"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    made = program.with_suffix(".new")
    done = subprocess.run(
        [go, "build", "-mod=readonly", "-o", made, _PACKAGE],
        cwd=_MODULE,
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if "SECURITY ERROR" in done.stderr:
        raise AssertionError(done.stderr)
    if done.returncode:
        pytest.skip(f"the suite cannot be built: {done.stderr.strip()[-300:]}")
    made.rename(program)


def run(program: Path, host: str, place: Path, **more: str) -> Result:
    """Run the suite against a registry on this machine.

    Args:
        program: see `build`.
        host: the registry's host and port.
        place: for its report.
        more: settings of the suite, without ``OCI_``: its README, "Environment Variables".
    """
    settings = {
        "REGISTRY": host,
        "TLS": "disabled",
        "RESULTS_DIR": str(place),
        "LOG": "error",
        "VERSION": "1.1",
        **more,
    }
    environment = {f"OCI_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [program], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    said: dict[str, Any] = yaml.safe_load((place / "results.yaml").read_text())
    return Result(done.returncode, said["apis"], said["data"], done.stdout + done.stderr)
