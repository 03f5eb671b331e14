"""The builder of test packages, judged by dpkg itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders import debs

from imgforge.tree import Entry, Kind

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

RICH = debs.build_deb(
    "hello",
    "1:2.0-1",
    depends="libc6 (>= 2.36)",
    files={
        "usr/bin/hello": (Entry("", Kind.FILE, mode=0o755), b"#!/bin/sh\necho hello\n"),
        "usr/bin/hi": Entry("", Kind.SYMLINK, mode=0o777, target="hello"),
        "usr/bin/again": Entry("", Kind.HARDLINK, mode=0o755, target="usr/bin/hello"),
        "etc/hello.conf": b"greeting = hello\n",
        "var/lib/hello": Entry("", Kind.DIRECTORY, mode=0o2750, uid=8, gid=12),
        f"usr/share/{'long/' * 30}name": b"x",
    },
    scripts={"postinst": "echo configured > /done"},
    conffiles=("/etc/hello.conf",),
    triggers="activate-noawait ldconfig\n",
    fields={"Multi-Arch": "foreign", "Section": ""},
    control_files={"templates": "Template: hello/x\nType: note\nDescription: x\n"},
)


def run(*argv: str) -> str:
    return subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_dpkg_deb_reads_every_compression(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(debs.build_deb("a", "1", files={"usr/share/a": b"abc"}, compression=compression))

    assert "Package: a\n" in run("dpkg-deb", "--field", str(path))
    assert "./usr/share/a" in run("dpkg-deb", "--contents", str(path))


def test_dpkg_deb_shows_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "hello.deb"
    path.write_bytes(RICH)

    fields = run("dpkg-deb", "--field", str(path))
    contents = run("dpkg-deb", "--contents", str(path))
    run("dpkg-deb", "--control", str(path), str(tmp_path / "control"))

    assert "Depends: libc6 (>= 2.36)\n" in fields
    assert "Section:" not in fields
    assert "./usr/bin/hi -> hello" in contents
    assert "./usr/bin/again link to ./usr/bin/hello" in contents
    assert "drwxr-s--- 8/12" in contents
    assert sorted(member.name for member in (tmp_path / "control").iterdir()) == [
        "conffiles",
        "control",
        "md5sums",
        "postinst",
        "templates",
        "triggers",
    ]


@pytest.mark.root
def test_dpkg_unpacks_it_into_an_empty_root(tmp_path: Path) -> None:
    path, root = tmp_path / "hello.deb", tmp_path / "root"
    path.write_bytes(RICH)
    for directory in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()

    run("dpkg", f"--root={root}", "--force-depends", "--log=/dev/null", "--unpack", str(path))

    status = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Status} ${Version}", "hello")
    assert status == "install ok unpacked 1:2.0-1"
    assert (root / "usr/bin/again").samefile(root / "usr/bin/hello")
    assert (root / "etc/hello.conf.dpkg-new").read_bytes() == b"greeting = hello\n"


def test_same_arguments_give_same_bytes() -> None:
    first = debs.build_deb("a", "1", files={"x/y": b"1", "x/z": b"2"})
    second = debs.build_deb("a", "1", files={"x/z": b"2", "x/y": b"1"})

    assert first == second
