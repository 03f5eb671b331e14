"""What a script changed is told in the same words on every rung of the sandbox, by root and by others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import accounts

pytestmark = pytest.mark.root
TESTS = Path(__file__).parents[1]
PROGRAM = ["-m", "builders.rungs"]
PATHS = os.pathsep.join([str(TESTS.parent), str(TESTS), *(path for path in sys.path if path.endswith("site-packages"))])


def by_root(rung: str, place: Path) -> str:
    env = {"PYTHONPATH": PATHS, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, *PROGRAM, rung, place], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by(user: accounts.User, rung: str) -> str:
    done = user.run_python([*PROGRAM, rung, str(user.home / "place")], env={"PYTHONPATH": PATHS}, timeout=120)
    if "sandbox" in done.stderr and "SandboxError" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout


TOLD = """\
file 0644 0:0 @1700000000 /.wh.bin
file 0644 0:0 @1700000000 /etc/.wh.other
file 0644 33:0 @1700000000 /etc/conf b'two\\n'
file 0644 0:8 @1700000000 /etc/sub/new b'newmore\\n'
dir 0711 0:0 @1700000000 /made
file 4750 12:0 @1700000000 /made/a b'tool'
symlink 0777 12:34 @1700000000 /made/link nowhere
fifo 0600 0:0 @1700000000 /made/pipe
hardlink 4750 12:0 @1700000000 /made/twin made/a
dir 0755 1:1 @1700000000 /moved
file 4755 0:0 @1700000000 /moved/a b'tool'
file 4755 0:0 @1700000000 /moved/c b'tool'
file 0644 0:0 @1700000000 /opaque/.wh.3
file 0644 0:0 @1700000000 /opaque/9 b'9'
"""


@pytest.mark.parametrize("rung", ["root", "chroot"])
def test_root_with_namespaces_or_without(rung: str, tmp_path: Path) -> None:
    assert by_root(rung, tmp_path / "place") == TOLD


def test_a_user_with_one_id(user: accounts.User) -> None:
    assert by(user, "single") == TOLD


def test_a_user_with_subordinate_ids(subuid_user: accounts.User) -> None:
    assert by(subuid_user, "subids") == TOLD


def test_an_owner_that_a_user_may_not_give_is_the_machine_s_fault(user: accounts.User) -> None:
    """Without any namespace: what is refused is refused with a hint."""
    program = (
        "import sys; from pathlib import Path; from builders import trees;"
        "from imgforge.errors import SandboxError; from imgforge.rootfs.extract import extract;"
        "from imgforge.rootfs.owners import owners_for\n"
        "for pair in (trees.file('f', uid=1), trees.symlink('s', 't', gid=1)):\n"
        " try: extract(trees.members([pair]), Path(sys.argv[1]), owners=owners_for('SUBIDS'), whiteouts='apply')\n"
        " except SandboxError as error: print(error, error.__notes__)\n"
    )
    place = user.home / "place"
    place.mkdir()
    os.chown(place, user.uid, user.gid)
    done = user.run_python(["-c", program, str(place)], env={"PYTHONPATH": PATHS})
    assert done.stderr == ""
    assert "owner 0:0: this user may not have files with it: Operation not permitted" in done.stdout
    assert "more subordinate ids" in done.stdout


def test_devices_are_left_out_for_a_user_too(user: accounts.User) -> None:
    program = (
        "import sys; from pathlib import Path; from builders import trees;"
        "from imgforge.rootfs.extract import extract; from imgforge.rootfs.owners import owners_for;"
        "from imgforge.sandbox.enter import enter; from imgforge.sandbox.rung import Rung\n"
        "enter(Rung.SINGLE)\n"
        "pairs = [trees.device('null', 1, 3), trees.hardlink('link', 'null'), trees.file('f')]\n"
        "place = Path(sys.argv[1]); place.mkdir()\n"
        "print(extract(trees.members(pairs), place, owners=owners_for('SINGLE'), whiteouts='overlay').skipped)\n"
        "print(list(trees.view(place)))\n"
    )
    done = user.run_python(["-c", program, str(user.home / "place")], env={"PYTHONPATH": PATHS})
    assert (done.stdout, done.stderr) == ("('null', 'link')\n['/f']\n", "")
