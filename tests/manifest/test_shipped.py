"""The manifests that ship: each loads, its base and its material are there, its keys are Debian's."""

from pathlib import Path

import pysequoia
import pytest

from imgforge.manifest import files
from imgforge.manifest.parts import CopyFiles

TREE = Path(__file__).parents[2] / "manifests"
PATHS = list(files.manifests(TREE))
NAMES = {
    "bookworm",
    "trixie",
    "python3-bookworm",
    "php8.2-bookworm",
    "nodejs-bookworm",
    "java17-bookworm",
    "python3-trixie",
    "nodejs-trixie",
    "hello-python",
    "hello-php",
    "hello-node",
}
KEYS = {
    "debian-bookworm": {
        "b8b80b5b623eab6ad8775c45b7c5d7d6350947f8",
        "4d64fec119c2029067d6e791f8d2585b8783d481",
    },
    "debian-bookworm-security": {"05ab90340c0c5e797f44a8c8254cf3b5aec0a8f0"},
    "debian-trixie": {
        "04b54c3cdca79751b16bc6b5225629df75b188bd",
        "41587f7db8c774bccf131416762f67a0b2c39de4",
    },
    "debian-trixie-security": {"5e04a1e3223a19a20706e20f9904613d4cce68c6"},
}
"""Fingerprints as Debian publishes them at ftp-master.debian.org/keys.html."""


def test_these_manifests_ship() -> None:
    assert {files.read(path).manifest.name for path in PATHS} == NAMES


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(TREE)))
def test_a_shipped_manifest_is_whole(path: Path) -> None:
    read = files.read(path)
    assert files.find(read.manifest.name, [TREE]) == path
    assert read.manifest.is_from_scratch or files.find(read.manifest.base, [TREE])
    assert all(read.keys(source.signed_by) for source in read.manifest.sources)
    copied = [entry for entry in read.manifest.files if isinstance(entry, CopyFiles)]
    assert all(read.source(entry.source).exists() for entry in copied)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(TREE)))
def test_an_example_runs_as_nobody_special(path: Path) -> None:
    read = files.read(path)
    if "examples" in path.parts:
        assert read.manifest.config.user == "900:900"


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_shipped_key_is_debians(name: str) -> None:
    data = (TREE / "keys" / f"{name}.asc").read_bytes()
    assert {cert.fingerprint for cert in pysequoia.Cert.split_bytes(data)} == KEYS[name]


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_shipped_key_file_is_one_block(name: str) -> None:
    # bookworm's apt-key stops at the end of the first: what follows would not be trusted inside the image.
    assert (TREE / "keys" / f"{name}.asc").read_text(encoding="ascii").count("BEGIN PGP PUBLIC KEY BLOCK") == 1
