from __future__ import annotations

import contextlib
import os
import resource
import stat
import time
from pathlib import Path

import pytest
from builders.stations import Inside, Station

from imgforge.sandbox.command import Outcome, Owner, User
from imgforge.sandbox.ownership import XATTR

AT_FDCWD, NO_FOLLOW, EMPTY_PATH = -100, 0x100, 0x1000
FCHOWNAT = {"x86_64": 260, "aarch64": 54}[os.uname().machine]
RENAMEAT = {"x86_64": 264, "aarch64": 38}[os.uname().machine]
RENAMEAT2 = {"x86_64": 316, "aarch64": 276}[os.uname().machine]
SETUP = """
mkdir -p /etc/d/e /var/s; cd /etc
for name in a b c d/f d/e/g 'with space' plain; do echo $name > "$name"; done
ln -s a link; ln -s /etc/b absolute; ln -s nowhere dangling; mkfifo pipe; ln a hard
chmod 6755 b; chmod 2775 c /var/s
"""
SCRIPTS = {
    "a name": "chown 1:2 a",
    "only the user": "chown 3 a",
    "only the group": "chgrp 4 a",
    "one after the other": "chown 5 a; chgrp 6 a; chown 7 a",
    "back to root": "chown 5:5 a; chown 0:0 a",
    "a tree": "chown -R 8:9 d",
    "through a link": "chown 10:11 link",
    "through an absolute link": "chown 12:13 absolute",
    "the link itself": "chown -h 14:15 link dangling",
    "a link that is renamed later": "chown -h 16:17 link; mv link d/moved; rm dangling",
    "a link that is replaced later": "chown -h 16:17 link; rm link; ln -s a link",
    "a fifo": "chown 18:19 pipe",
    "a hard link": "chown 20:21 hard",
    "set-user-ID is lost": "chown 22:23 b",
    "set-group-ID is lost": "chown 22:23 c",
    "set-user-ID is lost for nothing": "chown 0:0 b",
    "a directory keeps its bits": "chown 24:25 /var/s",
    "a relative path upwards": "cd d/e; chown 26:27 ../f ../../a",
    "through /proc": "cd d; chown 28:29 /proc/self/cwd/f /proc/thread-self/root/etc/b",
    "through /proc by number": "perl -e 'chown 28, 29, qq(/proc/$$/cwd/a) or die'; chown 30:31 /proc/self/fd/3/e 3< d",
    "the end of a link of /proc": "cd d; chown 28:29 /proc/self/cwd; chown -h 1:1 /proc/self/cwd",
    "a rename keeps it": "chown 30:31 a; mv a z",
    "a file that is replaced by one of root's": "chown 30:31 a; echo new > z; mv z a",
    "a file that is replaced by another's": "chown 30:31 a; echo new > z; chown 32:33 z; mv z a",
    "an editor that keeps the owner": "chown 30:31 a d/f; sed -i s/a/b/ a; cd d; sed -i s/d/x/ f",
    "a copy of the owner by hand": "chown 30:31 a; cp a z; chown $(stat -c %u:%g a) z; mv z a",
    "a rename from a descriptor": "chown 30:31 d/f; perl -e 'open(D, q(<d)); open(F, q(>d/z)); @s = stat q(d/f);"
    f" chown @s[4, 5], *F or die; $z = q(z); $f = q(f); syscall({RENAMEAT}, fileno D, $z, fileno D, $f) and die $!'",
    "names that change places": "chown 30:31 a; chown 32:33 b;"
    f" perl -e '$a = q(a); $b = q(b); syscall({RENAMEAT2}, {AT_FDCWD}, $a, {AT_FDCWD}, $b, 2) and die $!'",
    "a rename that fails": "mv missing a 2>/dev/null; mv a missing/b 2>/dev/null; true",
    "from /tmp": "echo > /tmp/t; chown 32:33 /tmp/t; mv /tmp/t /etc/t",
    "an odd name": "chown 34:35 'with space'",
    "large ids": "chown 65534:4294967294 a",
    "an open file": "perl -e 'open(F, q(<a)); chown 36, 37, *F or die'",
    "a deleted file": "perl -e 'open(F, q(>gone)); unlink q(gone); chown 36, 37, *F or die'",
    "standard input": "chown 38:39 /dev/stdin < a; chown 40:41 /dev/fd/3 3< b",
    "a directory's descriptor": f"perl -e 'open(D, q(<d)); syscall({FCHOWNAT}, fileno D, q(f), 42, 43, 0) and die $!'",
    "an empty path": f"perl -e 'open(F, q(<a)); syscall({FCHOWNAT}, fileno F, q(), 44, 45, {EMPTY_PATH}) and die $!'",
    "the current directory": f"cd d; perl -e 'syscall({FCHOWNAT}, {AT_FDCWD}, q(), 46, 47, {EMPTY_PATH}) and die $!'",
    "not through a link": f"perl -e 'syscall({FCHOWNAT}, {AT_FDCWD}, q(link), 48, 49, {NO_FOLLOW}) and die $!'",
    "in a chroot": "mkdir -p /var/s/etc; cp -r /usr /lib* /var/s 2>/dev/null; echo > /var/s/etc/a;"
    " ln -s /etc/a /var/s/l; perl -e 'chroot q(/var/s); chdir q(/); chown 50, 51, q(/etc/a); chown 52, 53, q(/l)'",
    "a program of the image": "chown 54:55 /usr/bin/true",
    "by a child of a child": "sh -c 'sh -c \"chown 56:57 a\" & wait'",
    "not there": "chown 1:1 missing; chown 1:1 a/b; chown 1:1 ''",
    "bad arguments": f"perl -e 'sub try {{ syscall({FCHOWNAT}, @_, 1, 1, 0); print $!+0, q( ) }} try(77, q(a));"
    f" try({AT_FDCWD}, 1); try({AT_FDCWD}, q()); try({AT_FDCWD}, q(x) x 5000); try({AT_FDCWD}, q(x) x 300)'",
    "a loop": "ln -s loop loop; chown 1:1 loop",
    "outside of the image": "chown 1:1 /tmp /run /dev/null /proc/self/status 2>/dev/null; true",
}


def _owners(inside: Inside, outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Return mode and owner of everything below /etc and /var, as a layer will have it."""
    special = {owner.path: f"{max(owner.uid, 0)}:{max(owner.gid, 0)}" for owner in outcome.owners}
    found = {}
    for path in [*inside.root.glob("etc/**/*"), *inside.root.glob("var/**/*"), inside.root / "usr/bin/true"]:
        status = path.lstat()
        owner = f"{status.st_uid}:{status.st_gid}"
        name = str(path.relative_to(inside.root))
        if inside.rung.records_owners:
            assert owner == "0:0"
            owner = special.pop(name, owner)
            if not stat.S_ISLNK(status.st_mode):
                with contextlib.suppress(OSError):
                    owner = os.getxattr(path, XATTR, follow_symlinks=False).decode()
        found[name] = (stat.filemode(status.st_mode), owner)
    assert special == {}
    return found


def _result(inside: Inside, script: str) -> tuple[int, str, dict[str, tuple[str, str]]]:
    outcome = inside.sh(f"{SETUP}{script}")
    return outcome.exit_code, outcome.tail.decode(), _owners(inside, outcome)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_recorded_owners_are_those_that_root_writes(single: Station, as_root: Station, script: str) -> None:
    recorded = single.inside(lambda inside: _result(inside, script))
    _give_to_root(as_root.tree)
    assert recorded == as_root.inside(lambda inside: _result(inside, script))


def _give_to_root(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)


def test_two_hundred_changes_at_once_are_all_recorded(single: Station) -> None:
    script = """
    for i in 1 2 3 4 5 6 7 8; do (
        for j in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
            echo > /var/$i-$j; chown $i:$j /var/$i-$j || exit 1
        done
    ) & done; wait"""

    def call(inside: Inside) -> dict[str, bytes]:
        inside.text(script)
        return {path.name: os.getxattr(path, XATTR) for path in (inside.upper / "var").iterdir()}

    expected = {f"{i}-{j}": f"{i}:{j}".encode() for i in range(1, 9) for j in range(1, 26)}
    assert single.inside(call) == expected


def test_one_process_can_change_thousands(single: Station) -> None:
    def call(inside: Inside) -> float:
        start = time.monotonic()
        inside.text("echo > /etc/a; perl -e 'chown $_, 5, q(/etc/a) or die for 1..3000'")
        assert os.getxattr(inside.upper / "etc/a", XATTR) == b"3000:5"
        return time.monotonic() - start

    assert single.inside(call) < 20


@pytest.mark.parametrize("limit", [256, 4096])
def test_many_links_are_recorded(single: Station, limit: int) -> None:
    def call(inside: Inside) -> tuple[Owner, ...]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        return inside.sh("cd /etc; perl -e 'symlink q(x), $_ for 1..1500'; chown -h 1:2 *").owners

    owners = single.inside(call)
    assert owners == tuple(Owner(path, 1, 2) for path in sorted(f"etc/{n}" for n in range(1, 1501)))


def test_caller_that_is_killed_while_it_waits_harms_nobody(single: Station) -> None:
    script = """perl -e '
        for (1..20) { if (!($child = fork)) { chown $_, 5, q(/etc) for 1..1000000; exit } push @children, $child }
        select undef, undef, undef, 0.2; kill 9, @children; wait for @children; chown 7, 7, q(/etc) or die'
    """

    def call(inside: Inside) -> tuple[int, bytes]:
        return inside.sh(script, timeout=60).exit_code, os.getxattr(inside.upper / "etc", XATTR)

    assert single.inside(call) == (0, b"7:7")


def test_signals_do_not_disturb_a_change(single: Station) -> None:
    script = "perl -e '$SIG{ALRM} = sub { $n++ }; for (1..2000) { kill 14, $$; chown $_, 1, q(/etc) or die $! }'"

    def call(inside: Inside) -> bytes:
        inside.text(script)
        return os.getxattr(inside.upper / "etc", XATTR)

    assert single.inside(call) == b"2000:1"


def test_capability_of_a_file_survives_and_goes_as_for_root(single: Station) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")

    def call(inside: Inside) -> tuple[bytes, list[str]]:
        path = inside.root / "usr/bin/true"
        os.setxattr(path, "security.capability", capability)
        before = os.getxattr(path, "security.capability")
        inside.text("chown 0:5 /usr/bin/true")
        return before, os.listxattr(path)

    before, after = single.inside(call)
    assert before == capability
    assert "security.capability" not in after


def test_becoming_another_user_is_granted_and_told(single: Station) -> None:
    script = "perl -e '$( = 44; $) = q(44 44); $> = 33; $< = 33; print $!+0' && id -u"

    def call(inside: Inside) -> tuple[str, tuple[int, ...]]:
        outcome = inside.sh(script)
        return outcome.tail.decode(), outcome.acted_as

    assert single.inside(call) == ("00\n", (33, 44))


def test_staying_root_is_not_told(single: Station) -> None:
    assert single.inside(lambda inside: inside.sh("perl -e '$> = 0; $< = 0; $( = 0; $) = q(0 0)'").acted_as) == ()


def test_command_of_another_user_sees_itself_and_its_files(single: Station) -> None:
    def call(inside: Inside) -> tuple[str, tuple[int, ...]]:
        outcome = inside.sh("id -u; id -g; echo x > /etc/mine; stat -c %u:%g /etc/mine", user=User(900, 901))
        return outcome.tail.decode(), outcome.acted_as

    assert single.inside(call) == ("900\n901\n900:901\n", ())


def test_recorder_takes_no_descriptor_of_its_own_for_the_callers(single: Station) -> None:
    script = "perl -e 'chown 1, 1, qq(/proc/1/fd/$_) and print qq($_ ) for 0..30'"
    assert single.inside(lambda inside: inside.text(script)) == ""


def test_devices_cannot_be_made_on_any_rung(anywhere: Station) -> None:
    said = anywhere.inside(lambda inside: inside.sh("mknod /etc/c c 1 3; mknod /etc/b b 8 0").tail.decode())
    assert said.count("Operation not permitted") == 2
