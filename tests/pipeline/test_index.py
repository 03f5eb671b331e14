"""One name for several platforms: joined, pushed, signed, and taken apart by skopeo and podman."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import images, registries
from builders.images import Made
from builders.pushes import has
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.errors import UsageError
from imgforge.oci.config import Overrides
from imgforge.oci.platform import Platform
from imgforge.settings import Settings
from imgforge.store.layout import Layout

ARM64 = Platform("linux", "arm64")


def made(text: str, platform: Platform = images.AMD64) -> Made:
    changes = Overrides(cmd=(text,))
    return images.build_image({"etc/machine": text.encode()}, {"etc/same": b"s"}, platform=platform, changes=changes)


AMD, ARM = made("amd"), made("arm", ARM64)
DIGESTS = {str(one.image.config.platform): str(one.image.digest) for one in (AMD, ARM)}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        nobody = tmp_path_factory.mktemp("nobody") / "auth.json"
        nobody.write_text("{}")
        patch.setenv("REGISTRY_AUTH_FILE", str(nobody))
        patch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
        yield running.host


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A store that holds an image for each of two platforms."""
    chosen = Settings(store=tmp_path / "store", cache=tmp_path / "cache", manifests=(), now=images.EPOCH)
    layout = Layout(chosen.store)
    layout.create()
    images.put(AMD, layout, "amd")
    images.put(ARM, layout, "arm")
    return chosen


def platforms(settings: Settings, name: str) -> dict[str, str]:
    document = json.loads(Layout(settings.store).read(Layout(settings.store).resolve(name).digest))
    assert document["mediaType"] == "application/vnd.oci.image.index.v1+json"
    return {
        f"{one['platform']['os']}/{one['platform']['architecture']}": one["digest"] for one in document["manifests"]
    }


def run(*words: str) -> str:
    tool = shutil.which(words[0])
    if tool is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run((tool, *words[1:]), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_images_of_the_store_are_joined_whatever_their_order(settings: Settings) -> None:
    done = imgforge.index("both", ("arm", "amd"), settings=settings)
    assert imgforge.index("again", ("amd", "arm"), settings=settings).digest == done.digest
    assert platforms(settings, "both") == DIGESTS
    listed = [(one.name, one.platform) for one in imgforge.images(settings=settings) if one.name == "both"]
    assert listed == [("both", "linux/amd64"), ("both", "linux/arm64")]
    assert imgforge.inspect("both", settings=settings, platform="linux/arm64").digest == ARM.image.digest


def test_the_images_of_an_index_outlive_their_own_names(settings: Settings) -> None:
    imgforge.index("both", ("amd", "arm"), settings=settings)
    for name in ("amd", "arm"):
        Layout(settings.store).remove(name)
    imgforge.gc(settings=settings)
    for platform, digest in DIGESTS.items():
        assert str(imgforge.inspect("both", settings=settings, platform=platform).digest) == digest


def test_two_images_for_one_platform_are_refused(settings: Settings) -> None:
    images.put(made("other", Platform("linux", "arm64", "v8")), Layout(settings.store), "other")
    with pytest.raises(UsageError, match=r"linux/arm64: expected one image, got arm@sha256:.* and other@sha256:"):
        imgforge.index("both", ("arm", "amd", "other"), settings=settings)
    with pytest.raises(UsageError, match="expected a name in the store, oci:DIR:NAME or docker:"):
        imgforge.index(f"oci-archive:{settings.store}.tar", ("arm", "amd"), settings=settings)
    assert not settings.store.with_suffix(".tar").exists()


def test_an_index_of_a_registry_needs_no_layer_that_is_there(host: str, settings: Settings, tmp_path: Path) -> None:
    sources = [f"docker://{host}/apps/there:{name}" for name in ("amd", "arm")]
    for name, source in zip(("amd", "arm"), sources, strict=True):
        imgforge.push(name, source, settings=settings)
    nothing = attrs.evolve(settings, store=tmp_path / "nothing")
    done = imgforge.index(f"docker://{host}/apps/there:1", tuple(sources), settings=nothing)
    assert list(Path(nothing.store).glob("blobs/sha256/*")) == []
    raw = run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{host}/apps/there:1")
    assert {one["digest"] for one in json.loads(raw)["manifests"]} == set(DIGESTS.values())
    assert done.digest == imgforge.index("both", ("amd", "arm"), settings=settings).digest


@pytest.fixture
def pushed(host: str, settings: Settings) -> str:
    imgforge.index("both", ("amd", "arm"), settings=settings)
    reference = f"docker://{host}/apps/both:1"
    imgforge.push("both", reference, settings=settings)
    return reference


@pytest.mark.parametrize(("platform", "text"), [("linux/amd64", "amd"), ("linux/arm64", "arm")])
def test_whoever_asks_gets_the_image_for_the_platform(
    pushed: str, settings: Settings, tmp_path: Path, platform: str, text: str
) -> None:
    other = attrs.evolve(settings, store=tmp_path / "other")
    assert str(imgforge.pull(pushed, "mine", settings=other, platform=platform).digest) == DIGESTS[platform]
    seen = run("skopeo", f"--override-arch={platform[6:]}", "inspect", "--config", "--tls-verify=false", pushed)
    assert json.loads(seen)["config"]["Cmd"] == [text]


def test_podman_takes_the_image_for_its_platform(pushed: str) -> None:
    with tempfile.TemporaryDirectory(prefix="p-") as name:
        places = ("--root", f"{name}/root", "--runroot", f"{name}/run", "--tmpdir", f"{name}/tmp")
        podman = ("podman", *places, "--storage-driver", "vfs")
        for platform, text in (("linux/amd64", "amd"), ("linux/arm64", "arm")):
            image = run(*podman, "pull", "-q", "--tls-verify=false", "--platform", platform, pushed).strip()
            seen = json.loads(run(*podman, "image", "inspect", image))[0]
            assert (seen["Architecture"], seen["Config"]["Cmd"]) == (platform[6:], [text])


def test_what_has_several_platforms_is_pulled_by_naming_one(pushed: str, settings: Settings) -> None:
    with pytest.raises(UsageError, match="expected one image for any platform, got linux/amd64, linux/arm64"):
        imgforge.pull(pushed, "mine", settings=settings)


def test_an_index_is_copied_whole(pushed: str, host: str, settings: Settings, tmp_path: Path) -> None:
    digest = Layout(settings.store).resolve("both").digest
    for target in (f"docker://{host}/elsewhere/both:2", f"oci:{tmp_path}/out:both", "copied"):
        assert imgforge.copy(pushed, target, settings=settings).digest == digest
    assert platforms(settings, "copied") == DIGESTS
    assert has(host, "elsewhere/both", ARM.image.manifest.layers[0].digest)
    raw = run("skopeo", "inspect", "--raw", f"oci:{tmp_path}/out:both")
    assert {one["digest"] for one in json.loads(raw)["manifests"]} == set(DIGESTS.values())
    one = imgforge.copy(pushed, f"oci-archive:{tmp_path}/arm.tar", settings=settings, platform="linux/arm64")
    assert one.digest == ARM.image.digest


def test_with_a_key_the_index_and_each_image_are_signed(host: str, settings: Settings, tmp_path: Path) -> None:
    key, public = imgforge.keygen(tmp_path / "own")
    reference = f"docker://{host}/signed/both:1"
    done = imgforge.index(reference, ("amd", "arm"), settings=settings, key=str(key))
    assert done.signed
    name = reference[:-2]
    for digest in (str(done.digest), *DIGESTS.values()):
        found = imgforge.verify(f"{name}@{digest}", keys=(str(public),), settings=settings)
        assert {str(one.digest) for one in found} == {digest}
    assert imgforge.verify(reference, keys=(str(public),), settings=settings)


@pytest.mark.archive
@pytest.mark.slow
def test_cosign_verifies_the_index_and_each_image(
    host: str, settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    program = cosigns.fixture("trixie", Path(request.config.cache.mkdir("cosign")) / "trixie")
    cosign = cosigns.at_work(program, tmp_path / "cosign")
    key, public = imgforge.keygen(tmp_path / "own")
    done = imgforge.index(f"docker://{host}/cosigned/both:1", ("amd", "arm"), settings=settings, key=str(key))
    for digest in (str(done.digest), *DIGESTS.values()):
        answer = cosign.verify(f"{host}/cosigned/both@{digest}", public, bundle=False)
        assert answer.code == 0, answer.text


def test_a_key_is_for_a_registry(settings: Settings) -> None:
    with pytest.raises(UsageError, match="got another transport"):
        imgforge.index("oci:out:both", ("amd", "arm"), settings=settings, key="own.key")


def test_images_of_one_manifest_get_one_name_and_each_its_evidence(world: World, host: str, tmp_path: Path) -> None:
    """The one for the other platform stands for what a machine of that platform would have built."""
    key, public = imgforge.keygen(tmp_path / "own")
    world.package("hello", files={"usr/share/hello": b"hello\n"})
    machine = world.build(world.manifest(packages=["hello"])).image.config.platform
    foreign = images.build_image({"etc/x": b"x"}, platform=Platform("linux", "s390x"))
    images.put(foreign, world.layout, "foreign")
    reference = f"docker://{host}/apps/{world.word}:1"
    done = imgforge.index(reference, ("image", "foreign"), settings=world.settings, key=str(key))
    assert done.attached == ("spdx", "cyclonedx", "provenance", "report")
    own = world.layout.resolve("image").digest
    told = imgforge.report(f"{reference[:-2]}@{own}", settings=world.settings, keys=(str(public),))
    assert told["image"]["platform"] == str(machine)
    assert imgforge.pull(reference, "mine", settings=world.settings, platform=str(machine)).digest == own
    world.manifest("above", base=reference, config={"user": "7"})
    built = imgforge.build(world.path_of("above"), settings=world.settings)
    assert dict(built.image.manifest.annotations)["org.opencontainers.image.base.digest"] == str(own)


def test_the_command_prints_where_the_index_is(
    host: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"--store={settings.store}", f"--cache={settings.cache}")
    reference = f"docker://{host}/cli/both:1"
    assert main(["index", reference, "amd", "arm", *places]) == 0
    digest = imgforge.index("both", ("amd", "arm"), settings=settings).digest
    assert capsys.readouterr().out == f"{reference}@{digest}\n"
    assert main(["index", "both", "amd", "amd", *places]) == 2
