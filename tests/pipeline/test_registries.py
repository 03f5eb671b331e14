"""On each registry that people use: push, sign, attach, verify, copy, read back; judged by what it then holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from builders import cosign as cosigns
from builders import images
from builders.registries import PASSWORD, USER
from builders.simulator import serving
from builders.simulator.profile import Referrers
from builders.simulator.profiles import PROFILES, ZOT
from builders.simulator.registry import Simulator
from builders.simulator.storage import digest_of

import imgforge
from imgforge.digest import Digest
from imgforge.fetch.request import RefusedError
from imgforge.oci import media
from imgforge.oci.manifest import Manifest
from imgforge.oci.platform import Platform
from imgforge.registry.push import ImmutableTagError
from imgforge.settings import Settings
from imgforge.signing import opening
from imgforge.store.layout import Layout

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
KINDS = ("spdx", "cyclonedx", "provenance", "report")
NAME, COPIED = "team/hello", "team/copied"


@attrs.frozen
class Desk:
    """Images that were built, and the keys that sign them.

    Attributes:
        settings: of the store that holds ``one`` and ``two``.
        keys: two pairs, each a private and a public one.
        digests: of the images, by name.
    """

    settings: Settings
    keys: tuple[tuple[Path, Path], ...]
    digests: dict[str, str]

    def public(self, number: int = 0) -> str:
        return str(self.keys[number][1])

    def push(self, name: str, reference: str, *, key: int = 0) -> Any:
        return imgforge.push(name, reference, settings=self.settings, key=str(self.keys[key][0]))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("desk")
    settings = Settings(store=place / "store", cache=place / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
        digests = {}
        for name in ("one", "two"):
            (place / name).write_text(name * 100)
            manifest = place / f"{name}.yaml"
            manifest.write_text(
                f"imgforge: 1\nname: {name}\nbase: scratch\nfiles: [{{from: {name}, to: /etc/{name}}}]\n"
            )
            digests[name] = str(imgforge.build(manifest, settings=settings).digest)
        yield Desk(settings, tuple(imgforge.keygen(place / name) for name in ("first", "second")), digests)


@pytest.fixture(params=PROFILES, ids=lambda profile: profile.name.replace(" ", "-"))
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Each registry in turn, and who may push to it."""
    with serving.serve(request.param) as running:
        running.repositories |= {NAME, COPIED}
        _log_in(tmp_path, monkeypatch, running)
        yield running


def _log_in(place: Path, monkeypatch: pytest.MonkeyPatch, *registries: Simulator) -> None:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    file = place / "auth.json"
    file.write_text(json.dumps({"auths": {registry.host: {"auth": auth} for registry in registries}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))


def at(registry: Simulator, name: str = NAME, tag: str = "1") -> str:
    return f"docker://{registry.host}/{name}:{tag}"


def check_image(registry: Simulator, name: str, tag: str, digest: str) -> None:
    """See that a tag stands for an image, and that all of the image is there."""
    data = registry.manifests[name][tag][1]
    assert digest_of(data) == digest
    assert registry.manifests[name][digest][1] == data
    said = json.loads(data)
    for blob in (said["config"], *said["layers"]):
        held = registry.blobs[name][blob["digest"]]
        assert (digest_of(held), len(held)) == (blob["digest"], blob["size"])


def check_signed(registry: Simulator, name: str, digest: str, public: str) -> None:
    """See that the tag of cosign's older format holds a signature that a key made of the digest."""
    said = json.loads(registry.manifests[name][f"{digest.replace(':', '-')}.sig"][1])
    key = opening.open_public(public)
    good = [
        layer
        for layer in said["layers"]
        if key.verifies(
            base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]),
            registry.blobs[name][layer["digest"]],
        )
    ]
    payloads = [json.loads(registry.blobs[name][layer["digest"]]) for layer in good]
    assert [one["critical"]["image"]["docker-manifest-digest"] for one in payloads] == [digest]


def discoverable(registry: Simulator, name: str, digest: str) -> dict[str, dict[str, Any]]:
    """Return what a client of the specification finds that refers to an image, by digest."""
    profile, found = registry.profile, {}
    if profile.referrers is Referrers.LISTED:
        found = {one["digest"]: one for one in registry.referrers(name, digest)}
    if profile.referrers is not Referrers.LISTED or not profile.says_subject:
        listed = json.loads(registry.manifests[name][digest.replace(":", "-")][1])["manifests"]
        found |= {one["digest"]: one for one in listed}
    return found


def check_attached(registry: Simulator, name: str, digest: str, *, bundles: int) -> None:
    """See that so many bundles refer to an image, each found and described as specified; or envelopes behind a tag."""
    if not bundles:
        envelopes = json.loads(registry.manifests[name][f"{digest.replace(':', '-')}.att"][1])["layers"]
        assert len(envelopes) == len(KINDS)
        return
    there = {one["digest"]: one for one in registry.referrers(name, digest)}
    assert discoverable(registry, name, digest) == there
    assert [one["artifactType"] for one in there.values()] == [BUNDLE] * bundles


def signed(registry: Simulator, *, more: int = 0) -> int:
    """Return how many bundles an image has after it was pushed with a key; none where artifacts are not taken."""
    return len(("signature", *KINDS)) + more if registry.profile.takes_artifacts else 0


def test_an_image_is_pushed_signed_and_read_back(registry: Simulator, desk: Desk) -> None:
    done = desk.push("one", at(registry))
    assert (str(done.digest), done.attached) == (desk.digests["one"], KINDS)
    check_image(registry, NAME, "1", str(done.digest))
    check_signed(registry, NAME, str(done.digest), desk.public())
    check_attached(registry, NAME, str(done.digest), bundles=signed(registry))
    found = imgforge.verify(at(registry), keys=(desk.public(),), settings=desk.settings)
    assert {str(one.digest) for one in found} == {desk.digests["one"]}
    for form in ("spdx", "cyclonedx"):
        told = imgforge.sbom(at(registry), form=form, keys=(desk.public(),), settings=desk.settings)
        assert told == imgforge.sbom("one", form=form, settings=desk.settings)
    assert imgforge.provenance(at(registry), keys=(desk.public(),), settings=desk.settings)
    assert imgforge.provenance(at(registry), settings=desk.settings)
    assert imgforge.pull(at(registry), "back", settings=desk.settings).digest == done.digest


def test_the_same_push_again_changes_nothing(registry: Simulator, desk: Desk) -> None:
    desk.push("one", at(registry))
    before = {name: dict(held) for name, held in registry.manifests.items()}
    done = desk.push("one", at(registry))
    assert (str(done.digest), done.attached) == (desk.digests["one"], ())
    assert registry.manifests == before


def test_another_image_takes_the_tag_or_is_told_why_not(registry: Simulator, desk: Desk) -> None:
    desk.push("one", at(registry))
    if not registry.profile.immutable:
        desk.push("two", at(registry))
        check_image(registry, NAME, "1", desk.digests["two"])
        return
    with pytest.raises(ImmutableTagError) as caught:
        desk.push("two", at(registry))
    assert f"{NAME}:1: " in str(caught.value)
    assert f"it stands for {desk.digests['one']}, and is not moved to {desk.digests['two']}" in str(caught.value)
    assert "push under another tag" in caught.value.__notes__[0]
    check_image(registry, NAME, "1", desk.digests["one"])


def test_a_second_signer_joins_the_first(registry: Simulator, desk: Desk) -> None:
    done = desk.push("one", at(registry))
    if not registry.moves("sha256-x") and registry.profile.referrers is not Referrers.LISTED:
        with pytest.raises(ImmutableTagError, match=r"sha256-[0-9a-f]{64}\.sig: .*, and is not moved to"):
            imgforge.sign(at(registry), key=str(desk.keys[1][0]), settings=desk.settings)
        return
    imgforge.sign(at(registry), key=str(desk.keys[1][0]), settings=desk.settings)
    for number in (0, 1):
        found = imgforge.verify(at(registry), keys=(desk.public(number),), settings=desk.settings)
        assert {str(one.digest) for one in found} == {str(done.digest)}
    if registry.moves("sha256-x.sig"):
        check_signed(registry, NAME, str(done.digest), desk.public(1))
    check_attached(registry, NAME, str(done.digest), bundles=signed(registry, more=1))


def test_a_copy_takes_along_what_is_attached(registry: Simulator, desk: Desk) -> None:
    done = desk.push("one", at(registry))
    imgforge.copy(at(registry), at(registry, COPIED, "2"), settings=desk.settings)
    check_image(registry, COPIED, "2", str(done.digest))
    check_signed(registry, COPIED, str(done.digest), desk.public())
    check_attached(registry, COPIED, str(done.digest), bundles=signed(registry))
    assert imgforge.sbom(at(registry, COPIED, "2"), keys=(desk.public(),), settings=desk.settings)


def test_a_copy_leaves_the_registry_with_all(
    registry: Simulator, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = desk.push("one", at(registry))
    with serving.serve(ZOT) as other:
        _log_in(tmp_path, monkeypatch, registry, other)
        imgforge.copy(at(registry), at(other, COPIED), settings=desk.settings)
        check_image(other, COPIED, "1", str(done.digest))
        check_signed(other, COPIED, str(done.digest), desk.public())
        check_attached(other, COPIED, str(done.digest), bundles=signed(registry))


def test_tags_are_listed_page_by_page(registry: Simulator, desk: Desk) -> None:
    for number in range(5):
        imgforge.push("one", at(registry, tag=f"v{number}"), settings=desk.settings)
    registry.change(page=2)
    assert imgforge.tags(f"{registry.host}/{NAME}", settings=desk.settings) == ("v0", "v1", "v2", "v3", "v4")
    assert registry.count("GET", "tags/list") >= 3


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A registry that does what the specification says."""
    with serving.serve(ZOT) as running:
        _log_in(tmp_path, monkeypatch, running)
        yield running


def test_dockers_manifest_names_the_same_layers_and_is_signed_by_its_own_digest(plain: Simulator, desk: Desk) -> None:
    key = str(desk.keys[0][0])
    done = imgforge.push("one", at(plain), settings=desk.settings, key=key, docker=True)
    assert (str(done.digest) != desk.digests["one"], done.attached) == (True, KINDS)
    check_image(plain, NAME, "1", str(done.digest))
    check_signed(plain, NAME, str(done.digest), desk.public())
    media_type, data = plain.manifests[NAME]["1"]
    digest = Digest.parse(desk.digests["one"])
    said, built = json.loads(data), Manifest.parse(Layout(desk.settings.store).read(digest), what="one")
    assert (media_type, said["mediaType"], said.get("annotations")) == (media.DOCKER_MANIFEST, media_type, None)
    assert [said["config"]["mediaType"], *(one["mediaType"] for one in said["layers"])] == [
        *(media.DOCKER_CONFIG, media.DOCKER_LAYER_GZIP)
    ]
    assert [said["config"]["digest"], *(one["digest"] for one in said["layers"])] == [
        str(one.digest) for one in built.blobs
    ]
    assert imgforge.sbom(at(plain), keys=(desk.public(),), settings=desk.settings)["packages"]
    assert imgforge.push("one", at(plain), settings=desk.settings, key=key, docker=True).attached == ()


def test_a_registry_that_knows_docker_alone_holds_signatures_and_statements(plain: Simulator, desk: Desk) -> None:
    plain.change(takes_oci=False, referrers=Referrers.REFUSED, says_subject=False)
    with pytest.raises(RefusedError, match="HTTP 400, MANIFEST_INVALID") as caught:
        imgforge.push("one", at(plain), settings=desk.settings)
    assert any("--docker-media-types" in note for note in caught.value.__notes__)
    key = str(desk.keys[0][0])
    done = imgforge.push("one", at(plain), settings=desk.settings, key=key, docker=True)
    check_image(plain, NAME, "1", str(done.digest))
    check_signed(plain, NAME, str(done.digest), desk.public())
    check_attached(plain, NAME, str(done.digest), bundles=0)
    assert imgforge.verify(at(plain), keys=(desk.public(),), settings=desk.settings)
    assert imgforge.provenance(at(plain), keys=(desk.public(),), settings=desk.settings)


def test_a_copy_with_dockers_manifest_leaves_signatures_behind(plain: Simulator, desk: Desk) -> None:
    desk.push("one", at(plain))
    done = imgforge.copy(at(plain), at(plain, COPIED), settings=desk.settings, docker=True)
    assert plain.manifests[COPIED]["1"][0] == media.DOCKER_MANIFEST
    assert set(plain.manifests[COPIED]) == {"1", str(done.digest)}
    again = imgforge.copy(at(plain, COPIED), at(plain, COPIED, "2"), settings=desk.settings, docker=True)
    assert again.digest == done.digest


def test_tags_alone_carry_all_where_digests_are_refused(plain: Simulator, desk: Desk) -> None:
    plain.change(takes_digests=False, referrers=Referrers.REFUSED, says_subject=False)
    settings = attrs.evolve(desk.settings, by_tag=True)
    done = imgforge.push("one", at(plain), settings=settings, key=str(desk.keys[0][0]))
    assert done.attached == KINDS
    check_image(plain, NAME, "1", str(done.digest))
    check_signed(plain, NAME, str(done.digest), desk.public())
    check_attached(plain, NAME, str(done.digest), bundles=signed(plain))
    assert imgforge.verify(at(plain), keys=(desk.public(),), settings=desk.settings)
    assert plain.count("PUT", "/manifests/sha256:") == 0


def test_an_index_gets_dockers_list_with_dockers_manifests(plain: Simulator, desk: Desk, tmp_path: Path) -> None:
    settings = attrs.evolve(desk.settings, store=tmp_path / "store")
    layout = Layout(settings.store)
    layout.create()
    for name in ("amd64", "arm64"):
        made = images.build_image({f"etc/{name}": name.encode()}, platform=Platform("linux", name))
        images.put(made, layout, name)
    imgforge.index("both", ("amd64", "arm64"), settings=settings)
    done = imgforge.copy("both", at(plain), settings=settings, docker=True)
    media_type, data = plain.manifests[NAME]["1"]
    assert (media_type, digest_of(data)) == (media.DOCKER_LIST, str(done.digest))
    parts = json.loads(data)["manifests"]
    assert [one["platform"]["architecture"] for one in parts] == ["amd64", "arm64"]
    for part in parts:
        assert part["mediaType"] == plain.manifests[NAME][part["digest"]][0] == media.DOCKER_MANIFEST
        check_image(plain, NAME, part["digest"], part["digest"])
