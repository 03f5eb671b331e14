from __future__ import annotations

from pathlib import Path

import pytest
from builders import images

from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.platform import Platform
from imgforge.store.layout import Layout
from imgforge.store.listing import images as list_images
from imgforge.store.reach import Collected, MissingError

HELLO = images.build_image({"etc/hello": b"hello\n"}, {"etc/world": b"world\n"})
OTHER = images.build_image({"etc/hello": b"other\n"})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "store")


def test_an_index_of_platforms_can_be_named_and_leads_to_all_of_them(layout: Layout) -> None:
    for made in (HELLO, OTHER):
        images.put(made, layout, "part")
    layout.remove("part")
    index = Index.make((HELLO.image.descriptor, OTHER.image.descriptor))
    with pytest.raises(MissingError):
        layout.tag("both", index.descriptor)
    layout.add_blob(index.raw)
    layout.tag("both", index.descriptor)
    assert layout.gc().blobs == 0
    layout.remove("both")
    collected = layout.gc()
    assert (collected.blobs, collected.kept) == (8, 0)


def test_a_referrer_may_be_named_where_its_subject_is_not(layout: Layout) -> None:
    config = Descriptor(media.EMPTY, layout.add_blob(b"{}").digest, 2)
    referrer = Manifest.make(config, (config,), subject=HELLO.image.descriptor, artifact_type="application/x.test")
    layout.add_blob(referrer.raw)
    layout.tag("signature", referrer.descriptor)
    assert layout.gc() == Collected(0, 0, 2, ())
    assert list_images(layout)[0].platform == ""


def test_where_there_is_no_store_there_are_no_images(layout: Layout) -> None:
    assert layout.names() == ()
    assert list_images(layout) == ()
    assert layout.gc() == Collected(0, 0, 0, ())
    assert not layout.path.exists()


def test_the_listing_tells_platform_size_and_what_is_wrong(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    images.put(OTHER, layout, "broken")
    layout.blob_path(OTHER.image.manifest.layers[0].digest).unlink()
    broken, hello = list_images(layout)
    assert (hello.name, hello.digest, hello.platform) == ("hello", HELLO.image.digest, "linux/amd64")
    assert (hello.created, hello.layers, hello.problem) == ("2023-11-14T22:13:20Z", 2, "")
    assert hello.size == sum(blob.size for blob in HELLO.image.manifest.blobs) + len(HELLO.image.manifest.raw)
    assert broken.name == "broken"
    assert broken.problem.endswith("got no such blob")


def test_the_listing_of_an_index_has_each_platform(layout: Layout) -> None:
    arm = images.build_image({"a": b""}, platform=Platform("linux", "arm64"))
    for made in (HELLO, arm):
        images.put(made, layout, "part")
    index = Index.make((HELLO.image.descriptor, arm.image.descriptor))
    layout.add_blob(index.raw)
    layout.tag("both", index.descriptor)
    found = [(stored.name, stored.platform) for stored in list_images(layout) if stored.digest == index.digest]
    assert found == [("both", "linux/amd64"), ("both", "linux/arm64")]
