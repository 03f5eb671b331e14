"""Urgencies of the entries that came after a version."""

from __future__ import annotations

import pytest

from imgforge.deb import changelog
from imgforge.deb.changelog import Entry

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


@pytest.mark.parametrize("version", ["1.0-", "unknown", "-1", "1.0:2", "99999999999:1"])
def test_an_entry_without_a_version_says_no_urgency_and_hides_no_other(version: str) -> None:
    assert changelog.urgency_since(f"{TEXT}\nhello ({version}) unstable; urgency=critical\n", "1.4") == "high"


def test_text_that_is_no_changelog_has_no_urgency() -> None:
    assert changelog.urgency_since("what changed: everything", "1") == ""


def test_the_entries_between_two_versions_are_the_newest_first() -> None:
    found = changelog.entries_between(TEXT, after="1.5-1", until="2.0-1")
    assert found == (
        Entry("2.0-1", "low", "  * Newest."),
        Entry("1.5-2", "high", "  * Security; urgency=critical in prose does not count."),
    )
    assert [entry.version for entry in changelog.entries_between(TEXT, after="1.0", until="1.5-2")] == [
        "1.5-2",
        "1.5-1",
    ]
    assert changelog.entries_between(TEXT, after="2.0-1", until="2.0-1") == ()


def test_an_entry_without_a_version_is_passed_over() -> None:
    text = "hello (unknown) unstable; urgency=low\n\n  * Old.\n\n" + TEXT
    assert len(changelog.entries_between(text, after="1", until="9")) == 3
