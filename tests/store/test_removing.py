"""Removing names from a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import images

from imgforge.errors import StoreError
from imgforge.store.layout import Layout

HELLO = images.build_image({"etc/hello": b"hello\n"}, {"etc/world": b"world\n"})
OTHER = images.build_image({"etc/hello": b"other\n"})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a store that is not made yet."""
    return Layout(tmp_path / "store")


def test_names_are_removed_all_or_none(layout: Layout) -> None:
    for name in ("one", "two", "three"):
        images.put(HELLO, layout, name)
    with pytest.raises(StoreError, match="expected image 'four'"):
        layout.remove("one", "four")
    assert layout.names() == ("one", "three", "two")
    assert [entry.name for entry in layout.remove("one", "two")] == ["one", "two"]
    assert layout.names() == ("three",)


def test_a_digest_removes_every_name_of_its_image_and_no_other(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    images.put(HELLO, layout, "again")
    images.put(OTHER, layout, "other")
    assert {entry.name for entry in layout.remove(HELLO.image.digest)} == {"hello", "again"}
    assert layout.names() == ("other",)
