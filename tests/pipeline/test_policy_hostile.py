"""Images and manifests that try to get past the policy."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from builders import images, policies, secrets
from builders.images import AMD64, EPOCH, Made
from builders.policies import Searches, under
from builders.worlds import World

import imgforge
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.image import Layer, assemble
from imgforge.oci import media
from imgforge.oci.config import Overrides
from imgforge.oci.descriptor import Descriptor
from imgforge.policy.refusal import RefusedError
from imgforge.policy.taint import HOLDS

pytestmark = pytest.mark.attack

HERE = "docker://127.0.0.1:1/shop:1"  # nobody listens there: what gets as far as asking fails in another way


def layer_of(tar: bytes, *, diff_id: Digest | None = None) -> tuple[Layer, bytes]:
    return packed_layer(tar, gzip.compress(tar, mtime=0), diff_id=diff_id)


def packed_layer(
    tar: bytes, packed: bytes, *, diff_id: Digest | None = None, form: str = "gzip"
) -> tuple[Layer, bytes]:
    descriptor = Descriptor(media.layer(form), Digest.of(packed), len(packed))
    return Layer(descriptor, diff_id or Digest.of(tar)), packed


def image_of(layer: Layer, packed: bytes, *, changes: Overrides | None = None) -> Made:
    image = assemble([layer], base=None, platform=AMD64, epoch=EPOCH, changes=changes or Overrides())
    return Made(image, {layer.descriptor.digest: packed})


@pytest.fixture
def guarded(world: World) -> World:
    """A world with a policy and nothing in its store."""
    world.layout.create()
    return under(world, publish=[{"to": "docker://127.0.0.1:1/**"}])


def rules(world: World, name: str) -> list[str]:
    return [refusal.rule for refusal in imgforge.check(name, settings=world.settings).refusals]


def test_what_stands_behind_the_end_of_a_layer_s_archive_is_searched(guarded: World) -> None:
    tar = images.build_tar({"srv/file": b"nothing\n"})
    images.put(image_of(*layer_of(tar + bytes(4096))), guarded.layout, "padded")
    images.put(image_of(*layer_of(tar + bytes(4096) + secrets.pem("ed25519"))), guarded.layout, "tailed")
    assert rules(guarded, "padded") == []
    (refusal,) = imgforge.check("tailed", settings=guarded.settings).refusals
    assert refusal.rule == "privacy.scan"
    assert "behind the end of the archive" in refusal.text


def with_fields(packed: bytes, flags: int, fields: bytes) -> bytes:
    """Return a gzip member with more in its header (RFC 1952, section 2.3)."""
    return packed[:3] + bytes((flags,)) + packed[4:10] + fields + packed[10:]


def skippable(data: bytes) -> bytes:
    return b"\x53\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def carriers(tar: bytes, data: bytes) -> dict[str, tuple[str, bytes]]:
    """Return what a layer's compression can carry beside the tar."""
    gz, zst = gzip.compress(tar, mtime=0), zstandard.ZstdCompressor().compress(tar)
    empty = gzip.compress(b"", mtime=0)
    extra = b"AB" + len(data).to_bytes(2, "little") + data
    return {
        "a gzip comment": ("gzip", with_fields(gz, 16, data + b"\0")),
        "a gzip name": ("gzip", with_fields(gz, 8, data + b"\0")),
        "a gzip extra field": ("gzip", with_fields(gz, 4, len(extra).to_bytes(2, "little") + extra)),
        "a later gzip member": ("gzip", gz + with_fields(empty, 16, data + b"\0")),
        "a zstd frame to skip": ("zstd", zst + skippable(data)),
        "the first zstd frame": ("zstd", skippable(data) + zst),
        "a packed zstd frame to skip": ("zstd", zst + skippable(gzip.compress(data))),
    }


@pytest.mark.parametrize("name", carriers(b"", b""))
def test_what_a_layer_s_compression_carries_is_searched(guarded: World, name: str) -> None:
    tar = images.build_tar({"srv/file": b"nothing\n"})
    for data in (b"made by a tool", secrets.pem("ed25519")):
        form, packed = carriers(tar, data)[name]
        images.put(image_of(*packed_layer(tar, packed, form=form)), guarded.layout, "carrying")
        told = [refusal.text for refusal in imgforge.check("carrying", settings=guarded.settings).refusals]
        assert ["its compression" in text for text in told] == ([True] if b"KEY" in data else [])


def test_a_gzip_header_that_does_not_end_is_refused(guarded: World) -> None:
    tar = images.build_tar({"srv/file": b"nothing\n"})
    packed = with_fields(gzip.compress(tar, mtime=0), 16, b"x" * (200 << 10) + b"\0")
    images.put(image_of(*packed_layer(tar, packed)), guarded.layout, "long")
    with pytest.raises(IntegrityError, match="the header is too long"):
        imgforge.check("long", settings=guarded.settings)


def test_a_layer_that_says_to_be_one_that_was_searched_is_found_out(guarded: World) -> None:
    clean, leaking = (images.build_tar({"srv/file": data}) for data in (b"nothing\n", secrets.pem("ed25519")))
    images.put(image_of(*layer_of(clean)), guarded.layout, "clean")
    assert rules(guarded, "clean") == []
    images.put(image_of(*layer_of(leaking, diff_id=Digest.of(clean))), guarded.layout, "liar")
    with pytest.raises(IntegrityError, match="diff_id"):
        imgforge.push("liar", HERE, settings=guarded.settings)


def test_a_label_that_another_tool_empties_leaves_the_image_private(guarded: World) -> None:
    tar = images.build_tar({"srv/file": b"nothing\n"})
    for number, text in enumerate(("", "[]", "public")):
        name = f"emptied-{number}"
        images.put(image_of(*layer_of(tar), changes=Overrides(labels=((HOLDS, text),))), guarded.layout, name)
        with pytest.raises(RefusedError, match="something private that cannot be read"):
            imgforge.push(name, HERE, settings=guarded.settings)


def test_a_manifest_cannot_unsay_what_its_base_holds(guarded: World) -> None:
    (guarded.manifests / "licence.key").write_text("for us\n")
    guarded.build(guarded.manifest("below", files=[{"from": "licence.key", "to": "/srv/x", "private": True}]))
    guarded.build(guarded.manifest(base="below", config={"labels": {HOLDS: "[]", "org.example.team": "web"}}))
    manifest = guarded.image().manifest
    config = guarded.layout.read(manifest.config.digest)
    assert b'"org.wikimedia.imgforge.private":"[\\"file:licence.key\\"]"' in config.replace(b" ", b"")
    with pytest.raises(RefusedError, match="private file"):
        imgforge.push("image", HERE, settings=guarded.settings)


def test_the_policy_of_the_environment_counts_and_an_empty_one_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = policies.write(world.path / "policy.yaml", image=[{"names": ["image"], "non-root": True}])
    world.manifest()
    monkeypatch.setenv("IMGFORGE_POLICY", str(path))
    assert list(policies.refused(world)) == ["image.non-root"]
    monkeypatch.setenv("IMGFORGE_POLICY", "")
    world.build()


def test_another_text_of_the_policy_is_another_policy(world: World) -> None:
    """A verdict belongs to what a policy says, wherever its file lies and whenever it was written."""
    world.manifest()
    strict = {"names": ["image"], "non-root": True}
    under(world, image=[{**strict, "non-root": False}]).build()
    assert list(policies.refused(under(world, image=[strict]))) == ["image.non-root"]
    heard = Searches()
    under(world, image=[{**strict, "non-root": False}]).heard(heard).build()
    assert heard.count() == 0


@pytest.mark.parametrize("text", ["imgforge-policy: 2\n", "imgforge-policy: 1\nimages: []\n", "[]\n", "a: [\n", "\0"])
def test_a_policy_that_cannot_be_read_forbids_everything(world: World, text: str, tmp_path: Path) -> None:
    world.manifest()
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(imgforge.ManifestError):
        world.with_settings(policy=path).build()
    assert policies.names(world) == {}
