"""What cannot work is refused before any work, by every verb that would start it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.worlds import World

import imgforge
from imgforge.errors import ManifestError, StaleLockError, UsageError

pytestmark = pytest.mark.root

FILES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "missing": ([{"from": "gone", "to": "/srv/a"}], "'gone' is not below"),
    "link to nothing": ([{"from": "dangling", "to": "/srv/a"}], "is a link to nothing"),
    "two files": ([{"from": "one", "to": "/srv/a"}, {"from": "two", "to": "/srv/a"}], "/srv/a: is given twice"),
    "file and link": ([{"from": "one", "to": "/srv/a"}, {"link": "/srv/a", "to": "b"}], "/srv/a: is given twice"),
    "two links": ([{"link": "/srv/a", "to": "b"}, {"link": "/srv/a", "to": "c"}], "/srv/a: is given twice"),
    "directory and file": ([{"dir": "/srv/a"}, {"from": "one", "to": "/srv/a"}], "/srv/a: is given twice"),
    "a directory for passwd": ([{"dir": "/etc/passwd"}], "/etc/passwd: is a file of the system"),
    "a tree for passwd": ([{"from": "tree", "to": "/etc/passwd"}], "/etc/passwd: is a file of the system"),
    "a link for shadow": ([{"link": "/etc/shadow", "to": "/tmp/x"}], "/etc/shadow: is a file of the system"),
}


def _material(world: World) -> None:
    world.manifests.mkdir(exist_ok=True)
    for name in ("one", "two"):
        (world.manifests / name).write_text(name)
    (world.manifests / "tree").mkdir(exist_ok=True)
    (world.manifests / "tree" / "leaf").write_text("leaf")
    if not (world.manifests / "dangling").is_symlink():
        (world.manifests / "dangling").symlink_to("nowhere")


@pytest.mark.parametrize("verb", ["build", "plan", "check"])
@pytest.mark.parametrize(("files", "said"), FILES.values(), ids=FILES)
def test_files_that_cannot_be_are_refused_before_any_work(
    files: list[dict[str, Any]], said: str, verb: str, cold_world: World
) -> None:
    _material(cold_world)
    path = cold_world.manifest(files=files)
    done = cold_world.command(verb, str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}:" in done.stderr
    assert said in done.stderr
    assert not list(cold_world.settings.cache.glob("debs/*"))
    assert "ground" not in cold_world.layout.names()


def test_a_directory_may_be_made_and_filled(world: World) -> None:
    _material(world)
    image = world.made(files=[{"dir": "/srv/a", "mode": "0700"}, {"from": "tree", "to": "/srv/a"}])
    assert image.text("srv/a/leaf") == "leaf"


def test_locked_without_a_lock_fails_before_anything_is_built(cold_world: World) -> None:
    path = cold_world.manifest()
    with pytest.raises(StaleLockError, match="no such lock") as caught:
        cold_world.build(locked=True)
    assert str(path) in caught.value.__notes__[0]
    assert cold_world.layout.names() == ()
    assert not path.with_name("ground.lock.json").exists()


@pytest.mark.parametrize("how", ["missing", "stale", "other platform"])
@pytest.mark.parametrize("which", ["ground", "middle", "image"])
def test_locked_finds_a_lock_that_does_not_answer_before_any_work(cold_world: World, how: str, which: str) -> None:
    cold_world.manifest("middle", packages=["passwd"])
    cold_world.manifest(base="middle", packages=["passwd"])
    for name in ("ground", "middle", "image"):
        imgforge.lock(cold_world.path_of(name), settings=cold_world.settings)
    lock = cold_world.manifests / f"{which}.lock.json"
    if how == "missing":
        lock.unlink()
    elif how == "stale":
        path = cold_world.path_of(which)
        path.write_text(path.read_text().replace("passwd", "dash"))
    else:
        lock.write_text(lock.read_text().replace('"linux/amd64"', '"linux/s390x"'))
    fresh = cold_world.at(cold_world.path / "fresh")
    done = fresh.command("build", "--locked")
    assert done.returncode == StaleLockError.exit_code, done.stderr
    assert f"error: {lock}: " in done.stderr
    assert f"imgforge lock --store={fresh.settings.store}" in done.stderr
    assert fresh.layout.names() == ()
    assert not list(fresh.settings.cache.glob("*/??/*"))
    assert lock.exists() == (how != "missing")


def test_a_stale_lock_on_an_image_of_a_registry_is_found_before_it_is_asked(cold_world: World) -> None:
    base = f"docker://127.0.0.1:9/none@sha256:{'0' * 64}"
    cold_world.manifest(base=base)
    done = cold_world.command("build", "--locked")
    assert done.returncode == StaleLockError.exit_code, done.stderr
    assert "no such lock" in done.stderr


def test_an_upgrade_of_a_package_that_is_not_locked_is_an_error(world: World) -> None:
    world.package("apple")
    world.manifest(packages=["apple"])
    world.build()
    with pytest.raises(UsageError, match=r"appel: is not in .*image\.lock\.json") as caught:
        world.build(upgrade=("appel",))
    assert caught.value.__notes__ == ["did you mean apple?"]
    with pytest.raises(UsageError, match="passwd: comes from the base 'ground': upgrade that"):
        world.build(upgrade=("passwd",))
    world.build(upgrade=("apple",))


@pytest.mark.parametrize(
    ("user", "said"), [("nobody-knows", "no such user"), ("root:nobody-knows", "no such group"), ("root:adm", "")]
)
def test_a_user_that_the_image_does_not_have_is_an_error(user: str, said: str, world: World) -> None:
    path = world.manifest(config={"user": user})
    if not said:
        world.build()
        return
    with pytest.raises(ManifestError, match=said) as caught:
        world.build()
    assert str(caught.value).startswith(f"{path}:")
    assert "image" not in world.layout.names()


def test_an_account_of_the_manifest_and_of_a_package_is_a_user(world: World) -> None:
    world.manifest(accounts={"app": {"uid": 900, "home": "/srv"}}, config={"user": "app"})
    world.build()
    world.package("daemon", scripts={"postinst": "echo daemon:x:901:901::/:/bin/sh >> /etc/passwd"})
    world.manifest("second", packages=["daemon"], config={"user": "daemon"})
    world.build("second")


@pytest.mark.parametrize("target", ["a.tar", "out.tar.gz", "tar:a", "docker-daemon:a", "dir:a", "docker:a", "a", "x:1"])
def test_an_output_that_is_no_place_is_refused(target: str, world: World) -> None:
    done = world.command("build", str(world.manifest()), "--output", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert "oci-archive:FILE" in done.stderr
    assert world.layout.names() == ()


@pytest.mark.parametrize("target", ["a.tar", "a.TGZ", "tar:a", "docker-daemon:a", "containers-storage:a", "docker:a"])
@pytest.mark.parametrize("verb", ["copy", "tag"])
def test_a_name_that_is_another_tools_place_is_refused(verb: str, target: str, world: World) -> None:
    world.build("ground")
    done = world.command(verb, "ground", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert "oci-archive:FILE" in done.stderr
    assert world.layout.names() == ("ground",)


@pytest.mark.parametrize(
    ("base", "hint"),
    [
        ("debian:bookworm", "docker://docker.io/library/debian:bookworm"),
        ("grund", "did you mean the manifest 'ground'?"),
    ],
)
def test_an_unknown_base_is_told_with_what_may_be_meant(base: str, hint: str, world: World) -> None:
    path = world.manifest(base=base)
    done = world.command("plan", str(path), f"--manifests={world.manifests}")
    assert done.returncode == 10
    assert hint in done.stderr


def test_an_unknown_manifest_and_option_are_told_with_what_may_be_meant(world: World, tmp_path: Path) -> None:
    done = world.command("plan", "bookwrom")
    assert (done.returncode, "did you mean 'bookworm'?" in done.stderr) == (2, True)
    done = world.command("plan", "bookworm", "--ofline")
    assert (done.returncode, "did you mean --offline?" in done.stderr) == (2, True)
    done = world.command("run", f"oci:{tmp_path}:x")
    assert done.returncode == 10


def test_packages_from_scratch_without_dpkg_are_refused_before_anything_runs(world: World) -> None:
    world.package("alone")
    world.manifest(base="scratch", archives={"extra": world.archive}, packages=["alone"])
    with pytest.raises(ManifestError) as refused:
        world.build()
    assert "image.yaml:" in str(refused.value)
    assert "missing: dpkg, base-files" in str(refused.value)
    assert any("essential" in note for note in refused.value.__notes__)
    imgforge.lock(world.path_of(), settings=world.settings)  # what is there is locked all the same
    assert '"alone"' in world.path_of().with_suffix(".lock.json").read_text()
