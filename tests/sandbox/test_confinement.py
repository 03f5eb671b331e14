"""What a hostile program tries from inside, on every rung: system calls, namespaces, mounts, keys, other ABIs."""

from __future__ import annotations

import errno
import os
import platform
import secrets
import signal
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import orphans
from builders.stations import Inside, Station, forked

from imgforge.sandbox import idmap, landlock, syscalls
from imgforge.sandbox.calls import I386, NUMBERS, X86_64

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers and code of x86_64"),
    pytest.mark.attack,
]

_SYS_ADMIN = 21
_ABSENT, _DENIED = errno.ENOSYS, errno.EPERM

REFUSED = {
    **dict.fromkeys(("add_key", "request_key", "keyctl", "bpf", "userfaultfd", "io_uring_setup"), _ABSENT),
    **dict.fromkeys(("io_uring_enter", "io_uring_register", "fsopen", "fsmount", "fsconfig", "fspick"), _ABSENT),
    **dict.fromkeys(("move_mount", "open_tree", "mount_setattr", "clone3", "listns"), _ABSENT),
    **dict.fromkeys(("mount", "umount2", "pivot_root", "unshare", "setns", "perf_event_open"), _DENIED),
    **dict.fromkeys(("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"), _DENIED),
    **dict.fromkeys(("swapon", "swapoff", "reboot", "acct", "quotactl", "settimeofday", "clock_settime"), _DENIED),
    **dict.fromkeys(("open_by_handle_at", "name_to_handle_at", "syslog", "vhangup", "iopl", "ioperm"), _DENIED),
    **dict.fromkeys(("sethostname", "setdomainname", "fanotify_init", "lookup_dcookie", "kcmp"), _DENIED),
    **dict.fromkeys(("move_pages", "migrate_pages", "mbind", "set_mempolicy", "uselib", "_sysctl"), _DENIED),
}


def _perl(numbers: list[int], *arguments: int) -> str:
    """Return a script that makes each call and prints its errno; 0 for one that succeeded."""
    words = ", ".join(map(str, arguments or (0, 0, 0, 0, 0, 0)))
    calls = " ".join(map(str, numbers))
    return f"perl -e 'for (qw({calls})) {{ $! = 0; syscall($_, {words}) < 0 or $! = 0; print $! + 0, qq( ) }}'"


def test_calls_that_reach_past_the_sandbox_are_refused(anywhere: Station) -> None:
    names = list(REFUSED)
    said = anywhere.inside(lambda inside: inside.text(_perl([NUMBERS[X86_64][name] for name in names])))
    assert dict(zip(names, map(int, said.split()), strict=True)) == REFUSED


def test_no_socket_of_another_family_exists(anywhere: Station) -> None:
    script = "perl -e 'for (3..9, 11..15, 17..45) { socket(S, $_, 1, 0); $! == 97 or print qq($_: $! ) }'"
    assert anywhere.inside(lambda inside: inside.text(script)) == ""


def test_no_process_takes_a_namespace(anywhere: Station) -> None:
    flags = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
    clone, unshare = NUMBERS[X86_64]["clone"], NUMBERS[X86_64]["unshare"]
    tries = "".join(f"syscall({clone}, {flag | 17}, 0, 0, 0, 0); print $! + 0, q( ); " for flag in flags)
    tries += "".join(f"syscall({unshare}, {flag}); print $! + 0, q( ); " for flag in (*flags, 0x80))
    said = anywhere.inside(lambda inside: inside.text(f"perl -e '{tries}'"))
    assert set(map(int, said.split())) == {errno.EPERM}


def _program(number: int, *, ebx: int, is_32_bit: bool) -> bytes:
    """Return a program that makes one call by the gate of 32-bit programs, or by that of 64-bit ones.

    It exits with the call's errno: mov, int 0x80 or syscall, neg, exit.
    """
    load = b"\xb8" + struct.pack("<I", number) + b"\xbb" + struct.pack("<I", ebx) + b"\xbf" + struct.pack("<I", ebx)
    load += b"\xb9\x01\0\0\0\xba\0\0\0\0\xbe\x01\0\0\0"
    call = b"\xcd\x80" if is_32_bit else b"\x0f\x05"
    code = load + call + b"\xf7\xd8\x89\xc7\xb8\x3c\0\0\0\x0f\x05"
    start, base = 120, 0x400000
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = start + len(code)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


GATES = {
    "a 32-bit socket": (NUMBERS[I386]["socket"], 40, True, errno.EAFNOSUPPORT),
    "socketcall": (NUMBERS[I386]["socketcall"], 1, True, errno.ENOSYS),
    "a 32-bit keyctl": (NUMBERS[I386]["keyctl"], 0, True, errno.ENOSYS),
    "a 32-bit unshare": (NUMBERS[I386]["unshare"], 0x10000000, True, errno.EPERM),
    "a 32-bit clone": (NUMBERS[I386]["clone"], 0x10000011, True, errno.EPERM),
    "a 32-bit mount": (NUMBERS[I386]["mount"], 0, True, errno.EPERM),
    "the old umount": (NUMBERS[I386]["umount"], 0, True, errno.EPERM),
    "the old stime": (NUMBERS[I386]["stime"], 0, True, errno.EPERM),
    "a 32-bit bpf": (NUMBERS[I386]["bpf"], 0, True, errno.ENOSYS),
    "an x32 getpid": (0x40000000 | NUMBERS[X86_64]["getpid"], 0, False, errno.ENOSYS),
    "an x32 socket": (0x40000000 | NUMBERS[X86_64]["socket"], 40, False, errno.ENOSYS),
    "a socket of virtual machines": (NUMBERS[X86_64]["socket"], 40, False, errno.EAFNOSUPPORT),
    "a number of the future": (900, 0, False, errno.ENOSYS),
    "a 32-bit number of the future": (900, 0, True, errno.ENOSYS),
}


@pytest.mark.parametrize("name", GATES)
def test_no_other_gate_of_the_kernel_is_open(anywhere: Station, name: str) -> None:
    number, argument, is_32_bit, expected = GATES[name]

    def call(inside: Inside) -> int:
        path = inside.root / "etc/gate"
        path.write_bytes(_program(number, ebx=argument, is_32_bit=is_32_bit))
        path.chmod(0o755)
        return inside.run("/etc/gate").exit_code

    code = anywhere.inside(call)
    if is_32_bit and code == 128 + signal.SIGSEGV:
        pytest.skip("this kernel takes no 32-bit calls")
    assert code == expected


def test_nothing_types_into_a_terminal(anywhere: Station) -> None:
    script = "perl -e 'for (0x5412, 0x541c) { $x = q(x); ioctl(STDIN, $_, $x); print $! + 0, q( ) }'"
    assert anywhere.inside(lambda inside: inside.text(script)) == "1 1"


# The chroot rung in a container that has no namespace to give: nothing but Landlock and the filter is left.


def _confined(station: Station, function: Callable[[Inside], object]) -> object:
    def call(place: Path) -> object:
        idmap.unshare_range(syscalls.CLONE_NEWNS)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        syscalls.limit_capabilities(frozenset(range(41)) - {_SYS_ADMIN})
        return station.work(place, function)

    with station.place() as place, orphans.expected_none():
        return forked(lambda: call(place))


@pytest.fixture(params=["Landlock", "no Landlock"])
def bare(request: pytest.FixtureRequest, chroot: Station, monkeypatch: pytest.MonkeyPatch) -> Station:
    """The chroot rung, on a kernel with Landlock's scopes and on one without."""
    if request.param == "no Landlock":
        monkeypatch.setattr(landlock, "version", lambda: 0)
    elif not landlock.has_scopes(landlock.version()):
        pytest.skip("this kernel's Landlock has no scopes")
    return chroot


def test_processes_of_the_machine_get_no_signal(bare: Station) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    kills = f"kill 0, {child}; print $! + 0, q( ); kill q(KILL), {child}; print $! + 0, q( );"
    kills += f"syscall({NUMBERS[X86_64]['tgkill']}, {child}, {child}, 9); print $! + 0, q( );"
    kills += f"syscall({NUMBERS[X86_64]['rt_sigqueueinfo']}, {child}, 9, 0); print $! + 0, q( );"
    kills += f"open F, q(</etc/own) or open F, q(>/etc/own); fcntl(F, 8, {child}); print $! + 0, q( )"
    try:
        said = _confined(bare, lambda inside: inside.sh(f"perl -e '{kills}'").tail.decode())
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert isinstance(said, str)
    first, second, third, fourth, _ = said.split()
    assert (first, second, third) == ("1", "1", "1")
    assert fourth in ("1", "14")  # EFAULT: it was not even asked whom


def test_processes_of_the_machine_cannot_be_looked_into(bare: Station) -> None:
    own = os.getpid()
    names = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "kcmp")
    calls = "".join(
        f"syscall({NUMBERS[X86_64][name]}, {16 if name == 'ptrace' else own}, {own}, 0, 0, 0, 0); print $! + 0, q( );"
        for name in names
    )
    others = f"syscall({NUMBERS[X86_64]['prlimit64']}, {own}, 7, 0, 0); print $! + 0, q( );"
    others += f"syscall({NUMBERS[X86_64]['setpriority']}, 2, 0, 5); print $! + 0, q( );"
    others += f"syscall({NUMBERS[X86_64]['ioprio_set']}, 1, {own}, 0); print $! + 0, q( )"
    said = _confined(bare, lambda inside: inside.text(f"perl -e '{calls}{others}'"))
    assert isinstance(said, str)
    assert set(said.split()) == {"1"}


def test_abstract_sockets_of_the_machine_are_out_of_reach(bare: Station) -> None:
    name = f"imgforge-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{name}")
        listening.listen()
        connect = f'socket(S, 1, 1, 0) and connect(S, pack(q(Sxa*), 1, "{name}")); print $! + 0'
        said = _confined(bare, lambda inside: inside.text(f"perl -e '{connect}'"))
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert said in (str(errno.EPERM), str(errno.EAFNOSUPPORT))


def test_descriptors_of_the_machine_lead_nowhere() -> None:
    """A descriptor that slipped in is the classic way out of a chroot; Landlock holds even then."""
    if not landlock.version():
        pytest.skip("this is Landlock's part")
    with tempfile.TemporaryDirectory() as name:
        Path(name, "secret").write_text("sing")
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)

        def call() -> int:
            landlock.restrict("/usr")
            try:
                os.close(os.open("secret", os.O_RDONLY, dir_fd=descriptor))
            except OSError as error:
                return error.errno or 0
            return 0

        assert forked(call) == errno.EACCES
        os.close(descriptor)


def test_shared_memory_of_the_machine_is_not_shared(bare: Station) -> None:
    names = ("shmget", "msgget", "semget", "mq_open")
    said = _confined(bare, lambda inside: inside.text(_perl([NUMBERS[X86_64][name] for name in names])))
    assert said == "1 1 1 1"


LEFT_BEHIND = {
    "a daemon": "perl -e 'use POSIX; fork and exit; POSIX::setsid(); fork and exit; sleep 600'",
    "a crowd of daemons": "perl -e 'use POSIX; for (1..40) { fork and next; POSIX::setsid(); fork; sleep 600 }'",
    "one that ignores all signals": "perl -e '$SIG{$_} = q(IGNORE) for keys %SIG; fork and exit; sleep 600'",
    "one that forks when it is killed": "perl -e 'for (1..10) { fork or do { for (1..300) { fork and exit } exit } }'",
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_no_process_stays_behind(chroot: Station, name: str) -> None:
    outcome = _confined(chroot, lambda inside: inside.sh(f"({LEFT_BEHIND[name]}) & exit 5").exit_code)
    assert outcome == 5
