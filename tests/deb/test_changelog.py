"""Urgencies of the entries that came after a version."""

from __future__ import annotations

import pytest

from imgforge.deb import changelog

TEXT = """\
hello (2.0-1) unstable; urgency=low

  * Newest.

 -- Somebody <somebody@example.org>  Mon, 01 Jan 2024 00:00:00 +0000

hello (1.5-2) bookworm-security; urgency=HIGH; binary-only=yes

  * Security; urgency=critical in prose does not count.

 -- Somebody <somebody@example.org>  Sun, 01 Jan 2023 00:00:00 +0000

hello (1.5-1) unstable; urgency=medium

  * Older.

 -- Somebody <somebody@example.org>  Sat, 01 Jan 2022 00:00:00 +0000
"""


@pytest.mark.parametrize(
    ("since", "urgency"),
    [("1.4", "high"), ("1.5-1", "high"), ("1.5-2", "low"), ("2.0-1", ""), ("2:0", "")],
)
def test_the_highest_urgency_of_newer_entries_counts(since: str, urgency: str) -> None:
    assert urgency == changelog.urgency_since(TEXT, since)


def test_an_unknown_urgency_counts_as_none() -> None:
    assert changelog.urgency_since("hello (2) unstable; urgency=yesterday\n", "1") == ""


def test_text_that_is_no_changelog_has_no_urgency() -> None:
    assert changelog.urgency_since("what changed: everything", "1") == ""
