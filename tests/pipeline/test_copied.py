"""What is attached to an image goes with it between registries, as with `cosign copy`; cosign verifies the copy."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import images, policies, registries
from builders.cosign import Cosign
from builders.pushes import QUICK
from builders.simulator import serving
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.digest import Digest
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.policy.refusal import RefusedError
from imgforge.registry import pull, referrers
from imgforge.registry.client import Client
from imgforge.registry.push import push
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target
from imgforge.signing import cosign_tag
from imgforge.signing.errors import UnsignedError

KINDS = ("spdx", "cyclonedx", "provenance", "report")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two registries that serve anybody, and no credentials of this machine's user."""
    with (
        registries.serve(tmp_path_factory.mktemp("one")) as one,
        registries.serve(tmp_path_factory.mktemp("other")) as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("nobody") / "auth.json"))
        patch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
        yield one.host, other.host


@attrs.frozen
class Signed:
    """An image that was pushed with a key, and where it is to be copied."""

    world: World
    source: str
    target: str
    key: Path

    @property
    def public(self) -> str:
        return str(self.key.with_suffix(".pub"))

    def copy(self, *, attach: bool = True) -> None:
        imgforge.copy(self.source, self.target, settings=self.world.settings, attach=attach)

    def verify(self, where: str) -> tuple[imgforge.Vouched, ...]:
        return imgforge.verify(where, keys=(self.public,), settings=self.world.settings)

    def statements(self, where: str) -> list[object]:
        keys = (self.public,)
        told = [imgforge.sbom(where, settings=self.world.settings, form=form, keys=keys) for form in KINDS[:2]]
        told.append(imgforge.provenance(where, settings=self.world.settings, keys=keys))
        return [*told, imgforge.report(where, settings=self.world.settings, keys=keys)]


@pytest.fixture
def signed(world: World, hosts: tuple[str, str], tmp_path: Path) -> Signed:
    key, _public = imgforge.keygen(tmp_path / "release")
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.build(world.manifest(packages=["hello"]))
    source, target = (f"docker://{host}/apps/{world.word}:1" for host in hosts)
    imgforge.push("image", source, settings=world.settings, key=str(key))
    return Signed(world, source, target, key)


@pytest.fixture
def cosign(request: pytest.FixtureRequest, tmp_path: Path) -> Cosign:
    assert request.config.cache is not None
    program = cosigns.fixture("trixie", Path(request.config.cache.mkdir("cosign")) / "trixie")
    return cosigns.at_work(program, tmp_path / "cosign")


def test_signatures_and_statements_go_with_an_image(signed: Signed) -> None:
    signed.copy()
    assert signed.verify(signed.target)[0].digest == signed.verify(signed.source)[0].digest
    assert signed.statements(signed.target) == signed.statements(signed.source)


def test_a_second_copy_attaches_nothing(signed: Signed) -> None:
    signed.copy()
    before = imgforge.tags(signed.target[: -len(":1")], settings=signed.world.settings)
    signed.copy()
    assert imgforge.tags(signed.target[: -len(":1")], settings=signed.world.settings) == before
    assert len(signed.verify(signed.target)) == 1


def test_they_stay_behind_when_that_is_asked_for(signed: Signed) -> None:
    signed.copy(attach=False)
    with pytest.raises(UnsignedError):
        signed.verify(signed.target)
    places = (f"--store={signed.world.settings.store}", f"--cache={signed.world.settings.cache}")
    assert main(["copy", signed.source, f"{signed.target}-too", "--no-evidence", *places]) == 0
    with pytest.raises(UnsignedError):
        signed.verify(f"{signed.target}-too")


def test_within_a_registry_they_go_to_another_repository(signed: Signed) -> None:
    target = signed.source.replace("/apps/", "/promoted/")
    imgforge.copy(signed.source, target, settings=signed.world.settings)
    assert signed.verify(target)
    assert len(signed.statements(target)) == len(KINDS)


def test_signatures_at_the_target_are_kept(signed: Signed, tmp_path: Path) -> None:
    signed.copy(attach=False)
    other, public = imgforge.keygen(tmp_path / "other", algorithm="ed25519")
    imgforge.sign(signed.target, key=str(other), settings=signed.world.settings)
    signed.copy()
    assert signed.verify(signed.target)
    assert imgforge.verify(signed.target, keys=(str(public),), settings=signed.world.settings)
    with Client(patience=QUICK) as client:
        digest = signed.verify(signed.target)[0].digest
        where = Repository.of(Reference.parse(signed.target))
        found = pull.manifest(client, where, name=cosign_tag.tag(digest))
    assert isinstance(found, Manifest)
    assert len(found.layers) == 2


def test_an_index_brings_what_each_of_its_images_has(signed: Signed, hosts: tuple[str, str], cosign: Cosign) -> None:
    world = signed.world
    images.put(images.build_image({"etc/x": b"x"}, platform=Platform("linux", "s390x")), world.layout, "foreign")
    source, target = (f"docker://{host}/both/{world.word}:1" for host in hosts)
    imgforge.index(source, ("image", "foreign"), settings=world.settings, key=str(signed.key))
    imgforge.copy(source, target, settings=world.settings)
    own, foreign = world.layout.resolve("image").digest, world.layout.resolve("foreign").digest
    index = signed.verify(target)[0].digest
    for digest in (index, own, foreign):
        assert signed.verify(f"{target[:-2]}@{digest}")
        name = f"{target[len('docker://') : -2]}@{digest}"
        for bundle in (False, True):
            answer = cosign.verify(name, Path(signed.public), bundle=bundle)
            assert answer.code == 0, answer.text
    assert imgforge.report(f"{target[:-2]}@{own}", settings=world.settings, keys=(signed.public,))


def test_cosign_verifies_what_was_copied(signed: Signed, cosign: Cosign) -> None:
    signed.copy()
    name = signed.target.removeprefix("docker://")
    for bundle in (False, True):
        answer = cosign.verify(name, Path(signed.public), bundle=bundle)
        assert answer.code == 0, answer.text
    kind = "https://slsa.dev/provenance/v1"
    answer = cosign.verify_attestation(name, Path(signed.public), predicate_type=kind, bundle=True)
    assert answer.code == 0, answer.text


def test_what_others_attached_is_copied_byte_for_byte(signed: Signed, hosts: tuple[str, str]) -> None:
    source, target = (Repository(host, f"apps/{signed.world.word}") for host in hosts)
    digest = signed.verify(signed.source)[0].digest
    with Client(patience=QUICK) as client:
        subject = pull.manifest(client, source, name=digest).descriptor
        data = b'{"anything": 1}'
        layer = Descriptor("application/json", Digest.of(data), len(data))
        other = Manifest.make(layer, (layer,), subject=subject, artifact_type="application/vnd.example.sbom")
        sbom = Manifest.make(layer, (layer,))
        where = Target(client, source, lambda _blob: io.BytesIO(data))
        referrers.attach((other,), target=where)
        push(sbom, target=where, tag=cosign_tag.tag(digest, "sbom"))
        signed.copy()
        listed = {one.digest for one in referrers.referrers(client, target, digest=digest)}
        assert listed == {one.digest for one in referrers.referrers(client, source, digest=digest)}
        assert pull.manifest(client, target, name=other.digest).raw == other.raw
        assert pull.manifest(client, target, name=cosign_tag.tag(digest, "sbom")).raw == sbom.raw


def test_a_registry_with_the_api_gets_referrers_and_no_tags_for_them(signed: Signed) -> None:
    with serving.serve() as running:
        target = f"docker://{running.host}/apps/copied:1"
        imgforge.copy(signed.source, target, settings=signed.world.settings)
        assert signed.verify(target)
        assert len(signed.statements(target)) == len(KINDS)
        tags = [name for name in running.manifests["apps/copied"] if not name.startswith("sha256:")]
        assert sorted(name.rpartition(".")[2] for name in tags) == ["1", "sig"]


def test_signatures_that_travel_do_not_open_the_gate(signed: Signed) -> None:
    (signed.world.path / "release.pub").write_bytes(Path(signed.public).read_bytes())
    rules = [{"to": signed.target.rpartition(":")[0], "signed-by": ["release"]}]
    ruled = policies.under(signed.world, keys={"release": "release.pub"}, publish=rules)
    for attach in (False, True):
        with pytest.raises(RefusedError):
            imgforge.copy(signed.source, signed.target, settings=ruled.settings, attach=attach)
