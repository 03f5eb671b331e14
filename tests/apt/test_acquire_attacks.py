"""Acquiring indices from mirrors that are gone, behind, changing, or lie."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from builders.archives import NOW, PACKINGS, Archive, Fault, Key, Server, sign
from builders.debs import build_deb
from builders.desks import QUICK, Desk

from imgforge.apt import openpgp, release
from imgforge.apt.acquire import INDEX_MAX, acquire
from imgforge.apt.release import Waived
from imgforge.apt.sources import Source
from imgforge.codec import BombError
from imgforge.errors import FetchError
from imgforge.fetch.http import Fetcher
from imgforge.fetch.request import NotFoundError, TooLargeError, WrongBytesError

pytestmark = pytest.mark.attack


def test_the_next_mirror_is_asked_when_the_first_is_gone(archive: Archive, server: Server, desk: Desk) -> None:
    (index,) = desk.get(archive.source("http://127.0.0.1:9", server.url))
    assert index.bases == (server.url, "http://127.0.0.1:9")
    assert "mirror passed over" in desk.listener.notes[-1]


def test_the_next_mirror_is_asked_when_the_first_is_somebody_elses(
    archive: Archive, server: Server, desk: Desk, tmp_path: Path
) -> None:
    other = Archive(tmp_path / "other")
    other.publish()
    (index,) = desk.get(archive.source(other.url, server.url))
    assert index.bases[0] == server.url
    assert "mirror passed over" in desk.listener.warnings[0]


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
    for waived in (Waived.NOTHING, Waived.VALID_UNTIL):
        with pytest.raises(
            release.ReplayError, match=r"made 2023-11-13 22:13 UTC, expected none older than 2023-11-14"
        ):
            desk.get(source, waived=waived)


def test_an_archive_that_is_frozen_on_purpose_may_be_an_older_copy(archive: Archive, desk: Desk) -> None:
    desk.get(archive.source())
    archive.suite().date = NOW - 86400
    archive.publish()
    assert len(desk.get(attrs.evolve(archive.source(), check_valid_until=False))) == 1


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
    assert len(desk.get(archive.source(), now=NOW + 3601, waived=Waived.VALID_UNTIL)) == 1
    (warning,) = desk.listener.warnings
    assert warning.endswith(
        "valid until 2023-11-14 23:13 UTC; taken, for this machine's APT says Check-Valid-Until: false"
    )


def test_a_mirror_that_is_up_to_date_is_better_than_one_that_is_overdue(
    archive: Archive, server: Server, desk: Desk, tmp_path: Path
) -> None:
    overdue = Archive(tmp_path / "overdue", keys=archive.keys)
    overdue.suite().valid_for = 3600
    overdue.publish()
    (index,) = desk.get(archive.source(overdue.url, server.url), now=NOW + 3601, waived=Waived.VALID_UNTIL)
    assert index.bases[0] == server.url
    (index,) = desk.get(archive.source("http://127.0.0.1:9", overdue.url), now=NOW + 3601, waived=Waived.VALID_UNTIL)
    assert index.bases[0] == overdue.url


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


@pytest.mark.parametrize("other", ["contrib/binary-amd64", "main/binary-arm64"])
def test_indices_that_were_swapped_are_refused(archive: Archive, server: Server, desk: Desk, other: str) -> None:
    archive.suite().components = ("main", "contrib")
    archive.suite().architectures = ("amd64", "arm64")
    archive.suite().by_hash = False
    archive.add(build_deb("other", "1"), component="contrib")
    archive.add(build_deb("foreign", "1", architecture="arm64"))
    archive.publish()
    swapped = (archive.path / "dists/stable" / other / "Packages.xz").read_bytes()
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


@pytest.mark.parametrize("packing", [".xz", ".lzma", ".bz2", ".gz", ".zst"])
def test_a_bomb_in_any_packing_is_refused(archive: Archive, desk: Desk, packing: str) -> None:
    bomb = PACKINGS[packing](bytes(64 << 20))
    files = {"main/binary-amd64/Packages": b"x" * 1000, f"main/binary-amd64/Packages{packing}": bomb}
    archive.suite().by_hash = False
    archive.write_release(archive.suite(), archive.suite().release(files))
    (archive.path / f"dists/stable/main/binary-amd64/Packages{packing}").write_bytes(bomb)
    with pytest.raises(BombError, match="expands to more than 1000 bytes"):
        desk.get(archive.source())


@pytest.mark.parametrize("hashes", ["SHA256", "SHA512"])
def test_another_packing_is_not_taken_for_one_with_wrong_bytes(
    archive: Archive, server: Server, desk: Desk, hashes: str
) -> None:
    archive.suite().packings, archive.suite().by_hash, archive.suite().hashes = ("", ".xz", ".gz"), False, (hashes,)
    archive.publish()
    server.always("dists/stable/main/binary-amd64/Packages.xz", Fault(flip=True))
    with pytest.raises(WrongBytesError, match=f"expected {hashes.lower()}:"):
        desk.get(archive.source(server.url))
    assert not [path for path in server.paths() if path.endswith(("Packages", "Packages.gz"))]


def test_an_index_of_absurd_size_is_not_fetched(archive: Archive, server: Server, desk: Desk) -> None:
    path = "main/binary-amd64/Packages.xz"
    archive.suite().fields["SHA256"] = f"\n {'0' * 64} {1 << 32} {path}"
    archive.publish()
    with pytest.raises(TooLargeError):
        desk.get(archive.source(server.url))
    assert server.paths() == ["/dists/stable/InRelease"] * 2


def test_an_index_of_absurd_size_is_not_unpacked(archive: Archive, server: Server, desk: Desk) -> None:
    packed = (archive.path / "dists/stable/main/binary-amd64/Packages.xz").read_bytes()
    files = {"main/binary-amd64/Packages.xz": packed, "main/binary-amd64/Packages": b""}
    text = archive.suite().release(files)
    archive.write_release(archive.suite(), re.sub(rb" +0 (?=main\S*Packages\n)", b" %d " % (INDEX_MAX + 1), text))
    with pytest.raises(TooLargeError, match=f"stable main amd64 Packages: expected at most {INDEX_MAX} bytes"):
        desk.get(archive.source(server.url))
    assert server.paths() == ["/dists/stable/InRelease"] * 2


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


def _grow(archive: Archive) -> None:
    archive.add(build_deb("news", "2", fields={"Description": "x" * 5000}))
    archive.suite().date += 60
    archive.publish()


def test_a_larger_index_than_the_release_lists_heals_though_its_length_is_not_said(
    archive: Archive, server: Server, desk: Desk
) -> None:
    archive.suite().by_hash = False
    archive.suite().packings = ("",)
    archive.publish()
    old = (archive.path / "dists/stable/InRelease").read_bytes()
    _grow(archive)
    server.fault("dists/stable/InRelease", Fault(body=old))
    server.always("dists/stable/main/binary-amd64/Packages", Fault(length=False))
    assert "Package: news" in desk.only(archive.source(server.url))


def test_a_file_mirror_that_is_updated_meanwhile_heals(archive: Archive, desk: Desk) -> None:
    archive.suite().by_hash = False
    archive.suite().packings = ("",)
    archive.publish()
    (archive.path / "old").write_bytes((archive.path / "dists/stable/InRelease").read_bytes())
    _grow(archive)
    new = archive.path / "dists/stable/InRelease"
    (archive.path / "new").write_bytes(new.read_bytes())
    releases = iter(("old", "new"))

    def bases_of(_source: Source, _suite: str) -> tuple[str, ...]:
        new.write_bytes((archive.path / next(releases)).read_bytes())
        return (archive.url,)

    with Fetcher(patience=QUICK) as fetcher:
        (index,) = acquire(
            archive.source(), architecture="amd64", cache=desk.cache, fetcher=fetcher, bases_of=bases_of, now=NOW
        )
    assert "Package: news" in index.path.read_text()


def test_an_index_that_is_gone_for_good_is_reported_once(archive: Archive, server: Server, desk: Desk) -> None:
    for path in (archive.path / "dists/stable").rglob("Packages*"):
        path.unlink()
    for path in (archive.path / "dists/stable").rglob("SHA256/*"):
        path.unlink()
    with pytest.raises(FetchError, match="not there"):
        desk.get(archive.source(server.url))
    assert server.paths().count("/dists/stable/InRelease") == 2


def test_one_key_of_two_is_enough_and_a_strangers_signature_beside_it_is_passed_over(
    archive: Archive, desk: Desk
) -> None:
    text = (archive.path / "dists/stable/Release").read_bytes()
    (archive.path / "dists/stable/InRelease").write_bytes(sign(text, Key(), *archive.keys))
    assert len(desk.get(archive.source())) == 1


def test_all_mirrors_are_named_when_none_is_trusted(archive: Archive, desk: Desk, tmp_path: Path) -> None:
    others = [Archive(tmp_path / name) for name in ("one", "two")]
    for other in others:
        other.publish()
    with pytest.raises(openpgp.UnknownSignerError) as caught:
        desk.get(archive.source("http://127.0.0.1:9", *(other.url for other in others)))
    assert "127.0.0.1:9" in str(caught.value)
    assert caught.value.__notes__ == ["the keys that sign a source are its `signed-by`"]


def test_a_suite_that_no_mirror_has_is_said_to_be_nowhere(archive: Archive, server: Server, desk: Desk) -> None:
    source = Source("test", ("sid",), ("main",), (server.url, archive.url), keys=archive.keyring)
    with pytest.raises(NotFoundError, match=r"InRelease of sid: .*/dists/sid/InRelease: not there"):
        desk.get(source)


def test_a_release_whose_signature_is_missing_is_not_used(archive: Archive, server: Server, desk: Desk) -> None:
    for name in ("InRelease", "Release.gpg"):
        (archive.path / "dists/stable" / name).unlink()
    with pytest.raises(NotFoundError):
        desk.get(archive.source(server.url))


def test_a_source_without_a_mirror_is_an_error(archive: Archive, desk: Desk) -> None:
    with pytest.raises(FetchError, match="Release of 'stable': no mirror is known"):
        desk.get(archive.source("cdrom:[x]"))


def test_a_frozen_archive_does_not_make_imgforge_forget_the_newest(archive: Archive, desk: Desk) -> None:
    desk.get(archive.source())
    archive.suite().date = NOW - 86400
    archive.publish()
    desk.get(archive.source(), waived=Waived.ALL)
    with pytest.raises(release.ReplayError):
        desk.get(archive.source())
