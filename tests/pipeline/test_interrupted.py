"""Whatever stops a build, the next one works, gives the same digest, and uses nothing that is half or wrong."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import images, orphans, servers
from builders.debs import build_deb
from builders.servers import Fault
from builders.worlds import World

from imgforge.errors import BuildError, FetchError, IntegrityError, StoreError
from imgforge.fetch import http
from imgforge.fetch.request import Patience

pytestmark = pytest.mark.root

_SCRIPT = "mkdir -p /etc/made; i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo $i > /etc/made/$i; done"
_NAMES = tuple(f"piece-{number}" for number in range(6))


def contents(world: World) -> dict[str, bytes]:
    """Return what a world's packages hold, by name: nothing that compresses, or that another has cached."""
    draw = random.Random(world.path.name)
    return {name: draw.randbytes(200_000) for name in _NAMES}


def fill(world: World) -> World:
    """Give a world an image of a few packages."""
    world.offer(
        *(
            build_deb(name, "1.0", files={f"usr/lib/{name}": content}, scripts={"postinst": _SCRIPT})
            for name, content in contents(world).items()
        )
    )
    world.manifest(packages=list(_NAMES))
    return world


@pytest.fixture
def full_world(cold_world: World) -> World:
    """A world with an image to build and nothing cached."""
    return fill(cold_world)


def undisturbed(world: World) -> tuple[str, int]:
    """Return what an undisturbed build of a world's image prints, and the number of its events; nothing of it stays."""
    place = world.path / "undisturbed"
    done = world.at(place).command("build", "--json")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(place)
    for lock in world.manifests.glob("*.lock.json"):
        lock.unlink()
    return done.stdout, done.stderr.count("\n")


def read_until(process: subprocess.Popen[str], reached: Callable[[int, Mapping[str, Any]], bool]) -> bool:
    """Read a build's events, numbered from 1, up to the first that `reached` accepts; return whether there was one."""
    assert process.stderr is not None
    return any(reached(number, json.loads(line)) for number, line in enumerate(process.stderr, 1))


def is_number(wanted: int) -> Callable[[int, Mapping[str, Any]], bool]:
    return lambda number, _event: number == wanted


def begins(stage: str) -> Callable[[int, Mapping[str, Any]], bool]:
    return lambda _number, event: (event["event"], event.get("stage")) == ("started", stage)


def killed(world: World, reached: Callable[[int, Mapping[str, Any]], bool]) -> bool:
    """Start a build and kill it at an event; return whether it got that far."""
    process = world.start("build", "--json")
    is_reached = read_until(process, reached)
    process.kill()
    process.communicate()
    return is_reached


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_build_that_is_killed_leaves_nothing_in_the_way(full_world: World, seed: int) -> None:
    expected, events = undisturbed(full_world)
    draw = random.Random(seed)
    kills = 0
    while kills < 5:
        with orphans.expected_none():
            is_reached = killed(full_world, is_number(draw.randint(1, events - 1)))
        if full_world.settings.store.exists():
            images.check_layout(full_world.layout)
        if not is_reached:  # what earlier builds left was most of the work: begin again
            shutil.rmtree(full_world.settings.store)
            shutil.rmtree(full_world.settings.cache)
        kills += is_reached
    done = full_world.command("build")
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
    images.check_layout(full_world.layout)
    assert full_world.command("gc").returncode == 0
    assert [path.name for path in (full_world.settings.cache / "tmp").iterdir()] == ["gate"]
    assert full_world.command("build").stdout == expected


@pytest.mark.parametrize("stage", ["fragment", "configure", "layer"])
def test_a_store_after_a_kill_is_one_for_other_tools(full_world: World, stage: str) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo")
    full_world.build("ground")
    assert killed(full_world, begins(stage))
    for name in full_world.layout.names():
        source = f"oci:{full_world.settings.store}:{name}"
        subprocess.run(["skopeo", "copy", source, f"dir:{full_world.path}/{name}"], check=True, capture_output=True)
    assert "ground" in full_world.layout.names()


def test_a_worker_that_is_killed_is_an_error_and_the_next_build_works(full_world: World) -> None:
    expected, _ = undisturbed(full_world)
    with orphans.expected_none():
        process = full_world.start("build", "--json")
        assert read_until(process, begins("configure"))
        worker = _child_of(process.pid, "workshop.worker")
        subprocess.run(["kill", "-9", str(worker)], check=True)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (9, ""), err
    assert "the workshop's worker ended with status -9" in err
    assert "Traceback" not in err
    assert full_world.command("build").stdout == expected


def _child_of(process: int, word: str) -> int:
    """Wait for a child whose command line has a word."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for child in orphans.children(process):
            with contextlib.suppress(OSError):
                if word.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        time.sleep(0.01)
    raise AssertionError(word)


def test_an_interrupt_from_the_keyboard_ends_all(full_world: World) -> None:
    expected, _ = undisturbed(full_world)
    with orphans.expected_none():
        process = full_world.start("build")
        _child_of(process.pid, "workshop.worker")
        process.send_signal(2)
        out, err = process.communicate(timeout=60)
    assert out == ""
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert full_world.command("build").stdout == expected


def test_builds_at_once_on_one_store_and_cache_agree(full_world: World) -> None:
    expected, _ = undisturbed(full_world)
    running = [full_world.start("build") for _ in range(3)]
    said = [process.communicate(timeout=120) for process in running]
    assert [(process.returncode, out) for process, (out, _) in zip(running, said, strict=True)] == [
        (0, expected)
    ] * 3, said
    images.check_layout(full_world.layout)


def test_a_collection_at_the_same_time_takes_nothing_away(full_world: World) -> None:
    expected, _ = undisturbed(full_world)
    process = full_world.start("build")
    while process.poll() is None:
        assert full_world.command("gc").returncode == 0
    out, err = process.communicate()
    assert (process.returncode, out) == (0, expected), err
    images.check_layout(full_world.layout)
    assert full_world.command("build").stdout == expected


_SMALL = """
mount -t tmpfs -o size={size}k tmpfs "$1"; shift
"$@"; echo "code $?"
mount -o remount,size=1g "$MOUNTED"
"$@"; echo "code $?"
"""


@pytest.mark.parametrize("size", [200, 2_000, 6_000, 9_000, 13_000, 17_000, 21_000, 25_000])
def test_a_full_disk_is_said_and_a_larger_one_heals_it(full_world: World, size: int) -> None:
    expected, _ = undisturbed(full_world)
    small = full_world.path / "small"
    small.mkdir()
    world = full_world.at(small)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _SMALL.format(size=size), "sh", str(small), *world.words("build")],
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "MOUNTED": str(small), "IMGFORGE_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == f"code {StoreError.exit_code}\n{expected}code 0\n", done.stderr
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr or "disk is full" in done.stderr


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = functools.partial(Patience, attempts=2, connect=2, stall=0.5, rate=100, delay=0.01, ceiling=1)
    monkeypatch.setattr(http, "Patience", patience)


FAULTS: dict[str, tuple[Fault, type[Exception] | tuple[type[Exception], ...]]] = {
    "drops": (Fault(drop=100), FetchError),
    "truncates": (Fault(cut=100), (FetchError, IntegrityError)),
    "stalls": (Fault(stall=100), FetchError),
    "wrong bytes": (Fault(flip=True), IntegrityError),
    "something else": (Fault(body=b"<html>please log in</html>"), (FetchError, IntegrityError)),
    "nothing": (Fault(body=b""), (FetchError, IntegrityError)),
    "fails": (Fault(status=500), FetchError),
    "refuses": (Fault(status=403), FetchError),
}


WHERE = {
    "package": ("pool/**/*.deb",),
    "index": ("dists/**/SHA256/*", "dists/**/Packages*"),
    "release": ("dists/**/InRelease", "dists/**/Release"),
}


# Of an InRelease the last byte is after the signature, and means nothing.
CASES = [(where, name) for where in WHERE for name in FAULTS if (where, name) != ("release", "wrong bytes")]


@pytest.mark.parametrize(("where", "name"), CASES)
@pytest.mark.usefixtures("quick")
def test_a_mirror_that_fails_is_an_error_and_one_that_works_heals_it(world: World, where: str, name: str) -> None:
    fault, error = FAULTS[name]
    world.build("ground")
    fill(world)
    archive = world.archive.path.rename(world.path / "moved")  # or its file URL would serve when the mirror does not
    with servers.serve(archive) as server:
        world = world.with_settings(mirrors=(("extra", server.url),))
        for path in (path for pattern in WHERE[where] for path in archive.glob(pattern)):
            server.always(str(path.relative_to(archive)), fault)
        with pytest.raises(error):
            world.build()
        assert "image" not in world.layout.names()
        server.heal()
        world.build()
    paths = world.image().paths
    assert {name: paths[f"usr/lib/{name}"].content for name in _NAMES} == contents(world)


@pytest.mark.usefixtures("quick")
def test_faults_of_single_requests_are_not_even_noticed(cold_world: World) -> None:
    fill(cold_world)
    expected, _ = undisturbed(cold_world)
    kinds = [Fault(drop=1000), Fault(stall=2000), Fault(flip=True), Fault(status=503), Fault(cut=50)]
    with servers.serve(cold_world.archive.path) as server:
        bad = cold_world.with_settings(mirrors=(("extra", server.url),))
        for number, path in enumerate(sorted(cold_world.archive.path.glob("pool/**/*.deb"))):
            server.fault(str(path.relative_to(cold_world.archive.path)), kinds[number % len(kinds)])
        built = bad.build()
    assert f"image@{built.digest}\n" == expected


def test_a_build_that_fails_leaves_no_thread_and_no_process(world: World) -> None:
    before = threading.active_count()
    world.package("broken", scripts={"postinst": "echo a word; exit 3"})
    world.manifest(packages=["broken"])
    with orphans.expected_none(), pytest.raises(BuildError, match="exit status 3") as caught:
        world.build()
    assert caught.value.failure is not None
    assert caught.value.failure.words == ("a word",)
    assert threading.active_count() == before
