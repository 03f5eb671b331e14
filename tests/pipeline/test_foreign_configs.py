"""Configs and manifests of bases that others wrote: what is harmless is taken, as Docker does, or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import shaping
from builders.attacks import Arena
from builders.shaping import Shape, app, tar
from builders.worlds import World

import imgforge
from imgforge.errors import UsageError
from imgforge.pipeline.image import running
from imgforge.rootfs.facts import Facts

pytestmark = pytest.mark.root

_PLAIN: dict[str, Any] = {"architecture": "amd64", "os": "linux"}
_STEP = {"created": "2024-01-01T00:00:00Z", "created_by": "one"}
FORMS: dict[str, dict[str, Any]] = {
    "nothing but a platform": {},
    "no platform": {"architecture": None, "os": None},
    "an empty platform": {"architecture": "", "os": ""},
    "a variant": {"variant": "v1"},
    "null members": {"config": None, "history": None, "created": None, "author": None},
    "no command": {"config": {"Cmd": [], "Entrypoint": []}},
    "a command that is a text": {"config": {"Cmd": "sh"}},
    "variables that define nothing": {"config": {"Env": ["=x", "BARE", "", None, "A=1"]}},
    "a user of a group alone": {"config": {"User": ":0"}},
    "a history of more steps": {"history": [_STEP, _STEP, _STEP]},
    "a history of fewer steps": {"history": [{**_STEP, "empty_layer": True}]},
    "no time": {"created": ""},
    "a time that is none": {"created": "yesterday"},
    "the year one": {"created": "0001-01-01T00:00:00Z"},
    "members that nobody knows": {"config": {"Unknown": {"a": [1]}, "Memory": 5}, "x": None, "moby.buildkit": 7},
    "labels that are null": {"config": {"Labels": {"a": None}, "ExposedPorts": {"80/tcp": None}}},
    "a large label": {"config": {"Labels": {"sbom": "x" * (2 << 20)}}},
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "annotations that are null": {"annotations": None},
    "a null annotation": {"annotations": {"a": None}},
    "members of the manifest that nobody knows": {"unknown": 1, "urls": []},
}


@pytest.fixture(scope="module")
def bench(arena: Arena) -> World:
    return arena.world


def base(world: World, name: str, shape: Shape) -> str:
    path = world.path / "base" / str(abs(hash(name)))
    shaping.write(shape, path)
    world.manifest("above", base=f"oci:{path}:base", files=[{"dir": "/srv/own"}], config={"env": {"OWN": "1"}})
    return f"oci:{path}:base"


@pytest.mark.parametrize("name", [*FORMS, *MANIFESTS])
@pytest.mark.parametrize("is_docker", [True, False])
def test_a_form_of_config_is_taken(bench: World, name: str, *, is_docker: bool) -> None:
    config = {**_PLAIN, **FORMS.get(name, {})}
    shape = Shape((tar(app()),), config, is_docker=is_docker, manifest=MANIFESTS.get(name, {}))
    reference = base(bench, f"{name}{is_docker}", shape)
    built = bench.build("above").image
    assert (built.config.platform.os, built.config.platform.architecture) == ("linux", "amd64")
    assert built.config.execution.env in ((("OWN", "1"),), (("A", "1"), ("OWN", "1")))
    assert len([step for step in built.config.history if not step.is_empty]) == len(built.manifest.layers) == 2
    for image in (reference, "above"):
        assert imgforge.inspect(image, settings=bench.settings).layers
        assert imgforge.sbom(image, settings=bench.settings)
    assert imgforge.diff(reference, "above", settings=bench.settings).files


def test_an_image_without_a_platform_is_kept_by_its_name(bench: World) -> None:
    """The store's index names no platform then, which it may not name in part."""
    reference = base(bench, "unnamed", Shape((tar(app()),), {"os": "linux"}))
    imgforge.copy(reference, "unnamed", settings=bench.settings)
    assert bench.layout.resolve("unnamed").platform is None
    assert imgforge.inspect("unnamed", settings=bench.settings).layers


def test_a_config_of_another_type_is_one_in_docker_s_manifests(bench: World) -> None:
    path = bench.path / "base" / "untyped"
    shaping.write(Shape((tar(app()),), _PLAIN, is_docker=True, config_type="application/octet-stream"), path)
    assert imgforge.inspect(f"oci:{path}:base", settings=bench.settings).layers


@pytest.mark.attack
@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (
            Shape((tar(app()),), _PLAIN, config_type="application/octet-stream"),
            "expected an image, got a config of type",
        ),
        (Shape((tar(app()),), {**_PLAIN, "x": "y" * (5 << 20)}), "expected at most 4194304 bytes|4194304"),
        (Shape((tar(app()),), _PLAIN, diff_ids=()), "expected 0 layers as its config says, got 1"),
        (Shape((tar(app()),), _PLAIN, diff_ids=(f"sha256:{'0' * 64}",) * 2), "expected 2 layers as its config says"),
        (
            Shape((tar(app()),), _PLAIN, layer_type="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            "expected a tar layer, plain or with gzip or zstd",
        ),
        (Shape((tar(app()),), {**_PLAIN, "architecture": 7}), "architecture: expected text, got 7"),
        (
            Shape((tar(app()),), {**_PLAIN, "os": "windows", "architecture": ""}),
            "expected an image for linux/amd64, got windows",
        ),
    ],
    ids=["untyped", "large", "no diff_ids", "more diff_ids", "not distributed", "no text", "another system"],
)
def test_what_is_not_harmless_is_refused(arena: Arena, shape: Shape, says: str, tmp_path: Path) -> None:
    shaping.write(shape, tmp_path / "base")
    arena.world.manifest(base=f"oci:{tmp_path}/base:base", files=[{"dir": "/srv/app"}])
    arena.refused(code=6, says=says)


_ACCOUNTS = Facts(
    {}, {"etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:900:901::/srv:/bin/sh\n", "etc/group": b"adm:x:4:app\n"}
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [0, 0]),
        (":", [0, 0]),
        ("app:", [900, 901, 4]),
        (":adm", [0, 4]),
        (":4", [0, 4]),
        ("1000680000", [1000680000, 0]),
        ("2147483647:2147483647", [2147483647, 2147483647]),
    ],
)
def test_a_user_may_leave_a_part_out(text: str, ids: list[int]) -> None:
    assert running.user_of(text, _ACCOUNTS)[0] == ids


@pytest.mark.attack
@pytest.mark.parametrize(
    "text", ["2147483648", "4294967295", "-1", "0x0", "root:4294967295", "99999999999", "app:nobody"]
)
def test_a_number_that_no_user_has_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="the image has no such"):
        running.user_of(text, _ACCOUNTS)
