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
from imgforge.privacy.archives import Limits
from imgforge.privacy.finding import Place
from imgforge.privacy.scan import Searched


def searched(*members: Pair, limits: Limits = scan.LIMITS) -> Searched:
    return scan.layer(((entry, Once(data)) for entry, data in members), name="layer 1", limits=limits)


def told(result: Searched) -> list[str]:
    return [str(thing) for thing in (*result.findings, *result.unread)]


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
    assert finding.place.inside == ("data.tar.xz", "etc/key")


@pytest.mark.parametrize(
    "data",
    [
        locked_zip(),
        archive.zipped("a", b"x" * 999)[:-40],
        archive.packed(b"x" * 9999, "gz")[:-9],
        archive.packed(b"x" * 9999, "xz")[:-9],
        archive.packed(b"x", "gz") + b"trailing",
        b"!<arch>\n" + b"x" * 60,
        b"PK\x03\x04" + b"\xff" * 99,
    ],
)
def test_an_archive_that_cannot_be_read_is_named(data: bytes) -> None:
    assert told(searched(file("srv/a", data))) == ["layer 1: /srv/a"]


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
    assert [finding.kind for finding in result.findings] == ["github-token"]
    assert result.unread == (Place("layer 1", "srv/a.zip"),)


def test_archives_in_each_other_have_an_end() -> None:
    data = pem()
    for number in range(6):
        data = archive.zipped(f"{number}.zip", data)
    result = searched(file("srv/a", data), limits=Limits(depth=3))
    assert result.findings == ()
    assert result.unread == (Place("layer 1", "srv/a", ("5.zip", "4.zip", "3.zip")),)


def test_a_bomb_is_named_and_not_searched() -> None:
    bomb = archive.packed(bytes(8 << 20), "gz")
    limits = Limits(archive=1 << 20)
    assert told(searched(file("srv/a.gz", bomb), limits=limits)) == ["layer 1: /srv/a.gz"]
    many = [file(f"srv/{number}.gz", bomb) for number in range(4)]
    result = searched(*many, limits=Limits(total=20 << 20))
    assert [place.path for place in result.unread] == ["srv/2.gz", "srv/3.gz"]


def test_members_are_counted() -> None:
    assert told(searched(file("srv/a.zip", archive.zipped("a", b"")), limits=Limits(members=1))) == [
        "layer 1: /srv/a.zip"
    ]
    assert told(searched(file("srv/a.tar", archive.tarred("a", b"")), limits=Limits(members=0))) == [
        "layer 1: /srv/a.tar"
    ]


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
