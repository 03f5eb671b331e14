"""Packages whose scripts do everything that makes two builds differ, or that dpkg alone used to know how to do.

`packages` returns them, `NAMES` is what to ask for, `TEXTS` and `LINES` say what the image must hold in the end.
Each does what some real package does; no script draws a random number and keeps it: nobody could make that the same.
"""

from __future__ import annotations

from typing import Any

from builders.debs import build_deb
from imgforge.tree import Entry, Kind

_EXECUTABLE = Entry("", Kind.FILE, mode=0o755)
_LATER = 1_700_086_400

NAMES = (
    *(
        "almanac",
        "accountant",
        "diverter",
        "wave-second",
        "watcher",
        "chorister",
        "editor-good",
        "editor-bad",
        "merchant",
    ),
    *("replacer", "linker", "squatter", "libshared", "odd-names", "overrider"),
)

_ALMANAC = """
date > /var/log/almanac.log
mkdir -p /var/log/almanac /var/lib/almanac /var/lib/systemd /var/cache/man /var/lib/dbus
date > /var/log/almanac/today
: > /var/log/almanac/empty
touch /var/lib/almanac/stamp
date -u -d "@$SOURCE_DATE_EPOCH" +%F > /var/lib/almanac/day
hostname > /etc/almanac.host
uname -n >> /etc/almanac.host
umask > /etc/almanac.umask
env | grep -v -e ^_= -e ^FAKETIME | sort > /etc/almanac.environment
pwd >> /etc/almanac.environment
date +%Z >> /etc/almanac.environment
id -u >> /etc/almanac.environment
ls / /run /tmp > /etc/almanac.places
head -c 16 /dev/urandom | md5sum | cut -d ' ' -f 1 > /etc/machine-id
cp /etc/machine-id /var/lib/dbus/machine-id
head -c 32 /dev/urandom > /var/lib/systemd/random-seed
date > /var/cache/man/index.db

mkdir -p /var/cache/debconf
date > /var/cache/debconf/config.dat-old
date > /tmp/left
date > /var/tmp/left
date > /run/left
date > /dev/shm/left
echo "today:!:$(( $(date +%s) / 86400 )):0:99999:7:::" >> /etc/shadow
"""

_ACCOUNTANT = """
groupadd --system ledger
useradd --system --gid ledger --home-dir /var/lib/ledger --shell /usr/sbin/nologin ledger
useradd --system --user-group --groups ledger,staff clerk
mkdir -p /var/lib/ledger/in /var/lib/ledger/shared
chown ledger:ledger /var/lib/ledger /var/lib/ledger/in
chgrp staff /var/lib/ledger/shared
chmod 2775 /var/lib/ledger/shared
echo new > /var/lib/ledger/shared/new
mkdir /var/lib/ledger/shared/deeper
echo deep > /var/lib/ledger/shared/deeper/new
echo mine > /var/lib/ledger/shared/mine
chown root:root /var/lib/ledger/shared/mine
echo a > /var/lib/ledger/a
ln /var/lib/ledger/a /var/lib/ledger/b
chown clerk:staff /var/lib/ledger/b
ln -s a /var/lib/ledger/link
chown -h clerk:ledger /var/lib/ledger/link
chgrp -h staff /var/lib/ledger/link
mkfifo /var/lib/ledger/pipe
chmod 640 /var/lib/ledger/pipe
chown :ledger /var/lib/ledger/pipe
cp /usr/bin/true /usr/lib/accountant/helper
chown root:ledger /usr/lib/accountant/helper
chmod 4750 /usr/lib/accountant/helper
chown www-data /usr/share/accountant/shipped
chown -R 1234:4321 /usr/share/accountant/tree
mv /var/lib/ledger/in /var/lib/ledger/out
if mknod /etc/accountant.node c 1 3 2>/dev/null; then echo made > /etc/accountant.mknod; fi
if command -v setcap >/dev/null; then
    setcap cap_net_bind_service=ep /usr/lib/accountant/tool
    setcap cap_net_raw=p /usr/share/accountant/shipped
fi
rm /usr/share/accountant/doomed
rm -r /usr/share/accountant/gone
mkdir /usr/share/accountant/gone
echo again > /usr/share/accountant/gone/again
"""

_WATCHER = """
[ "$1" = triggered ] || exit 0
echo "$2" | tr ' ' '\\n' | sort >> /var/lib/watcher
ls /usr/share/watched >> /var/lib/watcher
"""

_MERCHANT = """
mkdir -p /var/lib/ucf
for name in goods prices; do
    new=$(mktemp)
    sed "s/@name@/$name/" /usr/share/merchant/template > "$new"
    [ -e "/etc/merchant/$name" ] || { mkdir -p /etc/merchant; cp "$new" "/etc/merchant/$name"; }
    grep -q "/etc/merchant/$name" /var/lib/ucf/hashfile 2>/dev/null ||
        echo "$(md5sum < "$new" | cut -d ' ' -f 1)  /etc/merchant/$name" >> /var/lib/ucf/hashfile
    rm "$new"
done
"""

_OVERRIDER = """
if ! dpkg-statoverride --list /usr/bin/overridden >/dev/null; then
    dpkg-statoverride --update --add www-data staff 2755 /usr/bin/overridden
fi
"""


def packages() -> tuple[bytes, ...]:
    """Return the packages."""
    return (
        _deb(
            "almanac", {"etc/almanac.conf": b"conf\n"}, scripts={"postinst": _ALMANAC}, conffiles=("/etc/almanac.conf",)
        ),
        _deb(
            "accountant",
            {
                "usr/lib/accountant/tool": (_EXECUTABLE, b"tool"),
                "usr/share/accountant/shipped": b"shipped",
                "usr/share/accountant/doomed": b"doomed",
                "usr/share/accountant/gone/file": b"gone",
                "usr/share/accountant/tree/leaf": b"leaf",
                "usr/share/accountant/tree/link": Entry("", Kind.SYMLINK, mode=0o777, target="leaf"),
            },
            depends="passwd, libcap2-bin",
            scripts={"postinst": _ACCOUNTANT},
        ),
        *_diverted(),
        *_waves(),
        *_triggered(),
        *_alternatives(),
        _deb("merchant", {"usr/share/merchant/template": b"@name@\n"}, scripts={"postinst": _MERCHANT}),
        *_overlapping(),
        _deb(
            "libshared",
            {"usr/lib/libshared.so.1.0": b"no library", "usr/lib/libshared.so.1": _link("libshared.so.1.0")},
            triggers="activate-noawait ldconfig\n",
            fields={"Multi-Arch": "same"},
            architecture="amd64",
        ),
        _odd_names(),
        _deb("overrider", {"usr/bin/overridden": (_EXECUTABLE, b"x")}, scripts={"postinst": _OVERRIDER}),
    )


def _deb(name: str, files: dict[str, Any], **options: Any) -> bytes:
    return build_deb(name, "1.0", files=files, **{"architecture": "all", "compression": "gzip", **options})


def _link(target: str) -> Entry:
    return Entry("", Kind.SYMLINK, mode=0o777, target=target)


def _diverted() -> tuple[bytes, ...]:
    preinst = "dpkg-divert --package diverter --add --rename --divert /usr/bin/compass.real /usr/bin/compass"
    return (
        # A package whose only file is diverted disappears, says dpkg, as one that was replaced completely.
        _deb(
            "compass", {"usr/bin/compass": (_EXECUTABLE, b"#!/bin/sh\necho north\n"), "usr/share/compass/rose": b"rose"}
        ),
        _deb(
            "diverter",
            {"usr/bin/compass": (_EXECUTABLE, b"#!/bin/sh\nexec compass.real | sed s/north/south/\n")},
            depends="compass",
            scripts={
                "preinst": preinst,
                "postinst": "compass > /etc/diverter.says; ls /usr/bin/compass* >> /etc/diverter.says",
            },
        ),
    )


def _waves() -> tuple[bytes, ...]:
    return (
        _deb("wave-zero", {"usr/share/wave/zero": b"0"}, scripts={"postinst": "echo zero > /etc/wave"}),
        _deb(
            "wave-first",
            {"usr/bin/wave-first": (_EXECUTABLE, b"#!/bin/sh\ncat /etc/wave\n")},
            scripts={"preinst": "cat /etc/wave; [ ! -e /usr/bin/wave-first ]", "postinst": "echo first >> /etc/wave"},
            fields={"Pre-Depends": "wave-zero"},
        ),
        _deb(
            "wave-second",
            {"usr/share/wave/second": b"2"},
            scripts={
                "preinst": "wave-first > /etc/wave.seen; [ ! -e /usr/share/wave/second ]",
                "postinst": "echo second >> /etc/wave",
            },
            fields={"Pre-Depends": "wave-first"},
            mtime=_LATER,
        ),
    )


def _triggered() -> tuple[bytes, ...]:
    return (
        _deb(
            "watcher",
            {"usr/share/watched/own": b"own"},
            scripts={"postinst": _WATCHER},
            triggers="interest /usr/share/watched\ninterest-await sing\ninterest-noawait hum\n",
        ),
        _deb(
            "chorister",
            {"usr/share/watched/song": b"song", "usr/share/watched/deep/song": b"song"},
            depends="watcher",
            scripts={"postinst": "dpkg-trigger hum; dpkg-trigger --no-await --by-package=chorister sing"},
            triggers="activate sing\n",
        ),
    )


def _alternatives() -> tuple[bytes, ...]:
    def editor(name: str, priority: int) -> bytes:
        files = {f"usr/bin/{name}": (_EXECUTABLE, name.encode()), f"usr/share/man/{name}.1": b"man"}
        chosen = f"--install /usr/bin/editor editor /usr/bin/{name} {priority}"
        slave = f"--slave /usr/share/man/editor.1 editor.1 /usr/share/man/{name}.1"
        return _deb(name, files, scripts={"postinst": f"update-alternatives {chosen} {slave}"})

    return editor("editor-good", 50), editor("editor-bad", 10)


def _overlapping() -> tuple[bytes, ...]:
    """Return packages whose files meet: a Replaces, and a directory where another package has a link."""
    return (
        _deb("replaced", {"usr/share/replaced/both": b"old", "usr/share/replaced/own": b"own"}),
        _deb(
            "replacer",
            {"usr/share/replaced/both": b"new"},
            depends="replaced",
            scripts={"postinst": "cat /usr/share/replaced/both > /etc/replacer"},
            fields={"Replaces": "replaced"},
        ),
        _deb("linker", {"usr/share/linked": _link("really"), "usr/share/really/a": b"a"}),
        _deb("squatter", {"usr/share/linked/b": b"b"}, depends="linker"),
    )


def _odd_names() -> bytes:
    return _deb(
        "odd-names",
        {
            "usr/share/odd/\udcff\udcfe": b"no utf-8",
            "usr/share/odd/grüße": b"utf-8",
            "usr/share/odd/two words": b"words",
            f"usr/share/odd/{'long/' * 40}file": b"long",
            "usr/share/odd/suid": (Entry("", Kind.FILE, mode=0o4755), b"suid"),
            "usr/share/odd/staff": (Entry("", Kind.FILE, mode=0o640, uid=33, gid=50), b"staff"),
            "usr/share/odd/group": Entry("", Kind.DIRECTORY, mode=0o2775, gid=50),
            "usr/share/odd/one": b"linked",
            "usr/share/odd/other": Entry("", Kind.HARDLINK, target="usr/share/odd/one"),
            "usr/share/odd/owned-link": Entry("", Kind.SYMLINK, mode=0o777, uid=33, gid=33, target="/nowhere"),
            "usr/share/odd/pipe": Entry("", Kind.FIFO, mode=0o600, uid=33, gid=4),
        },
        scripts={"postinst": "echo new > /usr/share/odd/group/new"},
    )


TEXTS = {
    "etc/almanac.host": "imgforge\nimgforge\n",
    "etc/almanac.umask": "0022\n",
    "etc/machine-id": "",
    "etc/diverter.says": "south\n/usr/bin/compass\n/usr/bin/compass.real\n",
    "etc/wave": "zero\nfirst\nsecond\n",
    "etc/wave.seen": "zero\nfirst\n",
    "etc/replacer": "new",
    "usr/share/really/b": "b",
    "var/lib/almanac/day": "2023-11-15\n",
}
"""Texts that the scripts leave."""

LINES = {
    "etc/accountant.node": "",
    "etc/alternatives/editor": "symlink 0777 0:0 -> /usr/bin/editor-good",
    "usr/bin/overridden": "file 2755 33:50 2d711642",
    "usr/share/accountant/doomed": "",
    "usr/share/accountant/gone/again": "file 0644 0:0 9252a75c",
    "usr/share/accountant/gone/file": "",
    "usr/share/accountant/tree": "dir 0755 1234:4321",
    "usr/share/accountant/tree/link": "symlink 0777 1234:4321 -> leaf",
    "usr/share/odd/group": "dir 2775 0:50",
    "usr/share/odd/group/new": "file 0644 0:50 7aa7a535",
    "usr/share/odd/owned-link": "symlink 0777 33:33 -> /nowhere",
    "usr/share/odd/pipe": "fifo 0600 33:4",
    "usr/share/odd/staff": "file 0640 33:50 15622065",
    "var/lib/ledger/link": "symlink 0777 998:50 -> a",
    "var/lib/ledger/pipe": "fifo 0640 0:999",
    "var/lib/ledger/shared": "dir 2775 0:50",
    "var/lib/ledger/shared/deeper": "dir 2755 0:50",
    "var/lib/ledger/shared/deeper/new": "file 0644 0:50",
    "var/lib/ledger/shared/mine": "file 0644 0:0",
    "var/lib/ledger/shared/new": "file 0644 0:50",
    "var/log/almanac.log": "",
    "var/log/almanac/empty": "file 0644 0:0 e3b0c442",
    "var/log/almanac/today": "",
    "var/tmp/left": "",
    "tmp/left": "",
    "run/left": "",
}
"""How what they leave begins, type, mode, owner and content; nothing where it must not be."""
