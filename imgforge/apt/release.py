"""The Release file of a suite: verified, then parsed; what it lists is what may be used of the suite.

Pure: bytes in, a value out; the time is an argument. Only the bytes that a signature covers are parsed.
Hashes by SHA-256 are read, or by SHA-512 where there are none: who lists only weaker ones is refused.

Source: https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files; apt's apt-pkg/deb/debmetaindex.cc.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import attrs

from imgforge.apt import openpgp
from imgforge.apt.values import Suite
from imgforge.apt.words import is_true
from imgforge.deb import control
from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.tree import safe_path

RELEASE_MAX = 16 << 20
"""Most bytes of a Release file that are read; Debian's have at most 200 kB."""

FILES_MAX = 200_000
"""Most files that one Release may list; Debian's lists 750."""

SIZE_MAX = 8 << 30
"""Most bytes that a listed file may have."""

FUTURE = 24 * 3600
"""Seconds by which a Date may be ahead of this machine's clock: a clock is often an hour wrong, seldom a day."""

_HASHES = {"SHA256": re.compile(r"[0-9a-f]{64}"), "SHA512": re.compile(r"[0-9a-f]{128}")}
"""What is read, the first that a Release has; each is as good as the other, and archives mostly have the first."""

_ASCTIME = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]?[0-9] [0-9:]{7,8} [0-9]{4}")
_FILE = re.compile(r"\s*(?P<hash>\S+)\s+(?P<size>[0-9]{1,12})\s+(?P<path>\S+)\s*")


class Waived(enum.Enum):
    """Which times of a Release do not count.

    Attributes:
        NOTHING: all count.
        VALID_UNTIL: it may be overdue, and nothing else: what ``Acquire::Check-Valid-Until: false`` means to APT, which
            keeps the newer of two Releases and asks for a good key all the same (apt-pkg/acquire-item.cc).
        AGE: any Date and Valid-Until is taken, from good keys: for the question what an archive once listed, to which
            an old Release is as good an answer as a new one.
        ALL: any Date and Valid-Until is taken, and expired keys: for an archive that is frozen on purpose, such as a
            dated copy, which is older than what its suite was seen to be elsewhere, and outlives the keys that sign it.
    """

    NOTHING = enum.auto()
    VALID_UNTIL = enum.auto()
    AGE = enum.auto()
    ALL = enum.auto()


class Consent(enum.Flag):
    """What a source takes that is refused otherwise.

    Attributes:
        NONE: nothing.
        ANY_SUITE: the Release of a suite with another name, or with none; APT warns of it and no more.
        WEAK_KEY: certificates whose own signatures are too weak; see `weak`.
    """

    NONE = 0
    ANY_SUITE = enum.auto()
    WEAK_KEY = enum.auto()


class ReleaseError(IntegrityError):
    """A Release file that may not be used."""


class MalformedReleaseError(ReleaseError):
    """It is not what the format says."""


class WrongSuiteError(ReleaseError):
    """It is the Release of another suite, rightly signed."""


class ExpiredError(ReleaseError):
    """Its Valid-Until has passed."""


class FutureError(ReleaseError):
    """Its Date has not come yet."""


class ReplayError(ReleaseError):
    """It is older than one that was seen before."""


class WeakHashError(ReleaseError):
    """It lists neither SHA-256 nor SHA-512."""


@attrs.frozen
class Release:
    """What a suite's Release file says.

    Attributes:
        suite: its identity.
        files: hash in hexadecimal and size in bytes by path, relative to the suite's directory; see `file`.
        by_hash: files can be had under a name that is their hash.
        date: when it was made, seconds since the epoch.
        valid_until: after when it must not be used; None when it does not say.
        architectures: those that it has.
        components: those that it has, as it names them: security suites write ``updates/main`` for ``main``.
        separates_all: packages of architecture ``all`` are only in an index of their own.
        signers: fingerprints of the certificates that vouch for it.
    """

    suite: Suite
    files: Mapping[str, tuple[str, int]]
    by_hash: bool
    date: int
    valid_until: int | None = None
    architectures: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    separates_all: bool = False
    signers: tuple[str, ...] = ()

    def file(self, path: str) -> tuple[Digest, int] | None:
        """Return digest and size in bytes of a file that is listed; None when it is not."""
        found = self.files.get(path)
        return None if found is None else (Digest(f"sha{4 * len(found[0])}", found[0]), found[1])


def verify(
    data: bytes,
    keys: bytes,
    *,
    suite: str,
    now: int,
    last_seen: int | None = None,
    waived: Waived = Waived.NOTHING,
    consent: Consent = Consent.NONE,
    detached: bytes | None = None,
) -> Release:
    """Return what a suite's Release file says, when a trusted key vouches for it and it is the newest.

    Args:
        data: the bytes of ``InRelease``, or of ``Release`` if `detached` is given.
        keys: the certificates that the source trusts.
        suite: the suite as the source names it; one that ends in a slash is a flat archive and has no name to check.
        now: seconds since the epoch.
        last_seen: the Date of the newest Release of this suite that was seen before.
        waived: times that do not count.
        consent: what the source takes by consent.
        detached: the bytes of ``Release.gpg``.

    Raises:
        IntegrityError: there is no trust, see `openpgp`; or a `ReleaseError`.
    """
    what = f"Release of {suite!r}"
    if len(data) > RELEASE_MAX or len(detached or b"") > RELEASE_MAX:
        raise MalformedReleaseError(f"{what}: expected at most {RELEASE_MAX} bytes")
    moment, takes_weak = None if waived is Waived.ALL else now, Consent.WEAK_KEY in consent
    if detached is None:
        signed = openpgp.clear_signed(data, keys, now=moment, what=what, takes_weak=takes_weak)
    else:
        signed = openpgp.detached(data, detached, keys, now=moment, what=what, takes_weak=takes_weak)
    release = attrs.evolve(parse(signed.text, what=what), signers=signed.signers)
    if Consent.ANY_SUITE not in consent:
        _check_name(release.suite, suite, what=what)
    if waived in (Waived.NOTHING, Waived.VALID_UNTIL):
        _check_times(release, now=now, last_seen=last_seen, waived=waived, what=what)
    return release


def is_overdue(release: Release, *, now: int) -> bool:
    """Say whether its Valid-Until has passed."""
    return release.valid_until is not None and release.valid_until < now


def overdue(release: Release, *, what: str) -> ExpiredError:
    """Return the error that says until when it was valid."""
    error = ExpiredError(f"{what}: made {_day(release.date)}, valid until {_day(release.valid_until or release.date)}")
    error.add_note("the mirror is out of date; for an archive that is frozen on purpose, allow it explicitly")
    return error


def parse(data: bytes, *, what: str) -> Release:
    """Return what a Release file says; nothing vouches for it here.

    Raises:
        MalformedReleaseError: a field is missing or wrong.
        WeakHashError: it lists neither SHA-256 nor SHA-512.
    """
    fields = _fields(data, what=what)
    hashes = next((name for name in _HASHES if name in fields), None)
    if hashes is None:
        have = ", ".join(name for name in ("MD5Sum", "SHA1") if name in fields) or "nothing"
        raise WeakHashError(f"{what}: expected hashes in SHA256 or SHA512, got {have}")
    until = fields.get("Valid-Until")
    return Release(
        suite=Suite(
            archive=fields.get("Suite", ""),
            codename=fields.get("Codename", ""),
            version=fields.get("Version", ""),
            origin=fields.get("Origin", ""),
            label=fields.get("Label", ""),
            not_automatic=_flag(fields, "NotAutomatic"),
            but_automatic_upgrades=_flag(fields, "ButAutomaticUpgrades"),
        ),
        files=_files(fields[hashes], form=hashes, what=what),
        by_hash=_flag(fields, "Acquire-By-Hash"),
        date=_time(fields.get("Date", ""), field="Date", what=what),
        valid_until=None if until is None else _time(until, field="Valid-Until", what=what),
        architectures=tuple(fields.get("Architectures", "").split()),
        components=tuple(fields.get("Components", "").split()),
        separates_all="Packages" not in fields.get("No-Support-for-Architecture-all", "").split(),
        signers=(),
    )


def _fields(data: bytes, *, what: str) -> Mapping[str, str]:
    try:
        stanzas = control.parse(data.decode("utf-8"), file=what)
    except UnicodeDecodeError:
        raise MalformedReleaseError(f"{what}: expected UTF-8 text") from None
    except IntegrityError as error:
        raise MalformedReleaseError(str(error)) from None
    if len(stanzas) != 1:
        raise MalformedReleaseError(f"{what}: expected one stanza, got {len(stanzas)}")
    return stanzas[0]


def _flag(fields: Mapping[str, str], name: str) -> bool:
    return is_true(fields.get(name, ""), default=False)


def _files(text: str, *, form: str, what: str) -> Mapping[str, tuple[str, int]]:
    """Read lines ``HASH SIZE PATH``."""
    files: dict[str, tuple[str, int]] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > FILES_MAX:
        raise MalformedReleaseError(f"{what}: expected at most {FILES_MAX} files, got {len(lines)}")
    for line in lines:
        match = _FILE.fullmatch(line)
        if match is None or int(match["size"]) > SIZE_MAX:
            raise MalformedReleaseError(f"{what}: expected a hash, a size and a path, got {line[:160]!r}")
        if not _HASHES[form].fullmatch(match["hash"]):
            got = match["hash"][:140]
            raise MalformedReleaseError(f"{what}: {match['path'][:160]!r}: expected {form.lower()}, got {got!r}")
        path, entry = match["path"], (match["hash"], int(match["size"]))
        if _is_plain(path, what=what) and files.setdefault(path, entry) != entry:
            raise MalformedReleaseError(f"{what}: {path!r} is listed twice, with different bytes")
    return MappingProxyType(files)


def _is_plain(path: str, *, what: str) -> bool:
    """Return whether a path is in its plain form. Others, such as ``./a``, are never looked up, as in APT."""
    try:
        return safe_path(path, what=what) == path
    except IntegrityError as error:
        raise MalformedReleaseError(str(error)) from None


def _time(text: str, *, field: str, what: str) -> int:
    """Read ``Sat, 11 Jul 2026 10:16:37 UTC`` and its older forms, whatever this machine's locale.

    Source: RFC 9110, section 5.6.7, which apt's strutl.cc follows (``RFC1123StrToTime``).
    """
    try:
        moment = parsedate_to_datetime(text)
        # -0000 is UTC without a zone's name (RFC 5322, 3.3); asctime(3) has no zone, and APT takes it for UTC
        if moment.utcoffset() is None and (text.rstrip().endswith("-0000") or _ASCTIME.fullmatch(text.strip())):
            moment = moment.replace(tzinfo=UTC)
        if moment.utcoffset() is not None:
            return int(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        pass  # no time, or one that cannot be said: numbers without end, a year beyond 1 to 9999 in UTC
    raise MalformedReleaseError(f"{what}: {field}: expected a time with its zone, got {text[:60]!r}")


def _check_name(found: Suite, wanted: str, *, what: str) -> None:
    """Compare the names as APT does (debmetaindex.cc, CheckDist): by Suite or Codename, a last ``/part`` left out.

    The last part was in names such as ``buster/updates``. APT only warns of a difference; here it is refused, or
    whoever holds the mirror could serve an older suite of the same archive in place of the new one.
    """
    names = {found.archive, found.codename} - {""}
    if wanted.endswith("/") or wanted in names or wanted.rpartition("/")[0] in names:
        return
    listed = " or ".join(repr(name) for name in sorted(names)) or "a Release without a name"
    error = WrongSuiteError(f"{what}: got that of {listed}")
    error.add_note(
        "for an archive that names its suites otherwise, allow it: `allow-suite-mismatch: true` of the source"
    )
    raise error


def _check_times(release: Release, *, now: int, last_seen: int | None, waived: Waived, what: str) -> None:
    if release.date > now + FUTURE:
        error: ReleaseError = FutureError(f"{what}: made {_day(release.date)}, which is yet to come")
        error.add_note("is this machine's clock right?")
        raise error
    # Before Valid-Until: who serves an old Release must not get away with one that is overdue besides.
    if last_seen is not None and release.date < last_seen:
        error = ReplayError(f"{what}: made {_day(release.date)}, expected none older than {_day(last_seen)}")
        error.add_note("the mirror is behind another that was used before, or somebody serves old files on purpose")
        raise error
    if waived is Waived.NOTHING and is_overdue(release, now=now):
        raise overdue(release, what=what)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
