"""Records of the cache: what comes out is what went in, and entries are read only when somebody asks for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge import record
from imgforge.errors import StoreError
from imgforge.tree import Entry, Kind

ENTRIES = st.lists(
    st.builds(
        Entry,
        path=st.text("abc/\N{LATIN SMALL LETTER E WITH ACUTE}\udc80", min_size=1, max_size=8),
        kind=st.sampled_from(Kind),
        mode=st.integers(0, 0o7777),
        uid=st.integers(0, 1 << 31),
        mtime=st.integers(-(1 << 40), 1 << 40),
        xattrs=st.just((("user.a", b"\0\xff"),)),
    ),
    unique_by=lambda entry: entry.path,
)


@given(ENTRIES)
def test_entries_come_back_in_their_order(entries: list[Entry]) -> None:
    found = record.Entries(record.dump(record.rows(entries)))
    expected = {entry.path: entry for entry in entries}
    assert found == expected
    assert list(found) == list(expected)
    assert list(found.items()) == list(expected.items())
    assert len(found) == len(expected)
    assert all(path in found and found.get(path) is found[path] for path in expected)
    assert "nowhere" not in found
    assert found.get("nowhere") is None
    with pytest.raises(KeyError):
        found["nowhere"]


def test_a_record_is_read_when_an_entry_is_asked_for() -> None:
    damaged = record.Entries(b"no record")
    with pytest.raises(StoreError, match="delete the cache"):
        len(damaged)


def test_a_damaged_record_is_an_error_that_says_what_to_do() -> None:
    whole = record.dump(((), {"etc/passwd": b"root"}))
    assert record.load(whole) == ((), {"etc/passwd": b"root"})
    for damaged in (b"", whole[:-3], b"\xff" + whole):
        with pytest.raises(StoreError, match="delete the cache: it is rebuilt when needed"):
            record.load(damaged)
