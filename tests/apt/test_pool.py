"""Fetching the packages of a lock, and what becomes of those that the archive has no more."""

from __future__ import annotations

import concurrent.futures
import functools
import re
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs
import pytest
from builders.archives import Archive, Deb, Fault, Server, serve
from builders.debs import build_deb

from imgforge.apt import hosts
from imgforge.apt.acquire import acquire
from imgforge.apt.mirrors import candidates
from imgforge.apt.pool import VanishedError, arriving, fetch_packages
from imgforge.apt.release import Waived
from imgforge.digest import Digest
from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import OfflineError, Patience, WrongBytesError
from imgforge.store.cache import Cache
from imgforge.tree import UnsafePathError

QUICK = Patience(attempts=2, connect=2, stall=1, delay=0.01, ceiling=1)


@attrs.frozen
class Locked:
    name: str
    version: str
    architecture: str
    size: int
    digest: Digest
    path: PurePosixPath


def lock(deb: Deb) -> Locked:
    return Locked(
        deb.field("Package"),
        deb.field("Version"),
        deb.field("Architecture"),
        len(deb.data),
        Digest.of(deb.data),
        PurePosixPath(deb.path),
    )


class Desk:
    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def get(
        self, packages: list[Locked], *bases: str, snapshots: tuple[str, ...] = (), offline: bool = False
    ) -> dict[str, bytes]:
        with Fetcher(patience=QUICK, offline=offline) as fetcher:
            found = fetch_packages(
                packages, cache=self.cache, fetcher=fetcher, bases_of=lambda _package: bases, snapshots=snapshots
            )
        return {str(digest): path.read_bytes() for digest, path in found.items()}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    for number in range(5):
        made.add(build_deb(f"p{number}", "1:1.0+b~c", files={"usr/share/x": b"x" * 1000 * number}))
    return made


@pytest.fixture
def debs(archive: Archive) -> list[Deb]:
    return archive.suite().debs["main"]


@pytest.fixture
def server(archive: Archive) -> Iterator[Server]:
    with serve(archive.path) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Cache(tmp_path / "cache"))


def test_packages_are_fetched_into_the_cache(debs: list[Deb], server: Server, desk: Desk) -> None:
    expected = {str(Digest.of(deb.data)): deb.data for deb in debs}
    assert desk.get([lock(deb) for deb in debs], server.url) == expected


def test_packages_in_the_cache_are_not_fetched_again(debs: list[Deb], server: Server, desk: Desk) -> None:
    first = desk.get([lock(deb) for deb in debs], server.url)
    before = len(server.asked)
    assert desk.get([lock(deb) for deb in debs], "http://nowhere.invalid", offline=True) == first
    assert len(server.asked) == before


def test_a_package_given_twice_is_fetched_once(debs: list[Deb], server: Server, desk: Desk) -> None:
    desk.get([lock(debs[0])] * 3, server.url)
    assert len(server.asked) == 1


def test_those_in_the_cache_arrive_first(debs: list[Deb], server: Server, desk: Desk) -> None:
    desk.get([lock(debs[3])], server.url)
    with Fetcher(patience=QUICK) as fetcher:
        order = [
            package.name
            for package, _ in arriving(
                [lock(deb) for deb in debs], cache=desk.cache, fetcher=fetcher, bases_of=lambda _package: (server.url,)
            )
        ]
    assert order[0] == "p3"
    assert sorted(order) == ["p0", "p1", "p2", "p3", "p4"]


def test_no_packages_need_nothing(desk: Desk) -> None:
    assert desk.get([]) == {}


def test_a_package_that_one_mirror_lost_comes_from_the_next(
    debs: list[Deb], server: Server, desk: Desk, tmp_path: Path
) -> None:
    with serve(tmp_path) as empty:
        assert len(desk.get([lock(debs[0])], empty.url, server.url)) == 1


def test_a_package_that_all_mirrors_lost_comes_from_a_snapshot(
    debs: list[Deb], server: Server, desk: Desk, tmp_path: Path
) -> None:
    with serve(tmp_path) as empty:
        assert len(desk.get([lock(debs[0])], empty.url, snapshots=(f"{server.url}/",))) == 1
        assert len(empty.asked) == 1


def test_packages_that_are_gone_are_named(archive: Archive, debs: list[Deb], server: Server, desk: Desk) -> None:
    packages = [lock(deb) for deb in debs]
    archive.remove(debs[1])
    archive.remove(debs[2])
    with pytest.raises(VanishedError, match=r"p1_1:1.0\+b~c_amd64.deb") as caught:
        desk.get(packages, server.url)
    assert caught.value.names == ("p1", "p3")
    assert caught.value.__notes__ == ["a dated copy of the archive may still have it: name one with `--snapshot URI`"]
    assert len(desk.get([one for one in packages if one.name not in caught.value.names], offline=True)) == 3


def test_a_package_that_no_snapshot_has_either_is_not_said_to_be_in_one(
    debs: list[Deb], server: Server, desk: Desk, tmp_path: Path
) -> None:
    server.always(debs[0].path, Fault(status=404))
    with serve(tmp_path) as empty, pytest.raises(VanishedError) as caught:
        desk.get([lock(debs[0])], server.url, snapshots=(empty.url,))
    assert len(empty.asked) == 1
    assert caught.value.__notes__ == [
        "the dated copies that `--snapshot` names do not have it either: one of another day may"
    ]


def test_a_failure_that_may_pass_does_not_say_that_a_package_is_gone(
    debs: list[Deb], server: Server, desk: Desk
) -> None:
    server.always(debs[0].path, Fault(status=500))
    with pytest.raises(FetchError, match="HTTP 500") as caught:
        desk.get([lock(deb) for deb in debs], server.url)
    assert not isinstance(caught.value, VanishedError)
    assert "run it again" in caught.value.__notes__[0]


def test_offline_says_which_packages_are_missing(debs: list[Deb], server: Server, desk: Desk) -> None:
    desk.get([lock(debs[0])], server.url)
    with pytest.raises(OfflineError, match="4 transfers failed") as caught:
        desk.get([lock(deb) for deb in debs], server.url, offline=True)
    assert caught.value.__notes__ == ["run once without `--offline` to fetch it"]


def test_a_package_with_wrong_bytes_is_never_kept(debs: list[Deb], server: Server, desk: Desk) -> None:
    server.always(debs[0].path, Fault(flip=True))
    with pytest.raises(WrongBytesError):
        desk.get([lock(debs[0])], server.url)
    with pytest.raises(OfflineError):
        desk.get([lock(debs[0])], server.url, offline=True)


def test_a_path_that_climbs_out_is_refused(debs: list[Deb], server: Server, desk: Desk) -> None:
    bad = attrs.evolve(lock(debs[0]), path=PurePosixPath("../../etc/passwd"))
    with pytest.raises(UnsafePathError):
        desk.get([bad], server.url)
    assert server.asked == []


def test_two_builds_at_once_fetch_a_package_once(debs: list[Deb], server: Server, desk: Desk) -> None:
    packages = [lock(deb) for deb in debs]
    with concurrent.futures.ThreadPoolExecutor(4) as builds:
        found = list(builds.map(lambda _build: desk.get(packages, server.url), range(4)))
    assert found == [found[0]] * 4
    assert len(server.asked) == len(debs)


@pytest.mark.archive
def test_a_package_of_the_hosts_own_archive_is_fetched(desk: Desk) -> None:
    host = hosts.read()
    source = next(one for one in host.sources if one.keys and one.components)
    with Fetcher() as fetcher:
        (index,) = acquire(
            attrs.evolve(source, suites=source.suites[:1], components=source.components[:1]),
            architecture="amd64",
            cache=desk.cache,
            fetcher=fetcher,
            bases_of=functools.partial(candidates, host=host),
            now=int(time.time()),
            waived=Waived.NOTHING if host.check_valid_until else Waived.VALID_UNTIL,
        )
    stanza = next(one for one in index.path.read_text().split("\n\n") if one.startswith("Package: hello\n"))
    fields = dict(re.findall(r"(?m)^([A-Za-z0-9-]+): (.*)$", stanza))
    digest = Digest("sha256", fields["SHA256"])
    path = PurePosixPath(fields["Filename"])
    package = Locked("hello", fields["Version"], fields["Architecture"], int(fields["Size"]), digest, path)
    assert desk.get([package], *index.bases).keys() == {str(digest)}
