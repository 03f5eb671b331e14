from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Callable

import pytest

import imgforge
from imgforge.cli import bars, main, progress
from imgforge.report import Step, running

FETCH = Step("fetch", "python3", total=2_000, unit="bytes")
SOLVE = Step("solve", "hello")


def _said(kind: Callable[[io.StringIO], progress.Tally], *, every: float | None = None) -> list[str]:
    """Return what a reporter says of a small piece of work."""
    stream = io.StringIO()
    reporter = kind(stream)
    if every is not None:
        reporter.every = every
    with running(reporter, FETCH) as course:
        course.advance(500)
        course.advance(1_500)
    with running(reporter, SOLVE):
        pass
    reporter.noted("a fact")
    reporter.warned("a doubt")
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_for_each_step_that_took_a_while() -> None:
    stream = io.StringIO()
    reporter = progress.Lines(stream)
    for seconds in (0.4, 61):
        reporter.started(FETCH)
        reporter.advanced(FETCH, 2_000)
        reporter.finished(FETCH, seconds)
    assert stream.getvalue() == "     fetch  python3: 2.0 kB, 1 min 1 s\n"


def test_a_log_has_facts_and_warnings() -> None:
    assert _said(progress.Lines) == ["            a fact", "imgforge: warning: a doubt"]


def test_a_long_step_says_how_far_it_is() -> None:
    assert _said(progress.Lines, every=0)[:2] == [
        "     fetch  python3: 500 B of 2.0 kB …",
        "     fetch  python3: 2.0 kB of 2.0 kB …",
    ]


def test_verbose_says_every_step_and_its_start() -> None:
    assert _said(progress.Verbose)[:4] == [
        "     fetch  python3 …",
        "     fetch  python3: 2.0 kB, 0.00 s",
        "     solve  hello …",
        "     solve  hello: 0.00 s",
    ]


def test_quiet_says_warnings_only() -> None:
    assert _said(progress.Quiet) == ["imgforge: warning: a doubt"]


def test_events_are_one_object_a_line() -> None:
    events = [json.loads(line) for line in _said(progress.Events, every=0)]
    assert [event.pop("event") for event in events] == [
        "started",
        "advanced",
        "advanced",
        "finished",
        "started",
        "finished",
        "noted",
        "warned",
    ]
    step = {"stage": "fetch", "subject": "python3", "total": 2_000, "unit": "bytes"}
    assert events[0] == step
    assert events[2] == step | {"done": 2_000}
    assert events[3].pop("seconds") < 1
    assert events[3] == step | {"done": 2_000}


def test_events_of_a_fast_step_are_not_thousands() -> None:
    stream = io.StringIO()
    with running(progress.Events(stream), FETCH) as course:
        for _ in range(2_000):
            course.advance(1)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_subject_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    progress.Lines(stream).noted("\x1b]0;title\x07")
    assert stream.getvalue() == r"            \x1b]0;title\x07" + "\n"


def test_threads_do_not_mix_their_steps_and_lines() -> None:
    stream = io.StringIO()
    reporter = progress.Lines(stream)
    reporter.shortest = 0

    def work(number: int) -> None:
        for _ in range(50):
            with running(reporter, Step("fragment", f"package-{number}")) as course:
                course.advance(1_000)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 200
    assert {line.partition(",")[0] for line in lines} == {f"  fragment  package-{n}: 1.0 kB" for n in range(4)}


def test_bars_are_drawn_while_a_step_runs_and_leave_nothing_but_notes() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        reporter = bars.Bars(terminal)
        with running(reporter, FETCH) as course, running(reporter, SOLVE):
            course.advance(1_000)
            reporter.noted("a [fact]")
        reporter.noted("after")
        drawn = ""
        while not drawn.endswith("after\r\n"):
            drawn += os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "python3" in drawn
    assert "2.0 kB" in drawn
    assert "a [fact]" in drawn


def test_the_librarys_log_is_heard_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    class Logging:
        EXAMPLES = ""

        def declare(self, parser: object) -> None:
            pass

        def perform(self, _arguments: object, _settings: object) -> int:
            logging.getLogger("imgforge.fetch").debug("tried %s", "twice")
            return 0

    assert main.main(["gc", "--verbose"], load=lambda _: Logging()) == 0
    assert capsys.readouterr().err == "       log  imgforge.fetch: tried twice\n"


def test_the_base_reporter_says_nothing() -> None:
    reporter = imgforge.Reporter()
    with running(reporter, FETCH) as course:
        course.advance(1)
    reporter.noted("")
    reporter.warned("")


def test_a_step_that_fails_is_not_said_to_be_finished() -> None:
    said: dict[str, str] = {}
    for kind in (progress.Lines, progress.Verbose, progress.Events, progress.Quiet):
        stream = io.StringIO()
        reporter = kind(stream)
        with pytest.raises(ValueError, match="no"), running(reporter, FETCH):
            raise ValueError("no")
        reporter.started(FETCH)
        reporter.stopped(FETCH, 2.0)
        said[kind.__name__] = stream.getvalue()
    assert said["Lines"].endswith(": failed after 2.0 s\n")
    assert said["Verbose"].count("failed after") == 2
    assert [json.loads(line)["event"] for line in said["Events"].splitlines()] == ["started", "stopped"] * 2
    assert said["Quiet"] == ""
