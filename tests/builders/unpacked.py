"""Packages whose scripts put something in the way of their own files, or of others'.

Each case is independent of the others: all of them fit into one image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from builders.archives import describe
from builders.debs import Content, build_deb
from imgforge.tree import Entry, Kind

_DIVERT = "dpkg-divert --add --rename --package"


def deb(name: str, files: Mapping[str, Content], version: str = "1.0", **options: Any) -> bytes:
    return build_deb(name, version, files=files, **{"architecture": "all", "compression": "gzip", **options})


def link(target: str) -> Entry:
    return Entry("", Kind.SYMLINK, mode=0o777, target=target)


def directory(mode: int, gid: int = 0) -> Entry:
    return Entry("", Kind.DIRECTORY, mode=mode, gid=gid)


def executable(text: str) -> Content:
    return Entry("", Kind.FILE, mode=0o755), text.encode()


@attrs.frozen
class Case:
    """What is installed on what.

    Attributes:
        new: the packages, in the order in which dpkg is to get them.
        old: what the base has.
        asked: what the manifest asks for; by default all of the new packages.
        one_by_one: dpkg gets each package after the one before is configured.
    """

    new: tuple[bytes, ...]
    old: tuple[bytes, ...] = ()
    asked: tuple[str, ...] = ()
    one_by_one: bool = False


def helped(words: str) -> dict[str, str]:
    """Return the scripts that call dpkg-maintscript-helper(1)."""
    return dict.fromkeys(("preinst", "postinst"), f'dpkg-maintscript-helper {words} -- "$@"')


def names(debs: tuple[bytes, ...]) -> list[str]:
    """Return the names of packages."""
    return [describe(one).field("Package") for one in debs]


CASES = {
    "an upgrade makes a directory that a new package uses": Case(
        old=(deb("up-lib", {"usr/share/up-lib/a": b"1"}),),
        new=(
            deb("up-lib", {"usr/share/up-lib/a": b"2", "usr/share/up-plugins/core": b"2"}, "2.0"),
            deb(
                "up-plug",
                {"usr/share/up-plugins/mine": b"p", "usr/share/up-plugins/deep/er": b"p"},
                depends="up-lib (>= 2.0)",
            ),
        ),
        asked=("up-plug",),
    ),
    "an upgrade drops a directory that a new package brings": Case(
        old=(deb("drop", {"usr/share/drop/a": b"1", "usr/share/drop/sub/b": b"1", "usr/share/kept": b"1"}),),
        new=(
            deb("drop", {"usr/share/kept": b"2"}, "2.0"),
            deb("took", {"usr/share/drop/sub/mine": b"p", "usr/share/drop": directory(0o750)}, depends="drop (>= 2)"),
        ),
        asked=("took",),
    ),
    "a preinst replaces a directory of the base": Case(
        old=(deb("base-dir", {"usr/share/bd/a": b"1", "usr/share/bd/sub/b": b"1"}),),
        new=(
            deb(
                "mover",
                {"usr/share/bd/mine": b"m", "usr/share/bd/sub/mine": b"m"},
                scripts={
                    "preinst": "mv /usr/share/bd /usr/share/bd.old; mkdir -m 700 /usr/share/bd; : > /usr/share/bd/new"
                },
            ),
        ),
    ),
    "a preinst deletes a directory of the base": Case(
        old=(deb("base-dir2", {"usr/share/bd2/a": b"1", "usr/share/bd2/sub/b": b"1"}),),
        new=(deb("deleter", {"usr/share/bd2/sub/mine": b"m"}, scripts={"preinst": "rm -r /usr/share/bd2"}),),
    ),
    "a preinst makes a link where the package has a directory": Case(
        new=(
            deb(
                "o-link",
                {
                    "o-lib/f": b"x",
                    "o-lib/sub": directory(0o2775, gid=50),
                    "o-lib/sub/g": (Entry("", Kind.FILE, mode=0o4755, uid=33), b"g"),
                    "o-lib/twin": Entry("", Kind.HARDLINK, target="o-lib/f"),
                    "o-lib/link": link("f"),
                    "o-lib/there/new": b"n",
                },
                scripts={"preinst": "mkdir -p /usr/o-lib/there; echo old > /usr/o-lib/f; ln -s usr/o-lib /o-lib"},
            ),
        ),
    ),
    "a preinst makes a link that leads nowhere where the package has a directory": Case(
        new=(deb("o-dangling", {"o-dangling/f": b"x"}, scripts={"preinst": "ln -s usr/nothing /o-dangling"}),),
    ),
    "another package's preinst makes the link": Case(
        new=(
            deb("linker2", {"usr/share/l2/a": b"a"}, scripts={"preinst": "mkdir /l2real; ln -s l2real /l2"}),
            deb("user2", {"l2/b": b"b"}, depends="linker2"),
        ),
    ),
    "a preinst writes a file of the package": Case(
        new=(
            deb(
                "o-file",
                {"etc/o-file.conf": b"new", "usr/share/o-file/link": link("/etc/o-file.conf")},
                scripts={
                    "preinst": "echo old > /etc/o-file.conf; chmod 600 /etc/o-file.conf; mkdir -p /usr/share/o-file; "
                    "ln -s /nowhere /usr/share/o-file/link"
                },
            ),
        ),
    ),
    "a preinst makes a file where the package has a directory": Case(
        new=(deb("o-dir", {"usr/share/o-dir/f": b"x"}, scripts={"preinst": "echo file > /usr/share/o-dir"}),),
    ),
    "a preinst makes a directory where the package has a file": Case(
        new=(
            deb(
                "o-over",
                {"usr/share/o-over": b"x"},
                scripts={"preinst": "mkdir -p /usr/share/o-over/deep; echo x > /usr/share/o-over/deep/file"},
            ),
        ),
    ),
    "a preinst makes a directory where the package has a link": Case(
        new=(
            deb(
                "o-dirlink",
                {"usr/share/o-dirlink": link("o-real"), "usr/share/o-real/a": b"a"},
                scripts={"preinst": "mkdir /usr/share/o-dirlink; echo x > /usr/share/o-dirlink/x"},
            ),
        ),
    ),
    "a preinst makes another link to the same directory": Case(
        old=(deb("same-dir", {"usr/share/same-dir/a": b"a"}),),
        new=(
            deb(
                "o-same",
                {"usr/share/o-same": link("same-dir")},
                scripts={"preinst": "ln -s /usr/share/same-dir /usr/share/o-same"},
            ),
            deb(
                "o-differ",
                {"usr/share/o-differ": link("same-dir")},
                scripts={"preinst": "ln -s /etc /usr/share/o-differ"},
            ),
        ),
    ),
    "a preinst makes a directory with a mode of its own": Case(
        new=(
            deb(
                "o-mode",
                {"var/lib/o-mode": directory(0o2750, gid=50), "var/lib/o-mode/f": b"x"},
                scripts={"preinst": "mkdir -m 700 /var/lib/o-mode; chown www-data /var/lib/o-mode"},
            ),
        ),
    ),
    "a preinst diverts a file of another package": Case(
        new=(
            deb("compass2", {"usr/bin/compass2": executable("#!/bin/sh\necho north\n"), "usr/share/compass2/a": b"a"}),
            deb(
                "diverter2",
                {"usr/share/diverter2/a": b"a"},
                depends="compass2",
                scripts={
                    "preinst": f"{_DIVERT} diverter2 --divert /usr/bin/compass2.real /usr/bin/compass2\n"
                    "ln -sf /usr/share/diverter2/a /usr/bin/compass2"
                },
            ),
        ),
    ),
    "a preinst overrides owners and modes, which dpkg has read before": Case(
        new=(
            deb(
                "o-stat",
                {
                    "usr/bin/o-stat": executable("#!/bin/sh\n"),
                    "usr/bin/o-root": (Entry("", Kind.FILE, mode=0o4755, uid=33), b"x"),
                    "var/lib/o-stat": directory(0o755),
                    "var/lib/o-there": directory(0o755),
                    "etc/o-stat": b"conf",
                },
                conffiles=("/etc/o-stat",),
                scripts={
                    "preinst": "mkdir -m 711 /var/lib/o-there\n"
                    "dpkg-statoverride --add www-data staff 2755 /usr/bin/o-stat\n"
                    "dpkg-statoverride --add root root 755 /usr/bin/o-root\n"
                    "dpkg-statoverride --add www-data www-data 750 /var/lib/o-stat\n"
                    "dpkg-statoverride --add www-data www-data 750 /var/lib/o-there\n"
                    "dpkg-statoverride --add '#7' staff 640 /etc/o-stat"
                },
            ),
        ),
    ),
    "a preinst writes a conffile": Case(
        new=(
            deb(
                "o-conf",
                {"etc/o-conf": b"new"},
                conffiles=("/etc/o-conf",),
                scripts={"preinst": "echo old > /etc/o-conf"},
            ),
            deb(
                "o-same-conf",
                {"etc/o-same-conf": b"same\n"},
                conffiles=("/etc/o-same-conf",),
                scripts={"preinst": "echo same > /etc/o-same-conf; chmod 600 /etc/o-same-conf"},
            ),
            deb(
                "o-link-conf",
                {"etc/o-link-conf": b"new"},
                conffiles=("/etc/o-link-conf",),
                scripts={"preinst": "mkdir /etc/real; echo old > /etc/real/conf; ln -s real/conf /etc/o-link-conf"},
            ),
        ),
    ),
    "conffiles of earlier versions": Case(
        new=(
            deb(
                "conf-past",
                {"etc/conf-past": b"kept"},
                control_files={"conffiles": "/etc/conf-past\nremove-on-upgrade /etc/conf-past-away\n"},
            ),
            deb("conf-only", {"usr/share/f": b"f"}, control_files={"conffiles": "remove-on-upgrade /etc/conf-only\n"}),
        ),
    ),
    "a conffile is diverted": Case(
        new=(
            deb(
                "conf-diverter",
                {"usr/share/conf-diverter/a": b"a"},
                scripts={"preinst": f"{_DIVERT} conf-diverter --divert /etc/conf-owner.real /etc/conf-owner"},
            ),
            deb("conf-owner", {"etc/conf-owner": b"theirs"}, depends="conf-diverter", conffiles=("/etc/conf-owner",)),
        ),
    ),
    "the base has a file that is a conffile now": Case(
        old=(deb("conf-old", {"usr/share/conf-old": b"1"}, scripts={"postinst": "echo local > /etc/conf-local"}),),
        new=(deb("conf-new", {"etc/conf-local": b"shipped"}, conffiles=("/etc/conf-local",)),),
    ),
    "a conffile is no part of the new version": Case(
        old=(deb("conf-gone", {"etc/conf-gone/a": b"a", "etc/conf-gone/b": b"b"}, conffiles=("/etc/conf-gone/a",)),),
        new=(
            deb("conf-gone", {"etc/conf-gone/c": b"c"}, "2.0", conffiles=("/etc/conf-gone/c",)),
            deb("conf-more", {"etc/conf-gone/d": b"d"}, depends="conf-gone (>= 2)", conffiles=("/etc/conf-gone/d",)),
        ),
        asked=("conf-more",),
    ),
    "hooks of packages that are not configured": Case(
        new=(
            deb(
                "hk-lib",
                {"usr/share/hk-lib/a": b"a"},
                scripts={"postinst": "mkdir -p /etc/hk.d; ls /etc/hk.d > /etc/hk.seen"},
            ),
            deb(
                "hk-app",
                {
                    "etc/hk.d/app": executable("#!/bin/sh\n"),
                    "etc/hk.d/data": (Entry("", Kind.FILE, mode=0o640, gid=50), b"d"),
                },
                depends="hk-lib",
                conffiles=("/etc/hk.d/app", "/etc/hk.d/data"),
                scripts={
                    "postinst": "ls /etc/hk.d >> /etc/hk.seen; chmod 600 /etc/hk.d/data; echo more >> /etc/hk.d/app"
                },
            ),
        ),
    ),
    "a conffile of a package that waits for another to be configured": Case(
        new=(
            deb(
                "w-first", {"etc/w-first": b"1"}, conffiles=("/etc/w-first",), scripts={"postinst": "cat /etc/w-first"}
            ),
            deb(
                "w-second",
                {"etc/w-second": b"2"},
                conffiles=("/etc/w-second",),
                scripts={"preinst": "cat /etc/w-first; [ ! -e /etc/w-second ]", "postinst": "cat /etc/w-second"},
                fields={"Pre-Depends": "w-first"},
            ),
        ),
        one_by_one=True,
    ),
    "a directory becomes a link": Case(
        old=(deb("switch", {"usr/share/switch/a": b"a", "usr/share/new-switch/b": b"b"}),),
        new=(
            deb(
                "switch",
                {
                    "usr/share/switch": link("new-switch"),
                    "usr/share/new-switch/a": b"a2",
                    "usr/share/new-switch/b": b"b2",
                },
                "2.0",
                scripts=dict.fromkeys(
                    ("preinst", "postinst"),
                    'dpkg-maintscript-helper dir_to_symlink /usr/share/switch new-switch 2.0~ -- "$@"',
                ),
            ),
            deb("switch-user", {"usr/share/new-switch/plugin": b"p"}, depends="switch (>= 2)"),
        ),
        asked=("switch-user",),
    ),
    "a link becomes a directory": Case(
        old=(deb("back", {"usr/share/back": link("old-back"), "usr/share/old-back/a": b"a"}),),
        new=(
            deb(
                "back",
                {"usr/share/back/a": b"a2"},
                "2.0",
                scripts=dict.fromkeys(
                    ("preinst", "postinst"),
                    'dpkg-maintscript-helper symlink_to_dir /usr/share/back old-back 2.0~ -- "$@"',
                ),
            ),
            deb("back-user", {"usr/share/back/plugin": b"p"}, depends="back (>= 2)"),
        ),
        asked=("back-user",),
    ),
    "a package takes over files of another": Case(
        new=(
            deb("taken", {"usr/share/taken/both": b"old", "usr/share/taken/own": b"own"}),
            deb(
                "taker",
                {"usr/share/taken/both": b"new", "usr/share/taker/new": b"n"},
                depends="taken",
                fields={"Replaces": "taken"},
            ),
            deb("beside", {"usr/share/taker/beside": b"b", "usr/share/taken/beside": b"b"}, depends="taker"),
        ),
    ),
}
