"""Builds at once share the building of one base; and a build says in one line what came of it."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from builders.worlds import World

pytestmark = pytest.mark.root


def _events(err: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in err.splitlines()]


def test_two_builds_at_once_build_their_base_once(cold_world: World) -> None:
    for name in ("one", "two"):
        cold_world.manifest(name, config={"cmd": [name]})
    running = [cold_world.start("build", str(cold_world.path_of(name)), "--json") for name in ("one", "two")]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    events = [event for _, err in said for event in _events(err)]
    configured = [event for event in events if event["event"] == "started" and event.get("stage") == "configure"]
    assert len(configured) == 1
    waited = [event["text"] for event in events if event["event"] == "noted" and "waiting" in event["text"]]
    assert waited in ([], ["waiting for another build of ground"])


def test_the_second_says_that_it_waits_and_for_what(cold_world: World) -> None:
    """The first is stopped while it holds the lock, so that the second must wait."""
    for name in ("one", "two"):
        cold_world.manifest(name, config={"cmd": [name]})
    first = cold_world.start("build", str(cold_world.path_of("one")), "--json")
    assert first.stderr is not None
    for line in first.stderr:
        event = json.loads(line)
        if (event["event"], event.get("stage"), event.get("subject")) == ("started", "solve", "ground"):
            break
    first.send_signal(19)
    second = cold_world.start("build", str(cold_world.path_of("two")), "--json")
    assert second.stderr is not None
    assert "waiting for another build of ground" in {json.loads(line).get("text") for line in _until(second)}
    first.send_signal(18)
    assert [process.wait(120) for process in (first, second) if process.communicate()] == [0, 0]


def _until(process: subprocess.Popen[str]) -> list[str]:
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if "waiting" in line:
            break
    return lines


def test_a_build_says_what_came_of_it_in_one_line(world: World) -> None:
    world.package("apple")
    world.manifest(packages=["apple"])
    summary = r" *image: {} in [0-9.]+ s, 1 packages? of its own, [0-9.]+ [kM]B"
    done = world.command("build")
    assert re.fullmatch(r"image@sha256:[0-9a-f]{64}\n", done.stdout)
    assert re.fullmatch(summary.format("built"), done.stderr.splitlines()[-1])
    done = world.command("build")
    assert re.fullmatch(summary.format("is up to date"), done.stderr.splitlines()[-1])
    assert world.command("build", "--quiet").stderr == ""


def test_check_outdated_and_gc_say_what_they_did_when_it_was_nothing(world: World) -> None:
    world.build("ground")
    done = world.command("check", str(world.path_of("ground")))
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", "ground: checked, nothing refused")
    done = world.command("outdated", str(world.path / "archive"))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.strip() == f"{world.path}/archive: 0 locks checked, 0 to refresh"
    assert world.command("gc").stdout.startswith("store: ")
