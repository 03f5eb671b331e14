from __future__ import annotations

from pathlib import Path

import pytest
from builders.stations import Inside, Station
from hypothesis import given
from hypothesis import strategies as st

from imgforge.errors import SandboxError
from imgforge.sandbox import idmap
from imgforge.sandbox.idmap import Range


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", ()),
        ("ann:100000:65536\n", (Range(1, 100000, 65536),)),
        ("bob:100000:65536\n", ()),
        ("1000:5:6\n", (Range(1, 5, 6),)),
        ("ann:10:5\nbob:15:5\nann:20:7\n", (Range(1, 10, 5), Range(6, 20, 7))),
        ("ann:10:0\n# ann\nann\nann:x:5\nann:5\nann:-5:5\nann:1:2:3\n", ()),
        (":1:2\n", ()),
    ],
)
def test_ranges_of_an_owner_are_read(text: str, ranges: tuple[Range, ...]) -> None:
    assert idmap.subordinate(text, owners=("ann", "1000")) == ranges


def test_account_without_a_name_owns_no_nameless_line() -> None:
    assert idmap.subordinate(":1:2\n", owners=("", "1000")) == ()


@given(st.text(alphabet="ann:0123456789\n x-"))
def test_ranges_never_overlap_inside(text: str) -> None:
    after = 1
    for one in idmap.subordinate(text, owners=("ann", "1000")):
        assert one.inside == after
        after += one.count


def test_map_of_a_whole_machine_is_kept() -> None:
    assert idmap.own_ranges("         0          0 4294967295\n") == (Range(0, 0, 4294967295),)


def test_namespace_with_too_few_ids_is_refused() -> None:
    with pytest.raises(SandboxError, match="expected 65535 ids in the namespace of this process, got 1"):
        idmap.own_ranges("0 1000 1\n")


def test_user_without_ranges_is_refused(single: Station) -> None:
    with pytest.raises(SandboxError, match=r"sandbox subids: /etc/subuid: expected 65534 subordinate ids .*, got 0"):
        _on_subids(single).inside(lambda _: None)


def _on_subids(station: Station) -> Station:
    return Station(type(station.rung).SUBIDS, station.tree, station.uid, station.gid)


def test_every_id_of_an_image_exists(apart: Station) -> None:
    def call(_: Inside) -> str:
        return Path("/proc/self/uid_map").read_text()

    mapped = sum(int(line.split()[2]) for line in apart.inside(call).splitlines())
    assert mapped == 1 if apart.rung.records_owners else mapped >= idmap.IDS
