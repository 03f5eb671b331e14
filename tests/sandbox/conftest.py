"""Somebody on each rung of the sandbox's ladder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import accounts, stations
from builders.stations import Station

from imgforge.sandbox.rung import Rung


@pytest.fixture(scope="session")
def built_tree() -> Iterator[Path]:
    """A root with a shell; its owner changes with the test."""
    with stations.tree() as tree:
        yield tree


@contextlib.contextmanager
def _owned(tree: Path, uid: int, gid: int) -> Iterator[Path]:
    paths = [tree, *tree.rglob("*")]
    for path in paths:
        os.chown(path, uid, gid, follow_symlinks=False)
    yield tree
    for path in paths:
        os.chown(path, 0, 0, follow_symlinks=False)


def _station(rung: Rung, tree: Path, request: pytest.FixtureRequest) -> Iterator[Station]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become others")
    if rung in {Rung.ROOT, Rung.CHROOT}:
        yield Station(rung, tree, 0, 0)
        return
    account: accounts.User = request.getfixturevalue("subuid_user" if rung is Rung.SUBIDS else "user")
    with _owned(tree, account.uid, account.gid):
        yield Station(rung, tree, account.uid, account.gid)


@pytest.fixture(params=list(Rung), ids=lambda rung: rung.value)
def anywhere(request: pytest.FixtureRequest, built_tree: Path) -> Iterator[Station]:
    """Each rung in turn."""
    yield from _station(request.param, built_tree, request)


@pytest.fixture(params=[Rung.ROOT, Rung.SUBIDS, Rung.SINGLE], ids=lambda rung: rung.value)
def apart(request: pytest.FixtureRequest, built_tree: Path) -> Iterator[Station]:
    """Each rung with namespaces in turn."""
    yield from _station(request.param, built_tree, request)


@pytest.fixture
def as_root(request: pytest.FixtureRequest, built_tree: Path) -> Iterator[Station]:
    """The rung of root."""
    yield from _station(Rung.ROOT, built_tree, request)


@pytest.fixture
def single(request: pytest.FixtureRequest, built_tree: Path) -> Iterator[Station]:
    """The rung with one id, as a user without any other."""
    yield from _station(Rung.SINGLE, built_tree, request)


@pytest.fixture
def chroot(request: pytest.FixtureRequest, built_tree: Path) -> Iterator[Station]:
    """The rung without namespaces."""
    yield from _station(Rung.CHROOT, built_tree, request)
