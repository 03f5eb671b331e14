"""The text files of an image that imgforge changes: accounts, ini files, days of passwords, Java's trust store."""

from __future__ import annotations

import hashlib
import struct

import pytest

from imgforge.rootfs import accounts, ini
from imgforge.rootfs.accounts import GROUP, GSHADOW, PASSWD, SHADOW, Account, AccountError
from imgforge.rootfs.facts import Facts
from imgforge.rootfs.folding import fold
from imgforge.rootfs.normalise import date_aliases, date_shadow, normalise_keystore
from imgforge.tree import Entry, Kind

DAY = 86_400
FILES = {
    PASSWD: "root:x:0:0:root:/root:/bin/sh",
    GROUP: "root:x:0:\nstaff:x:50:\nwheel:x:60:root\n",
    SHADOW: "root:*:1:0:99999:7:::\n",
    GSHADOW: "root:*::\nstaff:*::\n",
}
APP = Account("app", 900, 900, "/srv/app", "/bin/sh", ("staff", "wheel"))


def test_an_account_is_added_to_each_file() -> None:
    assert accounts.add(FILES, APP, epoch=10 * DAY + 5) == {
        PASSWD: "root:x:0:0:root:/root:/bin/sh\napp:x:900:900::/srv/app:/bin/sh\n",
        GROUP: "root:x:0:\nstaff:x:50:app\nwheel:x:60:root,app\napp:x:900:\n",
        SHADOW: "root:*:1:0:99999:7:::\napp:!:10::::::\n",
        GSHADOW: "root:*::\nstaff:*::app\napp:!::\n",
    }


def test_an_account_that_is_there_stays_as_it_is() -> None:
    once = accounts.add(FILES, APP, epoch=0)
    assert accounts.add(once, APP, epoch=99 * DAY) == once


def test_files_that_are_missing_stay_missing() -> None:
    assert sorted(accounts.add({}, Account("a", 1, 2, "/", "/bin/sh"), epoch=0)) == [GROUP, PASSWD]


def test_a_group_of_another_name_is_joined_by_its_id() -> None:
    files = accounts.add(FILES, Account("app", 900, 50, "/", "/bin/sh"), epoch=0)
    assert files[GROUP] == FILES[GROUP]


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (Account("app", 0, 900, "/", "/"), "uid 0 of 'app' belongs to 'root'"),
        (Account("root", 1, 0, "/", "/"), "user 'root' is there with uid 0"),
        (Account("staff", 900, 900, "/", "/"), "group 'staff' is there with gid 50"),
        (Account("app", 900, 900, "/", "/", ("none",)), "group 'none': the image has none"),
    ],
)
def test_an_account_that_does_not_fit_is_refused(account: Account, says: str) -> None:
    with pytest.raises(AccountError, match=says):
        accounts.add(FILES, account, epoch=0)


def test_ids_pass_over_what_is_no_account() -> None:
    files = {PASSWD: "a:x:1:2::/:\nshort:x\nb:x:one:2::/:\na:x:9:9::/:\n", GROUP: "g:x:7:\nh:x:\n"}
    assert accounts.ids(files, PASSWD) == {"a": (1, 2)}
    assert accounts.ids(files, GROUP) == {"g": (7, 7)}


@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        ("", None, "a = 1\n"),
        ("", "S", "[S]\na = 1\n"),
        ("[S]\n", "S", "[S]\na = 1\n"),
        ("[S]\nb=2\n\n\n[T]\n", "S", "[S]\nb=2\na = 1\n\n\n[T]\n"),
        ("[S]\na=0\na=5\n", "S", "[S]\na=0\na = 1\n"),
        ("[S]\n;a=0\n# a=0\n", "S", "[S]\n;a=0\n# a=0\na = 1\n"),
        ("[T]\na=0\n", "S", "[T]\na=0\n\n[S]\na = 1\n"),
        ("a=0\n[S]\na=0\n", None, "a = 1\n[S]\na=0\n"),
        ("  [ S ]\n  a = 0", "S", "  [ S ]\na = 1"),
        ("[T]\nx", "S", "[T]\nx\n\n[S]\na = 1\n"),
    ],
)
def test_a_key_is_set_where_it_stands_or_at_the_end_of_its_section(
    text: str, section: str | None, expected: str
) -> None:
    assert ini.set_values(text, (("a", "1"),), section=section).removesuffix("\n") == expected.removesuffix("\n")


def test_setting_twice_changes_nothing_more() -> None:
    values = (("a", "1"), ("b", "x y"), ("a", "2"))
    once = ini.set_values("[S]\nb = 0 ; word\n", values, section="S")
    assert once == "[S]\nb = x y\na = 2\n"
    assert ini.set_values(once, values, section="S") == once


def test_only_days_that_are_new_become_the_epochs() -> None:
    before = b"root:*:19000:0:99999:7:::\nold:!:19001::::::\n"
    text = before + b"new:!:19700::::::\nforced:!:0::::::\nempty:!:::::::\nshort:!\n\xff:!:19700::::::\n"
    dated = date_shadow(text, before=(before,), epoch=5 * DAY)
    assert dated == before + b"new:!:5::::::\nforced:!:0::::::\nempty:!:::::::\nshort:!\n\xff:!:5::::::\n"


def keystore(*entries: tuple[bytes, int, bytes], tag: int = 2, tail: bytes = b"") -> bytes:
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, date, certificate in entries:
        body += struct.pack(">IH", tag, len(alias)) + alias + struct.pack(">Q", date)
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", len(certificate)) + certificate
    password = "changeit".encode("utf-16-be")
    return body + hashlib.sha1(password + b"Mighty Aphrodite" + body).digest() + tail


def test_a_trust_store_is_sorted_dated_and_sealed_again() -> None:
    made = keystore((b"zebra", 5, b"zz"), (b"apple", 9, b"aa"))
    expected = keystore((b"apple", 7000, b"aa"), (b"zebra", 7000, b"zz"))
    assert normalise_keystore(made, epoch=7) == expected
    assert normalise_keystore(expected, epoch=7) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xfe\xed\xfe\xed",
        struct.pack(">III", 0xFEEDFEED, 1, 0) + bytes(20),
        struct.pack(">III", 0xFEEDFEED, 2, 0xFFFFFFFF),
        keystore((b"key", 1, b"x"), tag=1),
        keystore((b"a", 1, b"x"), tail=b"more"),
        keystore((b"a", 1, b"x"))[:-1],
    ],
)
def test_anything_but_a_trust_store_of_certificates_stays_as_it_is(data: bytes) -> None:
    assert normalise_keystore(data, epoch=7) == data


def layer(*paths: str, **contents: bytes) -> Facts:
    """Return the facts of a layer: names that end with a slash are directories."""
    entries = [Entry(path.rstrip("/"), Kind.DIRECTORY if path.endswith("/") else Kind.FILE) for path in paths]
    return Facts({entry.path: entry for entry in entries}, {"etc/passwd": contents["passwd"]} if contents else {})


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([layer("a/", "a/b"), layer("a/.wh.b")], ["a"]),
        ([layer("a/", "a/b"), layer(".wh.a")], []),
        ([layer("a/", "a/b"), layer("a/", "a/.wh..wh..opq", "a/c")], ["a", "a/c"]),
        ([layer("a/", "a/b"), layer("a")], ["a"]),
        ([layer("a/", "ab"), layer(".wh.a")], ["ab"]),
        ([layer("a/b/c"), layer("a")], ["a"]),
        ([layer("a/b/c", "d"), layer("a/b"), layer("a/e")], ["a/b", "a/e", "d"]),
        ([layer("a/", "a/b"), layer("a/", "a/.wh.b", "a/b")], ["a", "a/b"]),
        ([layer(".wh.nothing", "a")], ["a"]),
    ],
)
def test_layers_fold_as_the_specification_says(layers: list[Facts], expected: list[str]) -> None:
    assert sorted(fold(layers).entries) == expected


def test_contents_follow_the_entries() -> None:
    below, above = layer("etc/", "etc/passwd", passwd=b"old"), layer("etc/passwd", passwd=b"new")
    assert fold([below, above]).text("etc/passwd") == "new"
    assert fold([below, layer("etc/passwd")]).text("etc/passwd") == ""
    assert fold([below, layer("etc/.wh.passwd")]).text("etc/passwd") == ""
    assert fold([below, layer("etc")]).text("etc/passwd") == ""


def aliases(identifier: bytes, time: bytes, *, magic: int = 0x061561) -> bytes:
    """Return what postalias(1) writes, of two pages: a meta page, then one with another meta page's identifier."""
    meta = bytes(12) + magic.to_bytes(4, "little") + bytes(4) + (512).to_bytes(4, "little") + bytes(28) + identifier
    items = b"\x01imgforge\x01YP_MASTER_NAME\x01" + time + b"\x01YP_LAST_MODIFIED\x01@"
    return meta.ljust(512, b"\0") + (bytes(52) + identifier + bytes(100) + items).ljust(512, b"\0")


def test_databases_of_aliases_are_the_same_whenever_they_are_made() -> None:
    first, second = aliases(b"1" * 20, b"1700000001"), aliases(b"2" * 20, b"1800000002")
    made = date_aliases(first, epoch=7)
    assert made == date_aliases(second, epoch=7) == date_aliases(made, epoch=7)
    assert b"\x010000000007\x01YP_LAST_MODIFIED" in made
    assert (len(made), made[:52], made[72:512]) == (1024, first[:52], first[72:512])


@pytest.mark.parametrize(
    "data", [b"", b"root: me\n", aliases(b"1" * 20, b"1700000001", magic=1), aliases(b"1" * 20, b"")[:-1]]
)
def test_another_form_of_aliases_stays_as_it_is(data: bytes) -> None:
    assert date_aliases(data, epoch=7) == data
