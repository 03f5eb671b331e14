"""Packages whose scripts put something in the way of their own files, or of others'.

Each case is independent of the others: all of them fit into one image.
"""

from __future__ import annotations

from builders.unpacked_conffiles import CONFFILES
from builders.unpacking import DIVERT, Case, deb, directory, executable, link
from imgforge.tree import Entry, Kind

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
                    "preinst": f"{DIVERT} diverter2 --divert /usr/bin/compass2.real /usr/bin/compass2\n"
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
    **CONFFILES,
}
