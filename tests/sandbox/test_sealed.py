"""An interpreter inside a hostile root: each way in which it opens a file by itself, and what came of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import locale
import os
import signal
import struct
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.stations import ENVIRONMENT, Inside, Station, forked

from imgforge.errors import SandboxError
from imgforge.sandbox import (
    confinement,
    idmap,
    interior,
    landlock,
    payload,
    process,
    sealed,
    seccomp,
    syscalls,
)
from imgforge.sandbox.command import User
from imgforge.sandbox.rung import Rung

APART = {Rung.ROOT, Rung.SUBIDS, Rung.SINGLE}
_LIBC = ctypes.CDLL(None, use_errno=True)
_IN_OPEN, _IN_NONBLOCK = 0x20, 0o4000
_HEAD = struct.Struct("=iIII")
_TOP = Path(process.__file__).parents[1]
_LIBRARY = Path(sysconfig.get_path("stdlib"))
_CATALOGUES = Path("/usr/share/locale")
_CHARSETS = Path(f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/gconv")


def plant(root: Path, text: str = "# coding: evil\nimport os; os._exit(99)\n") -> list[Path]:
    """Lay out what an interpreter would open, and return the directories that hold it."""
    names = [
        _LIBRARY / name
        for name in ("linecache.py", "this.py", "array.py", "encodings/evil.py", "encodings/__init__.py")
    ]
    names += [path for path in _TOP.rglob("*.py") if path.parent.name == "sandbox"]
    names += [_CATALOGUES / name / "LC_MESSAGES/libc.mo" for name in ("C.UTF-8", "C.utf8", "en_US", "en")]
    names += [_CHARSETS / "EVIL.so", _CHARSETS / "gconv-modules", Path(__file__)]
    for name in names:
        path = root / name.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sorted({(root / name.relative_to("/")).parent for name in names})


@contextlib.contextmanager
def watched(directories: list[Path]) -> Iterator[list[str]]:
    """Yield a list that in the end has the name of everything in the directories that was opened (inotify(7))."""
    opened: list[str] = []
    watch = _LIBC.inotify_init1(_IN_NONBLOCK)
    for directory in directories:
        assert _LIBC.inotify_add_watch(watch, os.fsencode(directory), _IN_OPEN) >= 0
    yield opened
    with contextlib.suppress(BlockingIOError):
        while data := os.read(watch, 1 << 16):
            while data:
                length = _HEAD.unpack_from(data)[3]
                opened.append(data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode())
                data = data[_HEAD.size + length :]
    os.close(watch)


FAILURES: dict[str, tuple[dict[str, object], str]] = {
    "a place that is not there": ({"workdir": "/nowhere"}, "/nowhere: No such file"),
    "a place that is a file": ({"workdir": "/etc/text"}, "/etc/text: Not a directory"),
    "a place with a NUL": ({"workdir": "/a\0b"}, "ValueError"),
    "a place that is too long": ({"workdir": "/" + "x" * 5000}, "File name too long"),
    "a place that is no text": ({"workdir": "/\udcff"}, "No such file"),
    "a place that no bytes are": ({"workdir": "/\ud800"}, "UnicodeEncodeError"),
    "a program that is not there": ({"argv": ("/nowhere",)}, ""),
    "a program in no PATH": ({"argv": ("nowhere",)}, ""),
    "a program that is a directory": ({"argv": ("/etc",)}, ""),
    "a program that is text": ({"argv": ("/etc/text",)}, ""),
    "a program whose interpreter is missing": ({"argv": ("/etc/script",)}, ""),
    "a program with a NUL": ({"argv": ("/a\0b",)}, "ValueError"),
    "a program that no bytes are": ({"argv": ("/\ud800",)}, "UnicodeEncodeError"),
    "a word with a NUL": ({"argv": ("true", "a\0b")}, "ValueError"),
    "a word that is too long": ({"argv": ("true", "x" * 200_000)}, ""),
    "no word at all": ({"argv": ("",)}, ""),
    "a variable with a NUL": ({"env": {"PATH": "/usr/bin", "A": "a\0b"}}, "ValueError"),
    "a variable without a name": ({"env": {"PATH": "/usr/bin", "": "a"}}, "ValueError"),
    "a PATH with a NUL": ({"env": {"PATH": "/usr/bin\0"}}, "ValueError"),
    "another language": ({"argv": ("/nowhere",), "env": {"LANGUAGE": "en", "LC_ALL": "en_US"}}, ""),
}


@pytest.mark.attack
@pytest.mark.parametrize("name", FAILURES)
def test_a_command_that_fails_to_start_opens_nothing_of_the_image(anywhere: Station, name: str) -> None:
    options, says = FAILURES[name]

    def call(inside: Inside) -> tuple[list[str], str]:
        speak()
        (inside.root / "etc/text").write_text("text")
        (inside.root / "etc/script").write_text("#!/nowhere\n")
        (inside.root / "etc/script").chmod(0o755)
        settings = {"argv": ("true",), "root": inside.root, "rung": inside.rung, "env": ENVIRONMENT, **options}
        with watched(plant(inside.root)) as opened:
            try:
                outcome = process.run(**settings)  # type: ignore[arg-type]
                told = outcome.tail.decode() if outcome.exit_code in {126, 127} else "it ran"
            except SandboxError as error:
                told = str(error)
        return opened, told

    opened, told = anywhere.inside(call)
    assert opened == []
    assert says in told
    assert told != "it ran"


def speak() -> None:
    """Have the C library look for catalogues, as in the environment of a user (setlocale(3), gettext(3))."""
    os.environ["LANGUAGE"] = "en"
    locale.setlocale(locale.LC_ALL, "C.UTF-8")


NASTY = UnicodeDecodeError("evil", b"x", 0, 1, "nasty")
STEPS: dict[str, tuple[object, str, set[Rung]]] = {
    "entering the root": (interior, "move_in", APART),
    "changing the root": (os, "chroot", {Rung.CHROOT}),
    "going to its place": (os, "chdir", set(Rung)),
    "leaving the keyring": (syscalls, "join_new_keyring", set(Rung)),
    "leaving a namespace": (syscalls, "unshare", {Rung.CHROOT, Rung.SINGLE}),
    "becoming another user": (idmap, "unshare_single", {Rung.SINGLE}),
    "Landlock": (landlock, "restrict", {Rung.CHROOT}),
    "the recorder's filter": (seccomp, "install_listener", {Rung.SINGLE}),
    "handing over": (payload, "_hand_over", {Rung.SINGLE}),
    "computing the filter": (confinement, "program", set(Rung)),
    "the filter": (seccomp, "install", set(Rung)),
    "dropping capabilities": (syscalls, "limit_capabilities", set(Rung)),
    "groups": (os, "setgroups", set(Rung) - {Rung.SINGLE}),
    "the group": (os, "setresgid", set(Rung) - {Rung.SINGLE}),
    "the user": (os, "setresuid", set(Rung) - {Rung.SINGLE}),
    "signals": (signal, "pthread_sigmask", set(Rung)),
    "looking for the program": (os, "access", set(Rung)),
    "the program": (os, "execve", set(Rung)),
}


@pytest.mark.attack
@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_fails_opens_nothing_of_the_image(anywhere: Station, name: str) -> None:
    module, function, rungs = STEPS[name]

    def call(inside: Inside) -> tuple[list[str], str]:
        speak()
        original = getattr(module, function)

        def fail(*arguments: object, **options: object) -> object:
            if sys.meta_path != [sealed._NoImports]:
                return original(*arguments, **options)
            raise NASTY

        setattr(module, function, fail)  # in this process only, just forked
        with watched(plant(inside.root)) as opened:
            try:
                told = str(inside.run("true", user=User(33, 33)).exit_code)
            except SandboxError as error:
                told = str(error)
        return opened, told

    opened, told = anywhere.inside(call)
    assert opened == []
    assert ("UnicodeDecodeError: 'evil' codec" in told) == (anywhere.rung in rungs), told


class Garbage:
    """Raises where no one can catch it."""

    def __del__(self) -> None:
        raise ZeroDivisionError


def _import() -> None:
    __import__("this")


def _format() -> None:
    sys.excepthook(ZeroDivisionError, ZeroDivisionError(), None)


def _collect() -> None:
    garbage = Garbage()
    del garbage
    gc.collect()


def _strerror() -> None:
    for number in range(130):
        os.strerror(number)


def _extend() -> None:
    __import__("array")


WAYS: dict[str, tuple[Callable[[], object], type[Exception] | None]] = {
    "an import": (_import, ImportError),
    "an import of an extension": (_extend, ImportError),
    "an import of what is built in": (lambda: __import__("xxsubtype"), ImportError),
    "a codec": (lambda: b"x".decode("evil"), LookupError),
    "a codec of the library": (lambda: b"x".decode("cp1250"), LookupError),
    "a warning": (lambda: warnings.warn("x", DeprecationWarning, stacklevel=1), None),
    "an error that no one catches": (_format, None),
    "an error in a finaliser": (_collect, None),
    "the text of an error": (_strerror, None),
    "UTF-8": (lambda: "\udcff é".encode("utf-8", "surrogateescape"), None),
}


@pytest.mark.attack
@pytest.mark.root
@pytest.mark.parametrize("name", WAYS)
def test_a_sealed_interpreter_opens_nothing(built_tree: Path, tmp_path: Path, name: str) -> None:
    way, expected = WAYS[name]
    del built_tree
    directories = plant(tmp_path)

    def call() -> str:
        sys.modules.pop("array", None)
        speak()
        warnings.simplefilter("error")
        sealed.seal()
        os.chroot(tmp_path)
        os.chdir("/")
        try:
            way()
        except Exception as error:  # noqa: BLE001 which one it is comes out
            return type(error).__mro__[-4].__name__ if expected is None else str(isinstance(error, expected))
        return str(expected is None)

    with watched(directories) as opened:
        assert forked(call) == "True"
    assert opened == []


@pytest.mark.root
@pytest.mark.parametrize(
    ("way", "expected"), [(_import, "this.py"), (lambda: b"x".decode("evil"), "evil.py"), (_strerror, "libc.mo")]
)
def test_an_interpreter_that_is_not_sealed_opens_them(
    built_tree: Path, tmp_path: Path, way: Callable[[], object], expected: str
) -> None:
    del built_tree
    directories = plant(tmp_path, "")

    def call() -> None:
        speak()
        os.chroot(tmp_path)
        os.chdir("/")
        with contextlib.suppress(Exception):
            way()

    with watched(directories) as opened:
        forked(call)
    assert expected in opened


def test_only_the_descriptors_that_are_named_stay_open() -> None:
    def call() -> list[bool]:
        kept, other, last = (os.open("/", os.O_RDONLY) for _ in range(3))
        os.dup2(last, 900)
        names = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
        sealed.keep_only(names - {other, last, 900})
        return [_is_open(descriptor) for descriptor in (0, 1, 2, kept, other, last, 900)]

    assert forked(call) == [True, True, True, True, False, False, False]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
