"""Private inputs: images say what they hold, those above inherit it, and none goes where everybody can pull."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import policies
from builders.archives import Archive
from builders.debs import build_deb
from builders.policies import under, untouched
from builders.proxies import Proxy
from builders.pushes import stands_for
from builders.worlds import World

import imgforge
from imgforge.oci.reference import Reference
from imgforge.policy.refusal import RefusedError
from imgforge.policy.taint import CARRIES, HOLDS
from imgforge.transport import table

FAR = "docker://registry.example.org/web/shop:1"
INTERNAL = '["source:internal"]'


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with policies.registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@attrs.frozen
class Firm:
    """A world with a private archive, which holds the package ``billing``, and repositories of both kinds.

    Attributes:
        world: under the policy.
        internal: the private archive.
        everybody: a repository that everybody can pull from.
        insiders: one that the policy marks private.
    """

    world: World
    internal: Archive
    everybody: str
    insiders: str

    @property
    def free(self) -> World:
        """The world without the policy."""
        return self.world.with_settings(policy=None)

    def write(self, name: str = "image", *, packages: tuple[str, ...] = ("billing", "hello"), **keys: object) -> Path:
        """Write a manifest on the ground that draws from all three archives, the private one marked so."""
        archives = {"ground": self.world.ground, "extra": self.world.archive, "internal": self.internal}
        path = self.world.manifest(name, archives=archives, packages=list(packages), **keys)
        document = json.loads(path.read_text())
        document["sources"]["internal"]["private"] = True
        path.write_text(json.dumps(document))
        return path

    def push(self, target: str, image: str = "image", *, world: World | None = None) -> imgforge.Published:
        """Push an image to a repository."""
        return imgforge.push(image, f"{target}:1", settings=(world or self.world).settings)


def rules_of(*archives: Archive) -> list[dict[str, object]]:
    """Return rules that allow everything of archives."""
    fingerprints = [key.fingerprint for archive in archives for key in archive.keys]
    return [{"keys": [one], "suites": ["*"], "components": ["*"]} for one in fingerprints]


@pytest.fixture
def firm(world: World, registry: Proxy) -> Firm:
    internal = Archive(world.path / "internal")
    internal.suites = {}
    internal.suite("internal")
    internal.add(build_deb("billing", "1.0", files={"srv/billing": b"prices\n"}, compression="gzip"), suite="internal")
    internal.publish()
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    everybody, insiders = (f"docker://{registry.host}/{world.word}/{name}/shop" for name in ("all", "us"))
    ruled = under(
        world,
        sources=rules_of(world.ground, world.archive, internal),
        publish=[{"to": everybody}, {"to": insiders, "private": True}],
    )
    return Firm(ruled, internal, everybody, insiders)


def marks(world: World, name: str = "image") -> dict[str, str]:
    """Return what an image of the store says of itself in its manifest."""
    return {key: text for key, text in world.image(name).manifest.annotations if key in (HOLDS, CARRIES)}


def holders(world: World, name: str = "image") -> dict[str, str]:
    """Return what layers say that they hold, by a file that they have."""
    image = world.image(name)
    pairs = zip(image.manifest.layers, image.layers, strict=True)
    return {min(paths): dict(layer.annotations)[HOLDS] for layer, paths in pairs if HOLDS in dict(layer.annotations)}


def refused_to(firm: Firm, target: str, image: str = "image", *, world: World | None = None) -> str:
    """Push what must be refused, and return the text."""
    with pytest.raises(RefusedError) as caught:
        firm.push(target, image, world=world)
    assert {"publish.private"} == set(policies.by_rule(caught.value))
    return str(caught.value)


def test_an_image_and_its_layers_say_what_private_bytes_they_hold(firm: Firm) -> None:
    firm.write(layers={"budget": 8})
    firm.world.build()
    image = firm.world.image()
    assert marks(firm.world)[HOLDS] == INTERNAL
    assert CARRIES in marks(firm.world)
    held = [HOLDS in dict(layer.annotations) for layer in image.manifest.layers]
    named = ["srv/billing" in paths or "var/lib/dpkg/status" in paths for paths in image.layers]
    ground = len(firm.world.image("ground").manifest.layers)
    assert held[:ground] == [False] * ground
    assert held[ground:] == named[ground:]
    assert set(held) == {True, False}
    config = json.loads(firm.world.layout.read(image.manifest.config.digest))
    assert config["config"]["Labels"][HOLDS] == INTERNAL


def test_a_private_file_marks_the_layer_of_files(firm: Firm) -> None:
    (firm.world.manifests / "licence.key").write_text("for us\n")
    copied = {"from": "licence.key", "to": "/srv/licence.key", "private": True}
    firm.world.build(firm.world.manifest(files=[copied]))
    assert marks(firm.world) == {HOLDS: '["file:licence.key"]'}
    assert holders(firm.world) == {"srv": '["file:licence.key"]'}
    with pytest.raises(RefusedError, match=r"the image holds bytes of the private file 'licence\.key'"):
        firm.push(firm.everybody)
    firm.push(firm.insiders)


def test_what_is_private_goes_to_private_repositories_only(firm: Firm, registry: Proxy) -> None:
    firm.write()
    firm.world.build()
    with untouched(registry):
        firm.push(firm.everybody)
    assert "the image holds bytes of the private source 'internal'" in refused_to(firm, firm.everybody)
    done = firm.push(firm.insiders)
    assert stands_for(registry.host, f"{firm.world.word}/us/shop", tag="1") == done.digest
    with untouched(registry):
        imgforge.copy(f"{firm.insiders}:1", f"{firm.everybody}:1", settings=firm.world.settings)


def test_without_a_policy_what_is_private_stays_on_this_machine(world: World, registry: Proxy) -> None:
    (world.manifests / "licence.key").write_text("for us\n")
    world.manifest(files=[{"from": "licence.key", "to": "/srv/licence.key", "private": True}])
    world.build()
    with pytest.raises(RefusedError, match="is not marked private"):
        imgforge.push("image", FAR, settings=world.settings)
    imgforge.push("image", f"docker://{registry.host}/{world.word}/mine:1", settings=world.settings)
    imgforge.copy("image", f"oci:{world.path}/out:image", settings=world.settings)


def test_an_image_of_public_packages_has_the_digest_that_it_has_without_a_policy(firm: Firm) -> None:
    firm.world.manifest(packages=["hello"])
    ruled = firm.world.build().digest
    assert marks(firm.world) == {}
    assert firm.free.build().digest == ruled


def test_a_source_that_only_the_policy_marks_is_private_as_well(firm: Firm) -> None:
    rules = [*rules_of(firm.world.ground), *({**rule, "private": True} for rule in rules_of(firm.world.archive))]
    firm.world.manifest(packages=["hello"])
    marked = under(firm.world, sources=rules, publish=[])
    marked.build()
    assert marks(marked)[HOLDS] == '["source:extra"]'


@pytest.fixture
def below(firm: Firm) -> Firm:
    """The firm with a tainted image in a registry, and a manifest on it that deletes what is private."""
    firm.write("below")
    firm.world.build("below")
    firm.push(firm.insiders, "below")
    firm.world.package("cleaner", scripts={"postinst": "rm /srv/billing"})
    firm.world.manifest(base=f"{firm.insiders}:1", packages=["cleaner"])
    return firm


def test_a_taint_is_inherited_through_a_base_from_a_registry_even_by_who_deletes_it(
    below: Firm, registry: Proxy, tmp_path: Path
) -> None:
    other = below.free.at(tmp_path)  # neither store nor cache know how the base was made
    other.build()
    assert "srv/billing" not in other.image().paths
    assert marks(other)[HOLDS] == INTERNAL
    assert marks(other)[CARRIES] == marks(below.world, "below")[CARRIES]
    with_policy = other.with_settings(policy=below.world.settings.policy)
    assert "private source 'internal'" in refused_to(below, below.everybody, world=with_policy)


def test_a_source_that_a_base_carries_stays_private_for_what_is_installed_from_it(firm: Firm) -> None:
    firm.write("below", packages=("hello",))
    firm.world.build("below")
    assert set(marks(firm.world, "below")) == {CARRIES}
    firm.push(firm.everybody, "below")
    firm.world.build(firm.world.manifest(base="below", packages=["billing"]))
    assert marks(firm.world)[HOLDS] == INTERNAL


def test_a_taint_survives_formats_without_annotations(firm: Firm, registry: Proxy) -> None:
    firm.write()
    firm.world.build()
    archive = f"docker-archive:{firm.world.path}/image.tar"
    imgforge.copy("image", archive, settings=firm.world.settings)
    back = firm.world.with_settings(store=firm.world.path / "other")
    imgforge.copy(archive, "image", settings=back.settings)
    with table.read(Reference.parse(archive), table=table.transports(back.layout)) as opened:
        assert HOLDS not in dict(opened.image.manifest.annotations)
    refused_to(firm, firm.everybody, world=back)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_a_taint_survives_skopeo_s_conversion_to_docker_s_format(firm: Firm, registry: Proxy) -> None:
    firm.write()
    firm.world.build()
    firm.push(firm.insiders)
    bare = firm.insiders.replace("us/shop", "plain/shop")
    command = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format=v2s2"]
    subprocess.run([*command, f"{firm.insiders}:1", f"{bare}:1"], check=True, capture_output=True)
    with untouched(registry):
        imgforge.copy(f"{bare}:1", f"{firm.everybody}:1", settings=firm.world.settings)


def test_a_consumer_refuses_what_is_private_where_everybody_pulls(firm: Firm, registry: Proxy) -> None:
    firm.write()
    firm.world.build()
    firm.push(firm.everybody, world=firm.free)  # somebody without the policy did; it is this machine's registry
    key, public = imgforge.keygen(firm.world.path / "key")
    imgforge.sign(f"{firm.everybody}:1", key=str(key), settings=firm.world.settings)
    assert imgforge.verify(f"{firm.everybody}:1", keys=(str(public),), settings=firm.free.settings)
    with pytest.raises(RefusedError, match="is not marked private"):
        imgforge.verify(f"{firm.everybody}:1", keys=(str(public),), settings=firm.world.settings)
