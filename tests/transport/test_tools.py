"""Other people's tools read what imgforge writes, and the other way round."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import images
from builders.tools import run

from imgforge.image import Image
from imgforge.oci.config import Overrides
from imgforge.oci.manifest import Manifest
from imgforge.oci.reference import Reference
from imgforge.oci.verified import drain
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.table import Table, transports

MADE = images.build_image(
    {"etc/hello": b"hello\n", "usr/bin/true": b""},
    {"etc/.wh.hello": b"", "etc/new": b"new\n"},
    changes=Overrides(user="1000", env=(("A", "1"),), cmd=("sh",), labels=(("k", "v"),)),
)
DIFF_IDS = [str(diff_id) for diff_id in MADE.image.config.diff_ids]


@pytest.fixture
def served(tmp_path: Path) -> Table:
    return transports(Layout(tmp_path / "store"))


@pytest.fixture
def podman() -> Iterator[tuple[str, ...]]:
    """Podman with a storage of its own, in a short place: it takes no run directory of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="p-") as directory:
        places = ("--root", f"{directory}/root", "--runroot", f"{directory}/run", "--tmpdir", f"{directory}/tmp")
        yield ("podman", *places, "--storage-driver", "vfs")


def write(text: str, served: Table) -> None:
    table.write(MADE.image, MADE.open, reference=Reference.parse(text), table=served)


def read(text: str, served: Table) -> Image:
    with table.read(Reference.parse(text), table=served) as opened:
        for layer in opened.image.manifest.layers:
            with opened.open(layer) as stream:
                drain(stream)
        return opened.image


@pytest.mark.parametrize("place", ["oci:{}/out:name", "oci-archive:{}/out.tar:name"])
def test_skopeo_copies_what_imgforge_wrote_unchanged(tmp_path: Path, served: Table, place: str) -> None:
    text = place.format(tmp_path)
    write(text, served)
    run("skopeo", "--insecure-policy", "copy", text, f"oci:{tmp_path}/copy:name")
    assert Layout(tmp_path / "copy").resolve("name").digest == MADE.image.digest
    assert json.loads(run("skopeo", "inspect", text))["Digest"] == str(MADE.image.digest)


def test_skopeo_reads_a_docker_archive(tmp_path: Path, served: Table) -> None:
    text = f"docker-archive:{tmp_path}/out.tar:hello:v1"
    write(text, served)
    assert json.loads(run("skopeo", "inspect", "--config", text))["rootfs"]["diff_ids"] == DIFF_IDS
    run("skopeo", "--insecure-policy", "copy", text, f"oci:{tmp_path}/copy:name")
    images.check_layout(Layout(tmp_path / "copy"))


@pytest.mark.root
def test_podman_loads_a_docker_archive(tmp_path: Path, served: Table, podman: tuple[str, ...]) -> None:
    write(f"docker-archive:{tmp_path}/out.tar:hello:v1", served)
    assert "localhost/hello:v1" in run(*podman, "load", "--input", tmp_path / "out.tar")
    found = json.loads(run(*podman, "image", "inspect", "localhost/hello:v1"))[0]
    assert found["Id"] == MADE.image.config.digest.hex
    assert found["RootFS"]["Layers"] == DIFF_IDS
    assert found["Config"]["User"] == "1000"


@pytest.mark.root
def test_podman_loads_an_oci_archive(tmp_path: Path, served: Table, podman: tuple[str, ...]) -> None:
    write(f"oci-archive:{tmp_path}/out.tar:localhost/hello:v1", served)
    run(*podman, "load", "--input", tmp_path / "out.tar")
    found = json.loads(run(*podman, "image", "inspect", "localhost/hello:v1"))[0]
    assert found["Digest"] == str(MADE.image.digest)


@pytest.mark.root
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_what_podman_saves_is_read(tmp_path: Path, served: Table, podman: tuple[str, ...], form: str) -> None:
    write(f"docker-archive:{tmp_path}/out.tar:hello:v1", served)
    run(*podman, "load", "--input", tmp_path / "out.tar")
    run(*podman, "save", "--format", form, "--output", tmp_path / "saved.tar", "localhost/hello:v1")
    name = ":hello:v1" if form == "docker-archive" else ""
    image = read(f"{form}:{tmp_path}/saved.tar{name}", served)
    assert [str(diff_id) for diff_id in image.config.diff_ids] == DIFF_IDS
    assert image.config.execution == MADE.image.config.execution
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "saved.tar").read_bytes()))
    assert read(f"{form}:{tmp_path}/packed", served).config == image.config


@pytest.mark.parametrize("form", ["oci:{}/theirs:name", "oci-archive:{}/theirs.tar:name"])
def test_what_skopeo_writes_is_read_unchanged(tmp_path: Path, served: Table, form: str) -> None:
    write(f"oci:{tmp_path}/out:name", served)
    run("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}/out:name", form.format(tmp_path))
    assert read(form.format(tmp_path), served) == MADE.image


def test_what_skopeo_writes_for_docker_is_read(tmp_path: Path, served: Table) -> None:
    write(f"oci:{tmp_path}/out:name", served)
    theirs = f"docker-archive:{tmp_path}/theirs.tar:hello:v1"
    run("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}/out:name", theirs)
    image = read(theirs, served)
    assert [str(diff_id) for diff_id in image.config.diff_ids] == DIFF_IDS


def test_a_docker_schema_2_image_becomes_an_oci_base(tmp_path: Path, served: Table) -> None:
    write(f"oci:{tmp_path}/out:name", served)
    run("skopeo", "--insecure-policy", "copy", "--format", "v2s2", f"oci:{tmp_path}/out:name", f"dir:{tmp_path}/dir")
    layout = Layout(tmp_path / "docker")
    for path in sorted((tmp_path / "dir").iterdir()):
        layout.add_blob(path)
    manifest = Manifest.parse((tmp_path / "dir" / "manifest.json").read_bytes(), what="docker")
    layout.tag("docker", manifest.descriptor)
    image = read(f"oci:{tmp_path}/docker:docker", served)
    assert image.manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    above = images.build_image({"etc/above": b"x"}, base=images.Made(image, MADE.blobs))
    write_above = Reference.parse(f"oci:{tmp_path}/above:name")
    table.write(above.image, above.open, reference=write_above, table=served)
    found = json.loads(run("skopeo", "inspect", "--config", f"oci:{tmp_path}/above:name"))
    assert found["rootfs"]["diff_ids"][:-1] == DIFF_IDS
    if shutil.which("umoci"):
        run("umoci", "stat", "--json", "--image", f"{tmp_path}/above:name")
