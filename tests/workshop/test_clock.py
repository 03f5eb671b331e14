from __future__ import annotations

import itertools
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from imgforge.workshop.clock import Clock

TEXT = (
    b"noise\nSetting up a (1.0) ...\n\xff\xfe\nProcessing triggers for libc-bin (2.36-9) ...\n"
    b"Unpacking b:i386 (2) ...\n"
)
LABELS = ["first", "configure a", "trigger libc-bin", "unpack b:i386"]


@given(st.lists(st.integers(0, len(TEXT)), max_size=30))
def test_labels_do_not_depend_on_how_the_output_comes_in_pieces(cuts: list[int]) -> None:
    clock = Clock("first")
    edges = [0, *sorted(cuts), len(TEXT)]
    for start, end in itertools.pairwise(edges):
        clock.hear(TEXT[start:end])
    assert clock.label == LABELS[-1]
    assert [label for label, _ in clock.done()] == LABELS


def test_a_line_without_an_end_takes_no_memory() -> None:
    clock = Clock("first")
    clock.hear(b"x")
    tracemalloc.start()
    piece = b"x" * 65536
    for _ in range(2000):
        clock.hear(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_lines_that_name_packages_without_end_are_no_longer_kept() -> None:
    clock = Clock("first")
    for _ in range(1100):
        clock.hear(b"Setting up a (1) ...\n" * 100)
    assert len(clock.done()) < 110_000
