"""Packages that lay out modules, codecs and catalogues for an interpreter that has the image as its root.

None ever runs or is even opened: imgforge edits an image from outside of it, and the process that becomes a command
opens nothing between entering the image and execve(2).
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.attacks import Arena
from builders.debs import build_deb

import imgforge

pytestmark = [pytest.mark.root, pytest.mark.attack]

BUILD = 8
RUNGS = ["root", "subids", "single", "chroot"]

COOKIE = b"# coding: evil\n"
EVIL = """
import os
def sing():
    os.close(os.open("{canary}/pwned", os.O_CREAT | os.O_WRONLY))
for fd in range(3, 256):
    try:
        os.fchdir(fd)
        os.chdir("../" * 64)
        os.chroot(".")
        sing()
    except OSError:
        pass
try:
    os.chdir("/")
    os.mkdir("/jail")
    os.chroot("/jail")
    os.chdir("../" * 64)
    os.chroot(".")
    sing()
except OSError:
    pass
os._exit(0)
"""

DIVERSIONS = {
    "a NUL": r"/usr/share/evil/file\n/usr/share/a\0b\nother\n",
    "what is no UTF-8": r"/usr/share/evil/file\n/usr/share/\377/\355\240\200\nother\n",
    "a name of 5000 bytes": r"/usr/share/evil/file\n/usr/share/%05000d\nother\n",
    "a loop": r"/usr/share/evil/file\n/loop/x\nother\n",
    "a place outside": r"/usr/share/evil/file\n/../../../../../..{canary}/moved\nother\n",
    "the root": r"/usr/share/evil/file\n/\nother\n",
    "nothing": r"/usr/share/evil/file\n\nother\n",
    "half a record": r"/usr/share/evil/file\n/x",
}


def planted(canary: Path) -> dict[str, bytes]:
    """Return what an interpreter would look for: its own sources, this program's, codecs, catalogues."""
    evil = EVIL.format(canary=canary).encode()
    library = sysconfig.get_path("stdlib").lstrip("/")
    top = Path(imgforge.__file__).parent
    own = [str(path).lstrip("/") for path in top.rglob("*.py") if path.parent.name in {"workshop", "sandbox", "rootfs"}]
    modules = ("linecache", "traceback", "tokenize", "warnings", "array", "encodings/evil", "encodings/__init__")
    names = [f"{library}/{module}.py" for module in modules]
    catalogues = [f"usr/share/locale/{name}/LC_MESSAGES/libc.mo" for name in ("C", "C.UTF-8", "en", "C.utf8")]
    return dict.fromkeys(own, COOKIE) | dict.fromkeys(names, evil) | dict.fromkeys(catalogues, b"\xde\x12\x04\x95")


@pytest.fixture(scope="module")
def laid(arena: Arena) -> Arena:
    """An arena in which an image ``laid`` has everything laid out."""
    arena.world.package("laid", files=planted(arena.canary))
    arena.world.manifest("laid", packages=["laid"])
    arena.world.build("laid")
    return arena


def offer(arena: Arena, record: str) -> None:
    text = record.replace("{canary}", str(arena.canary))
    script = f"ln -s loop /loop; printf '{text}' 0 >> /var/lib/dpkg/diversions"
    data = build_deb(
        "evil", "1.0", architecture="all", files={"usr/share/evil/file": b"x"}, scripts={"preinst": script}
    )
    arena.smuggle("evil", data)
    arena.world.manifest("image", base="laid", packages=["evil"])


@pytest.mark.parametrize("rung", RUNGS)
def test_an_edit_that_fails_runs_nothing_of_the_image(laid: Arena, rung: str) -> None:
    offer(laid, DIVERSIONS["a NUL"])
    says = "a file of the image could not be edited: /usr/share/a.x00b: invalid argument"
    laid.refused("image", f"--sandbox={rung}", code=BUILD, says=says)


@pytest.mark.parametrize("name", DIVERSIONS)
def test_a_record_of_diversions_reaches_nothing_outside(laid: Arena, name: str) -> None:
    before = laid.outside()
    offer(laid, DIVERSIONS[name])
    done = laid.world.command("build", str(laid.world.path_of("image")))
    assert done.returncode in {0, BUILD}, done.stderr
    assert "Traceback" not in done.stderr
    laid.is_untouched(before)


STRACE = ("strace", "-f", "-qq", "-s", "200", "-e", "signal=none", "-e", "trace=%file,pivot_root")
CALL = re.compile(r"(?P<process>\d+) +(?P<call>\w+)\((?P<rest>.*)")
ENDED = re.compile(r"(?P<process>\d+) +(?:<\.\.\. execve resumed>|execve\().*= 0$")


def opened_inside(log: Path) -> Iterator[str]:
    """Yield what processes do by name between the change of their root and the program that they become."""
    inside = set()
    for line in log.read_text(errors="replace").splitlines():
        if ended := ENDED.match(line):
            inside.discard(ended["process"])
        elif call := CALL.match(line):
            if call["process"] in inside:
                yield f"{call['call']}({call['rest']}"
            if call["call"] in {"chroot", "pivot_root"}:
                inside.add(call["process"])


ALLOWED = re.compile(
    r"""execve\(.* | access\(.*
      | umount2\("\.",\ MNT_DETACH.* | chdir\("/".*     # the end of pivot_root, and the command's own directory
      | (open|openat)\((AT_FDCWD,\ )?"/",\ O_RDONLY\|O_CLOEXEC\|O_PATH\|O_DIRECTORY.*   # the recorder's
      | (open\w*|readlink\w*|chown|fchownat|[gs]etxattr|lsetxattr)\((AT_FDCWD,\ )?"/proc/.*  # in its own empty root
      | openat2\([0-9].* | newfstatat\([0-9]+,\ "",.*""",
    re.VERBOSE,
)


@pytest.mark.parametrize("rung", RUNGS)
def test_nothing_is_opened_between_entering_an_image_and_becoming_its_program(laid: Arena, rung: str) -> None:
    data = build_deb("traced", "1.0", architecture="all", scripts={"postinst": f"chown 3:4 /etc; : {rung}"})
    laid.smuggle("traced", data)
    laid.world.manifest("image", base="laid", packages=["traced"])
    log = laid.world.manifests / "trace"
    under = (*STRACE, "-o", str(log))
    done = laid.world.command("build", str(laid.world.path_of("image")), f"--sandbox={rung}", under=under)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"(?:chroot|pivot_root)\(", log.read_text(errors="replace"))) >= 2
    found = [call for call in opened_inside(log) if not ALLOWED.fullmatch(call)]
    assert found == []


LANGUAGES = {"LANGUAGE": "en", "LC_ALL": "C.UTF-8", "LANG": "en_US.UTF-8"}


@pytest.mark.parametrize("program", ["true", "/nowhere"])
@pytest.mark.parametrize("rung", RUNGS)
def test_nothing_is_opened_before_a_program_of_a_run(laid: Arena, rung: str, program: str) -> None:
    log = laid.world.manifests / "trace"
    env = {**os.environ, **LANGUAGES, "PYTHONPATH": str(Path(imgforge.__file__).parents[1]), "IMGFORGE_CONFIG": ""}
    under = (*STRACE, "-o", str(log))
    done = laid.world.command("run", f"--sandbox={rung}", "laid", "--", program, under=under, env=env)
    assert done.returncode == (0 if program == "true" else 127), done.stderr
    assert re.search(r"(?:chroot|pivot_root)\(", log.read_text(errors="replace"))
    assert [call for call in opened_inside(log) if not ALLOWED.fullmatch(call)] == []
