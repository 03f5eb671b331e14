"""What layers of other tools hold, as every reader of layers sees it: facts, files, packages, search, comparison."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from builders import foreign, images
from builders.images import AMD64, EPOCH, Made
from builders.tarballs import member, old_sparse, pax, sparse_header, tar_of

import imgforge
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.image import Layer, assemble
from imgforge.limits import Limits
from imgforge.oci import media
from imgforge.oci.config import Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.pipeline.image import copyrights, inspecting, reading, searching
from imgforge.pipeline.image.base import Base
from imgforge.privacy.hosts import Hosts
from imgforge.report import Reporter
from imgforge.settings import Settings
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout

_TOKEN = b"token = ghp_" + b"aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
_COPYRIGHT = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
_ONE_ZERO = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"/etc/holes"}


def made_of(*tars: bytes) -> Made:
    """Return an image of layers."""
    layers, blobs = [], {}
    for tar in tars:
        packed = gzip.compress(tar, mtime=0)
        layers.append(Layer(Descriptor(media.LAYER_GZIP, Digest.of(packed), len(packed)), Digest.of(tar)))
        blobs[Digest.of(packed)] = packed
    image = assemble(layers, base=None, platform=AMD64, epoch=EPOCH, changes=Overrides())
    return Made(image, blobs)


def base_of(*tars: bytes, limits: Limits | None = None) -> Base:
    made = made_of(*tars)
    return Base("base", made.image.digest, made.image, made.open, limits or Limits())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("form", foreign.SPARSE)
def test_a_sparse_file_is_the_same_to_every_reader(form: str, cache: Cache) -> None:
    base = base_of(foreign.sparse(form))
    facts = reading.facts_of(base, cache=cache, reporter=Reporter())
    assert facts.entries["opt/holes"].size == len(foreign.HOLES)
    assert reading.read_file(base, "opt/holes", cache=cache, reporter=Reporter()) == foreign.HOLES
    found = reading.read_files(base, ("opt/holes", "opt/next"), cache=cache, reporter=Reporter())
    assert found == {"opt/holes": foreign.HOLES, "opt/next": b"next"}
    (layer,) = inspecting.layers(base, cache=cache, reporter=Reporter())
    assert layer.content == len(foreign.HOLES) + 4
    assert copyrights.of_image(base, facts, cache=cache, reporter=Reporter()) == {}


def test_a_wanted_file_with_a_slash_and_holes_is_a_fact(cache: Cache) -> None:
    status = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n".ljust(512, b"\n")
    doc = member(b"/usr/share/doc/a/copyright", _COPYRIGHT)
    base = base_of(tar_of(old_sparse(b"/var/lib/dpkg/./status", [(0, status)], size=512), doc))
    facts = reading.facts_of(base, cache=cache, reporter=Reporter())
    assert facts.contents["var/lib/dpkg/status"] == status
    assert [one.name for one in inspecting.layers(base, cache=cache, reporter=Reporter())[0].packages] == ["a"]
    texts = copyrights.of_image(base, facts, cache=cache, reporter=Reporter())
    assert texts == {"a": _COPYRIGHT.decode()}


@pytest.mark.attack
@pytest.mark.parametrize(
    "tar",
    [
        tar_of(old_sparse(b"/etc/holes", [(1 << 20, _TOKEN)], size=2 << 20)),
        tar_of(old_sparse(b"etc/holes", [(0, _TOKEN[:20]), (20, _TOKEN[20:])], size=4096)),
        tar_of(member(b"/etc/../etc/holes", _TOKEN)),
        tar_of(
            pax({**_ONE_ZERO, b"GNU.sparse.realsize": b"9000"}),
            member(b"GNUSparseFile.0/x", (b"1\n4096\n%d\n" % len(_TOKEN)).ljust(512, b"\0") + _TOKEN),
        ),
    ],
    ids=["behind a hole", "cut into pieces", "a name with a slash", "form 1.0"],
)
def test_a_secret_is_found_in_every_form(tar: bytes, cache: Cache) -> None:
    base = base_of(tar)
    found = searching.image(base, layers=(0,), hosts=Hosts(), cache=cache, reporter=Reporter())
    assert [(one.place.path, one.kind) for one in found if one.place.path == "etc/holes"], found


@pytest.mark.attack
def test_holes_count_against_the_limit_of_a_layer(cache: Cache) -> None:
    base = base_of(
        tar_of(old_sparse(b"a", [], size=600_000), old_sparse(b"b", [], size=600_000)), limits=Limits(layer=1 << 20)
    )
    for read in (
        lambda: reading.facts_of(base, cache=cache, reporter=Reporter()),
        lambda: searching.image(base, layers=(0,), hosts=Hosts(), cache=cache, reporter=Reporter()),
    ):
        with pytest.raises(IntegrityError, match="'b': 600000 bytes are more than is accepted"):
            read()


@pytest.mark.attack
def test_holes_of_all_layers_count_against_the_limit_of_an_image(cache: Cache) -> None:
    layers = [tar_of(old_sparse(name, [], size=600_000)) for name in (b"a", b"b")]
    with pytest.raises(IntegrityError, match="its files, sparse ones with their holes, have more than 1 MiB"):
        reading.facts_of(base_of(*layers, limits=Limits(image=1 << 20)), cache=cache, reporter=Reporter())
    assert len(reading.facts_of(base_of(*layers), cache=cache, reporter=Reporter()).entries) == 2


@pytest.mark.attack
def test_eight_exbibytes_of_nothing_are_refused_by_every_verb(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", cache=tmp_path / "cache", now=EPOCH)
    layout = Layout(settings.store)
    layout.create()
    for name, size in (("bomb", (1 << 63) - 1), ("good", 4096)):
        header = sparse_header(b"/etc/holes", [], size=b"\x80" + size.to_bytes(11, "big"), stored=0)
        images.put(made_of(tar_of(header)), layout, name)
    assert imgforge.inspect("good", settings=settings).layers[0].content == 4096
    for verb in (
        lambda: imgforge.inspect("bomb", settings=settings),
        lambda: imgforge.diff("good", "bomb", settings=settings),
        lambda: imgforge.run("bomb", ("true",), settings=settings),
    ):
        with pytest.raises(IntegrityError, match="9223372036854775807 bytes are more than is accepted"):
            verb()


def test_files_with_holes_are_compared_by_content(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", cache=tmp_path / "cache", now=EPOCH)
    layout = Layout(settings.store)
    layout.create()
    whole = b"a" * 512 + bytes(512) + b"b" * 512
    tars = {
        "plain": tar_of(member(b"etc/f", whole)),
        "same": tar_of(old_sparse(b"/etc/f", [(0, b"a" * 512), (1024, b"b" * 512)], size=1536)),
        "other": tar_of(old_sparse(b"/etc/f", [(0, b"a" * 512), (1024, b"c" * 512)], size=1536)),
    }
    for name, tar in tars.items():
        images.put(made_of(tar), layout, name)
    assert imgforge.diff("plain", "same", settings=settings).files == ()
    (change,) = imgforge.diff("plain", "other", settings=settings).files
    assert (change.path, change.aspects[0][0]) == ("etc/f", "content")
