"""Images go out and come back the same; what is there already is never asked for; nobody sees half of one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import attrs
import pytest
from builders import images

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, StoreError, UsageError
from imgforge.image import Base, Image, assemble
from imgforge.oci.config import Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.oci.verified import drain
from imgforge.store.layout import Layout
from imgforge.transport import table
from imgforge.transport.layout import keep
from imgforge.transport.place import OpenBlob
from imgforge.transport.table import Table, transports

FORK = multiprocessing.get_context("fork")
MADE = images.build_image({"etc/hello": b"hello\n" * 100}, {"etc/world": b"world\n"}, {"etc/world": b"world\n"})
OTHER = images.build_image({"etc/other": b"other\n"})
PLACES = ["oci:{}/layout:name", "oci:{}/layout", "oci-archive:{}/it.tar:name", "oci-archive:{}/it.tar"]


@pytest.fixture
def store(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "store")


@pytest.fixture
def served(store: Layout) -> Table:
    return transports(store)


def refer(place: str, tmp_path: Path) -> Reference:
    return Reference.parse(place.format(tmp_path))


def check_whole(image: Image, blobs: OpenBlob) -> None:
    for layer in image.manifest.layers:
        with blobs(layer) as stream:
            data = stream.read()
        assert (Digest.of(data), len(data)) == (layer.digest, layer.size)


@pytest.mark.parametrize("place", [*PLACES, "name"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_an_image_comes_back_byte_for_byte(tmp_path: Path, served: Table, place: str, compression: str) -> None:
    made = images.build_image({"a": b"1"}, {"b": b"2"}, compression=compression)
    table.write(made.image, made.open, reference=refer(place, tmp_path), table=served)
    with table.read(refer(place, tmp_path), table=served) as opened:
        assert opened.image == made.image
        check_whole(opened.image, opened.open)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_docker_archive_keeps_config_and_content(tmp_path: Path, served: Table, compression: str) -> None:
    made = images.build_image({"a": b"1"}, {"b": b"2"}, {"b": b"2"}, compression=compression)
    reference = refer("docker-archive:{}/it.tar:hello:v1", tmp_path)
    table.write(made.image, made.open, reference=reference, table=served)
    for name in ("", ":hello:v1"):
        with table.read(refer("docker-archive:{}/it.tar" + name, tmp_path), table=served) as opened:
            assert opened.image.config == made.image.config
            assert [layer.digest for layer in opened.image.manifest.layers] == list(made.image.config.diff_ids)
            check_whole(opened.image, opened.open)
    with (
        pytest.raises(UsageError, match="expected hello:v2, got 0 of these: hello:v1"),
        table.read(refer("docker-archive:{}/it.tar:hello:v2", tmp_path), table=served),
    ):
        pass


@pytest.mark.parametrize("place", [*PLACES, "docker-archive:{}/it.tar:hello"])
def test_equal_images_are_written_as_equal_bytes(tmp_path: Path, served: Table, place: str) -> None:
    def written(directory: Path, umask: int) -> dict[str, bytes]:
        before = os.umask(umask)
        try:
            table.write(MADE.image, MADE.open, reference=refer(place, directory), table=served)
        finally:
            os.umask(before)
        files = [path for path in directory.rglob("*") if path.is_file() and ".imgforge" not in path.parts]
        return {str(path.relative_to(directory)): path.read_bytes() for path in files}

    first = written(tmp_path / "first", 0o077)
    time.sleep(0.01)
    assert written(tmp_path / "second", 0o022) == first
    assert written(tmp_path / "first", 0o022) == first


def test_blobs_that_are_there_are_never_asked_for(store: Layout) -> None:
    asked: list[Digest] = []
    above = images.build_image({"etc/above": b"above"}, base=OTHER)
    only_above = above.image.manifest.layers[1]

    def counting(descriptor: Descriptor) -> BinaryIO:
        asked.append(descriptor.digest)
        return above.open(descriptor)

    keep(OTHER.image, OTHER.open, layout=store, name="base")
    keep(above.image, counting, layout=store, name="above")
    assert asked == [only_above.digest]
    keep(above.image, counting, layout=store, name="again")
    assert asked == [only_above.digest]
    images.check_layout(store)


@pytest.mark.parametrize("place", [*PLACES, "docker-archive:{}/it.tar", "name"])
def test_a_wrong_blob_leaves_what_was_there(tmp_path: Path, served: Table, place: str) -> None:
    reference = refer(place, tmp_path)
    table.write(OTHER.image, OTHER.open, reference=reference, table=served)
    layer = MADE.image.manifest.layers[1]
    wrong = attrs.evolve(MADE, blobs={**MADE.blobs, layer.digest: bytes(layer.size)})
    with pytest.raises(IntegrityError):
        table.write(wrong.image, wrong.open, reference=reference, table=served)
    with table.read(reference, table=served) as opened:
        assert opened.image.config == OTHER.image.config
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("place", ["oci-archive:{}/dir", "docker-archive:{}/dir"])
def test_something_else_than_a_file_is_not_replaced(tmp_path: Path, served: Table, place: str) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(StoreError, match="dir: expected a file or nothing"):
        table.write(MADE.image, MADE.open, reference=refer(place, tmp_path), table=served)


@pytest.mark.parametrize("place", ["oci-archive:{}/it.tar:name", "docker-archive:{}/it.tar:hello"])
def test_an_archive_is_old_or_new_whenever_its_writers_are_killed(tmp_path: Path, served: Table, place: str) -> None:
    choose = random.Random(5)
    reference = refer(place, tmp_path)
    candidates = [images.build_image({"a": b"%d" % number * 100_000}, compression="none") for number in range(3)]
    table.write(candidates[0].image, candidates[0].open, reference=reference, table=served)

    def write(seed: int) -> None:
        choose = random.Random(seed)
        while True:
            made = choose.choice(candidates)
            table.write(made.image, made.open, reference=reference, table=served)

    for turn in range(15):
        children = [FORK.Process(target=write, args=(turn * 2 + one,)) for one in range(2)]
        for child in children:
            child.start()
        time.sleep(choose.uniform(0, 0.05))
        for child in children:
            assert child.exitcode is None
            child.kill()
            child.join()
        with table.read(reference, table=served) as opened:
            assert opened.image.config in [made.image.config for made in candidates]
            check_whole(opened.image, opened.open)
    table.write(MADE.image, MADE.open, reference=reference, table=served)
    assert [path.name for path in tmp_path.iterdir()] == ["it.tar"]


def test_a_digest_chooses_in_a_store_whatever_has_the_name_now(store: Layout, served: Table) -> None:
    for made in (MADE, OTHER):
        table.write(made.image, made.open, reference=Reference.parse("name"), table=served)
    with table.read(Reference.parse(f"name@{MADE.image.digest}"), table=served) as opened:
        assert opened.image == MADE.image
    with (
        pytest.raises(StoreError, match="no such blob"),
        table.read(Reference.parse(f"name@{Digest.of(b'never')}"), table=served),
    ):
        pass


def test_an_index_gives_the_image_of_the_platform(store: Layout, served: Table) -> None:
    arm = images.build_image({"a": b"arm"}, platform=Platform("linux", "arm64"))
    for made in (MADE, arm):
        images.put(made, store, "part")
    index = Index.make((MADE.image.descriptor, arm.image.descriptor))
    store.add_blob(index.raw)
    store.tag("both", index.descriptor)
    with table.read(Reference.parse("both"), table=served, platform=Platform("linux", "arm64")) as opened:
        assert opened.image == arm.image
    with (
        pytest.raises(UsageError, match="expected one image for any platform"),
        table.read(Reference.parse("both"), table=served),
    ):
        pass


def test_what_is_read_from_one_place_is_written_to_another(tmp_path: Path, served: Table) -> None:
    table.write(MADE.image, MADE.open, reference=refer("oci-archive:{}/it.tar", tmp_path), table=served)
    with table.read(refer("oci-archive:{}/it.tar", tmp_path), table=served) as opened:
        table.write(opened.image, opened.open, reference=Reference.parse("copy"), table=served)
    with table.read(Reference.parse("copy"), table=served) as copy:
        assert copy.image == MADE.image


def test_nobody_can_choose_the_digest_to_write_to(served: Table) -> None:
    with pytest.raises(UsageError, match="expected a name to write to, got a digest"):
        table.write(MADE.image, MADE.open, reference=Reference.parse(f"name@{MADE.image.digest}"), table=served)


def test_a_transport_that_is_not_in_the_table_is_named(served: Table) -> None:
    reference = Reference.parse("docker://localhost/x")
    with pytest.raises(UsageError, match="expected one of the transports docker-archive, oci, oci-archive, store"):
        table.write(MADE.image, MADE.open, reference=reference, table=served)


def test_an_archive_without_a_name_for_the_image_takes_its_title(tmp_path: Path, served: Table) -> None:
    for title, expected in (("hello", "hello:latest"), ("No Name", "images without a name"), ("", "images without")):
        image = assemble(
            [],
            base=Base(MADE.image, "b"),
            platform=images.AMD64,
            epoch=0,
            changes=Overrides(),
            annotations=(("org.opencontainers.image.title", title),) if title else (),
        )
        table.write(image, MADE.open, reference=refer("docker-archive:{}/it.tar", tmp_path), table=served)
        with (
            pytest.raises(UsageError, match=expected),
            table.read(refer("docker-archive:{}/it.tar:other", tmp_path), table=served),
        ):
            pass


@contextlib.contextmanager
def nothing_open() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("place", [*PLACES, "docker-archive:{}/it.tar", "name"])
def test_nothing_stays_open(tmp_path: Path, served: Table, place: str) -> None:
    with nothing_open():
        table.write(MADE.image, MADE.open, reference=refer(place, tmp_path), table=served)
        with table.read(refer(place, tmp_path), table=served) as opened:
            for layer in opened.image.manifest.layers:
                with opened.open(layer) as stream:
                    drain(stream)
