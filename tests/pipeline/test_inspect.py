"""What the layers of an image hold: of one that was built, of one in a registry, and of one from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import images, registries
from builders.images import Made
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.pipeline.image.inspecting import LayerContents, LayerPackage
from imgforge.settings import Settings
from imgforge.store.layout import Layout

KIB = 1024


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        yield running.host


def stanza(name: str, version: str, *, size: int = 1, architecture: str = "amd64", state: str = "installed") -> str:
    fields = {
        "Package": name,
        "Status": f"install ok {state}" if state == "installed" else f"deinstall ok {state}",
        "Architecture": architecture,
        "Version": version,
        "Installed-Size": str(size),
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def layer(status: str, *lists: str) -> dict[str, bytes]:
    return {"var/lib/dpkg/status": status.encode(), **{f"var/lib/dpkg/info/{name}.list": b"/.\n" for name in lists}}


def foreign() -> Made:
    """An image as others make it: each layer brings files, lists and the whole status."""
    first = "\n".join((stanza("libc6", "2.36", size=10), stanza("tar", "1.34"), stanza("sed", "4.9")))
    second = "\n".join(
        (
            stanza("libc6", "2.37", size=12),
            stanza("tar", "1.34"),
            stanza("sed", "4.9", state="config-files"),
            stanza("nginx", "1.22", size=400, architecture="all"),
        )
    )
    return images.build_image(
        layer(first, "libc6:amd64", "tar", "sed"), {"srv/app": b"x" * 700}, layer(second, "libc6:amd64", "nginx")
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store", cache=tmp_path / "cache", now=images.EPOCH)


def packages(seen: imgforge.Inspection) -> list[list[tuple[str, str]]]:
    return [[(one.name, one.version) for one in layer.packages] for layer in seen.layers]


def put(made: Made, settings: Settings, name: str) -> None:
    layout = Layout(settings.store)
    layout.create()
    images.put(made, layout, name)


def test_an_image_from_elsewhere_has_its_packages_in_the_layers_that_brought_them(settings: Settings) -> None:
    put(foreign(), settings, "foreign")
    seen = imgforge.inspect("foreign", settings=settings)
    assert packages(seen) == [
        [("libc6", "2.36"), ("sed", "4.9"), ("tar", "1.34")],
        [],
        [("libc6", "2.37"), ("nginx", "1.22")],
    ]
    assert seen.layers[2].packages[0] == LayerPackage("libc6", "2.37", "amd64", 12 * KIB)
    assert [layer.removed for layer in seen.layers] == [(), (), ("sed",)]
    assert seen.layers[1].content == 700


def test_a_status_without_lists_says_what_is_new(settings: Settings) -> None:
    made = images.build_image(layer(stanza("a", "1")), layer("\n".join((stanza("a", "2"), stanza("b", "1")))))
    put(made, settings, "bare")
    assert packages(imgforge.inspect("bare", settings=settings)) == [[("a", "1")], [("a", "2"), ("b", "1")]]


def test_lists_without_a_status_name_packages_without_a_version(settings: Settings) -> None:
    put(images.build_image({"var/lib/dpkg/info/odd:s390x.list": b"", "var/lib/dpkg/info/.list": b""}), settings, "odd")
    (only,) = imgforge.inspect("odd", settings=settings).layers
    assert only.packages == (LayerPackage("odd", "", "s390x", None),)


@pytest.fixture
def built(world: World) -> World:
    world.package("hello", files={"usr/share/hello": b"x" * 5000}, fields={"Installed-Size": "7"})
    world.package("friend", depends="hello", scripts={"postinst": "touch /etc/friend"})
    world.build(world.manifest(packages=["friend"]))
    return world


def test_a_built_image_has_each_package_in_one_layer_and_none_twice(built: World) -> None:
    seen = imgforge.inspect("image", settings=built.settings)
    own = seen.layers[len(built.image("ground").manifest.layers) :]
    assert [one.name for layer in own for one in layer.packages] == ["friend", "hello"]
    status = built.image().text("var/lib/dpkg/status").split("\n\n")
    listed = sorted(line.split()[1] for one in status for line in one.splitlines() if line.startswith("Package:"))
    assert sorted(one.name for layer in seen.layers for one in layer.packages) == listed
    hello = next(one for layer in own for one in layer.packages if one.name == "hello")
    assert (hello.version, hello.architecture, hello.size) == ("1.0", "all", 7 * KIB)
    assert [layer.digest for layer in seen.layers] == [one.digest for one in seen.image.manifest.layers]


def test_an_image_in_a_registry_is_shown_as_the_one_in_the_store(built: World, host: str, tmp_path: Path) -> None:
    reference = f"docker://{host}/apps/image:1"
    imgforge.push("image", reference, settings=built.settings)
    elsewhere = Settings(store=tmp_path / "store", cache=tmp_path / "cache", manifests=(), now=images.EPOCH)
    seen = imgforge.inspect(reference, settings=elsewhere)
    assert seen.layers == imgforge.inspect("image", settings=built.settings).layers
    assert all(isinstance(layer, LayerContents) for layer in seen.layers)


def test_the_command_prints_the_largest_packages_of_each_layer(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [stanza(f"p{number:02}", "1", size=number) for number in range(1, 13)]
    put(images.build_image(layer("\n".join(many)), layer(many[0])), settings, "many")
    places = (f"--store={settings.store}", f"--cache={settings.cache}")

    def perform(*words: str) -> str:
        capsys.readouterr()
        assert main(["inspect", "many", *words, *places]) == 0
        return capsys.readouterr().out

    lines = perform().partition("\n\n")[2].splitlines()
    assert lines[0].split() == ["LAYER", "SIZE", "FILES", "UNPACKED", "MADE", "BY"]
    assert lines[2].split() == ["p12", "1", "12.3", "kB"]
    assert lines[10] == "  and 4 more (10.2 kB)"
    assert lines[-1].startswith("  without p02, p03")
    assert "more" not in perform("--packages")
    layers = json.loads(perform("--json"))["layers"]
    assert layers[0]["packages"][11] == {"name": "p12", "version": "1", "architecture": "amd64", "size": 12 * KIB}
    assert layers[1]["removed"][0] == "p02"
