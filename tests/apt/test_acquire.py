"""Acquiring indices from good mirrors, from the real archive, and from the cache alone."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import time
from pathlib import Path

import attrs
import pytest
from builders.archives import NOW, Archive, Server
from builders.debs import build_deb
from builders.desks import Desk

from imgforge.apt import hosts, mirrors, openpgp
from imgforge.apt.acquire import acquire
from imgforge.apt.release import Waived
from imgforge.apt.sources import Source
from imgforge.apt.wanted import MissingIndexError
from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import NotFoundError, OfflineError


def test_an_index_is_what_its_release_lists(archive: Archive, server: Server, desk: Desk) -> None:
    (index,) = desk.get(archive.source(server.url))
    expected = (archive.path / "dists/stable/main/binary-amd64/Packages").read_bytes()
    assert index.path.read_bytes() == expected
    assert index.digest == Digest.of(expected)
    assert (index.suite.archive, index.requested_suite, index.component) == ("stable", "stable", "main")
    assert (index.architecture, index.source, index.bases) == ("amd64", "test", (server.url,))


def test_a_pin_of_an_origin_is_about_the_host_that_the_source_names(
    archive: Archive, server: Server, desk: Desk
) -> None:
    named = attrs.evolve(archive.source(server.url), uris=("https://mirrors.wikimedia.org/debian", server.url))
    (index,) = desk.get(named, overrides=(("*", server.url),))
    assert (index.site, index.bases[0]) == ("mirrors.wikimedia.org", server.url)
    (index,) = desk.get(attrs.evolve(named, uris=()), overrides=(("*", server.url),))
    assert index.site is None


@pytest.mark.parametrize("packing", ["", ".xz", ".lzma", ".bz2", ".gz", ".zst"])
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


def gone(archive: Archive, *endings: str) -> None:
    """Remove packings of the index, as a proxy or an old mirror lacks them; nothing is there by hash."""
    for ending in endings:
        (archive.path / f"dists/stable/main/binary-amd64/Packages{ending}").unlink()


@pytest.mark.parametrize("left", ["", ".lzma", ".bz2", ".gz"])
def test_the_next_packing_is_taken_when_one_is_missing(archive: Archive, server: Server, desk: Desk, left: str) -> None:
    every = ("", ".xz", ".lzma", ".bz2", ".gz", ".zst")
    archive.suite().packings, archive.suite().by_hash = every, False
    archive.publish()
    gone(archive, *(ending for ending in every if ending != left))
    assert "Package: hello" in desk.only(archive.source(server.url))
    assert server.paths()[-1].endswith(f"/Packages{left}")
    assert server.paths().count("/dists/stable/InRelease") == 1


def test_every_packing_that_was_tried_is_named(archive: Archive, server: Server, desk: Desk) -> None:
    archive.suite().packings, archive.suite().by_hash = ("", ".xz", ".gz"), False
    archive.publish()
    gone(archive, "", ".xz", ".gz")
    with pytest.raises(NotFoundError) as caught:
        desk.get(archive.source(server.url))
    assert [f"/Packages{ending}: not there" in str(caught.value) for ending in (".xz", ".gz", "")] == [True] * 3


def test_a_suite_of_all_alone_is_read(archive: Archive, desk: Desk) -> None:
    archive.suite().architectures, archive.suite().debs = ("all",), {}
    archive.add(build_deb("script", "1", architecture="all"))
    archive.publish()
    (index,) = desk.get(archive.source())
    assert (index.architecture, "Package: script" in index.path.read_text()) == ("all", True)
    archive.suite().fields["No-Support-for-Architecture-all"] = "Packages"
    archive.publish()
    with pytest.raises(UsageError, match="expected an architecture of all, got 'amd64'"):
        desk.get(archive.source())


def test_a_component_may_lack_an_index(archive: Archive, desk: Desk) -> None:
    archive.suite().components, archive.suite().fields["Components"] = ("main",), "main contrib"
    archive.publish()
    source = attrs.evolve(archive.source(), components=("main", "contrib"))
    assert [index.component for index in desk.get(source)] == ["main"]


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
    exact = Source("flat", ("/",), (), (archive.url,), keys=archive.keyring)
    assert "Package: hello" in desk.only(exact)


def test_an_architecture_that_a_source_leaves_out_gives_nothing(archive: Archive, desk: Desk) -> None:
    source = Source("not", ("stable",), ("main",), (archive.url,), keys=archive.keyring, without=("amd64",))
    assert desk.get(source) == ()


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
    (path,) = (one for one in (desk.cache.path / "releases").rglob("*") if one.is_file())
    document = json.loads(path.read_bytes())
    text = base64.b64decode(document["data"]).replace(b"Origin: Test", b"Origin: Evil")
    path.write_text(json.dumps({**document, "data": base64.b64encode(text).decode()}))
    with pytest.raises(openpgp.BadSignatureError):
        desk.get(source, offline=True)
    path.write_text("{}")
    with pytest.raises(OfflineError):
        desk.get(source, offline=True)
    assert len(desk.get(source)) == 1


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
            waived=Waived.NOTHING if host.check_valid_until else Waived.VALID_UNTIL,
        )
    assert {one.requested_suite for one in found} == set(source.suites)
    assert all(Digest.of(one.path.read_bytes()) == one.digest for one in found)
