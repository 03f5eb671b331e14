"""What signed indices were seen to list: which records count for a source, until when; broken ones are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from builders.archives import NOW, Archive, Key
from builders.debs import build_deb

from imgforge.apt import listings
from imgforge.apt.acquire import acquire
from imgforge.apt.listings import Listing, Trusted
from imgforge.apt.opening import open_index
from imgforge.apt.package import Package
from imgforge.apt.release import Waived
from imgforge.apt.sources import Source
from imgforge.fetch.http import Fetcher
from imgforge.store.cache import Cache

DAY = 86_400


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive", keys=(Key(), Key()))
    made.add(build_deb("hello", "1.0", compression="gzip"))
    made.publish()
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(jobs=1) as made:
        yield made


def listed(source: Source, *, cache: Cache, fetcher: Fetcher, now: int = NOW) -> Package:
    files = acquire(
        source,
        architecture="amd64",
        cache=cache,
        fetcher=fetcher,
        bases_of=lambda one, _: one.uris,
        now=now,
        waived=Waived.AGE,
    )
    return open_index(files[0], cache=cache, warn=print).packages("hello")[0]


def test_a_record_names_the_index_and_who_signed_it(archive: Archive, cache: Cache, fetcher: Fetcher) -> None:
    package = listed(archive.source(), cache=cache, fetcher=fetcher)
    assert package.digest is not None
    listings.remember([package], cache=cache)
    signers = tuple(sorted(key.fingerprint.lower() for key in archive.keys))
    assert listings.recall(package, package.digest, cache=cache) == (Listing("stable", "main", signers, NOW),)
    for other in ({"version": "2"}, {"name": "x"}, {"architecture": "all"}, {"size": 1}):
        assert listings.recall(attrs.evolve(package, **other), package.digest, cache=cache) == ()


def test_a_newer_release_takes_the_place_of_an_older_one(archive: Archive, cache: Cache, fetcher: Fetcher) -> None:
    listings.remember([listed(archive.source(), cache=cache, fetcher=fetcher)], cache=cache)
    archive.suite().date += DAY
    archive.publish()
    package = listed(archive.source(), cache=cache, fetcher=fetcher)
    listings.remember([package], cache=cache)
    assert package.digest is not None
    assert [one.date for one in listings.recall(package, package.digest, cache=cache)] == [NOW + DAY]


def test_an_old_release_says_what_was_listed_whatever_its_valid_until(
    archive: Archive, cache: Cache, fetcher: Fetcher
) -> None:
    archive.suite().valid_for = DAY
    archive.publish()
    assert listed(archive.source(), cache=cache, fetcher=fetcher, now=NOW + 900 * DAY).version == "1.0"


SIGNER = "a" * 40
LISTING = Listing("stable", "main", (SIGNER,), NOW)
TRUSTED = Trusted(("stable",), ("main",), {SIGNER: None, "b" * 40: NOW + DAY})


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (LISTING, True),
        (attrs.evolve(LISTING, suite="other"), False),
        (attrs.evolve(LISTING, component="contrib"), False),
        (attrs.evolve(LISTING, signers=("c" * 40,)), False),
        (attrs.evolve(LISTING, signers=()), False),
        (attrs.evolve(LISTING, signers=("c" * 40, SIGNER)), True),
    ],
)
def test_a_listing_counts_for_a_source_of_that_suite_component_and_key(listing: Listing, expected: object) -> None:
    assert TRUSTED.counts(listing) is expected


def test_a_listing_lasts_as_long_as_the_longest_of_its_certificates() -> None:
    assert TRUSTED.lasts(LISTING) is None
    assert TRUSTED.lasts(attrs.evolve(LISTING, signers=("b" * 40, "c" * 40))) == NOW + DAY


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[[1]]", b'[["a","b",3,4]]', b"\xff", b"[" * 100_000, b'[["a","b",["c"],"d"]]']
)
def test_a_broken_record_is_none(archive: Archive, cache: Cache, fetcher: Fetcher, raw: bytes) -> None:
    package = listed(archive.source(), cache=cache, fetcher=fetcher)
    assert package.digest is not None
    listings.remember([package], cache=cache)
    (path,) = cache.path.glob("listings/*/*")
    path.write_bytes(raw)
    assert listings.recall(package, package.digest, cache=cache) == ()
    listings.remember([package], cache=cache)
    assert listings.recall(package, package.digest, cache=cache) != ()
