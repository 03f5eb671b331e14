"""The benchmark counts and adds up what it says; no test here holds a time against a figure."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from builders import images
from builders.debs import build_deb

from bench import cases, pushing, renewed
from bench.clock import Lap, measured
from bench.desk import BASE, Desk, Place
from bench.rows import Row
from bench.shares import Course, Share, shares
from imgforge.deb.package import open_deb
from imgforge.store.layout import Layout

_IMAGE, _PACKAGE = "python3-bookworm", "libsqlite3-0"


def _laps(*seconds: float) -> tuple[Lap, ...]:
    return tuple(Lap(one, one, 1 << 20) for one in seconds)


def test_next_version_of_a_package_differs_in_nothing_else() -> None:
    old = build_deb("hello", "1.0-1", files={"usr/bin/hello": b"hello"}, scripts={"postinst": "true"}, mtime=1)
    new = renewed.next_version(old, mtime=86_400)
    before, after = (open_deb(io.BytesIO(data), what="hello") for data in (old, new))
    assert (after.control["Version"], after.timestamp) == ("1.0-1+bench1", 86_400)
    assert {**after.control, "Version": ""} == {**before.control, "Version": ""}
    assert [entry for entry, _ in after.entries()] == [entry for entry, _ in before.entries()]


def test_a_row_compares_medians() -> None:
    row = Row("case", _laps(9.0, 1.0, 2.0), _laps(6.0, 50.0, 1.0), ratio=1 / 3)
    assert (row.time, row.peer_time, row.is_met) == (2.0, 6.0, True)


def test_a_row_without_its_peer_says_nothing_about_its_ratio() -> None:
    assert Row("case", _laps(1.0), ratio=1 / 3).is_met is None


def test_shares_count_what_overlaps_once() -> None:
    courses = (
        Course("build", "all", 1.0, 9.0),
        Course("layer", "a", 2.0, 5.0),
        Course("layer", "b", 4.0, 6.0),
        Course("configure", "all", 3.0, 8.0),
    )
    assert shares(courses, total=10.0) == (
        Share("configure", 5.0, 2.0),
        Share("layer", 4.0, 1.0),
        Share("start and end", 2.0, 2.0),
        Share("none of these", 2.0, 2.0),
    )


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)exit status 3.*last words"):
        measured(["sh", "-c", "echo last words; exit 3"], log=tmp_path / "log")


def test_memory_is_that_of_the_command_alone(tmp_path: Path) -> None:
    ballast = bytes(200 << 20)
    lap = measured(["true"], log=tmp_path / "log")
    assert lap.peak < len(ballast) // 4


def test_bytes_of_pushes_are_those_that_the_registry_lacks(tmp_path: Path) -> None:
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    place, base = Place(tmp_path), images.build_image({"etc/base": b"base" * 500})
    image = images.build_image({"etc/image": b"image" * 500}, base=base)
    layout = Layout(place.store)
    layout.create()
    images.put(base, layout, BASE)
    images.put(image, layout, "image")
    found = list(pushing.rows(place, "image", count=1, log=tmp_path / "log", say=lambda _text: None))
    new = sum(blob.size for blob in image.image.manifest.blobs if blob not in base.image.manifest.blobs)
    assert found[0].note == f"{new} bytes of blobs were sent, {new} are not the base's"
    assert [row.note for row in found[1:]] == ["0 bytes of blobs were sent"] * 2


@pytest.mark.archive
@pytest.mark.root
@pytest.mark.slow
def test_one_changed_package_makes_the_least_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path, say=lambda _text: None)
    desk.prepare((_IMAGE,))
    with desk.round():
        _, made = cases.after_update(desk, _IMAGE, _PACKAGE)
        place = desk.clone("warm")
        before = place.census()
        cases.label(place.manifest(_IMAGE), "other")
        subprocess.run(place.command("build", place.manifest(_IMAGE), "--offline"), check=True, capture_output=True)
        labelled = place.census() - before
    assert {kind: made[kind] for kind in cases.LEAST} == cases.LEAST
    assert labelled == {"blobs": 2, "evidence": 1}
