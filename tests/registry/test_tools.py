"""skopeo, umoci and podman agree with imgforge on what is in a registry, whoever put it there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import images
from builders.pushes import MADE, QUICK, Place, check_pulled, push, reference
from builders.registries import PASSWORD, USER
from builders.tools import run

from imgforge.image import Image
from imgforge.oci.reference import Reference
from imgforge.registry.client import Client
from imgforge.registry.credentials import from_files
from imgforge.registry.upload import Way
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.registry import publish

DIFF_IDS = [str(diff_id) for diff_id in MADE.image.config.diff_ids]


def copy(source: str, target: str, *options: str) -> None:
    """Copy with skopeo; the registry of a private authority is believed without it."""
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "--insecure-policy", "copy", *plain, *options, source, target)


def creds(place: Place, direction: str) -> tuple[str, ...]:
    return () if place.credentials(place.host, "") is None else (f"--{direction}-creds={USER}:{PASSWORD}",)


@pytest.fixture
def podman() -> Iterator[tuple[str, ...]]:
    """Podman with a storage of its own, in a short place: it takes no run directory of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="p-") as directory:
        places = ("--root", f"{directory}/root", "--runroot", f"{directory}/run", "--tmpdir", f"{directory}/tmp")
        yield ("podman", *places, "--storage-driver", "vfs")


def read(client: Client, text: str) -> Image:
    served = table.transports(Layout(Path("/nonexistent")), client)
    with table.read(Reference.parse(text), table=served) as opened:
        for layer in opened.image.manifest.layers:
            with opened.open(layer) as stream:
                assert len(stream.read()) == layer.size
        return opened.image


def test_skopeo_pulls_what_imgforge_pushed(place: Place, tmp_path: Path, name: str) -> None:
    with place.client() as client:
        push(client, place.at(name))
    copy(f"{place.at(name)}:v1", f"oci:{tmp_path}/copy:name", *creds(place, "src"))
    layout = Layout(tmp_path / "copy")
    assert layout.resolve("name").digest == MADE.image.digest
    images.check_layout(layout)


def test_umoci_unpacks_what_imgforge_pushed(open_registry: Place, client: Client, tmp_path: Path, name: str) -> None:
    push(client, open_registry.at(name))
    copy(f"{open_registry.at(name)}:v1", f"oci:{tmp_path}/copy:name")
    run("umoci", "raw", "unpack", "--rootless", "--image", f"{tmp_path}/copy:name", tmp_path / "tree")
    assert (tmp_path / "tree" / "etc" / "hello").read_bytes() == b"hello\n" * 100


@pytest.mark.root
def test_podman_pulls_what_imgforge_pushed(place: Place, podman: tuple[str, ...], name: str) -> None:
    with place.client() as client:
        push(client, place.at(name))
    text = str(place.at(name)).removeprefix("docker://")
    who = [f"--creds={USER}:{PASSWORD}"] if creds(place, "src") else []
    run(*podman, "pull", "--tls-verify=false", *who, f"{text}:v1")
    found = json.loads(run(*podman, "image", "inspect", f"{text}:v1"))[0]
    assert found["Digest"] == str(MADE.image.digest)
    assert found["Id"] == MADE.image.config.digest.hex
    assert found["RootFS"]["Layers"] == DIFF_IDS


def test_imgforge_pulls_what_skopeo_pushed(place: Place, tmp_path: Path, name: str) -> None:
    images.put(MADE, Layout(tmp_path / "ours"), "name")
    copy(f"oci:{tmp_path}/ours:name", f"{place.at(name)}:v1", *creds(place, "dest"))
    with place.client() as client:
        check_pulled(client, place.at(name))


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_that_skopeo_pushed_serves_as_a_base(
    open_registry: Place, client: Client, tmp_path: Path, name: str, form: str
) -> None:
    images.put(MADE, Layout(tmp_path / "ours"), "name")
    base_text = f"{open_registry.at(f'{name}/base')}:v1"
    copy(f"oci:{tmp_path}/ours:name", base_text, "--format", form)
    base = read(client, base_text)
    assert [str(diff_id) for diff_id in base.config.diff_ids] == DIFF_IDS
    made = images.build_image({"etc/above": b"x"}, base=images.Made(base, MADE.blobs))
    repository = open_registry.at(f"{name}/app")
    pushed = publish(made.image, made.open, reference=reference(repository, "v1"), client=client)
    assert (pushed.count(Way.MOUNTED), pushed.count(Way.SENT)) == (3, 2)
    copy(f"{repository}:v1", f"oci:{tmp_path}/copy:name")
    assert Layout(tmp_path / "copy").resolve("name").digest == made.image.digest
    inspected = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"{repository}:v1"))
    assert inspected["Digest"] == str(made.image.digest)


def test_a_login_of_podman_lets_imgforge_in(password_registry: Place, tmp_path: Path, name: str) -> None:
    auth = tmp_path / "auth.json"
    words = ("--authfile", str(auth), "--tls-verify=false", "--username", USER, "--password", PASSWORD)
    run("skopeo", "login", *words, password_registry.host)
    find = from_files({"REGISTRY_AUTH_FILE": str(auth)})
    with Client(credentials=find, patience=QUICK) as client:
        push(client, password_registry.at(name))
        check_pulled(client, password_registry.at(name))
