"""Whole packages: the good one is read as dpkg reads it."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from builders import debs
from debian import debfile

from imgforge.deb.errors import MismatchError
from imgforge.deb.package import DebPackage, open_deb
from imgforge.tree import Entry, Kind

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

FILES: dict[str, bytes | Entry | tuple[Entry, bytes]] = {
    "usr/bin/hello": (Entry("", Kind.FILE, mode=0o4755), b"#!/bin/sh\necho hello\n"),
    "usr/bin/hi": Entry("", Kind.SYMLINK, mode=0o777, target="../bin/hello"),
    "usr/bin/yo": Entry("", Kind.HARDLINK, mode=0o4755, target="usr/bin/hello"),
    "etc/hello.conf": b"greeting = hello\n",
    "var/lib/hello": Entry("", Kind.DIRECTORY, mode=0o2750, uid=8, gid=12, mtime=1),
    "usr/share/big": b"0123456789abcdef" * 100_000,
    f"usr/share/{'long/' * 40}näme": b"x",
}


def hello(compression: str = "xz") -> bytes:
    return debs.build_deb(
        "hello",
        "1:2.0-1",
        files=FILES,
        depends="libc6",
        scripts={"postinst": "echo configured", "prerm": "#!/usr/bin/perl\n"},
        conffiles=("/etc/hello.conf",),
        triggers="interest /usr/share\n",
        compression=compression,
        mtime=1_234_567_890,
    )


def opened(data: bytes) -> DebPackage:
    return open_deb(io.BytesIO(data), what="x.deb")


def tree(package: DebPackage) -> dict[str, str]:
    return {entry.path: shown(entry, content.read()) for entry, content in package.entries()}


def shown(entry: Entry, content: bytes) -> str:
    text = f"{entry.kind.value} {entry.mode:04o} {entry.uid}:{entry.gid} {entry.mtime}"
    if entry.kind is Kind.FILE:
        return f"{text} {hashlib.sha256(content).hexdigest()[:8]}"
    return f"{text} {entry.target}".rstrip()


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_control_data_and_files_are_read(compression: str) -> None:
    package = opened(hello(compression))

    assert (package.name, package.version, package.architecture) == ("hello", "1:2.0-1", "amd64")
    assert package.control["depends"] == "libc6"
    assert package.timestamp == 1_234_567_890
    assert [entry.path for entry, _ in package.members] == [
        "control",
        "md5sums",
        "conffiles",
        "triggers",
        "postinst",
        "prerm",
    ]
    assert package.member("conffiles") == b"/etc/hello.conf\n"
    assert package.member("postinst") == b"#!/bin/sh\nset -e\necho configured\n"
    assert package.member("preinst") is None
    files = tree(package)
    assert files["."] == "dir 0755 0:0 1234567890"
    assert files["usr/bin/hello"] == "file 4755 0:0 1234567890 bfdeaeb0"
    assert files["usr/bin/hi"] == "symlink 0777 0:0 1234567890 ../bin/hello"
    assert files["usr/bin/yo"] == "hardlink 4755 0:0 1234567890 usr/bin/hello"
    assert files["var/lib/hello"] == "dir 2750 8:12 1"
    assert f"usr/share/{'long/' * 40}näme" in files


@pytest.mark.parametrize("prefix", ["/", "//", ".//", "./", ""])
def test_leading_slashes_of_names_count_for_nothing(prefix: str) -> None:
    package = opened(debs.build_deb("hello", "1", files=FILES, prefix=prefix))
    assert tree(package) == tree(opened(debs.build_deb("hello", "1", files=FILES)))


@pytest.mark.parametrize(("compression", "ending"), [("bzip2", "bz2"), ("lzma", "lzma")])
def test_data_of_old_packages_is_read(compression: str, ending: str) -> None:
    data = debs.build_tar([(Entry("a", Kind.FILE, size=1), b"1")])
    package = debs.build_ar(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", debs.compress(control_tar(), "gzip")),
            (f"data.tar.{ending}", debs.compress(data, compression)),
        ]
    )

    assert list(tree(opened(package))) == ["a"]


def control_tar() -> bytes:
    text = debs.control_text({"Package": "a", "Version": "1", "Architecture": "all"}).encode()
    return debs.build_tar([(Entry("control", Kind.FILE), text)])


def test_entries_can_be_walked_again_and_need_not_be_read() -> None:
    package = opened(hello())

    assert [entry.path for entry, _ in package.entries()] == list(tree(package)) == list(tree(package))


def test_timestamp_is_the_newest_member() -> None:
    parts = [
        debs.ar_header("debian-binary", "4", mtime="5") + b"2.0\n",
        debs.ar_header("control.tar", str(len(control_tar())), mtime="9") + control_tar(),
        debs.ar_header("data.tar", "1024", mtime="7") + bytes(1024),
    ]

    assert opened(b"!<arch>\n" + b"".join(parts)).timestamp == 9


def test_later_minor_format_and_members_to_be_ignored_are_accepted() -> None:
    package = debs.build_ar(
        [
            ("debian-binary", b"2.7\nsomething new\n"),
            ("_later", b"?"),
            ("control.tar", control_tar()),
            ("_sign", b"?"),
            ("data.tar", bytes(1024)),
            ("_gpgorigin", b"?"),
        ]
    )

    assert opened(package).name == "a"
    assert tree(opened(package)) == {}


def test_package_is_the_promised_one_or_refused() -> None:
    package = opened(hello())

    package.expect(name="hello", version="1:2.0-1", architecture="amd64")
    for promised in (("hallo", "1:2.0-1", "amd64"), ("hello", "2.0-1", "amd64"), ("hello", "1:2.0-1", "i386")):
        with pytest.raises(MismatchError, match="expected h"):
            package.expect(name=promised[0], version=promised[1], architecture=promised[2])


def test_only_the_headers_and_the_control_data_are_read_to_open_a_package() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    data = debs.build_deb("a", "1", files={"big": bytes(4 << 20)}, compression="none")
    stream = Counting(data)
    package = open_deb(stream, what="a.deb")

    assert stream.count < 64 << 10
    entries = package.entries()
    next(entries)
    assert stream.count < 1 << 20


def packages_of_this_machine() -> list[Path]:
    found = sorted(Path("/var/cache/apt/archives").glob("*.deb"), key=lambda path: (path.stat().st_size, path.name))
    if not found:
        pytest.skip("APT's cache holds no packages")
    # Every so-maniest of the smaller ones: sizes, ages and kinds differ, and the test stays short.
    return found[: len(found) * 3 // 4 : max(1, len(found) // 40)]


@pytest.mark.archive
def test_real_packages_are_read_as_dpkg_deb_and_python_debian_read_them() -> None:
    for path in packages_of_this_machine():
        with path.open("rb") as stream:
            package = open_deb(stream, what=path.name)
            files = tree(package)
        with debfile.DebFile(str(path)) as other:
            assert dict(other.debcontrol()) == dict(package.control)
            assert {name: script for name, script in other.scripts().items() if script} == {
                name: script
                for name in ("preinst", "postinst", "prerm", "postrm", "config")
                if (script := package.member(name))
            }
        argv = ["dpkg-deb", "--fsys-tarfile", str(path)]
        data = subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True).stdout
        assert files == tree_of_tarfile(data), path.name


def tree_of_tarfile(data: bytes) -> dict[str, str]:
    kinds = {
        tarfile.REGTYPE: Kind.FILE,
        tarfile.DIRTYPE: Kind.DIRECTORY,
        tarfile.SYMTYPE: Kind.SYMLINK,
        tarfile.LNKTYPE: Kind.HARDLINK,
    }
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            kind = kinds[member.type]
            path = member.name.removeprefix("./") or "."
            target = member.linkname.removeprefix("./") if kind is Kind.HARDLINK else member.linkname
            entry = Entry(path, kind, member.mode, member.uid, member.gid, int(member.mtime), target=target)
            reader = archive.extractfile(member) if kind is Kind.FILE else None
            found[path] = shown(entry, reader.read() if reader else b"")
    return found
