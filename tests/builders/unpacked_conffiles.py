"""Conffiles that scripts or other packages meet; see `unpacked`."""

from __future__ import annotations

from builders.unpacking import DIVERT, Case, deb, executable
from imgforge.tree import Entry, Kind

CONFFILES = {
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
                scripts={"preinst": f"{DIVERT} conf-diverter --divert /etc/conf-owner.real /etc/conf-owner"},
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
}
