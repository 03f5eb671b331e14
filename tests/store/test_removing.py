"""Removing names from a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import images

import imgforge
from imgforge.errors import StoreError, UsageError
from imgforge.settings import Settings
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


@pytest.fixture
def settings(layout: Layout, tmp_path: Path) -> Settings:
    """Return settings with a store that has two names of one image and one of another."""
    for image, name in ((HELLO, "hello"), (HELLO, "again"), (OTHER, "other")):
        images.put(image, layout, name)
    return Settings(store=layout.path, cache=tmp_path / "cache", manifests=())


def test_the_facade_removes_names_and_returns_them(settings: Settings, layout: Layout) -> None:
    removed = imgforge.rm("hello", "other", settings=settings)
    assert [(one.name, one.digest) for one in removed] == [("hello", HELLO.image.digest), ("other", OTHER.image.digest)]
    assert layout.names() == ("again",)


def test_the_facade_removes_every_name_of_a_digest(settings: Settings, layout: Layout) -> None:
    assert {one.name for one in imgforge.rm(str(HELLO.image.digest), settings=settings)} == {"again", "hello"}
    assert layout.names() == ("other",)


def test_the_facade_removes_a_name_with_its_digest_only(settings: Settings, layout: Layout) -> None:
    with pytest.raises(StoreError, match=f"other: expected {HELLO.image.digest}, got {OTHER.image.digest}"):
        imgforge.rm(f"other@{HELLO.image.digest}", settings=settings)
    assert [one.name for one in imgforge.rm(f"other@{OTHER.image.digest}", settings=settings)] == ["other"]
    assert layout.names() == ("again", "hello")


@pytest.mark.parametrize(
    ("names", "error", "says"),
    [
        ((), UsageError, "expected an image of the store, got none"),
        (("hello", "nowhere"), StoreError, "expected image 'nowhere'"),
        (("hello", "docker://example.org/x:1"), UsageError, "got a reference to another place"),
        (("hello", "oci:/srv/layout:x"), UsageError, "got a reference to another place"),
        (("hello", "sha256:12"), UsageError, "expected sha256:<64 hex>"),
    ],
)
def test_the_facade_removes_nothing_when_one_name_is_wrong(
    settings: Settings, layout: Layout, names: tuple[str, ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        imgforge.rm(*names, settings=settings)
    assert layout.names() == ("again", "hello", "other")


def test_the_facade_has_nothing_to_remove_from_no_store(tmp_path: Path) -> None:
    empty = Settings(store=tmp_path / "none", cache=tmp_path / "cache", manifests=())
    with pytest.raises(StoreError, match="a store without images"):
        imgforge.rm("hello", settings=empty)
    assert not (tmp_path / "none").exists()
