"""What an image must be like."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from builders.golden import Golden
from policy.desk import MANIFEST, PLACES, POLICY, told

from imgforge import policy
from imgforge.oci.config import Execution
from imgforge.policy import NONE, images
from imgforge.policy.subject import ImageUse, PackageUse, Places
from imgforge.tree import Entry, Kind

CAPABILITIES = (("security.capability", b"\x01\0\0\x02"),)


def entries(*made: Entry) -> dict[str, Entry]:
    return {entry.path: entry for entry in made}


GOOD = ImageUse(
    "web-shop",
    Execution(user="900:900", labels=(("org.example.source", "git"), ("org.example.team", "web"))),
    (PackageUse("nginx", "1.22"), PackageUse("libssl3", "3.0")),
    entries(
        Entry("tmp", Kind.DIRECTORY, mode=0o1777),
        Entry("run/lock", Kind.DIRECTORY, mode=0o777),
        Entry("usr/bin/passwd", Kind.FILE, mode=0o4755),
        Entry("var/mail", Kind.DIRECTORY, mode=0o2775, gid=8),
        Entry("etc/mtab", Kind.SYMLINK, mode=0o777, target="/proc/mounts"),
    ),
    90_000_000,
)

CASES: dict[str, dict[str, Any]] = {
    "image.non-root": {"execution": attrs.evolve(GOOD.execution, user="shop")},
    "image.non-root-zero": {"execution": attrs.evolve(GOOD.execution, user="00:900")},
    "image.non-root-nobody": {"execution": attrs.evolve(GOOD.execution, user="")},
    "image.setuid": {
        "entries": entries(
            Entry("usr/bin/passwd", Kind.FILE, mode=0o4755),
            Entry("usr/bin/sudo", Kind.FILE, mode=0o4755),
            Entry("usr/bin/wall", Kind.FILE, mode=0o2755, gid=5),
            Entry("usr/bin/ping", Kind.FILE, mode=0o755, xattrs=CAPABILITIES),
            Entry("usr/bin/again", Kind.HARDLINK, mode=0o4755, target="usr/bin/sudo"),
            Entry("srv/shop/run", Kind.FILE, mode=0o6755, uid=900, gid=900),
        )
    },
    "image.world-writable": {
        "entries": entries(
            Entry("srv/shop/upload", Kind.DIRECTORY, mode=0o777),
            Entry("srv/shop/index.php", Kind.FILE, mode=0o666),
            Entry("var/spool/x", Kind.FIFO, mode=0o622),
            *(Entry(f"opt/{number:02}", Kind.FILE, mode=0o777) for number in range(30)),
        )
    },
    "image.labels": {"execution": attrs.evolve(GOOD.execution, labels=(("org.example.team", " "),))},
    "image.max-size": {"size": 100_000_001},
    "image.forbidden": {"packages": (PackageUse("telnetd", "0.17", "debian"), PackageUse("libssl-dev", "3.0"))},
}


@pytest.mark.parametrize("name", CASES)
def test_an_image_against_the_rules_is_refused(name: str, golden_file: Golden) -> None:
    image = attrs.evolve(GOOD, **CASES[name])
    golden_file.check(f"policy/{name}.txt", told(images.refusals(POLICY, image, places=PLACES)))


@pytest.mark.parametrize("name", CASES)
def test_an_image_that_was_pulled_is_refused_without_a_place(name: str) -> None:
    found = images.refusals(POLICY, attrs.evolve(GOOD, **CASES[name]), places=Places())
    assert {refusal.where for refusal in found} == {None}
    assert {name.startswith(refusal.rule) for refusal in found} == {True}


def test_an_image_that_keeps_to_the_rules_is_taken() -> None:
    assert images.refusals(POLICY, GOOD, places=PLACES) == ()


def test_rules_are_for_the_names_that_they_say() -> None:
    bad = attrs.evolve(GOOD, name="job-mail", execution=Execution(), size=1 << 40)
    assert images.refusals(POLICY, bad, places=PLACES) == ()
    assert images.refusals(NONE, attrs.evolve(bad, name="web-shop"), places=PLACES) == ()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("1000", True),
        ("1000:0", True),
        ("0", False),
        ("0:1000", False),
        ("000", False),
        ("app", False),
        ("1000:app", False),
        ("1000:", False),
        (":1000", False),
        ("-1", False),
        ("\u0661", False),
        ("1 ", False),
        ("", False),
    ],
)
def test_a_plain_user_is_a_number(user: str, *, expected: bool) -> None:
    rule = policy.load("imgforge-policy: 1\nimage: [{non-root: true}]\n", file="p.yaml")
    found = images.refusals(rule, ImageUse("a", Execution(user=user)), places=Places())
    assert (found == ()) is expected


def test_without_a_list_nothing_privileged_is_asked_about() -> None:
    rule = policy.load("imgforge-policy: 1\nimage: [{non-root: false}]\n", file="p.yaml")
    image = attrs.evolve(GOOD, **CASES["image.setuid"])
    assert images.refusals(rule, image, places=Places()) == ()


def test_a_file_is_placed_where_the_manifest_puts_it() -> None:
    assert PLACES.file("srv/shop/a/b") == MANIFEST.files[0].position
    assert PLACES.file("srv/licence.key") == MANIFEST.files[1].position
    assert PLACES.file("usr/bin/sudo") == MANIFEST.positions["base"]
