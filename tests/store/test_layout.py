from __future__ import annotations

import io
import json
import multiprocessing
import os
from pathlib import Path

import pytest
from builders import images

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, StoreError, UsageError
from imgforge.store.layout import Layout
from imgforge.store.names import MARKER, Names
from imgforge.store.reach import Collected, MissingError

FORK = multiprocessing.get_context("fork")
DATA = os.urandom(3_000_000)
HELLO = images.build_image({"etc/hello": b"hello\n"}, {"etc/world": b"world\n"})
OTHER = images.build_image({"etc/hello": b"other\n"})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "store")


def left(layout: Layout) -> list[str]:
    """Return what no image and no reader needs."""
    tops = sorted(path.name for path in layout.path.iterdir())
    assert tops == [".imgforge", "blobs", "index.json", "oci-layout"]
    return [path.name for path in (layout.path / ".imgforge" / "tmp").iterdir() if path.name != "gate"]


def damage(layout: Layout, digest: Digest, data: bytes) -> None:
    layout.blob_path(digest).write_bytes(data)


def test_bytes_streams_and_files_become_the_same_blob(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    blobs = [layout.add_blob(content) for content in (DATA, io.BytesIO(DATA), tmp_path / "file")]
    assert {(blob.digest, blob.size) for blob in blobs} == {(Digest.of(DATA), len(DATA))}
    with layout.open_blob(Digest.of(DATA)) as stream:
        assert stream.read() == DATA
    with layout.open_verified(Digest.of(DATA), len(DATA)) as stream:
        assert stream.read() == DATA
    assert layout.read(Digest.of(DATA)) == DATA
    assert left(layout) == []


def test_what_is_written_in_pieces_is_hashed_on_its_way(layout: Layout) -> None:
    with layout.ingest() as sink:
        for start in range(0, len(DATA), 12_345):
            sink.write(memoryview(DATA)[start : start + 12_345])
        with pytest.raises(StoreError, match="not finished"):
            _ = sink.blob
    assert sink.blob.digest == Digest.of(DATA)
    assert layout.has(sink.blob.digest, sink.blob.size)


def test_other_bytes_than_expected_leave_nothing(layout: Layout) -> None:
    with pytest.raises(IntegrityError, match=r"new blob: expected sha256:.*, got sha256:"):
        layout.add_blob(DATA, Digest.of(b"other"))
    assert not layout.has(Digest.of(DATA))
    assert left(layout) == []


def test_an_interrupted_ingest_leaves_nothing(layout: Layout) -> None:
    def interrupt() -> None:
        with layout.ingest() as sink:
            sink.write(DATA)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert left(layout) == []
    assert list(layout.path.glob("blobs/*/*")) == []


def test_a_file_that_cannot_be_read_is_a_store_error(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none: No such file"):
        layout.add_blob(tmp_path / "none")


def test_a_missing_blob_says_so(layout: Layout) -> None:
    digest = Digest.of(b"never")
    assert not layout.has(digest)
    assert layout.size(digest) is None
    for read in (layout.open_blob, layout.open_verified, layout.read):
        with pytest.raises(MissingError, match=f"{digest}: no such blob"):
            read(digest)


@pytest.mark.parametrize("wrong", [b"", DATA[:-1], DATA + b"x", b"x" + DATA[1:]])
def test_a_damaged_blob_is_never_read_as_whole_and_is_healed_by_adding_it_again(layout: Layout, wrong: bytes) -> None:
    digest = layout.add_blob(DATA).digest
    damage(layout, digest, wrong)
    with pytest.raises(IntegrityError):
        layout.read(digest)

    def read_verified() -> bytes:
        with layout.open_verified(digest, len(DATA)) as stream:
            return stream.read()

    with pytest.raises(IntegrityError):
        read_verified()
    assert layout.has(digest, len(DATA)) == (len(wrong) == len(DATA))
    layout.add_blob(DATA)
    assert read_verified() == DATA


def test_a_long_blob_is_not_read_at_once(layout: Layout) -> None:
    digest = layout.add_blob(DATA).digest
    with pytest.raises(IntegrityError, match="expected at most 1000 bytes, got more"):
        layout.read(digest, cap=1000)


def test_a_pipe_or_directory_in_a_blob_s_place_is_refused_at_once(layout: Layout) -> None:
    layout.create()
    pipe, directory = layout.blob_path(Digest.of(b"1")), layout.blob_path(Digest.of(b"2"))
    os.mkfifo(pipe)
    directory.mkdir()
    for digest in (Digest.of(b"1"), Digest.of(b"2")):
        with pytest.raises(StoreError, match="expected a file"):
            layout.open_blob(digest)


def test_an_image_is_found_by_its_name_and_digest(layout: Layout) -> None:
    descriptor = images.put(HELLO, layout, "hello")
    assert layout.names() == ("hello",)
    assert layout.resolve("hello") == descriptor.named("hello")
    assert layout.resolve(descriptor.digest) == descriptor.named("hello")
    assert layout.resolve("") == descriptor.named("hello")
    images.check_layout(layout)


def test_a_name_moves_and_the_image_may_have_another(layout: Layout) -> None:
    images.put(HELLO, layout, "a")
    images.put(HELLO, layout, "b")
    images.put(OTHER, layout, "a")
    assert images.describe(layout) == {"a": OTHER.image.digest.short, "b": HELLO.image.digest.short}
    with pytest.raises(StoreError, match="expected one image") as error:
        layout.resolve("")
    assert error.value.__notes__ == ["images there: a, b"]


def test_naming_it_again_does_not_touch_the_index(layout: Layout) -> None:
    images.put(HELLO, layout, "a")
    before = (layout.path / "index.json").stat()
    images.put(HELLO, layout, "a")
    assert (layout.path / "index.json").stat().st_ino == before.st_ino


def test_a_name_that_is_not_there_is_named_with_those_that_are(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    with pytest.raises(StoreError, match="expected image 'hallo', got no such one") as error:
        layout.resolve("hallo")
    assert error.value.__notes__ == ["did you mean 'hello'?", "images there: hello"]
    with pytest.raises(StoreError, match="expected image 'hallo'"):
        layout.remove("hallo")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\n", "-a", "x" * 300])
def test_a_name_that_the_specification_does_not_allow_is_refused(layout: Layout, name: str) -> None:
    images.put(HELLO, layout, "hello")
    with pytest.raises(UsageError, match="image name"):
        layout.tag(name, HELLO.image.descriptor)
    assert layout.names() == ("hello",)


@pytest.mark.parametrize("lost", ["manifest", "config", "layer"])
def test_a_name_is_never_given_to_an_image_that_lacks_a_blob(layout: Layout, lost: str) -> None:
    images.put(OTHER, layout, "hello")
    images.put(HELLO, layout, "whole")
    layout.remove("whole")
    manifest = HELLO.image.manifest
    digest = {"manifest": manifest.digest, "config": manifest.config.digest, "layer": manifest.layers[1].digest}[lost]
    layout.blob_path(digest).unlink()
    with pytest.raises(MissingError, match=f"hello: expected {digest}, .* bytes, got no such blob"):
        layout.tag("hello", HELLO.image.descriptor)
    assert images.describe(layout) == {"hello": OTHER.image.digest.short}


def test_a_name_is_never_given_to_an_image_with_a_blob_of_another_size(layout: Layout) -> None:
    images.put(HELLO, layout, "whole")
    damage(layout, HELLO.image.manifest.layers[0].digest, b"")  # what a power cut leaves
    with pytest.raises(MissingError):
        layout.tag("hello", HELLO.image.descriptor)


def test_what_no_name_leads_to_is_collected(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    images.put(OTHER, layout, "other")
    loose = layout.add_blob(DATA).digest
    layout.remove("other")
    collected = layout.gc()
    assert (collected.blobs, collected.kept, collected.broken) == (4, 4, ())
    assert collected.size >= len(DATA)
    assert not layout.has(loose)
    images.check_layout(layout)
    assert layout.gc() == Collected(0, 0, 4, ())


def test_what_a_running_build_added_or_asked_for_stays(layout: Layout) -> None:
    asked, unasked = layout.add_blob(b"asked").digest, layout.add_blob(b"unasked").digest
    for digest in (asked, unasked):
        os.utime(layout.blob_path(digest), (1000, 1000))
    with layout.using():
        added = layout.add_blob(b"added").digest
        assert layout.has(asked)
        assert Layout(layout.path).gc().blobs == 1
        assert (layout.has(added), layout.has(asked), layout.has(unasked)) == (True, True, False)
    assert layout.gc().blobs == 2


def test_a_killed_build_protects_nothing_and_what_it_left_goes(layout: Layout) -> None:
    def die() -> None:
        with layout.using():
            layout.add_blob(b"added")
            with layout.ingest() as sink:
                sink.write(DATA)
                os.kill(os.getpid(), 9)

    child = FORK.Process(target=die)
    child.start()
    child.join()
    assert len(left(layout)) == 1
    assert layout.gc().blobs == 1
    assert left(layout) == []


def test_an_image_that_lacks_a_blob_is_named_and_the_others_stay(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    images.put(OTHER, layout, "other")
    layout.blob_path(HELLO.image.manifest.layers[0].digest).unlink()
    assert layout.gc() == Collected(0, 0, 6, ("hello",))
    damage(layout, HELLO.image.digest, b"{}")
    assert layout.gc().broken == ("hello",)
    images.put(HELLO, layout, "hello")
    assert layout.gc().broken == ()
    images.check_layout(layout)


def test_files_of_other_tools_among_the_blobs_stay(layout: Layout) -> None:
    layout.create()
    stranger = layout.path / "blobs" / "sha256" / "upload.part"
    stranger.write_text("")
    assert layout.gc().blobs == 0
    assert stranger.exists()


def test_what_other_tools_wrote_into_the_index_stays(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    index = layout.path / "index.json"
    document = json.loads(index.read_bytes())
    document["annotations"] = {"org.example": "kept"}
    document["manifests"][0]["urls"] = ["https://mirrors.wikimedia.org/x"]
    index.write_text(json.dumps(document))
    images.put(OTHER, layout, "other")
    changed = json.loads(index.read_bytes())
    assert changed["annotations"] == {"org.example": "kept"}
    assert changed["manifests"][0]["urls"] == ["https://mirrors.wikimedia.org/x"]


@pytest.mark.parametrize(
    ("marker", "index", "message"),
    [
        (None, b'{"schemaVersion":2,"manifests":[]}', "expected an OCI image layout or an empty directory, got 'stran"),
        (MARKER, None, "index.json: No such file"),
        (b'{"imageLayoutVersion":"2.0.0"}', b"{}", "imageLayoutVersion: expected '1.0.0', got '2.0.0'"),
        (b"{}", b"{}", "expected a member 'imageLayoutVersion'"),
        (b"x", b"{}", "expected JSON"),
        (MARKER, b"{}", "index.json: expected a member 'manifests'"),
        (MARKER, b'{"manifests":[{"mediaType":"a/b","size":1,"digest":"sha256:../../x"}]}', "digest sha256:'../../x'"),
        (MARKER, b'{"manifests":[', "expected JSON"),
    ],
)
def test_what_is_no_layout_is_refused(
    layout: Layout, *, marker: bytes | None, index: bytes | None, message: str
) -> None:
    layout.path.mkdir()
    (layout.path / "stranger").write_text("")
    if marker is not None:
        (layout.path / "oci-layout").write_bytes(marker)
    if index is not None:
        (layout.path / "index.json").write_bytes(index)
    with pytest.raises((StoreError, IntegrityError)) as error:
        layout.names()
    assert message in str(error.value)
    with pytest.raises((StoreError, IntegrityError)):
        images.put(HELLO, layout, "hello")


def test_a_store_whose_making_was_interrupted_is_made_to_the_end(layout: Layout) -> None:
    (layout.path / "blobs").mkdir(parents=True)
    assert layout.names() == ()
    (layout.path / "index.json").write_bytes(Names.empty(layout.path).dump())
    assert layout.names() == ()
    images.put(HELLO, layout, "hello")
    images.check_layout(layout)


def test_two_processes_writing_at_once_lose_nothing(layout: Layout) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            made = images.build_image({"etc/shared": b"shared"}, {"etc/own": b"%d %d" % (number, turn)})
            with layout.using():
                images.put(made, layout, f"image-{number}-{turn}")
            layout.gc()

    children = [FORK.Process(target=write, args=(number,)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert len(layout.names()) == 20
    images.check_layout(layout)
    assert left(layout) == []


def test_a_foreign_layout_is_read_without_a_trace(layout: Layout) -> None:
    images.put(HELLO, layout, "hello")
    digest = HELLO.image.digest
    for path in sorted((layout.path / ".imgforge").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (layout.path / ".imgforge").rmdir()
    assert layout.has(digest)
    assert layout.names() == ("hello",)
    assert layout.read(digest) == HELLO.image.manifest.raw
    assert not (layout.path / ".imgforge").exists()


def test_the_blobs_of_a_store_may_be_read_by_whom_the_umask_allows(layout: Layout) -> None:
    before = os.umask(0o027)
    try:
        digest = layout.add_blob(b"x").digest
    finally:
        os.umask(before)
    assert layout.blob_path(digest).stat().st_mode & 0o777 == 0o640
