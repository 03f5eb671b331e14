"""What Debian's docker-registry leaves of signatures and statements after `garbage-collect --delete-untagged`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders import cosign as cosigns
from builders import registries
from builders.policies import Searches
from builders.registries import Registry
from builders.worlds import World

import imgforge
from imgforge.settings import Settings

KINDS = ("spdx", "cyclonedx", "provenance", "report")


@attrs.frozen
class Collected:
    """An image that was pushed with a key to a registry whose garbage is collected."""

    world: World
    registry: Registry
    directory: Path
    key: Path
    reporter: Searches

    @property
    def settings(self) -> Settings:
        return attrs.evolve(self.world.settings, reporter=self.reporter)

    @property
    def name(self) -> str:
        return f"apps/{self.world.word}"

    @property
    def reference(self) -> str:
        return f"docker://{self.registry.host}/{self.name}:1"

    @property
    def public(self) -> str:
        return str(self.key.with_suffix(".pub"))

    def push(self) -> tuple[str, ...]:
        """Push with the key; return what was attached."""
        return imgforge.push("image", self.reference, settings=self.settings, key=str(self.key)).attached

    def collect(self) -> None:
        """Collect garbage, with the registry's own program."""
        words = ("docker-registry", "garbage-collect", "--delete-untagged", str(self.directory / "config.json"))
        environment = {"PATH": os.environ["PATH"]}
        subprocess.run(words, check=True, capture_output=True, timeout=60, env=environment)

    def untag(self) -> None:
        """Forget the tags that keep each referrer, as if a tool that makes none had attached them."""
        tags = self.registry.root / "docker/registry/v2/repositories" / self.name / "_manifests/tags"
        for tag in tags.iterdir():
            if tag.name.startswith("sha256-") and "." in tag.name and not tag.name.endswith(".sig"):
                shutil.rmtree(tag)

    def statements(self) -> list[str]:
        """Return the kinds of statements that the key vouches for."""
        keys, found = (self.public,), []
        for kind in KINDS:
            try:
                if kind in ("spdx", "cyclonedx"):
                    imgforge.sbom(self.reference, settings=self.settings, form=kind, keys=keys)
                elif kind == "provenance":
                    imgforge.provenance(self.reference, settings=self.settings, keys=keys)
                else:
                    imgforge.report(self.reference, settings=self.settings, keys=keys)
            except imgforge.ImgforgeError:
                continue
            found.append(kind)
        return found


@pytest.fixture
def collected(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    monkeypatch.setenv("COSIGN_PASSWORD", cosigns.PASSPHRASE)
    key, _public = imgforge.keygen(tmp_path / "release")
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.build(world.manifest(packages=["hello"]))
    with registries.serve(tmp_path / "registry", on_disk=True) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))  # the registry itself would read it
        made = Collected(world, running, tmp_path / "registry", key, Searches())
        assert made.push() == KINDS
        yield made


def test_what_was_pushed_with_a_key_survives(collected: Collected) -> None:
    collected.collect()
    assert imgforge.verify(collected.reference, keys=(collected.public,), settings=collected.settings)
    assert collected.statements() == list(KINDS)
    assert collected.push() == ()
    assert collected.reporter.warnings == []


def test_a_good_signature_counts_whatever_else_is_gone(collected: Collected) -> None:
    collected.untag()
    collected.collect()
    (good,) = imgforge.verify(collected.reference, keys=(collected.public,), settings=collected.settings)
    assert good.reference == collected.reference
    assert len([text for text in collected.reporter.warnings if "is listed, and gone" in text]) == len(KINDS) + 1
    assert collected.statements() == []


def test_pushing_again_restores_what_is_gone(collected: Collected) -> None:
    collected.untag()
    collected.collect()
    assert collected.push() == KINDS
    assert collected.statements() == list(KINDS)
    assert collected.push() == ()
    collected.reporter.warnings.clear()
    collected.collect()
    assert imgforge.verify(collected.reference, keys=(collected.public,), settings=collected.settings)
    assert collected.statements() == list(KINDS)
    assert collected.reporter.warnings == [], "what is gone is not listed any more"


def test_signing_again_restores_the_signature(collected: Collected) -> None:
    collected.untag()
    collected.collect()
    imgforge.sign(collected.reference, key=str(collected.key), settings=collected.settings)
    collected.reporter.warnings.clear()
    verified = imgforge.verify(collected.reference, keys=(collected.public,), settings=collected.settings)
    assert verified
    assert collected.reporter.warnings == []
