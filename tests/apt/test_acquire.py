"""Acquiring indices: from good mirrors, lying mirrors, lagging mirrors, and none."""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.archives import NOW, Archive, Fault, Key, Server, serve, sign
from builders.debs import build_deb

from imgforge.apt import hosts, mirrors, openpgp, release
from imgforge.apt.acquire import MissingIndexError, acquire
from imgforge.apt.sources import Source
from imgforge.apt.values import IndexFile
from imgforge.codec import BombError
from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import OfflineError, Patience, TooLargeError, WrongBytesError
from imgforge.report import Reporter
from imgforge.store.cache import Cache

QUICK = Patience(attempts=3, connect=2, stall=1, delay=0.01, ceiling=1)


class Listener(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


class Desk:
    """Acquires from an archive as a person would, again and again with one cache."""

    def __init__(self, path: Path) -> None:
        self.cache = Cache(path)
        self.listener = Listener()

    def get(
        self, source: Source, *, now: int = NOW, offline: bool = False, allow_expired: bool = False
    ) -> tuple[IndexFile, ...]:
        with Fetcher(patience=QUICK, reporter=self.listener, offline=offline) as fetcher:
            return acquire(
                source,
                architecture="amd64",
                cache=self.cache,
                fetcher=fetcher,
                bases_of=mirrors.candidates,
                now=now,
                allow_expired=allow_expired,
            )

    def only(self, source: Source, *, now: int = NOW) -> str:
        (index,) = self.get(source, now=now)
        return index.path.read_text()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.add(build_deb("hello", "1.0"))
    made.publish()
    return made


@pytest.fixture
def server(archive: Archive) -> Iterator[Server]:
    with serve(archive.path) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "cache")


def test_an_index_is_what_its_release_lists(archive: Archive, server: Server, desk: Desk) -> None:
    (index,) = desk.get(archive.source(server.url))
    expected = (archive.path / "dists/stable/main/binary-amd64/Packages").read_bytes()
    assert index.path.read_bytes() == expected
    assert index.digest == Digest.of(expected)
    assert (index.suite.archive, index.requested_suite, index.component) == ("stable", "stable", "main")
    assert (index.architecture, index.source, index.bases) == ("amd64", "test", (server.url,))


@pytest.mark.parametrize("packing", ["", ".xz", ".gz", ".zst"])
def test_every_packing_is_read(archive: Archive, server: Server, desk: Desk, packing: str) -> None:
    archive.suite().packings = ("", packing)
    archive.suite().by_hash = False
    archive.publish()
    assert "Package: hello" in desk.only(archive.source(server.url))
    assert server.paths()[-1].endswith(f"Packages{packing}")


def test_an_index_that_is_listed_only_packed_is_read(archive: Archive, server: Server, desk: Desk) -> None:
    archive.suite().packings = (".xz",)
    archive.publish()
    source = archive.source(server.url)
    assert "Package: hello" in desk.only(source)
    (again,) = desk.get(source, offline=True)
    assert again.digest == Digest.of(again.path.read_bytes())


def test_an_index_in_the_cache_is_not_fetched_again(archive: Archive, server: Server, desk: Desk) -> None:
    source = archive.source(server.url)
    first = desk.get(source)
    before = len(server.asked)
    assert desk.get(source) == first
    assert server.paths()[before:] == ["/dists/stable/InRelease"]
    assert "If-None-Match" in server.asked[-1].headers


def test_indices_come_in_the_order_of_the_source(archive: Archive, desk: Desk) -> None:
    archive.suite("stable").components = ("main", "contrib")
    archive.suite("stable").separate_all = True
    archive.suite("updates").components = ("main", "contrib")
    archive.publish()
    got = [(one.requested_suite, one.component, one.architecture) for one in desk.get(archive.source())]
    assert got == [
        ("stable", "main", "amd64"),
        ("stable", "main", "all"),
        ("stable", "contrib", "amd64"),
        ("stable", "contrib", "all"),
        ("updates", "main", "amd64"),
        ("updates", "contrib", "amd64"),
    ]


def test_a_flat_archive_is_read(tmp_path: Path, desk: Desk) -> None:
    archive = Archive(tmp_path / "flat")
    archive.suites.clear()
    archive.add(build_deb("hello", "1.0"), suite="./")
    archive.publish()
    assert "Package: hello" in desk.only(archive.source())


def test_an_archive_with_a_detached_signature_is_read(archive: Archive, server: Server, desk: Desk) -> None:
    (archive.path / "dists/stable/InRelease").unlink()
    source = archive.source(server.url)
    assert "Package: hello" in desk.only(source)
    assert len(desk.get(source, offline=True)) == 1


def test_a_source_for_other_architectures_gives_nothing(archive: Archive, desk: Desk) -> None:
    source = Source("arm", ("stable",), ("main",), (archive.url,), keys=archive.keyring, architectures=("arm64",))
    assert desk.get(source) == ()


def test_a_component_that_a_suite_does_not_have_is_named(archive: Archive, desk: Desk) -> None:
    source = Source("test", ("stable",), ("universe",), (archive.url,), keys=archive.keyring)
    with pytest.raises(UsageError, match="suite 'stable': expected a component of main, got 'universe'"):
        desk.get(source)


def test_an_architecture_that_a_suite_does_not_have_is_named(archive: Archive, desk: Desk) -> None:
    archive.suite().architectures = ("arm64",)
    archive.publish()
    with pytest.raises(UsageError, match="expected an architecture of arm64, got 'amd64'"):
        desk.get(archive.source())


def test_a_component_without_an_index_is_an_error(archive: Archive, desk: Desk) -> None:
    archive.suite().fields["SHA256"] = f"\n {'0' * 64} 0 main/source/Sources"
    archive.publish()
    with pytest.raises(MissingIndexError, match="lists no 'main/binary-amd64/Packages'"):
        desk.get(archive.source())


# What lives on the way: mirrors that are gone, behind, or lie.


def test_the_next_mirror_is_asked_when_the_first_is_gone(archive: Archive, server: Server, desk: Desk) -> None:
    (index,) = desk.get(archive.source("http://127.0.0.1:9", server.url))
    assert index.bases == (server.url, "http://127.0.0.1:9")
    assert "mirror passed over" in desk.listener.warnings[0]


def test_the_next_mirror_is_asked_when_the_first_is_somebody_elses(
    archive: Archive, server: Server, desk: Desk, tmp_path: Path
) -> None:
    other = Archive(tmp_path / "other")
    other.publish()
    (index,) = desk.get(archive.source(other.url, server.url))
    assert index.bases[0] == server.url


def test_a_release_by_a_strangers_key_is_refused(archive: Archive, desk: Desk, tmp_path: Path) -> None:
    stranger = Archive(tmp_path / "other")
    stranger.publish()
    with pytest.raises(openpgp.UnknownSignerError):
        desk.get(archive.source(stranger.url))


def test_a_mirror_that_goes_back_in_time_is_refused(archive: Archive, server: Server, desk: Desk) -> None:
    source = archive.source(server.url)
    desk.get(source)
    archive.suite().date = NOW - 86400
    archive.publish()
    with pytest.raises(release.ReplayError, match=r"made 2023-11-13 22:13 UTC, expected none older than 2023-11-14"):
        desk.get(source)
    assert len(desk.get(source, allow_expired=True)) == 1


def test_what_was_seen_is_remembered_for_another_set_of_components(archive: Archive, desk: Desk) -> None:
    archive.suite().components = ("main", "contrib")
    archive.publish()
    desk.get(archive.source())
    archive.suite().date = NOW - 1
    archive.publish()
    with pytest.raises(release.ReplayError):
        desk.get(Source("other", ("stable",), ("contrib",), (archive.url,), keys=archive.keyring))


def test_a_lagging_mirror_is_passed_over_for_one_that_is_up_to_date(
    archive: Archive, server: Server, desk: Desk, tmp_path: Path
) -> None:
    lagging = Archive(tmp_path / "lagging", keys=archive.keys)
    lagging.suite().date = NOW - 86400
    lagging.publish()
    source = archive.source(server.url)
    desk.get(source)
    (index,) = desk.get(archive.source(lagging.url, server.url))
    assert index.bases[0] == server.url


def test_an_expired_release_is_refused_unless_allowed(archive: Archive, desk: Desk) -> None:
    archive.suite().valid_for = 3600
    archive.publish()
    with pytest.raises(release.ExpiredError):
        desk.get(archive.source(), now=NOW + 3601)
    assert len(desk.get(archive.source(), now=NOW + 3601, allow_expired=True)) == 1


def test_a_tampered_release_is_refused(archive: Archive, server: Server, desk: Desk) -> None:
    text = (archive.path / "dists/stable/InRelease").read_bytes()
    server.always("dists/stable/InRelease", Fault(body=text.replace(b"Origin: Test", b"Origin: Evil")))
    with pytest.raises(openpgp.BadSignatureError):
        desk.get(archive.source(server.url))


def test_a_release_without_end_is_not_read(
    archive: Archive, server: Server, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "RELEASE_MAX", 1000)
    server.always("dists/stable/InRelease", Fault(body=b"x" * 2000, length=False))
    with pytest.raises(TooLargeError, match="expected at most 1000 bytes, got more"):
        desk.get(archive.source(server.url))


@pytest.mark.parametrize(
    "fault", [Fault(flip=True), Fault(cut=20), Fault(body=b"x" * 5000)], ids=["flipped", "cut", "another"]
)
def test_wrong_bytes_of_an_index_are_never_used(archive: Archive, server: Server, desk: Desk, fault: Fault) -> None:
    server.always("*", fault)
    for name in ("InRelease", "Release", "Release.gpg"):
        server.always(f"dists/stable/{name}", Fault())
    with pytest.raises(WrongBytesError, match="stable main amd64 Packages"):
        desk.get(archive.source(server.url))
    assert not list((desk.cache.path / "indices").rglob("*.*"))


def test_indices_that_were_swapped_are_refused(archive: Archive, server: Server, desk: Desk) -> None:
    archive.suite().components = ("main", "contrib")
    archive.suite().by_hash = False
    archive.add(build_deb("other", "1"), component="contrib")
    archive.publish()
    swapped = (archive.path / "dists/stable/contrib/binary-amd64/Packages.xz").read_bytes()
    server.always("dists/stable/main/binary-amd64/Packages.xz", Fault(body=swapped))
    with pytest.raises(WrongBytesError):
        desk.get(archive.source(server.url))


def test_an_index_that_unpacks_to_something_else_is_refused(archive: Archive, desk: Desk) -> None:
    files = {
        "main/binary-amd64/Packages": b"Package: a\n",
        "main/binary-amd64/Packages.xz": (archive.path / "dists/stable/main/binary-amd64/Packages.xz").read_bytes(),
    }
    archive.write_release(archive.suite(), archive.suite().release(files))
    with pytest.raises(BombError):
        desk.get(archive.source())


def test_an_index_that_unpacks_to_other_bytes_of_the_same_size_is_refused(archive: Archive, desk: Desk) -> None:
    plain = (archive.path / "dists/stable/main/binary-amd64/Packages").read_bytes()
    files = {
        "main/binary-amd64/Packages": plain.replace(b"1.0", b"6.6"),
        "main/binary-amd64/Packages.xz": (archive.path / "dists/stable/main/binary-amd64/Packages.xz").read_bytes(),
    }
    archive.write_release(archive.suite(), archive.suite().release(files))
    with pytest.raises(WrongBytesError, match="unpacked: expected sha256:"):
        desk.get(archive.source())


def test_an_index_of_absurd_size_is_not_fetched(archive: Archive, server: Server, desk: Desk) -> None:
    path = "main/binary-amd64/Packages.xz"
    archive.suite().fields["SHA256"] = f"\n {'0' * 64} {1 << 32} {path}"
    archive.publish()
    with pytest.raises(TooLargeError):
        desk.get(archive.source(server.url))
    assert server.paths() == ["/dists/stable/InRelease"]


def test_an_archive_that_changes_between_release_and_index_heals(
    archive: Archive, server: Server, desk: Desk, tmp_path: Path
) -> None:
    old = (archive.path / "dists/stable/InRelease").read_bytes()
    for path in (archive.path / "dists/stable").rglob("SHA256/*"):
        path.unlink()
    archive.add(build_deb("news", "2"))
    archive.suite().date = NOW + 60
    archive.publish()
    server.fault("dists/stable/InRelease", Fault(body=old))
    assert "Package: news" in desk.only(archive.source(server.url))
    asked = [one for one in server.asked if one.path.endswith("/InRelease")]
    assert asked[1].headers["Cache-Control"] == "no-cache"


def test_an_index_that_is_gone_for_good_is_reported_once(archive: Archive, server: Server, desk: Desk) -> None:
    for path in (archive.path / "dists/stable").rglob("Packages*"):
        path.unlink()
    for path in (archive.path / "dists/stable").rglob("SHA256/*"):
        path.unlink()
    with pytest.raises(FetchError, match="not there"):
        desk.get(archive.source(server.url))
    assert server.paths().count("/dists/stable/InRelease") == 2


# Without a network.


def test_offline_uses_what_is_in_the_cache(archive: Archive, server: Server, desk: Desk) -> None:
    source = archive.source(server.url)
    online = desk.get(source)
    before = len(server.asked)
    assert desk.get(source, offline=True) == online
    assert len(server.asked) == before


def test_offline_says_what_is_missing(archive: Archive, server: Server, desk: Desk) -> None:
    with pytest.raises(OfflineError, match="Release of 'stable': not in the cache, and offline"):
        desk.get(archive.source(server.url), offline=True)


def test_offline_says_that_an_index_is_missing(archive: Archive, server: Server, desk: Desk) -> None:
    source = archive.source(server.url)
    (index,) = desk.get(source)
    index.path.unlink()
    with pytest.raises(OfflineError, match="stable main amd64 Packages: not in the cache, and offline"):
        desk.get(source, offline=True)


def test_offline_says_that_a_release_is_out_of_date(archive: Archive, server: Server, desk: Desk) -> None:
    archive.suite().valid_for = 3600
    archive.publish()
    source = archive.source(server.url)
    desk.get(source)
    desk.get(source, now=NOW + 7200, offline=True)
    assert desk.listener.warnings == ["stable: offline, with a Release that is out of date"]


def test_a_tampered_cache_is_not_believed(archive: Archive, server: Server, desk: Desk) -> None:
    source = archive.source(server.url)
    desk.get(source)
    for path in (desk.cache.path / "releases").rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace("VGVzd", "RXZpb"))
    with pytest.raises(OfflineError):
        desk.get(source, offline=True)


def test_a_file_mirror_needs_no_network(archive: Archive, desk: Desk) -> None:
    assert len(desk.get(archive.source(), offline=True)) == 1


# The real thing.


def test_real_apt_accepts_the_archive_that_tests_make(archive: Archive, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for directory in ("state/lists/partial", "cache/archives/partial", "etc"):
        (root / directory).mkdir(parents=True)
    (root / "status").touch()
    (root / "key.gpg").write_bytes(archive.keyring)
    (root / "sources.list").write_text(f"deb [signed-by={root}/key.gpg] {archive.url} stable main\n")
    settings = {
        "Dir::State": root / "state",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "Dir::Etc": root / "etc",
        "Dir::Etc::sourcelist": root / "sources.list",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    for verb in (["update"], ["-s", "install", "hello"]):
        done = subprocess.run(["apt-get", *options, *verb], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "Inst hello (1.0 Test:1/stable [amd64])" in done.stdout


@pytest.mark.archive
def test_the_hosts_own_archive_is_acquired(desk: Desk) -> None:
    host = hosts.read()
    source = next(one for one in host.sources if one.keys and one.components)
    with Fetcher() as fetcher:
        found = acquire(
            source,
            architecture="amd64",
            cache=desk.cache,
            fetcher=fetcher,
            bases_of=functools.partial(mirrors.candidates, host=host),
            now=int(time.time()),
            allow_expired=not host.check_valid_until,
        )
    assert {one.requested_suite for one in found} == set(source.suites)
    assert all(Digest.of(one.path.read_bytes()) == one.digest for one in found)


def test_one_key_of_two_is_enough_and_a_strangers_signature_beside_it_is_passed_over(
    archive: Archive, desk: Desk
) -> None:
    text = (archive.path / "dists/stable/Release").read_bytes()
    (archive.path / "dists/stable/InRelease").write_bytes(sign(text, Key(), *archive.keys))
    assert len(desk.get(archive.source())) == 1


def test_integrity_errors_are_not_network_errors() -> None:
    assert not issubclass(IntegrityError, FetchError)
