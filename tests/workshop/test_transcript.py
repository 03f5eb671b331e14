from __future__ import annotations

import itertools
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from imgforge.workshop.transcript import Transcript

OUTPUT = (
    b"noise\n",
    b"Setting up a (1.0) ...\n",
    b"\xff\xfe no newline",
    b"Processing triggers for libc-bin (2.36-9) ...\n",
    b"words\ndpkg: error processing package libc-bin (--configure):\n it failed\n",
    b"Preparing to unpack .../imgforge/b.deb ...\n",
    b"Unpacking b:i386 (2) ...\n",
)
REPORTS = (
    b"",
    b"processing: configure: a\nstatus: a: half-configured\n",
    b"status: a: installed\n",
    b"processing: trigproc: libc-bin\n",
    b"status: libc-bin : error : it failed\n",
    b"processing: install: b:i386\n",
    b"",
)
LABELS = ["first", "configure a", "trigger libc-bin", "unpack b:i386"]


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=30), st.data())
def test_nothing_depends_on_how_the_output_comes_in_pieces(cuts: list[int], data: st.DataObject) -> None:
    """Reports come after the output before them, together with any of the output after them."""
    transcript = Transcript("first")
    ahead = b""
    for start, end in itertools.pairwise([0, *sorted(cuts), len(OUTPUT)]):
        text = ahead + b"".join(OUTPUT[start:end])
        transcript.hear(text[len(ahead) :])
        reports = b"".join(REPORTS[start:end])
        cut = data.draw(st.integers(0, len(reports)))
        transcript.report(reports[:cut])
        transcript.report(reports[cut:])
    assert transcript.label == LABELS[-1]
    assert [label for label, _ in transcript.done()] == LABELS
    (failed,) = transcript.failed
    assert (failed.package, failed.label, failed.words, failed.lines) == ("libc-bin", LABELS[2], b"words\n", 1)


def test_output_without_an_end_takes_no_memory() -> None:
    transcript = Transcript("first")
    transcript.hear(b"x")
    tracemalloc.start()
    piece = b"x" * 65536
    for _ in range(2000):
        transcript.hear(piece)
        transcript.report(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert transcript.lines == 1


def test_reports_without_end_are_no_longer_kept() -> None:
    transcript = Transcript("first")
    for _ in range(1100):
        transcript.report(b"processing: configure: a\n" * 100)
        transcript.report(b"status: a : error : no\n" * 2)
    assert len(transcript.done()) < 110_000
    assert len(transcript.failed) <= 1000
