"""What must not enter a layer, or not as it is: logs, locks of the day, random ids, dates of today.

Works on the image from outside, after its packages are configured. Each rule answers one pitfall that was measured
between two builds of one lock; the list is in docs/determinism.md. Nothing here looks at the clock: dates that
remain come from `epoch`.

Sources: machine-id(5) for the empty file; shadow(5) for the day of the last change; Berkeley DB's ``dbinc/db_page.h``;
the Java KeyStore format is described in OpenJDK's ``sun.security.provider.JavaKeyStore``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import stat
import struct
from collections.abc import Callable, Iterator, Mapping

from imgforge.rootfs.inroot import READ_LIMIT, ImageRoot
from imgforge.tree import text

VOLATILE = (
    "etc/*.dpkg-bak",
    "root/.cache/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/apt/archives/lock",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/cache/man/*",
    "var/lib/apt/lists/*",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/lib/systemd/random-seed",
    "var/lib/urandom/*",
    "var/tmp/*",
)
"""Patterns of files that a build leaves behind and that differ between two builds, or serve only the build."""

RUN = "run"

_LISTS = "var/lib/dpkg/info"
_LINKED = ("var/run/", "run/")
"""How a package names what it ships below /run: /var/run has been a link to it since Debian 7."""

SHADOWS = ("etc/shadow", "etc/shadow-")
"""The files that hold the day of each account's last change of password."""

_SECONDS_A_DAY = 86400
_ALIASES = "etc/aliases.db"
_BERKELEY = (0x061561, 0x053162)
"""The magic numbers of the hash and the btree of Berkeley DB (its ``db.h``: DB_HASHMAGIC, DB_BTREEMAGIC)."""

_BERKELEY_ID = slice(52, 72)
_ALIASES_TIME = re.compile(rb"\x01[0-9]{10}(?=\x01YP_LAST_MODIFIED)")
_KEYSTORE = "etc/ssl/certs/java/cacerts"
_KEYSTORE_PASSWORD = bytes(byte for letter in b"changeit" for byte in (0, letter))
"""The fixed, public password of every Java trust store, as UTF-16BE."""


def normalise(root: ImageRoot, *, epoch: int, is_new: Callable[[str], bool], before: Mapping[str, bytes]) -> None:
    """Make an image's files the same whenever and wherever it was configured.

    Args:
        root: the image.
        epoch: seconds since 1970 that stand for every date of today.
        is_new: tells whether a path (relative) was made or changed since the packages were unpacked.
        before: what `SHADOWS` held then.

    Raises:
        OSError: the disk fails.
    """
    left = [path for path in _files(root, RUN) if is_new(path)]
    shipped = _shipped_below_run(root) if left else frozenset()
    for path in (*_volatile(root), *_logs(root, "var/log"), *(path for path in left if path not in shipped)):
        if is_new(path):
            root.remove(path)
    if is_new("etc/machine-id"):
        _edit(root, "etc/machine-id", lambda _: b"")
    for path in SHADOWS:
        if is_new(path):
            _edit(root, path, lambda text: date_shadow(text, before=tuple(before.values()), epoch=epoch))
    if is_new(_ALIASES):
        _edit(root, _ALIASES, lambda data: date_aliases(data, epoch=epoch))
    if is_new(_KEYSTORE):
        _edit(root, _KEYSTORE, lambda data: normalise_keystore(data, epoch=epoch))


def _volatile(root: ImageRoot) -> Iterator[str]:
    for pattern in VOLATILE:
        directory, _, glob = pattern.rpartition("/")
        for name in root.names(directory):  # what a script linked to is not volatile: none behind a symlink
            if fnmatch.fnmatchcase(name, glob):
                yield f"{directory}/{name}"


def _logs(root: ImageRoot, directory: str) -> Iterator[str]:
    """Yield log files with content; links, and empty files with an owner of their own (wtmp, btmp), are state."""
    for name in root.names(directory):
        path = f"{directory}/{name}"
        status = root.status(path)
        if status is None:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _logs(root, path)
        elif stat.S_ISREG(status.st_mode) and status.st_size:
            yield path


def _files(root: ImageRoot, directory: str) -> Iterator[str]:
    """Yield what is below a directory but directories and links."""
    for name in root.names(directory):
        path = f"{directory}/{name}"
        status = root.status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from _files(root, path)
        elif status is not None and not stat.S_ISLNK(status.st_mode):
            yield path


def _shipped_below_run(root: ImageRoot) -> frozenset[str]:
    """Return the paths below /run that are packages' own, by dpkg's lists."""
    found: set[str] = set()
    for name in root.names(_LISTS):
        if name.endswith(".list"):
            lines = text(root.read(f"{_LISTS}/{name}")).split("\n")
            paths = (line.lstrip("/") for line in lines)
            found.update(f"{RUN}/{path.partition('run/')[2]}" for path in paths if path.startswith(_LINKED))
    return frozenset(found)


def _edit(root: ImageRoot, path: str, change: Callable[[bytes], bytes]) -> None:
    """Change a regular file; whatever else a script put in its place stays."""
    status = root.status(path)
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size > READ_LIMIT:
        return
    before = root.read(path)
    after = change(before)
    if after != before:
        root.replace(path, after)


def date_shadow(text: bytes, *, before: tuple[bytes, ...], epoch: int) -> bytes:
    """Set the day of each new change of password to the epoch's (shadow(5), third field).

    Which days are new is told by what the files held before, not by the clock: `useradd` takes SOURCE_DATE_EPOCH only
    where that is no later than the clock (shadow's ``lib/gettime.c``). A 0 forces a change at the next login and stays.

    Args:
        text: the file.
        before: older texts, of it and of its backup.
        epoch: seconds since 1970.
    """
    known = {tuple(line.split(b":")[:3:2]) for older in before for line in older.split(b"\n")}
    lines = []
    for line in text.split(b"\n"):
        fields = line.split(b":")
        if len(fields) > 2 and fields[2].strip(b"0").isdigit() and (fields[0], fields[2]) not in known:
            fields[2] = b"%d" % (epoch // _SECONDS_A_DAY)
        lines.append(b":".join(fields))
    return b"\n".join(lines)


def date_aliases(data: bytes, *, epoch: int) -> bytes:
    """Give a mail server's database of aliases a fixed identifier, and the epoch as its time.

    Berkeley DB makes the identifier of inode, device, time and process id; it stands in each meta page (its
    ``db_page.h``: DBMETA). postalias(1) and sendmail's newaliases store the time under a key for NIS. Anything but a
    Berkeley DB of this machine's byte order is returned as it is.
    """
    size = int.from_bytes(data[20:24], "little")
    if int.from_bytes(data[12:16], "little") not in _BERKELEY or not 512 <= size <= 65536 or len(data) % size:
        return data
    changed = bytearray(data)
    identifier = data[_BERKELEY_ID]
    for page in range(0, len(data), size):
        place = slice(page + _BERKELEY_ID.start, page + _BERKELEY_ID.stop)
        if data[place] == identifier:
            changed[place] = hashlib.sha1(_ALIASES.encode(), usedforsecurity=False).digest()
    return _ALIASES_TIME.sub(b"\x01%010d" % min(epoch, 9_999_999_999), bytes(changed))


def normalise_keystore(data: bytes, *, epoch: int) -> bytes:
    """Sort a Java trust store by alias and date every entry at the epoch.

    Only version 2 stores of trusted certificates are touched: magic 0xfeedfeed, per entry tag 2, alias, date in
    milliseconds, certificate type, DER; at the end SHA-1 over password, "Mighty Aphrodite" and the content.
    Anything else is returned as it is.
    """
    entries = _keystore_entries(data)
    if entries is None:
        return data
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, certificate in sorted(entries):
        body += struct.pack(">I", 2) + alias + struct.pack(">Q", epoch * 1000) + certificate
    seal = hashlib.sha1(_KEYSTORE_PASSWORD, usedforsecurity=False)
    seal.update(b"Mighty Aphrodite" + body)
    return body + seal.digest()


def _keystore_entries(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return alias and certificate of each entry, still encoded, or None where the format is another."""
    try:
        magic, version, count = struct.unpack_from(">III", data)
        if (magic, version) != (0xFEEDFEED, 2):
            return None
        at, entries = 12, []
        for _ in range(count):
            (tag,) = struct.unpack_from(">I", data, at)
            alias_end = at + 6 + struct.unpack_from(">H", data, at + 4)[0]
            type_end = alias_end + 10 + struct.unpack_from(">H", data, alias_end + 8)[0]
            end = type_end + 4 + struct.unpack_from(">I", data, type_end)[0]
            if tag != 2:  # a trusted certificate; tag 1 is a private key
                return None
            entries.append((data[at + 4 : alias_end], data[alias_end + 8 : end]))
            at = end
    except struct.error:
        return None
    return entries if len(data) == at + hashlib.sha1(usedforsecurity=False).digest_size else None
