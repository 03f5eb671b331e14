"""Tars of layers in every form that the tools of others write, and what else their readers accept.

`FORMS` is what Docker, containerd, umoci and podman unpack, by name; each form is the tars of an image's layers, lowest
first. `HOSTILE` is what a reader that believed it would write elsewhere, or not finish.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from builders import trees
from builders.tarballs import END, block, member, old_sparse, padded, pax, sparse_header, star, tar_of

_GNU = b"ustar  \0"
_BEFORE = trees.archive(
    [
        trees.directory("etc"),
        trees.file("etc/old", b"old"),
        trees.file("etc/kept", b"kept"),
        trees.directory("srv", mode=0o700, uid=7),
        trees.directory("srv/sub"),
        trees.file("srv/sub/old", b"old"),
        trees.file("srv/old", b"old"),
        trees.symlink("link", "srv/sub"),
    ]
)
"""A lower layer that the forms change."""


def _over(*pairs: trees.Pair) -> tuple[bytes, ...]:
    return (_BEFORE, trees.archive(list(pairs)))


def _base256(value: int, size: int) -> bytes:
    """Return a numeric field of GNU's binary form."""
    return (
        bytes((0x80,)) + value.to_bytes(size - 1, "big", signed=True)
        if value >= 0
        else value.to_bytes(size, "big", signed=True)
    )


_NAMES = {
    "a leading slash": tar_of(member(b"/opt/", flag=b"5"), member(b"/opt/a", b"1")),
    "the root as a slash": tar_of(member(b"/", flag=b"5"), member(b"/a", b"1")),
    "a leading dot": tar_of(member(b"./", flag=b"5"), member(b"./opt/", flag=b"5"), member(b"./opt/a", b"1")),
    "many slashes": tar_of(member(b"//opt///", flag=b"5"), member(b".//opt//./a", b"1")),
    "two dots that stay inside": tar_of(member(b"opt/x/../a", b"1"), member(b"/usr/../b", b"2")),
    "two dots behind a symlink": tar_of(member(b"s", flag=b"2", link=b"usr/lib"), member(b"s/../a", b"1")),
    "an absolute name in a pax record": tar_of(pax({b"path": b"/opt/" + b"n" * 200}), member(b"short", b"1")),
    "an absolute name of GNU": tar_of(
        member(b"././@LongLink", b"/opt/" + b"n" * 200 + b"\0", flag=b"L"), member(b"/opt/n", b"1")
    ),
    "no parents": tar_of(member(b"a/b/c/d", b"1")),
    "parents after what they hold": tar_of(
        member(b"a/b", b"1"), block(b"a/", flag=b"5", mode=b"0000700\0", uid=b"0000011\0")
    ),
    "names that are no text": tar_of(member(b"caf\xe9", b"1"), member(b"two words", b"2"), member(b"tab\t", b"3")),
}
_LINKS = {
    "an absolute hard link": tar_of(member(b"a", b"1"), member(b"b", flag=b"1", link=b"/a")),
    "a hard link with a dot": tar_of(member(b"./a", b"1"), member(b"./b", flag=b"1", link=b"./a")),
    "a hard link with two dots": tar_of(member(b"d/a", b"1"), member(b"d/b", flag=b"1", link=b"d/../d/a")),
    "a hard link through a symlink": tar_of(
        member(b"d/a", b"1"), member(b"s", flag=b"2", link=b"/d"), member(b"b", flag=b"1", link=b"/s/a")
    ),
    "a hard link to a symlink": tar_of(member(b"s", flag=b"2", link=b"nowhere"), member(b"b", flag=b"1", link=b"s")),
    "a long hard link": tar_of(
        member(b"d/" + b"n" * 90, b"1"), pax({b"linkpath": b"/d/" + b"n" * 90}), member(b"b", flag=b"1", link=b"d")
    ),
    "a file through a symlink": tar_of(
        member(b"usr/bin/", flag=b"5"), member(b"bin", flag=b"2", link=b"usr/bin"), member(b"bin/a", b"1")
    ),
    "a file through an absolute symlink": tar_of(
        member(b"usr/bin/", flag=b"5"), member(b"bin", flag=b"2", link=b"/usr/bin"), member(b"/bin/a", b"1")
    ),
}
_TWICE = {
    "a file twice": tar_of(member(b"a", b"first"), member(b"a", b"second")),
    "a directory twice": tar_of(
        block(b"d/", flag=b"5", mode=b"0000755\0"), member(b"d/a", b"1"), block(b"d/", flag=b"5", mode=b"0000700\0")
    ),
    "a file, then a directory": tar_of(member(b"a", b"1"), member(b"a/", flag=b"5"), member(b"a/b", b"2")),
    "a directory, then a file": tar_of(member(b"a/", flag=b"5"), member(b"a/b", b"2"), member(b"a", b"1")),
    "a file, then a symlink": tar_of(member(b"a", b"1"), member(b"a", flag=b"2", link=b"b"), member(b"b", b"2")),
    "one name in three spellings": tar_of(member(b"a", b"1"), member(b"./a", b"2"), member(b"/a", b"3")),
    "a linked file twice": tar_of(member(b"a", b"1"), member(b"b", flag=b"1", link=b"a"), member(b"a", b"2")),
}
_HEADERS = {
    "seventh edition": tar_of(
        block(b"old/", flag=b"\0", magic=b""), block(b"old/a", flag=b"\0", magic=b"", size=1) + padded(b"1")
    ),
    "a prefix": tar_of(block(b"n", prefix=b"p/q", size=1) + padded(b"1")),
    "a prefix of another version": tar_of(block(b"n", prefix=b"p/q", magic=b"ustar\0\0\0", size=1) + padded(b"1")),
    "star's prefix": tar_of(star(b"n", prefix=b"p/q", content=b"1")),
    "GNU's long names": tar_of(
        member(b"././@LongLink", b"d/" + b"n" * 150 + b"\0", flag=b"L"),
        member(b"short", b"1"),
        member(b"././@LongLink", b"d/" + b"n" * 150 + b"\0", flag=b"K"),
        member(b"s", flag=b"2", link=b"short"),
    ),
    "base 256": tar_of(
        block(b"a", magic=_GNU, uid=_base256(3_000_000, 8), gid=_base256(4_000_000, 8), mtime=_base256(1 << 34, 12))
    ),
    "a time before 1970": tar_of(block(b"a", magic=_GNU, mtime=_base256(-5, 12))),
    "pax records": tar_of(
        pax(
            {
                b"path": b"long/" + b"n" * 200,
                b"uid": b"3000000",
                b"gid": b"0",
                b"mtime": b"1600000000.123456789",
                b"atime": b"1",
                b"ctime": b"2",
                b"uname": b"somebody",
                b"SCHILY.dev": b"7",
            }
        ),
        member(b"short", b"1"),
    ),
    "names of owners": tar_of(block(b"a", uid=b"0000041\0", gid=b"0000041\0", owners=(b"www-data", b"nogroup"))),
    "special modes": tar_of(
        block(b"suid", mode=b"0004755\0"),
        block(b"sgid/", flag=b"5", mode=b"0002775\0"),
        block(b"sticky/", flag=b"5", mode=b"0001777\0"),
        block(b"none", mode=b"0000000\0"),
        block(b"typed", mode=b"0100644\0"),
        block(b"spaces", mode=b"   640 \0"),
    ),
    "a number behind which is more": tar_of(block(b"a", mode=b"644\0junk")),
    "a fifo": tar_of(member(b"pipe", flag=b"6")),
    "the year one": tar_of(block(b"a", magic=_GNU, mtime=_base256(-62135596800, 12))),
}
_ENDS = {
    "nothing at all": b"",
    "two blocks": END,
    "one block": bytes(512),
    "no end": member(b"a", b"1"),
    "one block at the end": member(b"a", b"1") + bytes(512),
    "no padding at the end": block(b"a", size=1) + b"1",
    "a record of blocks": member(b"a", b"1") + bytes(10240),
    "garbage behind the end": member(b"a", b"1") + END + b"garbage" * 100,
}
_WHITEOUTS = {
    "a whiteout": _over(trees.whiteout("etc/old")),
    "a whiteout of a directory": _over(trees.whiteout("srv")),
    "a whiteout of nothing": _over(trees.whiteout("etc/never")),
    "a whiteout, then its name anew": _over(trees.whiteout("etc/old"), trees.file("etc/old", b"new")),
    "a name, then its whiteout": _over(trees.file("etc/old", b"new"), trees.whiteout("etc/old")),
    "a whiteout of a directory, then one anew": _over(
        trees.whiteout("srv"), trees.directory("srv"), trees.file("srv/new", b"1")
    ),
    "an opaque directory": _over(trees.directory("srv"), trees.opaque("srv"), trees.file("srv/new", b"1")),
    "an opaque directory, its mark first": _over(
        trees.opaque("srv"), trees.directory("srv"), trees.file("srv/new", b"1")
    ),
    "an opaque directory, its mark last": _over(
        trees.directory("srv"), trees.file("srv/new", b"1"), trees.opaque("srv")
    ),
    "an opaque directory that is not named": _over(trees.opaque("srv"), trees.file("srv/new", b"1")),
    "an opaque directory below another": _over(
        trees.directory("srv"), trees.directory("srv/sub"), trees.opaque("srv/sub"), trees.file("srv/sub/new", b"1")
    ),
    "an absolute whiteout": (_BEFORE, tar_of(member(b"/etc/.wh.old"), member(b"/srv/.wh..wh..opq"))),
    "a whiteout through a symlink": _over(trees.file("link/.wh.old")),
    "a whiteout of a symlink": _over(trees.whiteout("link")),
    "a hard link to a lower layer": _over(trees.hardlink("new", "etc/kept")),
    "a directory in the place of a file below": _over(trees.directory("etc/old"), trees.file("etc/old/new", b"1")),
    "a file in the place of a directory below": _over(trees.file("srv", b"1")),
    "a layer of nothing between": (_BEFORE, b"", trees.archive([trees.file("etc/new", b"1")])),
}

OLD_SPARSE: dict[str, tuple[bytes, ...]] = {
    "a sparse file of the old form": (
        tar_of(old_sparse(b"opt/s", [(0, b"A" * 512), (1 << 20, b"B" * 100)], size=(1 << 20) + 100)),
    ),
    "a sparse file of many pieces": (
        tar_of(old_sparse(b"s", [(number << 16, b"%03d!" % number * 128) for number in range(60)], size=4 << 20)),
    ),
    "a sparse file that is a hole": (tar_of(old_sparse(b"s", [], size=100_000)),),
    "sparse gnu": (),
}
"""GNU tar's form of type S, by name."""

TWICE = frozenset(_TWICE)
"""Forms that have a name twice, in any spelling."""

SPARSE = ("gnu", "0.0", "0.1", "1.0")
"""Ways in which GNU tar stores sparse files."""


FORMS: dict[str, tuple[bytes, ...]] = {
    **{name: (data,) for group in (_NAMES, _LINKS, _TWICE, _HEADERS, _ENDS) for name, data in group.items()},
    **_WHITEOUTS,
    **OLD_SPARSE,
    **{f"sparse {form}": () for form in SPARSE},
}
"""What is unpacked, by name; empty what GNU tar makes, see `layers_of`."""

HOSTILE = {
    "two dots above the root": True,
    "two dots behind a leading slash": True,
    "two dots of a hard link": True,
    "an absolute name through a symlink": False,
    "an absolute name through a symlink of a lower layer": False,
    "two dots behind a symlink to elsewhere": False,
    "an absolute hard link to elsewhere": True,
    "an absolute hard link through a symlink to elsewhere": True,
    "an absolute whiteout through a symlink": False,
    "an absolute opaque mark through a symlink": False,
    "a sparse file through a symlink": False,
    "a sparse file in the place of a symlink": False,
    "a sparse file of 8 EiB": True,
    "a sparse file whose map goes backwards": True,
    "a sparse file whose name climbs": True,
    "a long name that climbs": True,
    "a prefix that climbs": True,
}
"""Layers that a reader which believed them would write elsewhere, or never finish, and whether they are refused."""

HOLES = b"".join((b"%d\n" % number * 1024)[:4096].ljust(1 << 16, b"\0") for number in range(40)) + bytes(1 << 20)
"""The content of the file that `sparse` stores: more pieces than the old form's header has room for."""


@functools.cache
def sparse(form: str) -> bytes:
    """Return a tar that GNU tar made of `HOLES`, in one of the forms `SPARSE`, and of a file behind it."""
    options = ("--format=gnu",) if form == "gnu" else ("--format=posix", f"--sparse-version={form}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "opt")
        place.mkdir()
        with (place / "holes").open("wb") as file:
            for start in range(0, len(HOLES), 1 << 16):
                if piece := HOLES[start : start + 4096].rstrip(b"\0"):
                    file.seek(start)
                    file.write(piece)
            file.truncate(len(HOLES))
        (place / "next").write_bytes(b"next")
        words = ["tar", "-C", name, *options, "--sparse", "--sort=name", "--mtime=@5", "--owner=0", "--group=0"]
        return subprocess.run([*words, "-cf", "-", "opt"], check=True, capture_output=True).stdout


def layers_of(form: str) -> tuple[bytes, ...]:
    """Return the layers of one of `FORMS`."""
    return FORMS[form] or (sparse(form.removeprefix("sparse ")),)


def hostile(form: str, place: str) -> tuple[tuple[bytes, ...], bool]:
    """Return the layers of one of `HOSTILE`, which want to change a directory of this machine, and what it says."""
    out = place.encode()
    to_there = member(b"s", flag=b"2", link=out)
    sized = {b"GNU.sparse.size": b"9", b"GNU.sparse.numblocks": b"1", b"GNU.sparse.map": b"0,0"}
    made = {
        "two dots above the root": (tar_of(member(b"../" * 20 + out.lstrip(b"/") + b"/new", b"1")),),
        "two dots behind a leading slash": (tar_of(member(b"/" + b"../" * 20 + out.lstrip(b"/") + b"/new", b"1")),),
        "two dots of a hard link": (tar_of(member(b"l", flag=b"1", link=b"../" * 20 + out.lstrip(b"/") + b"/passwd")),),
        "an absolute name through a symlink": (tar_of(to_there, member(b"/s/passwd", b"1")),),
        "an absolute name through a symlink of a lower layer": (tar_of(to_there), tar_of(member(b"/s/passwd", b"1"))),
        "two dots behind a symlink to elsewhere": (tar_of(to_there, member(b"s/x/../passwd", b"1")),),
        "an absolute hard link to elsewhere": (tar_of(member(b"l", flag=b"1", link=out + b"/passwd")),),
        "an absolute hard link through a symlink to elsewhere": (
            tar_of(to_there, member(b"l", flag=b"1", link=b"/s/passwd")),
        ),
        "an absolute whiteout through a symlink": (tar_of(to_there), tar_of(member(b"/s/.wh.passwd"))),
        "an absolute opaque mark through a symlink": (tar_of(to_there), tar_of(member(b"/s/.wh..wh..opq"))),
        "a sparse file through a symlink": (
            tar_of(to_there, old_sparse(b"/s/passwd", [(4096, b"1" * 512)], size=9000)),
        ),
        "a sparse file in the place of a symlink": (
            tar_of(member(b"s", flag=b"2", link=out + b"/passwd"), old_sparse(b"/s", [(4096, b"1" * 512)], size=9000)),
        ),
        "a sparse file of 8 EiB": (tar_of(sparse_header(b"s", [], size=_base256((1 << 63) - 1, 12), stored=0)),),
        "a sparse file whose map goes backwards": (tar_of(old_sparse(b"s", [(9, b"1"), (0, b"2")], size=10)),),
        "a sparse file whose name climbs": (tar_of(pax({**sized, b"GNU.sparse.name": b"/../x"}), member(b"s")),),
        "a long name that climbs": (tar_of(member(b"L", b"/../" + b"n" * 200, flag=b"L"), member(b"s")),),
        "a prefix that climbs": (tar_of(block(b"x", prefix=b"/..", magic=b"ustar\0")),),
    }
    return made[form], HOSTILE[form]
