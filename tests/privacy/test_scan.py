"""Searching layers: what cannot be searched is named, and nothing takes the memory of the machine."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from builders.secrets import pem, token
from builders.trees import Pair, file
from privacy import archive
from privacy.corpus import Once, image_config

from imgforge.privacy import scan
from imgforge.privacy.finding import Place
from imgforge.privacy.forms import Limits
from imgforge.privacy.scan import Searched


def searched(*members: Pair, limits: Limits = scan.LIMITS) -> Searched:
    return scan.layer(((entry, Once(data)) for entry, data in members), name="layer 1", limits=limits)


def told(result: Searched) -> list[str]:
    return [str(thing) for thing in result.findings]


def locked_zip() -> bytes:
    """Return a zip whose member says that it is encrypted."""
    data = bytearray(archive.zipped("a", b"something"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.rfind(signature)
        data[at + offset] |= 1
    return bytes(data)


def test_a_finding_says_where_it_is() -> None:
    inner = archive.zipped("lib/a.jar", archive.zipped("config/key.pem", b"x\n" + pem()))
    (finding,) = searched(file("srv/app.war", inner)).findings
    assert finding.place == Place("layer 1", "srv/app.war", ("lib/a.jar", "config/key.pem"))
    assert str(finding).startswith("layer 1: /srv/app.war: lib/a.jar: config/key.pem:2: private-key: ")


def test_a_member_of_a_package_has_its_path() -> None:
    (finding,) = searched(file("tmp/a.deb", archive.deb("etc/key", pem()))).findings
    assert finding.place.inside == ("data.tar.xz", "data.tar", "etc/key")


DAMAGED = {
    "an encrypted member": (locked_zip(), "a: unsearchable: encrypted"),
    "a truncated zip": (
        archive.zipped("a", b"".join(bytes((n % 251, n % 7)) for n in range(9999)))[:400],
        "a: unsearchable: damaged",
    ),
    "a truncated gzip": (archive.packed(b"x" * 9999, "gz")[:-9], "unsearchable: damaged"),
    "a truncated xz": (archive.packed(b"x" * 9999, "xz")[:-9], "unsearchable: damaged"),
    "a truncated zstd": (archive.packed(b"x" * 9999, "zst")[:-5], "unsearchable: damaged"),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "unsearchable: 7-Zip cannot be opened"),
    "RAR": (b"Rar!\x1a\x07\x01\0" + bytes(99), "unsearchable: RAR cannot be opened"),
    "squashfs": (b"hsqs" + bytes(99), "unsearchable: squashfs cannot be opened"),
    "LZ4": (b"\x04\x22\x4d\x18" + bytes(99), "unsearchable: LZ4 cannot be opened"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_an_archive_that_cannot_be_read_is_refused(name: str) -> None:
    data, said = DAMAGED[name]
    assert [text.split("/srv/a: ")[1] for text in told(searched(file("srv/a", data)))] == [said]


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04" + b"\xff" * 99, b"x\x9c" + b"\xff" * 99, b"\x5d\0\0\x80\0" + b"\xff" * 99]
)
def test_what_only_begins_like_an_archive_is_a_file(data: bytes) -> None:
    assert told(searched(file("srv/a", data))) == []


def test_what_an_unreadable_archive_holds_plainly_is_found() -> None:
    data = archive.packed(b"x", "gz") + token("github")
    result = searched(file("srv/a", data))
    assert [finding.kind for finding in result.findings] == ["github-token"]


def test_a_good_member_of_a_bad_archive_is_found() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("bad", b"x" * 50)
        made.writestr("good", b"y " + token("github") + b"\n")
    data = stream.getvalue().replace(b"x" * 50, b"z" * 50)  # its sum is wrong now
    result = searched(file("srv/a.zip", data))
    assert {finding.kind for finding in result.findings} == {"github-token"}


def nested(depth: int) -> bytes:
    data = pem()
    for number in range(depth):
        data = archive.zipped(f"{number}.zip", data)
    return data


def test_five_archives_in_each_other_are_opened() -> None:
    assert [finding.kind for finding in searched(file("srv/a", nested(6))).findings] == ["private-key"]


def test_archives_in_each_other_have_an_end() -> None:
    (finding,) = searched(file("srv/a", nested(6)), limits=Limits(depth=3)).findings
    assert str(finding) == "layer 1: /srv/a: 5.zip: 4.zip: 3.zip: unsearchable: too many archives in each other"
    assert finding.sha256 == ""


def test_a_bomb_is_refused_and_not_searched() -> None:
    bomb = archive.packed(bytes(8 << 20), "gz")
    limits = Limits(archive=1 << 20)
    assert told(searched(file("srv/a.gz", bomb), limits=limits)) == [
        "layer 1: /srv/a.gz: unsearchable: too much comes out of it"
    ]
    many = [file(f"srv/{number}.gz", bomb) for number in range(4)]
    result = searched(*many, limits=Limits(total=20 << 20))
    assert [finding.place.path for finding in result.findings] == ["srv/2.gz", "srv/3.gz"]


def test_members_are_counted() -> None:
    found = searched(file("srv/a.tar", archive.tarred("a", b"b")), limits=Limits(members=0)).findings
    assert [finding.shown for finding in found] == ["too many members"]


def test_the_same_secret_is_told_once_for_a_file() -> None:
    stored = archive.zipped("key.pem", pem(), stored=True)
    assert [finding.place.inside for finding in searched(file("srv/a.zip", stored)).findings] == [("key.pem",)]
    twice = searched(file("srv/a", pem() + pem()), file("srv/b", pem()))
    assert [finding.place.path for finding in twice.findings] == ["srv/a", "srv/b"]


def test_the_order_of_files_does_not_matter() -> None:
    files = [file(f"srv/{number}", b"a: " + token(kind)) for number, kind in enumerate(("github", "gitlab", "npm"))]
    assert searched(*files) == searched(*reversed(files))


def test_a_config_is_searched_once_for_each_secret() -> None:
    github = token("github").decode()
    config = image_config({"config": {"Env": [f"A={github}"], "Healthcheck": {"Test": [token("npm").decode()]}}})
    assert [(finding.kind, str(finding.place)) for finding in scan.config(config).findings] == [
        ("github-token", "config: env A"),
        ("npm-token", "config: config"),
    ]


def test_a_plain_config_has_nothing() -> None:
    members = {"config": {"Env": ["PATH=/usr/bin", "LANG=C.UTF-8"], "User": "900", "Labels": {"a.b": "c"}}}
    assert scan.config(image_config(json.loads(json.dumps(members)))) == Searched()
