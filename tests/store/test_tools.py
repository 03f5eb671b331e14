"""Other people's tools read the store, and imgforge reads what they write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import images
from builders.tools import run

from imgforge.image import Image
from imgforge.oci.config import Overrides
from imgforge.store.layout import Layout

MADE = images.build_image(
    {"etc/hello": b"hello\n", "usr/bin/true": b""},
    {"etc/.wh.hello": b"", "etc/new": b"new\n"},
    changes=Overrides(user="1000", env=(("A", "1"),), cmd=("sh",), ports=("80/tcp",), labels=(("k", "v"),)),
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "store")
    images.put(MADE, layout, "made")
    return layout


def test_skopeo_reads_the_image(layout: Layout) -> None:
    found = json.loads(run("skopeo", "inspect", f"oci:{layout.path}:made"))
    assert found["Digest"] == str(MADE.image.digest)
    assert found["Layers"] == [str(layer.digest) for layer in MADE.image.manifest.layers]
    assert found["Created"] == "2023-11-14T22:13:20Z"
    assert found["Labels"] == {"k": "v"}
    config = json.loads(run("skopeo", "inspect", "--config", f"oci:{layout.path}:made"))
    assert config["config"]["User"] == "1000"
    assert [step.get("empty_layer", False) for step in config["history"]] == [
        False,
        False,
        True,
        True,
        True,
        True,
        True,
    ]


def test_skopeo_copies_the_image_without_changing_it(layout: Layout, tmp_path: Path) -> None:
    run("skopeo", "--insecure-policy", "copy", f"oci:{layout.path}:made", f"oci:{tmp_path}/copy:made")
    copy = Layout(tmp_path / "copy")
    assert copy.resolve("made").digest == MADE.image.digest
    images.check_layout(copy)


def test_what_skopeo_adds_to_the_store_is_found_and_kept(layout: Layout, tmp_path: Path) -> None:
    run("skopeo", "--insecure-policy", "copy", f"oci:{layout.path}:made", f"oci:{layout.path}:again")
    assert layout.names() == ("again", "made")
    layout.remove("made")
    assert layout.gc().blobs == 0
    images.check_layout(layout)


@pytest.mark.root
def test_umoci_unpacks_the_image(layout: Layout, tmp_path: Path) -> None:
    assert run("umoci", "ls", "--layout", layout.path) == "made\n"
    run("umoci", "unpack", "--image", f"{layout.path}:made", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        "etc/new",
        "usr/bin/true",
    ]
    umoci = json.loads(run("umoci", "stat", "--json", "--image", f"{layout.path}:made"))
    assert len(umoci["history"]) == 7


def test_umoci_s_collection_and_ours_agree(layout: Layout) -> None:
    loose = layout.add_blob(b"loose").digest
    run("umoci", "gc", "--layout", layout.path)
    assert not layout.has(loose)
    assert layout.gc().blobs == 0
    images.check_layout(layout)
    images.put(MADE, layout, "after")
    images.check_layout(layout)


def test_an_image_that_umoci_made_is_read(tmp_path: Path) -> None:
    run("umoci", "init", "--layout", tmp_path / "theirs")
    run("umoci", "new", "--image", f"{tmp_path}/theirs:new")
    run("umoci", "config", "--image", f"{tmp_path}/theirs:new", "--config.env", "A=1")
    layout = Layout(tmp_path / "theirs")
    image = Image.load(layout.read, layout.resolve("new"), platform=None, what="new")
    assert image.config.execution.env == (("A", "1"),)
    images.put(MADE, layout, "made")
    assert sorted(run("umoci", "ls", "--layout", layout.path).split()) == ["made", "new"]
