"""Bases that other tools made, each in its shape: built upon, run, looked into, compared, pushed and pulled."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from builders import registries, shapes, shaping, tools, unpackers
from builders.archives import Archive
from builders.worlds import World

from imgforge.cli.main import main

pytestmark = pytest.mark.root

ALL = {**shapes.DEBIAN, **shapes.OTHERS}


@pytest.fixture(scope="module")
def bench(ground: Archive, warm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a base of each shape, and a manifest on each; the files are those of the ground, a small Debian."""
    world = World.on(ground, tmp_path_factory.mktemp("foreign"), cache=warm_cache)
    world.package("hello", files={"usr/share/hello": b"hello\n"}, scripts={"postinst": "echo done > /etc/hello.done"})
    world.build("ground")
    found = sorted(world.image("ground").paths.items())
    debian = {path: (shown.member, shown.content) for path, shown in found if path not in (".", "")}
    others = {path: one for path, one in debian.items() if "dpkg" not in path and not path.startswith("etc/apt")}
    (world.manifests / "own.txt").write_text("own\n")
    for name, make in ALL.items():
        shaping.write(make(debian if name in shapes.DEBIAN else others), world.path / "bases" / name)
        world.manifest(
            name,
            base=f"oci:{world.path}/bases/{name}:base",
            files=[{"from": "own.txt", "to": "/srv/own.txt"}],
            config={"labels": {"made": "here"}, "env": {"OWN": "1"}},
        )
    return world


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        nobody = tmp_path_factory.mktemp("none") / "auth.json"
        nobody.write_text("{}")
        patch.setenv("REGISTRY_AUTH_FILE", str(nobody))
        yield running.host


def verb(world: World, name: str, *words: str, code: int = 0) -> str:
    """Run a verb of the command line; return what it prints, or says where it fails."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        got = main(world.words(name, *words)[3:])
    assert got == code, err.getvalue()
    assert "Traceback" not in err.getvalue()
    return out.getvalue() if not code else err.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_a_base_of_each_tool_is_built_upon_and_used(bench: World, host: str, name: str) -> None:
    built = bench.build(name)
    image = bench.image(name)
    assert image.text("srv/own.txt") == "own\n"
    config = built.image.config
    assert dict(config.execution.env)["OWN"] == "1"
    assert config.platform.architecture == "amd64"
    assert len(built.image.manifest.layers) == len(config.diff_ids)
    assert config.created >= "1970"

    shown = bench.command("run", "--user", "0", name, "--", *_shell(config.execution.entrypoint))
    assert (shown.returncode, shown.stdout.split()) == (0, ["app", "own", "1"]), shown.stderr

    told = json.loads(verb(bench, "inspect", "--json", name))
    assert told["digest"] == str(built.digest)
    verb(bench, "inspect", "--packages", name)
    spdx = json.loads(verb(bench, "sbom", name))
    assert spdx["spdxVersion"] == "SPDX-2.3"

    changed = verb(bench, "diff", f"oci:{bench.path}/bases/{name}:base", name)
    assert "srv/own.txt" in changed
    assert "srv/app.txt" not in changed

    verb(bench, "push", name, f"docker://{host}/{name}:1")
    seen = json.loads(tools.run("skopeo", "inspect", "--tls-verify=false", f"docker://{host}/{name}:1"))
    assert seen["Digest"] == str(built.digest)
    with unpackers.pulled_by_podman(f"docker://{host}/{name}:1", "--tls-verify=false") as root:
        assert root is not None
        assert (root / "srv/own.txt").read_text() == "own\n"
        assert (root / "srv/app.txt").read_text() == "app\n"
        assert (root / "ko-app/app").exists() == (name == "ko")


def _shell(entrypoint: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return what comes after an entrypoint, so that a shell prints what the image has."""
    script = "cat /srv/app.txt /srv/own.txt; echo $OWN"
    if entrypoint is None:
        return ("/bin/sh", "-c", script)
    return (script,) if entrypoint[-1] == "-c" else ()


@pytest.mark.parametrize("name", shapes.DEBIAN)
def test_packages_are_installed_on_a_base_of_a_debian(bench: World, name: str) -> None:
    bench.manifest(f"{name}-packages", base=f"oci:{bench.path}/bases/{name}:base", packages=["hello"])
    bench.build(f"{name}-packages")
    image = bench.image(f"{name}-packages")
    assert image.text("etc/hello.done") == "done\n"
    shown = bench.command("run", f"{name}-packages", "--", "/bin/sh", "-c", "dpkg --audit; cat /srv/app.txt")
    assert (shown.returncode, shown.stdout) == (0, "app\n"), shown.stderr


@pytest.mark.parametrize("name", shapes.OTHERS)
def test_packages_on_a_base_without_dpkg_are_refused_before_anything_is_fetched(bench: World, name: str) -> None:
    path = bench.manifest(f"{name}-packages", base=f"oci:{bench.path}/bases/{name}:base", packages=["hello"])
    for words in (("build", str(path)), ("lock", str(path)), ("plan", str(path))):
        said = verb(bench, *words, code=2)
        assert f"{path}:" in said
        assert f"packages: the base 'oci:{bench.path}/bases/{name}:base' has no dpkg to install them" in said
        assert "/usr/bin/dpkg and /var/lib/dpkg/status missing" in said
        assert "`base: scratch`" in said
        assert ("/var/lib/dpkg/status.d" in said) == (name == "rules_oci")
    assert not path.with_suffix(".lock.json").exists()


def test_packages_that_are_listed_apart_are_shown(bench: World) -> None:
    bench.build("rules_oci")
    listed = verb(bench, "inspect", "--packages", "rules_oci")
    assert "libc6" in listed
    assert "tzdata" in listed
    packages = json.loads(verb(bench, "sbom", "rules_oci"))["packages"]
    found = {one["name"]: one["versionInfo"] for one in packages if one["name"] in ("libc6", "tzdata")}
    assert found == {"libc6": "2.36-9", "tzdata": "2024a-0+deb12u1"}
    changed = verb(bench, "diff", f"oci:{bench.path}/bases/rules_oci:base", "rules_oci")
    assert "libc6" not in changed


def test_a_sparse_file_of_a_base_is_the_same_file_in_what_is_built(bench: World) -> None:
    bench.build("mkosi")
    shown = bench.command("run", "mkosi", "--", "/bin/sh", "-c", "wc -c < /srv/holes; tail -c 3 /srv/holes")
    assert shown.stdout.split() == [str((1 << 20) + 3), "end"], shown.stderr


def test_a_name_of_a_base_has_no_slash_in_what_is_built(bench: World) -> None:
    """ko's layers have absolute names, which stay in the layer: its bytes are the base's."""
    bench.build("ko")
    with tarfile.open(fileobj=io.BytesIO(shapes.ko({}).layers[1])) as layer:
        assert [member.name for member in layer][1:] == ["/ko-app", "/ko-app/app"]
    assert "ko-app/app" in verb(bench, "diff", "ground", "ko")
