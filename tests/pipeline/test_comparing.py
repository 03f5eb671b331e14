"""What changes between two locks, and how urgent it is, asked of real packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import attrs
import pytest
from builders.debs import build_deb
from builders.releases import changelog

from imgforge.digest import Digest
from imgforge.lock import LockedPackage, LockedSource, PlatformLock
from imgforge.pipeline.lock import comparing
from imgforge.pipeline.lock.freshness import Change

LOG = changelog("gcc-defaults", ("1.204", "high"), ("1.203", "low"), ("1.202", "critical"))


def locked(*packages: LockedPackage) -> PlatformLock:
    source = LockedSource(name="debian", identity="stable main")
    return PlatformLock(platform="linux/amd64", asked=(), sources=(source,), packages=packages)


@attrs.frozen
class Pool:
    """Packages on this disk."""

    path: Path

    def made(self, version: str, source: str = "", *, log: bytes = LOG) -> LockedPackage:
        """Make a version of ``gcc`` with a changelog, and return it as a lock has it."""
        files = {"usr/share/doc/gcc/changelog.gz": log}
        data = build_deb("gcc", version, files=files, fields={"Source": source}, compression="gzip")
        digest = Digest.of(data)
        (self.path / digest.hex).write_bytes(data)
        return LockedPackage(
            name="gcc",
            version=version,
            architecture="amd64",
            size=len(data),
            digest=digest,
            path=PurePosixPath("pool/gcc.deb"),
            source="debian",
        )

    def compare(self, was: LockedPackage, now: LockedPackage, *, is_cached: bool) -> tuple[Change, ...]:
        """Compare two locks of one package each, with the first of them here or not."""

        def debs(packages: tuple[LockedPackage, ...]) -> Mapping[Digest, Path]:
            return {package.digest: self.path / package.digest.hex for package in packages}

        def cached(package: LockedPackage) -> Path | None:
            return self.path / package.digest.hex if is_cached else None

        return comparing.compare(locked(was), locked(now), debs=debs, cached=cached)

    def urgency(self, was: LockedPackage, now: LockedPackage, *, is_cached: bool) -> str:
        (change,) = self.compare(was, now, is_cached=is_cached)
        assert (change.before, change.after) == (was.version, now.version)
        return change.urgency


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


def test_an_epoch_that_the_source_has_not_hides_no_urgency_while_the_old_package_is_here(pool: Pool) -> None:
    was = pool.made("4:12.2.0-3", "gcc-defaults (1.203)")
    now = pool.made("4:12.3.0-1", "gcc-defaults (1.204)")
    assert pool.urgency(was, now, is_cached=True) == "high"


def test_a_source_version_that_nobody_knows_is_not_guessed(pool: Pool) -> None:
    was = pool.made("0.9-3", "gcc-defaults (1.203)")
    now = pool.made("0.9-4", "gcc-defaults (1.204)")  # all of the changelog is newer than 0.9-3
    assert pool.urgency(was, now, is_cached=False) == ""


@pytest.mark.parametrize("was", ["1.203", "1.203+b2"])
@pytest.mark.parametrize(("now", "source"), [("1.204", ""), ("1.204+b1", "gcc (1.204)"), ("1.204", "gcc")])
def test_a_package_with_its_sources_version_needs_no_old_package(pool: Pool, was: str, now: str, source: str) -> None:
    assert pool.urgency(pool.made(was), pool.made(now, source), is_cached=False) == "high"


def test_a_rebuild_counts_from_its_sources_version(pool: Pool) -> None:
    was, now = pool.made("1.203+b2", "gcc (1.203)"), pool.made("1.204+b1", "gcc (1.204)")
    assert pool.urgency(was, now, is_cached=True) == "high"


def test_a_changelog_of_another_source_says_nothing(pool: Pool) -> None:
    was, now = pool.made("12.2", "gcc-12 (1.1)"), pool.made("12.3", "gcc-defaults (1.204)")
    assert pool.urgency(was, now, is_cached=True) == ""


def test_a_source_that_is_malformed_says_no_urgency(pool: Pool) -> None:
    was, now = pool.made("1.203", "gcc (1.0-)"), pool.made("1.204")
    assert pool.urgency(was, now, is_cached=True) == ""
    assert pool.urgency(now, attrs.evolve(was, version="1.205"), is_cached=False) == ""


def test_other_bytes_of_the_same_version_are_a_change(pool: Pool) -> None:
    was, now = pool.made("1.0"), pool.made("1.0", log=b"")
    (change,) = pool.compare(was, now, is_cached=False)
    assert change == Change("gcc", "1.0", "1.0")
    assert str(change) == "gcc: 1.0, other bytes of the same version"
    assert pool.compare(was, was, is_cached=False) == ()


def test_what_is_new_and_what_goes_have_no_urgency(pool: Pool) -> None:
    package = pool.made("1.204")
    for before, after, change in (
        (None, locked(package), Change("gcc", "", "1.204")),
        (locked(package), locked(), Change("gcc", "1.204", "")),
    ):
        assert comparing.compare(before, after, debs=lambda _: {}, cached=lambda _: None) == (change,)
