"""The lock: one canonical text, both readers agree, hostile ones are refused, and what changed can be said."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pytest
from builders.golden import Golden, without_parsers_words
from hypothesis import given
from hypothesis import strategies as st

from imgforge import manifest
from imgforge.digest import Digest
from imgforge.errors import ManifestError
from imgforge.lock import (
    Lock,
    LockedPackage,
    LockedSource,
    PlatformLock,
    _fast,
    _slow,
    changes,
    differences,
    digest_of,
)

ASKED = ("base python3-bookworm", "package gunicorn (>= 20)", "package python3-flask")
BASE = Digest.of(b"base")
SOURCES = (LockedSource(name="debian", identity="bookworm main b8b8"), LockedSource(name="a", identity="x/ - c0ff"))
DOCS = Path(__file__).parents[1] / "docs" / "lock.md"


def package(name: str, version: str = "1.0-1", **values: Any) -> LockedPackage:
    filled: dict[str, Any] = {
        "architecture": "amd64",
        "size": 1000,
        "digest": Digest.of(f"{name} {version}".encode()),
        "path": PurePosixPath(f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb"),
        "source": "debian",
    }
    return LockedPackage(name=name, version=version, **(filled | values))


def platform_lock(*packages: LockedPackage, name: str = "linux/amd64") -> PlatformLock:
    return PlatformLock(platform=name, asked=ASKED, base=BASE, sources=SOURCES, packages=packages)


LOCK = Lock(
    name="hello-python",
    locked=(
        platform_lock(package("python3-flask", "2.2.2-3", requested=True), package("gunicorn", requested=True)),
        platform_lock(package("zlib1g", "1:1.2.13.dfsg-1", architecture="all"), name="linux/386"),
    ),
)
TEXT = LOCK.dump()


def told(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        Lock.parse(text, file="x.lock.json")
    return str(caught.value)


def test_a_lock_survives_a_round_trip() -> None:
    assert Lock.parse(TEXT, file="x") == LOCK
    assert Lock.parse(TEXT, file="x").dump() == TEXT


def test_both_readers_agree() -> None:
    assert _fast(TEXT) == LOCK
    assert _slow(TEXT, "x") == LOCK


def test_a_lock_is_json_with_one_package_a_line() -> None:
    data = json.loads(TEXT)
    assert data["imgforge-lock"] == 1
    assert list(data["platforms"]) == ["linux/386", "linux/amd64"]
    lines = [line for line in TEXT.splitlines() if '"version"' in line]
    assert [json.loads(line.rstrip(","))["name"] for line in lines] == ["zlib1g", "gunicorn", "python3-flask"]


def test_the_order_of_making_does_not_show() -> None:
    shuffled = attrs.evolve(
        LOCK,
        locked=tuple(
            attrs.evolve(entry, packages=entry.packages[::-1], sources=entry.sources[::-1])
            for entry in reversed(LOCK.locked)
        ),
    )
    assert shuffled == LOCK
    assert shuffled.dump() == TEXT


def test_an_update_of_one_package_changes_one_line() -> None:
    old, new = (Lock(name="a", locked=(platform_lock(package("aa"), package("bb", version)),)) for version in "12")
    before, after = old.dump().splitlines(), new.dump().splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_a_lock_from_scratch_and_without_packages_survives_too() -> None:
    empty = Lock(name="a", locked=(PlatformLock(platform="linux/amd64", asked=()),))
    assert Lock.parse(empty.dump(), file="x") == empty
    assert empty.platforms["linux/amd64"].base is None
    assert Lock.parse(Lock(name="a", locked=()).dump(), file="x") == Lock(name="a", locked=())


def test_platforms_and_requested_packages_are_found() -> None:
    assert set(LOCK.platforms) == {"linux/amd64", "linux/386"}
    assert [found.name for found in LOCK.platforms["linux/amd64"].requested] == ["gunicorn", "python3-flask"]
    assert LOCK.platforms["linux/386"].requested == ()


def test_a_lock_answers_the_digest_of_what_was_asked() -> None:
    asked = manifest.question(manifest.load("imgforge: 1\nname: a\nbase: b\npackages: [aa]\n", file="m"))
    locked = PlatformLock(platform="linux/amd64", asked=asked)
    assert locked.answers == digest_of(asked) == Digest.of(b"base b\npackage aa")


def edited(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


HOSTILE = {
    "empty": "",
    "no object": "[]",
    "cut": TEXT[:60],
    "another version": edited('"imgforge-lock": 1', '"imgforge-lock": 2'),
    "truth as version": edited('"imgforge-lock": 1', '"imgforge-lock": true'),
    "no version": edited('"imgforge-lock": 1,', ""),
    "unknown key": edited('"base"', '"bsae"'),
    "duplicate key": edited('"name": "hello-python"', '"name": "hello-python", "name": "b"'),
    "unknown platform": edited("linux/386", "linux/387"),
    "other question": edited("gunicorn (>= 20)", "gunicorn (>= 21)"),
    "climbing path": edited("pool/main/z/", "pool/../../"),
    "absolute path": edited('"pool/main/z/zlib1g', '"/etc'),
    "size as text": edited('"size": 1000', '"size": "1000"'),
    "negative size": edited('"size": 1000', '"size": -1'),
    "huge number": edited('"size": 1000', '"size": ' + "9" * 5000),
    "no digest": re.sub(r'"digest": "[^"]*"', '"digest": "md5:00"', TEXT, count=1),
    "null base": re.sub(r'"base": "[^"]*"', '"base": null', TEXT, count=1),
    "name that climbs": edited('"name": "zlib1g"', '"name": "../zlib1g"'),
    "unknown source": edited('"source": "debian"', '"source": "other"'),
    "package twice": re.sub(r"^( *\{.name.: .zlib1g.*\})$", r"\1,\n\1", TEXT, flags=re.MULTILINE),
    "requested as text": edited('"requested": true', '"requested": "yes"'),
    "conflict of a merge": edited("   ]", "<<<<<<< HEAD\n   ]"),
    "deep": '{"a":' * 100_000,
    "large": " " * (17 << 20),
    "two wrong": edited('"base"', '"bsae"').replace('"size": 1000', '"size": -1'),
}


def test_a_hostile_lock_is_told_what_is_wrong(golden_file: Golden) -> None:
    found = "\n".join(f"== {name}\n{told(text)}\n" for name, text in HOSTILE.items())
    golden_file.check("lock/hostile.txt", "\n".join(map(without_parsers_words, found.split("\n"))))


@given(st.data())
def test_a_damaged_lock_is_refused_or_read_alike(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    length = data.draw(st.integers(0, 20))
    text = TEXT[:start] + data.draw(st.text(max_size=5)) + TEXT[start + length :]
    fast = _fast(text)
    try:
        slow = _slow(text, "x")
    except ManifestError:
        slow = None
    # JSON that is no YAML (a tab between values, an escape of half a character) is the fast reader's alone.
    assert fast == slow or slow is None


NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,10}", fullmatch=True)


@given(st.dictionaries(NAMES, st.booleans(), max_size=8))
def test_any_lock_survives_a_round_trip(names: dict[str, bool]) -> None:
    packages = [package(name, requested=requested) for name, requested in names.items()]
    made = Lock(name="a", locked=(platform_lock(*packages),))
    assert Lock.parse(made.dump(), file="x") == made == _slow(made.dump(), "x")


def test_a_lock_that_answers_has_no_differences() -> None:
    assert differences(LOCK.platforms["linux/amd64"], asked=ASKED, base=BASE) == ()


def test_differences_name_what_changed() -> None:
    found = differences(
        LOCK.platforms["linux/amd64"], asked=(*ASKED[:2], "package flask", "without dmsetup"), base=None
    )
    assert found == (
        "no longer asked: package python3-flask",
        "newly asked: package flask",
        "newly asked: without dmsetup",
        f"base was {BASE}, is scratch",
    )


def test_changes_name_each_package() -> None:
    before = platform_lock(package("aa"), package("bb", "1"), package("cc"), package("dd"))
    after = platform_lock(package("bb", "2"), package("cc"), package("ee"), package("dd", digest=Digest.of(b"other")))
    assert changes(before, after) == (
        "removed aa:amd64=1.0-1",
        "changed bb:amd64=1 to 2",
        "changed dd:amd64=1.0-1: other bytes of the same version",
        "added ee:amd64=1.0-1",
    )
    assert changes(None, platform_lock(package("aa"))) == ("added aa:amd64=1.0-1",)
    assert changes(before, before) == ()


def test_the_example_of_the_reference_is_canonical() -> None:
    (example,) = re.findall(r"^```json\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert Lock.parse(example, file="docs/lock.md").dump() == example


def test_every_key_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    data = json.loads(TEXT)
    entry = data["platforms"]["linux/amd64"]
    keys = {*data, *entry, *entry["packages"][0], *entry["sources"]["debian"]}
    assert {key for key in keys if f"`{key}`" not in text and f'"{key}"' not in text} == set()
