from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import accounts
from builders.stations import Inside, Station, forked

from imgforge.errors import SandboxError
from imgforge.sandbox import idmap, probe, syscalls
from imgforge.sandbox.rung import Rung

SETPCAP, SYS_ADMIN, MKNOD = 8, 21, 27


def _confined(function: Callable[[], object], *, without: frozenset[int] = frozenset({SYS_ADMIN})) -> object:
    """Call a function as root of a container that has no namespaces to give and lacks some capabilities."""

    def call() -> object:
        idmap.unshare_range(syscalls.CLONE_NEWNS)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        syscalls.limit_capabilities(frozenset(range(41)) - without)
        return function()

    return forked(call)


@pytest.mark.root
def test_root_of_this_machine_gets_the_first_rung() -> None:
    assert probe.choose() is Rung.ROOT


@pytest.mark.root
@pytest.mark.parametrize("preferred", list(Rung))
def test_rung_that_was_asked_for_is_taken(preferred: Rung) -> None:
    assert probe.choose(preferred) is preferred


def test_user_gets_the_single_id(single: Station) -> None:
    def call() -> list[str]:
        single.become()
        return [probe.reason(one) for one in Rung]

    root, subids, one, chroot = forked(call)
    assert root == chroot == "only root may"
    assert subids.startswith("/etc/subuid: expected 65534 subordinate ids")
    assert one == ""


def test_user_with_ranges_gets_them(subuid_user: accounts.User) -> None:
    station = Station(Rung.SUBIDS, Path("/"), subuid_user.uid, subuid_user.gid)

    def call() -> str:
        station.become()
        return probe.reason(Rung.SUBIDS)

    assert forked(call) == ""


def test_user_without_the_tool_is_told_its_package(subuid_user: accounts.User, monkeypatch: pytest.MonkeyPatch) -> None:
    station = Station(Rung.SUBIDS, Path("/"), subuid_user.uid, subuid_user.gid)
    monkeypatch.setattr(idmap, "_TOOL_PATH", "/nowhere")

    def call() -> str:
        station.become()
        return probe.reason(Rung.SUBIDS)

    assert forked(call) == "newuidmap is not installed (Debian's package uidmap)"


@pytest.mark.root
def test_container_without_namespaces_can_have_chroot() -> None:
    reasons = _confined(lambda: {one.value: probe.reason(one) for one in Rung})
    assert isinstance(reasons, dict)
    assert reasons.pop("chroot") == ""
    assert all("unshare" in reason for reason in reasons.values())


@pytest.mark.root
@pytest.mark.parametrize("without", [{SYS_ADMIN}, {SYS_ADMIN, MKNOD}])
def test_command_runs_in_such_a_container(built_tree: Path, without: set[int]) -> None:
    station = Station(Rung.CHROOT, built_tree, 0, 0)

    def run(inside: Inside) -> str:
        return inside.text("id -u; echo x > /dev/null; perl -e 'socket(S, 2, 1, 0) or print $!+0'")

    with station.place() as place:
        assert _confined(lambda: station.work(place, run), without=frozenset(without)) == "0\n97"


@pytest.mark.root
def test_container_where_capabilities_stay_is_refused() -> None:
    reason = _confined(lambda: probe.reason(Rung.CHROOT), without=frozenset({SYS_ADMIN, SETPCAP}))
    assert reason == "/nothing: prctl PR_CAPBSET_DROP: Operation not permitted"


def _refusal(without: frozenset[int]) -> tuple[str, list[str]]:
    """Return what is raised in a container without namespaces, and its notes."""

    def call() -> tuple[str, list[str]]:
        with pytest.raises(SandboxError) as caught:
            probe.choose()
        return str(caught.value), getattr(caught.value, "__notes__", [])

    said = _confined(call, without=without)
    assert isinstance(said, tuple)
    return said


@pytest.mark.root
def test_refusal_names_every_rung_that_was_tried_and_its_reason() -> None:
    text, notes = _refusal(frozenset({SYS_ADMIN, SETPCAP}))
    assert text.startswith("sandbox: no mode works on this machine (root: unshare 0x")
    assert "; subids: " in text
    assert "; single: " in text
    assert "chroot" not in text
    assert notes == []  # `workshop.client` adds what to change: it sees the caller's environment


@pytest.mark.root
def test_chroot_is_never_taken_unasked_but_named_where_it_works() -> None:
    text, notes = _refusal(frozenset({SYS_ADMIN}))
    assert text.startswith("sandbox: no mode works on this machine (root: ")
    assert [note.startswith("`--sandbox chroot` works here, for packages that you trust") for note in notes] == [True]


def test_probe_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = Path("/proc/self/mountinfo").read_text()
    for one in Rung:
        probe.reason(one)
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.parametrize("one", [Rung.ROOT, Rung.CHROOT])
def test_user_is_refused_by_roots_rungs(single: Station, one: Rung) -> None:
    station = Station(one, single.tree, single.uid, single.gid)
    with pytest.raises(SandboxError, match=f"sandbox {one.value}: only root may"):
        station.inside(lambda _: None)


def test_the_machine_can_speak_to_itself(apart: Station) -> None:
    connect = "socket(S, 2, 1, 0); connect(S, pack(q(SnC4x8), 2, 9, 127, 0, 0, 1)); print $!+0"
    six = "socket(S, 10, 1, 0); connect(S, pack(q(SnNx15CN), 10, 9, 0, 1, 0)); print $!+0"
    expected = "111,111" if Path("/proc/net/if_inet6").exists() else "111,97"  # Connection refused
    got = apart.inside(lambda inside: inside.text(f"perl -e '{connect}'; echo -n ,; perl -e '{six}'"))
    assert got == expected
