"""Hostile `.deb`s, by the command line: each is refused in one clear message, and what is good still builds.

What each reader refuses is in tests/deb; here it is whole builds, and what only shows in them.
"""

from __future__ import annotations

import gzip

import pytest
from builders import debs, trees
from builders.attacks import Arena
from builders.debs import build_ar, build_deb, build_tar, control_text
from builders.trees import directory, file, hardlink, symlink

pytestmark = [pytest.mark.root, pytest.mark.attack]

RESOLVE, INTEGRITY, BUILD, STORE = 4, 6, 8, 10
BINARY = ("debian-binary", b"2.0\n")
GOOD = build_deb("evil", "1.0", architecture="all", compression="gzip")
NAMED = r"(^|\n)imgforge: error: .*evil_1\.0_all\.deb: "


def control(**fields: str) -> str:
    """Return the text of a control file."""
    said = {"Package": "evil", "Version": "1.0", "Architecture": "all", "Maintainer": "x <x@example.org>"}
    return control_text({**said, "Description": "an attack", **fields})


def deb(*pairs: trees.Pair, text: str = "", **files: str) -> bytes:
    """Return a package of raw entries, with a control file and further ones."""
    texts = {"control": text or control(), **files}
    members = [file(name, content.encode("utf-8", "surrogateescape")) for name, content in texts.items()]
    scripts = [trees.plain(pair, mode=0o755) if pair[0].path.endswith("inst") else pair for pair in members]
    return build_ar([BINARY, ("control.tar", build_tar(scripts)), ("data.tar", build_tar(pairs))])


def with_data(data: bytes, name: str = "data.tar") -> bytes:
    return build_ar([BINARY, ("control.tar", build_tar([file("control", control().encode())])), (name, data)])


def absurd(size: int) -> bytes:
    """Return a tar whose only file says to have so many bytes."""
    block = bytearray(build_tar([file("usr/share/big")])[:512])
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


NO_DEB = {
    "nothing": b"",
    "something else": b"<html>hello</html>",
    "half of it": GOOD[: len(GOOD) // 2],
    "no control.tar": build_ar([BINARY, ("data.tar", build_tar([]))]),
    "no data.tar": build_ar([BINARY, ("control.tar", build_tar([file("control", control().encode())]))]),
    "no debian-binary": build_ar(
        [("control.tar", build_tar([file("control", control().encode())])), ("data.tar", b"")]
    ),
    "data.tar twice": build_ar([BINARY, ("control.tar", build_tar([])), ("data.tar", b""), ("data.tar.gz", b"")]),
    "another format": build_ar([("debian-binary", b"3.0\n"), ("control.tar", b""), ("data.tar", b"")]),
    "a member of absurd size": b"!<arch>\n" + debs.ar_header("debian-binary", "9999999999"),
    "no control": build_ar([BINARY, ("control.tar", build_tar([])), ("data.tar", build_tar([]))]),
    "control is a bomb": build_ar(
        [BINARY, ("control.tar.gz", gzip.compress(bytes(64 << 20))), ("data.tar", build_tar([]))]
    ),
    "control is endless": deb(text=control(Comment="x" * (2 << 20))),
    "control without Version": deb(text=control(Version="")),
    "control with Version twice": deb(text=control() + "Version: 2.0\n"),
    "control with a NUL": deb(text=control(Comment="a\0b")),
    "control that says it is installed": deb(text=control(Status="install ok installed")),
    "control with another line first": deb(text=" x\n" + control()),
    "a control file that climbs": deb(**{"../postinst": "rm -rf /"}),
    "a hard link to what is not its own": deb(hardlink("usr/secret", "etc/passwd")),
    "a file twice": deb(file("usr/a", b"1"), file("usr/a", b"2")),
    "a file and below": deb(file("usr/a", b"1"), file("usr/a/b", b"2")),
    "a file of absurd size": with_data(absurd(1 << 60)),
    "a file that is cut": with_data(build_tar([file("usr/a", b"x" * 5000)])[:2048]),
    "a tar with garbage behind": with_data(build_tar([file("usr/a")]) + b"garbage" * 100),
    "a stream with garbage behind": with_data(gzip.compress(build_tar([file("usr/a")])) + b"garbage", "data.tar.gz"),
    "a compression that is another": with_data(gzip.compress(build_tar([file("usr/a")])), "data.tar.xz"),
    "a damaged stream": with_data(b"\x1f\x8b\x08" + bytes(100), "data.tar.gz"),
    "no tar": with_data(b"x" * 10240),
    "an owner that nobody can have": with_data(build_tar([file("usr/a", uid=1 << 33)])),
    "a time beyond all time": with_data(build_tar([file("usr/a", mtime=1 << 60)])),
    "a name with a newline": deb(file("usr/share/evil/a\nb", b"x")),
    "a directory with a newline": deb(directory("usr/share/evil\n")),
    "a link with a newline": deb(symlink("usr/share/e\nvil", "x")),
    "a whiteout": deb(file("etc/.wh.passwd")),
    "an opaque directory": deb(file("etc/.wh..wh..opq")),
    "a directory named as a whiteout": deb(directory("etc/.wh.passwd")),
    "a path through what is named as a whiteout": deb(file("etc/.wh.dpkg/file")),
    "a trigger that climbs": deb(triggers="interest ../../../etc/passwd\n"),
    "a trigger named as dpkg's own files": deb(triggers="interest Unincorp\n"),
    "a trigger with a name that dpkg has none for": deb(triggers="activate a_b!\n"),
    "a directive that dpkg does not know": deb(triggers="interested in-this\n"),
}


def climbing(canary: str) -> dict[str, bytes]:
    """Return packages that try to reach a directory of somebody else."""
    return {
        "a file that climbs": deb(file(f"../../../../../../..{canary}/home/secret", b"croak\n")),
        "a symlink and a file beyond": deb(symlink("usr", canary), file("usr/home/secret", b"croak\n")),
        "a symlink and a directory beyond": deb(symlink("srv", f"{canary}/home"), directory("srv/nest", mode=0o777)),
        "a hard link to the outside": deb(hardlink("usr/secret", f"../../../../../..{canary}/home/secret")),
    }


@pytest.mark.parametrize("name", climbing(""))
def test_a_package_that_climbs_is_refused_by_its_name(arena: Arena, name: str) -> None:
    arena.smuggle("evil", climbing(str(arena.canary))[name])
    arena.world.manifest(packages=["evil"])
    arena.refused(code=INTEGRITY, says=NAMED)


@pytest.mark.parametrize("name", NO_DEB)
def test_a_package_that_is_none_is_refused_by_its_name(arena: Arena, name: str) -> None:
    arena.smuggle("evil", NO_DEB[name])
    arena.world.manifest(packages=["evil"])
    if name == "nothing":  # its index is refused the size: the package is passed over, with a warning
        arena.refused(code=RESOLVE, says="evil: no source has such a package")
    else:
        arena.refused(code=INTEGRITY, says=NAMED)


@pytest.mark.parametrize(
    ("field", "value"), [("Package", "other"), ("Version", "1.0-1"), ("Version", "1:1.0"), ("Architecture", "amd64")]
)
def test_a_package_that_is_another_than_the_index_says_is_refused(arena: Arena, field: str, value: str) -> None:
    arena.smuggle("evil", deb(file("usr/share/evil"), text=control(**{field: value})))
    arena.world.manifest(packages=["evil"])
    arena.refused(code=INTEGRITY, says=rf"{NAMED}expected evil 1\.0 all, got .*{value}")


def test_a_lock_that_calls_a_known_package_by_another_name_is_refused(arena: Arena) -> None:
    arena.smuggle("honest", build_deb("honest", "1.0", architecture="all"))
    for manifest in ("image", "known"):
        arena.world.manifest(manifest, packages=["honest"])
    arena.world.build("known")
    arena.world.command("lock", str(arena.world.path_of()))
    lock = arena.world.path_of().with_suffix(".lock.json")
    lock.write_text(lock.read_text().replace('"version": "1.0"', '"version": "0.9"'))
    arena.refused(
        "image", "--locked", code=INTEGRITY, says=r"honest_0\.9_all\.deb: expected honest 0\.9 all, got honest 1\.0"
    )


HARMLESS = {
    "a name that is not UTF-8": deb(file("usr/share/evil/caf\udce9", b"x")),
    "names with a quote, a tab and a backslash": deb(file("usr/share/evil/a'b\"c\td\\e", b"x")),
    "a control that is not UTF-8": deb(text=control(Comment="caf\udce9")),
    "a control with other ends of lines": deb(text=control(Comment="a\u2028Status: install ok installed\x85\x1c\x0bb")),
    "a control whose first field is folded": deb(
        text=control_text({"Description": "x\n y\n ."}) + control(Description="")
    ),
    "a control with fields that nobody knows": deb(text=control(X_="y", **{"!$,./09;~": "z"})),
    "a socket's mode and all bits": deb(file("usr/share/evil", b"x", mode=0o7777)),
    "a file from before 1970": deb(file("usr/share/evil", b"x", mtime=-1)),
    "a file from the year 9999": deb(file("usr/share/evil", b"x", mtime=253_402_300_799)),
    "conffiles of nowhere": deb(file("etc/evil", b"x"), conffiles="/etc/none\n/etc/evil\n/etc/../etc/evil\nevil\n"),
    "md5sums of nothing": deb(file("etc/evil", b"x"), md5sums="not a sum\n"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_strange_package_is_built_as_it_is(arena: Arena, name: str) -> None:
    before = arena.outside()
    arena.smuggle("evil", HARMLESS[name])
    arena.world.manifest("strange", packages=["evil"])
    arena.world.path_of("strange").with_suffix(".lock.json").unlink(missing_ok=True)
    done = arena.world.command("build", str(arena.world.path_of("strange")))
    assert done.returncode == 0, done.stderr
    arena.is_untouched(before)
    status = arena.world.image("strange").paths["var/lib/dpkg/status"].content
    assert b"Package: evil\nStatus: install ok installed\n" in status
