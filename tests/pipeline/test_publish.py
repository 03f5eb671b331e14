"""The verbs that move images and vouch for them, as functions and as commands, against a real docker-registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import images, registries
from builders.cosign import Cosign
from builders.pushes import has, stands_for
from builders.tools import run
from builders.worlds import World

import imgforge
from imgforge.cli.main import main
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, StoreError, UsageError
from imgforge.oci import media
from imgforge.oci.manifest import Manifest
from imgforge.settings import Settings
from imgforge.signing.errors import SignatureError, UnsignedError, WrongKeyError
from imgforge.store.layout import Layout

MADE = images.build_image({"etc/hello": b"hello\n" * 100}, {"etc/world": b"world\n"})
KINDS = ("spdx", "cyclonedx", "provenance", "report")
TYPES = {"spdx": "spdxjson", "cyclonedx": "cyclonedx", "provenance": "slsaprovenance1"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that serves anybody, and no credentials of this machine's user."""
    with registries.serve(tmp_path_factory.mktemp("registry")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path_factory.mktemp("none") / "auth.json"))
        patch.setenv("DOCKER_CONFIG", str(tmp_path_factory.mktemp("docker")))
        patch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
        yield running.host


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A store that holds ``hello``."""
    made = Settings(store=tmp_path / "store", cache=tmp_path / "cache", now=images.EPOCH)
    layout = Layout(made.store)
    layout.create()
    images.put(MADE, layout, "hello")
    return made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, host: str) -> tuple[Path, Path]:
    """A key pair that `keygen` made."""
    return imgforge.keygen(tmp_path_factory.mktemp("keys") / "release")


@attrs.frozen
class Line:
    """The command line on a store."""

    settings: Settings
    capsys: pytest.CaptureFixture[str]

    def perform(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a verb that uses the store."""
        return self.plain(verb, f"--store={self.settings.store}", f"--cache={self.settings.cache}", *words)

    def plain(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a verb."""
        self.capsys.readouterr()
        code = main([verb, *words])
        said = self.capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(settings, capsys)


def names(settings: Settings) -> dict[str, str]:
    return {one.name: str(one.digest) for one in imgforge.images(settings=settings)}


def test_what_is_pushed_can_be_listed_and_pulled(host: str, settings: Settings, tmp_path: Path) -> None:
    done = imgforge.push("hello", f"docker://{host}/apps/hello:1", settings=settings)
    assert (done.digest, done.signed, done.attached) == (MADE.image.digest, False, ())
    assert stands_for(host, "apps/hello", tag="1") == MADE.image.digest
    assert imgforge.tags(f"{host}/apps/hello", settings=settings) == ("1",)
    other = attrs.evolve(settings, store=tmp_path / "other")
    assert imgforge.pull(f"{host}/apps/hello:1", settings=other).digest == MADE.image.digest
    assert names(other) == {"hello:1": str(MADE.image.digest)}
    assert imgforge.pull(f"{host}/apps/hello@{MADE.image.digest}", "mine", settings=other).reference == "mine"
    assert set(names(other)) == {"hello:1", "mine"}


def test_a_copy_goes_from_repository_to_repository_and_to_an_archive(
    host: str, settings: Settings, tmp_path: Path
) -> None:
    first, second = f"docker://{host}/copy/one:1", f"docker://{host}/copy/two:2"
    imgforge.push("hello", first, settings=settings)
    assert imgforge.copy(first, second, settings=settings).digest == MADE.image.digest
    assert stands_for(host, "copy/two", tag="2") == MADE.image.digest
    archive = f"oci-archive:{tmp_path}/hello.tar"
    assert imgforge.copy(second, archive, settings=settings).digest == MADE.image.digest
    assert imgforge.inspect(archive, settings=settings).digest == MADE.image.digest


def test_dockers_manifest_is_what_other_tools_read(host: str, settings: Settings, tmp_path: Path) -> None:
    reference = f"docker://{host}/dockers/hello:1"
    done = imgforge.push("hello", reference, settings=settings, docker=True)
    raw = run("skopeo", "inspect", "--tls-verify=false", "--raw", reference)
    assert str(Digest.of(raw.encode())) == str(done.digest) != str(MADE.image.digest)
    assert json.loads(raw)["mediaType"] == media.DOCKER_MANIFEST
    run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", reference, f"oci:{tmp_path}/oci:it")
    found = Layout(tmp_path / "oci")
    manifest = Manifest.parse(found.read(found.resolve("it").digest), what="it")
    assert [one.digest for one in manifest.layers] == [one.digest for one in MADE.image.manifest.layers]


def test_a_tag_is_one_more_name(settings: Settings) -> None:
    imgforge.tag("hello", "again", settings=settings)
    assert names(settings) == {"again": str(MADE.image.digest), "hello": str(MADE.image.digest)}
    with pytest.raises(UsageError, match="expected a name in the store"):
        imgforge.tag("hello", "docker://127.0.0.1:1/hello:1", settings=settings)
    with pytest.raises(StoreError):
        imgforge.tag("nothing", "again", settings=settings)


def test_keys_are_written_once_and_signatures_of_theirs_count(
    host: str, settings: Settings, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    key, public = pair
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError):
        imgforge.keygen(key.with_suffix(""))
    reference = f"{host}/signed/hello:1"
    imgforge.push("hello", reference, settings=settings)
    with pytest.raises(UnsignedError):
        imgforge.verify(reference, keys=(str(public),), settings=settings)
    assert imgforge.sign(reference, key=str(key), settings=settings).digest == MADE.image.digest
    found = imgforge.verify(reference, keys=(str(public),), settings=settings)
    assert {one.digest for one in found} == {MADE.image.digest}
    _, stranger = imgforge.keygen(tmp_path / "stranger", algorithm="ed25519")
    with pytest.raises(WrongKeyError):
        imgforge.verify(reference, keys=(str(stranger),), settings=settings)
    assert imgforge.verify(reference, keys=(str(stranger), str(public)), settings=settings) == found


def test_a_key_that_is_not_there_is_said_before_anything_moves(host: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ImgforgeError):
        imgforge.push("hello", f"{host}/never:1", settings=settings, key=str(tmp_path / "none.key"))
    assert stands_for(host, "never", tag="1") is None
    assert not has(host, "never", MADE.image.manifest.layers[0].digest)


def test_an_image_from_elsewhere_is_signed_and_nothing_is_said_of_its_making(
    host: str, settings: Settings, pair: tuple[Path, Path]
) -> None:
    reference = f"docker://{host}/elsewhere:1"
    done = imgforge.push("hello", reference, settings=settings, key=str(pair[0]))
    assert (done.signed, done.attached) == (True, ())
    with pytest.raises(UnsignedError, match="expected a statement of type"):
        imgforge.sbom(reference, settings=settings)


@pytest.mark.parametrize(
    ("verb", "words"),
    [("push", ("hello", "oci:out:hello")), ("pull", ("oci:out:hello",)), ("list", ("oci-archive:x.tar",))],
)
def test_what_is_not_in_a_registry_is_refused_by_verbs_of_registries(
    line: Line, verb: str, words: tuple[str, ...]
) -> None:
    code, out, err = line.perform(verb, *words) if verb != "list" else line.plain(verb, *words)
    assert (code, out) == (2, "")
    assert "expected docker://HOST/REPOSITORY, got another transport" in err


def test_commands_push_list_pull_copy_and_tag(host: str, line: Line, tmp_path: Path) -> None:
    digest = MADE.image.digest
    reference = f"docker://{host}/cli/hello:1"
    assert line.perform("push", "hello", f"{host}/cli/hello:1")[:2] == (0, f"{reference}@{digest}\n")
    assert line.plain("list", f"{host}/cli/hello")[:2] == (0, "1\n")
    assert line.perform("pull", reference, "pulled")[:2] == (0, f"pulled@{digest}\n")
    assert line.perform("tag", "pulled", "more")[0] == 0
    assert line.perform("copy", "more", f"oci:{tmp_path}/out:hello")[1] == f"oci:{tmp_path}/out:hello@{digest}\n"
    assert set(names(line.settings)) == {"hello", "more", "pulled"}


def test_a_platform_that_the_image_is_not_for_is_refused(host: str, line: Line) -> None:
    line.perform("push", "hello", f"{host}/platform/hello:1")
    code, out, _ = line.perform("pull", f"{host}/platform/hello:1", "arm", "--platform", "linux/arm64")
    assert (code != 0, out) == (True, "")
    assert line.perform("pull", f"{host}/platform/hello:1", "amd", "--platform", "linux/amd64")[0] == 0


def test_commands_make_keys_sign_and_verify(host: str, line: Line, tmp_path: Path) -> None:
    assert line.plain("keygen", str(tmp_path / "own"))[0] == 0
    reference = f"docker://{host}/cli/signed:1"
    line.perform("push", "hello", reference)
    code, out, err = line.plain("verify", reference, "--key", str(tmp_path / "own.pub"))
    assert (code, out) == (6, "")
    assert "expected a signature, got none" in err
    assert line.plain("sign", reference, "--key", str(tmp_path / "own.key"))[0] == 0
    code, out, _ = line.plain("verify", reference, "--key", str(tmp_path / "own.pub"))
    assert code == 0
    assert out.startswith(f"{reference}@{MADE.image.digest} signed by ")
    code, out, _ = line.plain("verify", reference, "--key", str(tmp_path / "own.pub"), "--json")
    assert {one["digest"] for one in json.loads(out)} == {str(MADE.image.digest)}


def test_keys_are_of_no_use_for_what_is_not_in_a_registry(line: Line, pair: tuple[Path, Path]) -> None:
    code, out, err = line.perform("sbom", "hello", "--key", str(pair[1]))
    assert (code, out) == (2, "")
    assert "what is not attached in a registry is not signed" in err


@pytest.fixture
def told(host: str, world: World, pair: tuple[Path, Path]) -> tuple[World, str]:
    """A built image, pushed with a key; its world and its reference."""
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.build(world.manifest(packages=["hello"]))
    reference = f"docker://{host}/told/{world.word}:1"
    done = imgforge.push("image", reference, settings=world.settings, key=str(pair[0]))
    assert done.attached == KINDS
    return world, reference


def say(kind: str, image: str, settings: Settings, *keys: Path) -> object:
    uris = tuple(map(str, keys))
    if kind in ("provenance", "report"):
        verb = imgforge.provenance if kind == "provenance" else imgforge.report
        return verb(image, settings=settings, keys=uris)
    return imgforge.sbom(image, settings=settings, form=kind, keys=uris)


def test_what_is_attached_is_what_the_build_knows_and_counts_by_its_key(
    told: tuple[World, str], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    world, reference = told
    _, stranger = imgforge.keygen(tmp_path / "stranger")
    for kind in KINDS:
        known = say(kind, "image", world.settings)
        assert say(kind, reference, world.settings, pair[1]) == known
        assert say(kind, reference, world.settings) == known
        with pytest.raises(SignatureError):
            say(kind, reference, world.settings, stranger)


@pytest.mark.parametrize("form", ["spdx", "cyclonedx"])
def test_an_sbom_has_the_same_bytes_wherever_the_image_is(
    told: tuple[World, str], pair: tuple[Path, Path], form: str
) -> None:
    world, reference = told
    digest = world.layout.resolve("image").digest
    world.command("tag", "image", "again")
    found = {
        words: world.command("sbom", *words, "--format", form).stdout
        for words in (
            ("image",),
            ("again",),
            (f"image@{digest}",),
            (reference,),
            (reference, f"--key={pair[1]}"),
            (f"{reference}@{digest}",),
        )
    }
    assert json.loads(found["image",])
    assert set(found.values()) == {found["image",]}, sorted(map(len, found.values()))


def test_an_sbom_of_an_image_that_was_pulled_names_what_it_lacks(
    told: tuple[World, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(told[0].at(tmp_path).settings, capsys)
    assert line.perform("pull", told[1], "image")[0] == 0
    code, _, err = line.perform("sbom", "image")
    assert code == 0
    assert "not built with this cache" in err


def test_what_was_said_is_not_said_again(told: tuple[World, str], pair: tuple[Path, Path]) -> None:
    world, reference = told
    assert imgforge.push("image", reference, settings=world.settings, key=str(pair[0])).attached == ()


def test_evidence_stays_away_where_it_is_not_wanted(
    host: str, told: tuple[World, str], pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(told[0].settings, capsys)
    reference = f"docker://{host}/alone/hello:1"
    assert line.perform("push", "image", reference, "--key", str(pair[0]), "--no-evidence")[0] == 0
    assert line.plain("verify", reference, "--key", str(pair[1]))[0] == 0
    code, out, err = line.perform("provenance", reference, "--key", str(pair[1]))
    assert (code, out) == (6, "")
    assert "expected a statement of type https://slsa.dev/provenance/v1, got none" in err


def test_commands_tell_as_json_or_as_a_page(
    told: tuple[World, str], pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, reference = told
    line = Line(world.settings, capsys)
    for words in (("image",), (reference, "--key", str(pair[1]))):
        assert json.loads(line.perform("sbom", *words)[1])["spdxVersion"] == "SPDX-2.3"
        assert json.loads(line.perform("sbom", *words, "--format", "cyclonedx")[1])["bomFormat"] == "CycloneDX"
        assert "buildDefinition" in json.loads(line.perform("provenance", *words)[1])
        assert json.loads(line.perform("report", *words)[1])["imgforge-report"] == 1
        assert line.perform("report", *words, "--html", str(tmp_path / "page.html"))[:2] == (0, "")
        assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert "nobody's signature was verified" in line.perform("sbom", reference)[2]


@pytest.fixture
def cosign(request: pytest.FixtureRequest, tmp_path: Path) -> Cosign:
    assert request.config.cache is not None
    program = cosigns.fixture("trixie", Path(request.config.cache.mkdir("cosign")) / "trixie")
    return cosigns.at_work(program, tmp_path / "cosign")


@pytest.mark.archive
@pytest.mark.slow
def test_cosign_verifies_image_and_evidence(told: tuple[World, str], pair: tuple[Path, Path], cosign: Cosign) -> None:
    image = told[1].removeprefix("docker://")
    answer = cosign.verify(image, pair[1], bundle=False)
    assert answer.code == 0, answer.text
    for kind in TYPES.values():
        answer = cosign.verify_attestation(image, pair[1], predicate_type=kind, bundle=True)
        assert answer.code == 0, answer.text
