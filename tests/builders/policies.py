"""Policies for worlds: written as files, and what is refused under them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import imgforge
from builders import cosign, proxies, registries
from builders.proxies import Proxy
from builders.worlds import World
from imgforge.policy.refusal import RefusedError
from imgforge.report import Reporter, Step

OWN = "image"
"""The name of the manifest that rules mean: the ground below it is nobody's concern."""


def write(path: Path, **sections: Any) -> Path:
    """Write a policy and return its path; ``_`` in a section's name stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in sections.items()}
    path.write_text(json.dumps({"imgforge-policy": 1, **named}, indent=1) + "\n")
    return path


def under(world: World, **sections: Any) -> World:
    """Return a world under a policy of its own."""
    return world.with_settings(policy=write(world.path / "policy.yaml", **sections))


def refused(world: World, manifest: Path | str = OWN) -> dict[str, str]:
    """Build what must be refused; return the text by rule, and see that nothing new got the name `OWN`."""
    before = names(world).get(OWN)
    with pytest.raises(RefusedError) as caught:
        world.build(manifest)
    assert caught.value.exit_code == 7
    assert names(world).get(OWN) == before
    return by_rule(caught.value)


def by_rule(error: RefusedError) -> dict[str, str]:
    """Return what an error says of each rule, a line for each refusal."""
    rules = dict.fromkeys(refusal.rule for refusal in error.refusals)
    return {rule: "\n".join(str(one) for one in error.refusals if one.rule == rule) for rule in rules}


def names(world: World) -> dict[str, str]:
    """Return what the names of the world's store stand for."""
    layout = world.layout
    layout.create()
    return {descriptor.name: str(descriptor.digest) for descriptor in layout.descriptors()}


@contextlib.contextmanager
def registry(directory: Path) -> Iterator[Proxy]:
    """Run a registry for anybody behind a proxy that counts, without this machine's credentials."""
    with (
        registries.serve(directory / "registry") as running,
        proxies.serve(running.host) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REGISTRY_AUTH_FILE", str(directory / "none.json"))
        patch.setenv("DOCKER_CONFIG", str(directory / "docker"))
        patch.setenv("COSIGN_PASSWORD", cosign.PASSPHRASE)
        yield proxy


@contextlib.contextmanager
def untouched(proxy: Proxy) -> Iterator[None]:
    """See that nothing is sent to a registry during a block, which must be refused."""
    proxy.reset()
    with pytest.raises(RefusedError):
        yield
    assert [asked.path for asked in proxy.asked if asked.method not in ("GET", "HEAD")] == []


@attrs.frozen
class Signer:
    """A key pair in a world, of which the policies of that world can name the public half.

    Attributes:
        private: path of the private key.
        public: of the public one, relative to the policy.
    """

    private: str
    public: str

    @classmethod
    def of(cls, world: World, name: str) -> Signer:
        """Make a pair in the world's directory."""
        private, public = imgforge.keygen(world.path / name)
        return cls(str(private), public.name)


class Searches(Reporter):
    """Counts the layers that are searched."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.warnings: list[str] = []

    def started(self, step: Step) -> None:
        """Remember a search."""
        if step.stage == "search":
            self.layers.append(step.subject)

    def warned(self, text: str) -> None:
        """Remember a warning."""
        self.warnings.append(text)

    def count(self) -> int:
        """Return how many layers were searched since the last call."""
        searched, self.layers = self.layers, []
        return len(searched)
