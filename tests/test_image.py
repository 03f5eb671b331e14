from __future__ import annotations

import io
import json

import attrs
import pytest
from builders import images
from hypothesis import given
from hypothesis import strategies as st

from imgforge.digest import Digest, check
from imgforge.errors import IntegrityError, UsageError
from imgforge.image import Base, Image, Layer, assemble, open_tar, packages_of_step, packages_step, timestamp
from imgforge.oci import media
from imgforge.oci.config import Execution, History, ImageConfig, Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.verified import drain

CREATED = "2023-11-14T22:13:20Z"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
BASE = images.build_image({"etc/base": b"base"}, changes=Overrides(env=(("PATH", "/bin"),), cmd=("sh",)))
LAYER, LAYER_DATA = images.build_layer({"etc/new": b"new"}, created_by=packages_step([("b", "2"), ("a", "1:1-1~x")]))


def docker_base() -> Image:
    """Return an image as Docker's tools write them: indented, with members that only Docker knows, without history."""
    config = b"""{
  "architecture": "amd64", "os": "linux", "docker_version": "20.10.24", "created": "2020-01-01T00:00:00.5Z",
  "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["bash"], "Healthcheck": {"Test": ["NONE"]}, "OnBuild": []},
  "rootfs": {"type": "layers", "diff_ids": ["%s"]}
}""" % str(LAYER.diff_id).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media.DOCKER_MANIFEST,
            "config": {"mediaType": media.DOCKER_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [{**LAYER.descriptor.to_json(), "mediaType": media.DOCKER_LAYER_GZIP}],
        },
        indent=3,
    ).encode()
    return Image(Manifest.parse(manifest, what="docker"), ImageConfig.parse(config, what="docker"))


def build(*, base: Image | None = BASE.image, changes: Overrides | None = None, epoch: int = images.EPOCH) -> Image:
    return assemble(
        [LAYER],
        base=Base(base, "registry.example.org/base:1") if base else None,
        platform=AMD64,
        epoch=epoch,
        changes=changes or Overrides(),
        annotations=(("org.opencontainers.image.title", "new"),),
    )


def test_an_image_lies_on_its_base() -> None:
    image = build(changes=Overrides(user="app", env=(("NEW", "1"),)))
    assert image.manifest.layers == (*BASE.image.manifest.layers, LAYER.descriptor)
    assert image.config.diff_ids == (*BASE.image.config.diff_ids, LAYER.diff_id)
    assert image.config.created == CREATED
    assert image.config.execution == Execution(user="app", env=(("PATH", "/bin"), ("NEW", "1")), cmd=("sh",))
    assert image.config.history == (
        *BASE.image.config.history,
        History(CREATED, "imgforge: packages a=1:1-1~x b=2"),
        History(CREATED, "imgforge: user app", is_empty=True),
        History(CREATED, "imgforge: env NEW=1", is_empty=True),
    )
    assert image.manifest.annotations == (
        ("org.opencontainers.image.base.digest", str(BASE.image.digest)),
        ("org.opencontainers.image.base.name", "registry.example.org/base:1"),
        ("org.opencontainers.image.created", CREATED),
        ("org.opencontainers.image.title", "new"),
    )


def test_an_image_from_scratch_names_no_base() -> None:
    image = build(base=None)
    assert image.config.diff_ids == (LAYER.diff_id,)
    assert [key for key, _value in image.manifest.annotations if "base" in key] == []
    assert image.descriptor.platform == AMD64


def test_an_annotation_that_is_given_wins() -> None:
    image = assemble(
        [],
        base=None,
        platform=AMD64,
        epoch=0,
        changes=Overrides(),
        annotations=(("org.opencontainers.image.created", "never"),),
    )
    assert image.manifest.annotations == (("org.opencontainers.image.created", "never"),)


def test_the_manifest_of_a_known_image_never_changes() -> None:
    # This digest is an interface: whoever changes it makes every image of every user anew.
    layer = Layer(Descriptor(media.LAYER_GZIP, Digest.of(b"layer"), 5), Digest.of(b"tar"), "imgforge: packages a=1")
    image = assemble(
        [layer],
        base=None,
        platform=AMD64,
        epoch=0,
        changes=Overrides(user="é", entrypoint=("a", "b"), labels=(("k", "v"),)),
        annotations=(("z", "1"), ("a", "2")),
    )
    assert json.loads(image.config.raw) == {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"User": "é", "Entrypoint": ["a", "b"], "Labels": {"k": "v"}},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"tar"))]},
        "history": [
            {"created": "1970-01-01T00:00:00Z", "created_by": "imgforge: packages a=1"},
            {"created": "1970-01-01T00:00:00Z", "created_by": "imgforge: user é", "empty_layer": True},
            {"created": "1970-01-01T00:00:00Z", "created_by": "imgforge: entrypoint a b", "empty_layer": True},
            {"created": "1970-01-01T00:00:00Z", "created_by": "imgforge: label k=v", "empty_layer": True},
        ],
    }
    assert str(image.digest) == "sha256:c4dcb0a5262411e19b68268e3861770c70a645728a8f8188ef611b654a6bf886"


@given(st.permutations([("a", "1"), ("b", "2"), ("c", "3")]))
def test_the_order_in_which_facts_are_given_is_no_fact(pairs: list[tuple[str, str]]) -> None:
    labels = tuple(pairs)
    given_order = assemble(
        [LAYER], base=None, platform=AMD64, epoch=1, changes=Overrides(labels=labels), annotations=labels
    )
    sorted_order = assemble(
        [LAYER],
        base=None,
        platform=AMD64,
        epoch=1,
        changes=Overrides(labels=tuple(sorted(labels))),
        annotations=tuple(sorted(labels)),
    )
    assert given_order.digest == sorted_order.digest


def test_a_docker_base_keeps_its_layers_bytes_and_gets_oci_types() -> None:
    base = docker_base()
    image = build(base=base)
    assert [layer.media_type for layer in image.manifest.layers] == [media.LAYER_GZIP, media.LAYER_GZIP]
    assert image.manifest.layers[0].digest == base.manifest.layers[0].digest
    assert [step.is_empty for step in image.config.history] == [False, False]
    assert image.config.execution.cmd == ("bash",)
    assert b"Healthcheck" not in image.config.raw
    assert base.manifest.raw.startswith(b'{\n   "schemaVersion"')
    assert dict(image.manifest.annotations)["org.opencontainers.image.base.digest"] == str(base.digest)


def test_a_base_for_another_platform_is_refused() -> None:
    with pytest.raises(IntegrityError, match="base x: expected linux/arm64, got linux/amd64"):
        assemble([], base=Base(BASE.image, "x"), platform=ARM64, epoch=0, changes=Overrides())


def test_layers_tell_what_made_them() -> None:
    assert build().layers == (
        *BASE.image.layers,
        Layer(LAYER.descriptor, LAYER.diff_id, "imgforge: packages a=1:1-1~x b=2"),
    )
    assert docker_base().layers[0].comment == "the base says nothing about this layer"


def test_a_manifest_and_config_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(IntegrityError, match="expected config sha256"):
        Image(BASE.image.manifest, build().config)
    twice = Manifest.make(BASE.image.config.descriptor, BASE.image.manifest.layers * 2)
    with pytest.raises(IntegrityError, match="expected 1 layers as its config says, got 2"):
        Image(twice, BASE.image.config)
    wrong_size = attrs.evolve(BASE.image.config.descriptor, size=1)
    with pytest.raises(IntegrityError, match="expected config sha256"):
        Image(Manifest.make(wrong_size, BASE.image.manifest.layers), BASE.image.config)
    strange = attrs.evolve(LAYER.descriptor, media_type="text/plain")
    with pytest.raises(IntegrityError, match="layer of media type 'text/plain'"):
        Image(Manifest.make(BASE.image.config.descriptor, (strange,)), BASE.image.config)


def loaded(*raws: bytes, top: Descriptor, platform: Platform | None) -> Image:
    there = {Digest.of(raw): raw for raw in raws}
    return Image.load(lambda digest: check(there[digest], digest, what="it"), top, platform=platform, what="it")


def test_an_image_is_loaded_by_manifest_or_by_index() -> None:
    image = BASE.image
    index = Index.make((image.descriptor,))
    raws = (image.manifest.raw, image.config.raw, index.raw)
    for top in (image.descriptor, index.descriptor):
        for platform in (AMD64, None):
            assert loaded(*raws, top=top, platform=platform) == image
    with pytest.raises(UsageError, match="it: expected one image for linux/arm64, got linux/amd64"):
        loaded(*raws, top=index.descriptor, platform=ARM64)
    with pytest.raises(IntegrityError, match="it: expected an image for linux/arm64, got linux/amd64"):
        loaded(*raws, top=image.descriptor, platform=ARM64)


def test_a_foreign_image_is_loaded_byte_for_byte() -> None:
    image = docker_base()
    found = loaded(image.manifest.raw, image.config.raw, top=image.manifest.descriptor, platform=AMD64)
    assert (found.manifest.raw, found.config.raw) == (image.manifest.raw, image.config.raw)


def test_a_signature_is_no_image() -> None:
    empty = Descriptor(media.EMPTY, Digest.of(b"{}"), 2)
    manifest = Manifest.make(empty, (empty,), artifact_type="application/x.test")
    with pytest.raises(
        IntegrityError, match=r"it: expected an image, got a config of type 'application/vnd\.oci\.empty"
    ):
        loaded(manifest.raw, b"{}", top=manifest.descriptor, platform=None)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_layer_opens_as_its_tar(compression: str) -> None:
    layer, data = images.build_layer({"etc/new": b"new"}, compression=compression)
    with open_tar(layer, lambda _descriptor: io.BytesIO(data)) as tar:
        assert Digest.of(tar.read()) == layer.diff_id


def test_a_layer_whose_tar_is_another_is_refused() -> None:
    layer = attrs.evolve(LAYER, diff_id=Digest.of(b"other"))
    with pytest.raises(IntegrityError, match="diff_id: expected"):
        drain(open_tar(layer, lambda _descriptor: io.BytesIO(LAYER_DATA)))


def test_a_layer_that_grows_beyond_the_cap_is_refused() -> None:
    layer, data = images.build_layer({"bomb": bytes(10_000_000)})
    with pytest.raises(IntegrityError, match="more than 1000000 bytes"):
        drain(open_tar(layer, lambda _descriptor: io.BytesIO(data), cap=1_000_000))


@pytest.mark.parametrize(
    ("epoch", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_700_000_000, CREATED), (253_402_300_799, "9999-12-31T23:59:59Z")],
)
def test_time_is_written_as_rfc_3339(epoch: int, text: str) -> None:
    assert timestamp(epoch) == text


@pytest.mark.parametrize("epoch", [-1, 253_402_300_800])
def test_a_time_that_rfc_3339_cannot_write_is_refused(epoch: int) -> None:
    with pytest.raises(IntegrityError, match="epoch"):
        timestamp(epoch)


def test_the_packages_of_a_layer_are_read_back_from_its_step() -> None:
    assert packages_of_step(packages_step([("b", "2"), ("a", "1:1-1~x=y")])) == {"a", "b"}
    assert packages_of_step("imgforge: configure 2 packages; imgforge: packages a=1") == frozenset()
    assert packages_of_step("") == frozenset()
