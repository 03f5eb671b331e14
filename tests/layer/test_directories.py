from __future__ import annotations

from imgforge.layer.directories import above, completed, decide, implied, parents, skeleton
from imgforge.tree import ROOT, Entry, Kind

EPOCH = 1_700_000_000


def directory(path: str, mode: int = 0o755, *, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=5)


def test_parents_are_the_nearest_first() -> None:
    assert list(parents("usr/share/doc/x")) == ["usr/share/doc", "usr/share", "usr"]
    assert list(parents("usr")) == []


def test_the_base_decides_then_the_package_that_was_first() -> None:
    base = {"var": directory("var", 0o700)}
    shipped = [
        (directory(ROOT), directory("var", 0o711), directory("srv", 0o750)),
        (directory("srv", 0o777),),
    ]
    assert decide(base, shipped) == {"var": directory("var", 0o700), "srv": directory("srv", 0o750)}


def test_a_layer_repeats_every_directory_above_its_files() -> None:
    found = above(
        ["srv/app/x", "opt/y"], {"srv": directory("srv", 0o750)}, {"opt": directory("opt", 0o700)}, epoch=EPOCH
    )
    assert found == (directory("opt", 0o700), directory("srv", 0o750), implied("srv/app", epoch=EPOCH))


def test_a_package_s_tree_has_what_the_package_does_not_ship() -> None:
    own = (directory(ROOT), directory("usr", 0o711))
    assert completed(own, ["usr/lib/x", "var/y"], epoch=EPOCH) == (
        directory(ROOT),
        directory("usr", 0o711),
        implied("usr/lib", epoch=EPOCH),
        implied("var", epoch=EPOCH),
    )


def test_a_skeleton_shows_what_was_decided_where_a_tree_shows_something_else() -> None:
    shipped = [(directory("srv"), directory("srv/app", 0o750)), (directory("srv"), directory("srv/app", 0o777))]
    decided = decide({}, shipped)
    assert skeleton(decided, shipped, base={}) == (directory("srv"), directory("srv/app", 0o750))


def test_a_skeleton_keeps_the_base_s_directories_from_those_that_a_tree_merely_needs() -> None:
    base = {"var": directory("var"), "var/lib": directory("var/lib", 0o2775, gid=50)}
    shown = [completed((), ["var/lib/dpkg/info/x.list"], epoch=EPOCH)]
    assert skeleton({}, shown, base=base) == (base["var"], base["var/lib"])


def test_there_is_no_skeleton_where_all_agree() -> None:
    shipped = [(directory("srv"),), (directory("srv"),)]
    assert skeleton(decide({}, shipped), shipped, base={}) == ()
