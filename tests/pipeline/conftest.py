"""A ground for the session, and for each test a world of its own that shares what the ground's base has cached."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import grounds
from builders.archives import Archive
from builders.attacks import Arena
from builders.locks import rules_of
from builders.policies import under
from builders.releases import DAY, release
from builders.worlds import World

import imgforge


@pytest.fixture(scope="session")
def ground() -> Iterator[Archive]:
    """The packages that a base is made of."""
    with grounds.ground() as made:
        yield made


@pytest.fixture(scope="session")
def warm_cache(ground: Archive) -> Iterator[Path]:
    """A cache in which the ground's base is made."""
    with tempfile.TemporaryDirectory(prefix="imgforge-warm-") as name:
        first = World.on(ground, Path(name))
        first.build("ground")
        yield first.settings.cache


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that every user of this machine can reach: pytest's own is closed to others."""
    with tempfile.TemporaryDirectory(prefix="imgforge-world-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def world(ground: Archive, warm_cache: Path, place: Path) -> World:
    """A world with a warm cache."""
    return World.on(ground, place, cache=warm_cache)


@pytest.fixture
def cold_world(ground: Archive, place: Path) -> World:
    """A world with an empty cache."""
    return World.on(ground, place)


@pytest.fixture
def pair(world: World) -> World:
    """A world whose image holds two packages, a month after their release."""
    release(world, "1.0", "apple", "pear")
    world.manifest(packages=["apple", "pear"])
    return world.with_settings(now=world.settings.now + 30 * DAY)


@pytest.fixture(scope="module")
def arena(ground: Archive, warm_cache: Path) -> Iterator[Arena]:
    """A world to attack, for all tests of a module."""
    with tempfile.TemporaryDirectory(prefix="imgforge-arena-") as name:
        Path(name).chmod(0o755)
        yield Arena.of(World.on(ground, Path(name), cache=warm_cache))


@pytest.fixture
def locked(world: World) -> World:
    """A world whose image holds ``hello``, locked, under a policy that allows its two sources."""
    world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    world.manifest(packages=["hello"])
    ruled = under(world, sources=rules_of(world.ground, world.archive))
    imgforge.lock(world.path_of(), settings=ruled.settings)
    return ruled
