"""What became of a package is kept, judged and summed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from breadth import kinds, lists, reasons, results
from breadth.reasons import Reason
from breadth.results import Result
from imgforge.errors import (
    BuildError,
    FetchError,
    ImgforgeError,
    IntegrityError,
    LimitError,
    ResolveError,
    ScriptFailure,
)

NAMED = (Reason(("grub-*",), ("script",), ("bookworm",), "no disk to boot from"),)


def of(kind: str, package: str = "app", *, culprit: str = "", apt: str = "") -> Result:
    return Result(package, kind, culprit, apt=apt)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ResolveError("no"), "no answer"),
        (FetchError("no"), kinds.MACHINE),
        (LimitError("no"), "limit"),
        (BuildError("no"), "script"),
        (IntegrityError("no"), "refused"),
        (ImgforgeError("no"), kinds.CRASH),
        (RuntimeError("no"), kinds.CRASH),
    ],
)
def test_the_kind_of_a_failure_is_the_class_of_its_error(error: Exception, kind: str) -> None:
    assert kinds.of_error(error).kind == kind


@pytest.mark.parametrize(
    ("output", "culprit"),
    [
        (
            "Setting up a (1) ...\ndpkg: error processing package postfix (--configure):\n subprocess failed\n",
            "postfix",
        ),
        ("dpkg: error processing package libc6:amd64 (--configure):\n", "libc6"),
        ("dpkg: error processing archive /var/cache/apt/archives/g++_4%3a12_amd64.deb (--unpack):\n", "g++"),
        ("dpkg: error processing archive /var/cache/imgforge/bind9.deb (--unpack):\n", "bind9"),
        ("E: Unable to locate package\n", ""),
    ],
)
def test_the_culprit_is_the_package_whose_script_failed_first(output: str, culprit: str) -> None:
    assert kinds.culprit(output) == culprit


def test_a_failure_blames_the_package_whose_script_failed() -> None:
    error = BuildError("configure dbus: exit status 1")
    error.failure = ScriptFailure(step="configure dbus", package="dbus")
    failure = kinds.of_error(error)
    assert (failure.culprit, failure.text.splitlines()[0]) == ("dbus", f"BuildError: {error}")


def test_a_long_text_keeps_its_first_line_and_its_last_ones() -> None:
    lines = kinds.shortened("\n".join(map(str, range(100)))).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("0", "99", 20)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    first, second = of("script", culprit="dbus"), of(kinds.BUILT, "other")
    for result in (of(kinds.CRASH), second, first):
        results.append(tmp_path / "results", result)
    with (tmp_path / "results").open("a") as file:
        file.write('{"package": "half')
    assert results.read(tmp_path / "results") == {"app": first, "other": second}


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (of(kinds.BUILT), results.OK),
        (of("script", apt=results.FAILS), results.THEIRS),
        (of(kinds.VERIFY, apt=results.SAME), results.THEIRS),
        (of("script", apt=results.INSTALLS), results.OPEN),
        (of("script", culprit="grub-pc", apt=results.INSTALLS), results.NAMED),
        (of("script", "grub-pc"), results.NAMED),
        (of("script", "grub-pc", culprit="dbus"), results.OPEN),
        (of(kinds.VERIFY, "grub-pc"), results.OPEN),
    ],
)
def test_a_failure_is_open_unless_apt_get_has_it_or_a_reason_names_it(result: Result, verdict: str) -> None:
    assert results.verdict(result, NAMED, release="bookworm") == verdict


def test_a_reason_is_for_the_releases_that_it_names() -> None:
    assert results.verdict(of("script", "grub-pc"), NAMED, release="trixie") == results.OPEN


def test_a_line_says_what_a_package_lacks_in_a_container() -> None:
    text = results.line(of(kinds.BUILT, "linux-image-amd64"), reasons.read(), release="bookworm")
    assert text.startswith("ok: linux-image-amd64: 0 packages, 0.0 s; ")
    assert results.line(of(kinds.BUILT), reasons.read(), release="bookworm") == "ok: app: 0 packages, 0.0 s"


def test_the_table_counts_failures_by_what_they_count_as() -> None:
    rows = (
        Result("a", kinds.BUILT, compared=True),
        Result("b", kinds.BUILT),
        Result("c", "script", apt=results.FAILS),
        Result("grub-pc", "script"),
        Result("d", kinds.DIFFERS, compared=True),
    )
    assert list(results.table({row.package: row for row in rows}, NAMED, release="bookworm")) == [
        "bookworm: 2 of 5 packages are built and clean",
        "bookworm: 1 of 2 compared trees are apt-get's",
        "kind          all   apt-get's too   named   open",
        "script          2               1       1      0",
        "differs         1               0       0      1",
    ]


def test_each_reason_is_of_kinds_and_releases_that_exist() -> None:
    for reason in reasons.read():
        assert set(reason.kinds) <= {kinds.BUILT, *kinds.KINDS}
        assert set(reason.releases) <= set(lists.RELEASES)
        assert reason.packages
        assert reason.reason
