"""Archives of others: hostile, damaged, odd."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import images

from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, IntegrityError, StoreError, UsageError
from imgforge.image import Image
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.oci.verified import drain
from imgforge.store.layout import Layout
from imgforge.store.names import MARKER
from imgforge.transport import archive, table
from imgforge.transport.table import transports

MADE = images.build_image({"a": b"1"}, {"b": b"2"}, compression="none")
LAYERS = [MADE.blobs[layer.digest] for layer in MADE.image.manifest.layers]
CONFIG = MADE.image.config.raw


def build(members: dict[str, bytes | str]) -> bytes:
    """Return a tar of files, and of symlinks where the content is text."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def docker(**changes: bytes | str | None) -> dict[str, bytes | str]:
    entry = {"Config": "c.json", "RepoTags": ["localhost/hello:v1"], "Layers": ["1/layer.tar", "2/layer.tar"]}
    members: dict[str, bytes | str | None] = {
        "manifest.json": json.dumps([entry]).encode(),
        "c.json": CONFIG,
        "1/layer.tar": LAYERS[0],
        "2/layer.tar": LAYERS[1],
    }
    named = {key.replace("__", "/").replace("_", "."): value for key, value in changes.items()}
    return {name: content for name, content in (members | named).items() if content is not None}


def listing(**changes: object) -> bytes:
    return json.dumps([{"Config": "c.json", "Layers": ["1/layer.tar", "2/layer.tar"], **changes}]).encode()


def oci(members: dict[str, bytes | str | None]) -> dict[str, bytes | str]:
    index = {"schemaVersion": 2, "manifests": [MADE.image.descriptor.named("name").to_json()]}
    whole: dict[str, bytes | str | None] = {
        "oci-layout": MARKER,
        "index.json": json.dumps(index).encode(),
        **{f"blobs/sha256/{Digest.of(blob).hex}": blob for blob in (*LAYERS, CONFIG, MADE.image.manifest.raw)},
    }
    return {name: content for name, content in (whole | members).items() if content is not None}


def read(tmp_path: Path, reference: str) -> Image:
    """Read an image whole."""
    with table.read(
        Reference.parse(reference.format(tmp_path)), table=transports(Layout(tmp_path / "store"))
    ) as opened:
        for layer in opened.image.manifest.layers:
            with opened.open(layer) as stream:
                drain(stream)
        return opened.image


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_may_be_compressed_as_a_whole(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "docker").write_bytes(pack(build(docker())))
    (tmp_path / "oci").write_bytes(pack(build(oci({}))))
    for name in ("", ":hello:v1", ":localhost/hello:v1"):
        assert read(tmp_path, "docker-archive:{}/docker" + name).config == MADE.image.config
    for name in ("", ":name", f":name@{MADE.image.digest}"):
        assert read(tmp_path, "oci-archive:{}/oci" + name) == MADE.image


def test_a_layer_may_be_a_symlink_to_another_as_old_dockers_wrote(tmp_path: Path) -> None:
    twice = images.build_image({"a": b"1"}, {"a": b"1"}, compression="none")
    layer = twice.blobs[twice.image.manifest.layers[0].digest]
    members = {
        **docker(c_json=twice.image.config.raw),
        "1/layer.tar": layer,
        "2/layer.tar": "../1/layer.tar",
    }
    (tmp_path / "docker").write_bytes(build(members))
    assert read(tmp_path, "docker-archive:{}/docker").config == twice.image.config


def test_layers_of_a_docker_archive_may_be_compressed(tmp_path: Path) -> None:
    members = docker(**{"1__layer.tar": gzip.compress(LAYERS[0])})
    (tmp_path / "docker").write_bytes(build(members))
    image = read(tmp_path, "docker-archive:{}/docker")
    assert [layer.media_type.rpartition(".")[2] for layer in image.manifest.layers] == ["tar+gzip", "tar"]
    assert image.config.diff_ids == MADE.image.config.diff_ids


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "expected a member 'manifest.json', got none"),
        (docker(manifest_json=b"{}"), "manifest.json: expected an array, got an object"),
        (docker(manifest_json=b"[]"), "expected one image, got 0 of these"),
        (docker(manifest_json=b"[1]"), "manifest.json[0]: expected an object, got 1"),
        (docker(manifest_json=b"[{}]"), "expected a member 'Config', got none"),
        (docker(manifest_json=b"[" + listing()[1:-1] + b"," + listing()[1:]), "expected one image, got 2 of these"),
        (docker(manifest_json=listing(Config="../../etc/passwd")), "expected a member '../../etc/passwd', got none"),
        (docker(manifest_json=listing(Layers=["1/layer.tar"])), "expected 2 layers as its config says, got 1"),
        (docker(manifest_json=listing(Layers=["2/layer.tar", "1/layer.tar"])), "layer: expected sha256:"),
        (docker(manifest_json=listing(Layers=["x", "y"])), "expected a member 'x', got none"),
        (docker(manifest_json=b" " * (5 << 20)), "'manifest.json': expected at most 4194304 bytes, got more"),
        (docker(c_json=None), "expected a member 'c.json', got none"),
        (docker(c_json=b"{}"), "expected a member 'rootfs', got none"),
        (docker(c_json="/etc/passwd"), "expected a member 'c.json', got none"),
        (docker(c_json="c.json"), "expected a member 'c.json', got none"),
        (docker(**{"1__layer.tar": "../2/layer.tar", "2__layer.tar": "../1/layer.tar"}), "expected a member '1/layer"),
        (docker(**{"1__layer.tar": b"\xfd7zXZ\0" + bytes(100)}), "layer: expected sha256:"),
        ({**docker(), "../../evil": b"x"}, "a path with '..' is refused"),
        ({**docker(), "/evil": b"x"}, "an absolute path is refused"),
        ({**docker(), "./c.json": b"{}"}, "member 'c.json' is there twice"),
        ({**docker(), "./c.json": "x"}, "member 'c.json' is there twice"),
    ],
)
def test_a_docker_archive_that_is_not_what_its_format_says_is_refused(
    tmp_path: Path, members: dict[str, bytes | str], message: str
) -> None:
    (tmp_path / "docker").write_bytes(build(members))
    with pytest.raises((IntegrityError, UsageError)) as error:
        read(tmp_path, "docker-archive:{}/docker")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"oci-layout": None}, "expected a member 'oci-layout', got none"),
        ({"oci-layout": b'{"imageLayoutVersion":"9"}'}, "expected '1.0.0', got '9'"),
        ({"index.json": None}, "expected a member 'index.json', got none"),
        ({"index.json": b'{"manifests":[]}'}, "expected one image, got no such one"),
        ({f"blobs/sha256/{MADE.image.digest.hex}": None}, "expected a member 'blobs/sha256/"),
        ({f"blobs/sha256/{MADE.image.digest.hex}": b"{}"}, "expected sha256:"),
        ({f"blobs/sha256/{MADE.image.config.digest.hex}": b"{}"}, "expected sha256:"),
        ({f"blobs/sha256/{MADE.image.manifest.layers[0].digest.hex}": b"x"}, "bytes, got 1"),
        ({f"blobs/sha256/{MADE.image.manifest.layers[0].digest.hex}": LAYERS[0] + b"x"}, "bytes, got more"),
        ({f"blobs/sha256/{MADE.image.manifest.layers[0].digest.hex}": bytes(len(LAYERS[0]))}, "expected sha256:"),
    ],
)
def test_an_oci_archive_that_is_not_what_its_format_says_is_refused(
    tmp_path: Path, members: dict[str, bytes | str | None], message: str
) -> None:
    (tmp_path / "oci").write_bytes(build(oci(members)))
    with pytest.raises((IntegrityError, StoreError)) as error:
        read(tmp_path, "oci-archive:{}/oci")
    assert message in str(error.value)


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("kept", [0, 1, 100, 511, 512, 600, 1024, 1600, 2047])
def test_an_archive_that_ends_too_early_is_refused(tmp_path: Path, transport: str, kept: int) -> None:
    whole = build(oci({}) if transport == "oci-archive" else docker())
    packed = gzip.compress(whole)
    for data in (whole[:kept], packed[: len(packed) * kept // 2048]):
        (tmp_path / "it").write_bytes(data)
        with pytest.raises(ImgforgeError):
            read(tmp_path, transport + ":{}/it")


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_a_missing_file_or_a_directory_is_a_store_error(tmp_path: Path, transport: str) -> None:
    for name in ("none", "."):
        with pytest.raises(StoreError):
            read(tmp_path, f"{transport}:{{}}/{name}")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_CAP", 1_000_000)
    (tmp_path / "docker").write_bytes(gzip.compress(build({"zeros": bytes(5_000_000)})))
    with pytest.raises(IntegrityError, match="more than 1000000 bytes"):
        read(tmp_path, "docker-archive:{}/docker")


def test_another_platform_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docker").write_bytes(build(docker()))
    reference = Reference.parse(f"docker-archive:{tmp_path}/docker")
    with (
        pytest.raises(IntegrityError, match="expected an image for linux/arm64, got linux/amd64"),
        table.read(reference, table=transports(Layout(tmp_path / "store")), platform=Platform.parse("linux/arm64")),
    ):
        pass
