"""Scan a layer or an image's config, including nested archives.

The content of a layer does not depend on the layers above it: a file that is deleted later is still in every download.
Therefore layers are scanned one by one, and their findings can be cached by diff_id, `FORMAT` and hosts.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from typing import BinaryIO

import attrs

from imgforge.oci.config import ImageConfig
from imgforge.privacy import archives, forms, keys, names, patterns, tars
from imgforge.privacy.finding import PASSWORDS, Finding, Place, digest, shown
from imgforge.privacy.forms import Budget, Limits, UnsearchableError, read_exactly
from imgforge.privacy.hit import Hit
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.known import KNOWN
from imgforge.privacy.search import ARCHIVE, SEPARATOR, TEXT_SEPARATOR, UNSEARCHABLE, owner, search
from imgforge.tree import Entry, Kind, raw

FORMAT = 4
"""Increase it when code changes affect the findings in a layer."""

VERSION = f"{FORMAT}.{digest(repr((patterns.digest(), names.digest(), sorted(KNOWN))).encode())[:12]}"
"""Depends on the rules as well, so that cached findings of older rules are not used."""

WINDOW = 4 << 20
"""Bytes to search at a time. Larger windows reduce overlaps, smaller ones reduce memory."""

_OVERLAP = 64 << 10
"""Bytes at the end of a window that are searched again with the next one: more than the longest key."""

_KEPT_MAX = 64 << 20
"""Bytes of an archive that are kept, to be searched without unpacking if it turns out to be damaged."""

_CONTEXT = 512
"""Bytes of context before the overlap, which determine the kind of a secret."""

_TOO_DEEP = "too many archives in each other"
_DAMAGED = "damaged"

NO_HOSTS = Hosts()
LIMITS = Limits()


@attrs.frozen
class Searched:
    """The result of a scan.

    Attributes:
        findings: sorted. Includes what could not be searched: damaged, encrypted, too large, nested too deeply.
    """

    findings: tuple[Finding, ...] = ()


def layer(
    members: Iterable[tuple[Entry, BinaryIO]],
    *,
    name: str,
    hosts: Hosts = NO_HOSTS,
    limits: Limits = LIMITS,
) -> Searched:
    """Scan a layer.

    Args:
        members: entries and contents, as from `imgforge.tar.read`; each content is read completely.
        name: name of the layer in findings, for example ``layer 3``.
        hosts: names of the build machine.
        limits: see `Limits`.
    """
    scanner = _Scanner(name, hosts, limits)
    texts: list[bytes] = []
    for entry, content in members:
        texts.append(_told(entry))
        if entry.kind is Kind.FILE and entry.size:
            scanner.file(Place(name, entry.path), content)
    scanner.text(Place(name, "", ("names and attributes",)), b"\n".join(texts))
    return scanner.result()


def config(image: ImageConfig, *, annotations: Iterable[tuple[str, str]] = (), hosts: Hosts = NO_HOSTS) -> Searched:
    """Scan an image's config and its manifest's annotations: environment, labels, command and history.

    Args:
        image: the config.
        annotations: annotations of the manifest.
        hosts: names of the build machine.
    """
    scanner = _Scanner("", hosts, Limits())
    run = image.execution
    for name, value in run.env:
        scanner.text(Place("", f"env {name}"), f"{name}={value}".encode("utf-8", "surrogateescape"))
        scanner.add(Place("", f"env {name}"), names.by_variable(name, value))
    pairs = [("label", name, value) for name, value in run.labels]
    pairs += [("annotation", name, value) for name, value in annotations]
    for kind, name, value in pairs:
        scanner.text(Place("", f"{kind} {name}"), f"{name}={value}".encode("utf-8", "surrogateescape"))
        scanner.add(Place("", f"{kind} {name}"), names.by_variable(name.replace(".", "_").replace("-", "_"), value))
    commands = [("entrypoint", " ".join(run.entrypoint or ())), ("cmd", " ".join(run.cmd or ()))]
    for number, step in enumerate(image.history, 1):
        commands.append((f"history {number}", f"{step.created_by}\n{step.comment}\n{step.author}"))
    for where, text in commands:
        scanner.text(Place("", where), text.encode("utf-8", "surrogateescape"))
        scanner.add(Place("", where), names.by_assignments(text))
    scanner.rest(Place("", "config"), image.raw)  # members of other tools: Healthcheck, OnBuild, Shell
    return scanner.result()


def _told(entry: Entry) -> bytes:
    """Return the texts of an entry apart from its content."""
    attributes = itertools.chain.from_iterable((name.encode(), value) for name, value in entry.xattrs)
    return b" ".join((raw(entry.path), raw(entry.target), *attributes))


class _Scanner:
    """Scans one layer. Small files are searched together, because each search has a fixed cost."""

    def __init__(self, name: str, hosts: Hosts, limits: Limits) -> None:
        self._name = name
        self._hosts = hosts
        self._limits = limits
        self._budget = Budget(limits.total)
        self._found: dict[tuple[str, str, str, str], Finding] = {}
        self._small = {separator: _Batch() for separator in (TEXT_SEPARATOR, SEPARATOR)}

    def result(self) -> Searched:
        """Return the findings."""
        while waiting := [separator for separator, batch in self._small.items() if batch.files]:
            self.flush(waiting[0])
        return Searched(tuple(sorted(self._found.values())))

    def file(self, place: Place, stream: BinaryIO, *, is_sure: bool = True) -> None:
        """Scan a file and, if it is an archive, its members.

        Args:
            place: location of the file.
            stream: its content.
            is_sure: whether a damaged archive is reported; False if it may only look like an archive.
        """
        begin = read_exactly(stream, WINDOW)
        if place.inside:
            self._budget.take(len(begin))
        if name := forms.unknown(begin):
            self.refuse(place, f"{name} cannot be opened")
        opened = False
        if archives.is_opened_whole(begin) and not (place.inside[-1:] == (tars.REST,) and forms.is_tar(begin)):
            kept = _Kept(stream, min(_KEPT_MAX, self._limits.archive))
            opened = self._opened(place, begin, kept, is_sure=is_sure and not forms.is_weak(begin))
            stream = kept.again()
        if not opened and len(begin) < WINDOW:
            self._later(place, begin)
            self._embedded(place, begin)
        elif not opened:
            self._windows(place, begin, stream)
        path = place.inside[-1] if place.inside else place.path
        self.add(place, names.by_name(path, begin), begin)
        if begin and begin[0] in keys.STORES_BEGIN:
            self.add(place, (Hit(kind, 0, secret) for kind, secret in keys.stores(begin)))

    def refuse(self, place: Place, reason: str) -> None:
        """Report something that cannot be searched."""
        key = (UNSEARCHABLE, reason, place.layer, place.path)
        self._found.setdefault(key, Finding(UNSEARCHABLE, place, "", reason))

    def _opened(self, place: Place, begin: bytes, stream: _Kept, *, is_sure: bool) -> bool:
        """Scan the members of an archive; return whether they cover all of it."""
        if len(place.inside) >= self._limits.depth:
            self.refuse(place, _TOO_DEEP)
            return False
        name = place.inside[-1] if place.inside else place.path
        try:
            archives.visit(begin, stream, name=name, visit=self._visitor(place), limits=self._limits)
        except UnsearchableError as error:
            self.refuse(place, str(error))
        except forms.FAILURES:
            if (is_sure or not stream.is_whole) and digest(begin) not in KNOWN:
                self.refuse(place, _DAMAGED)
        else:
            return True
        return False

    def _visitor(self, place: Place) -> forms.Visit:
        return lambda inner, content: self.file(attrs.evolve(place, inside=(*place.inside, inner)), content)

    def _embedded(self, place: Place, data: bytes) -> None:
        """Scan archives at any position in a file, including zip archives."""
        if not archives.may_embed(data) and not data.startswith(forms.ZIP):
            return
        if len(place.inside) >= self._limits.depth:
            self.refuse(place, _TOO_DEEP)
            return
        try:
            archives.embedded(
                data,
                visit=self._visitor(place),
                refuse=lambda inner, reason: self.refuse(attrs.evolve(place, inside=(*place.inside, inner)), reason),
                limits=self._limits,
            )
        except UnsearchableError as error:
            self.refuse(place, str(error))

    def _later(self, place: Place, data: bytes) -> None:
        separator = TEXT_SEPARATOR if data.isascii() and b"\0" not in data else SEPARATOR
        batch = self._small[separator]
        batch.files.append((place, data))
        batch.size += len(data)
        if batch.size >= WINDOW:
            self.flush(separator)

    def flush(self, separator: bytes) -> None:
        """Search the collected small files, either text or binary."""
        small, self._small[separator] = self._small[separator].files, _Batch()
        starts = list(itertools.accumulate((len(data) + len(separator) for _, data in small), initial=0))
        hits = search(separator.join(data for _, data in small), hosts=self._hosts)
        for number in sorted({owner(starts, hit) for hit in hits}):
            place, data = small[min(number, len(small) - 1)]
            self.text(place, data)

    def text(self, place: Place, data: bytes) -> None:
        """Search a single file or text."""
        self.add(place, search(data, hosts=self._hosts), data)

    def rest(self, place: Place, data: bytes) -> None:
        """Search for secrets that were not found elsewhere."""
        known = {sha256 for _, sha256, _, _ in self._found}
        self.add(place, (hit for hit in search(data, hosts=self._hosts) if digest(hit.secret) not in known), data)

    def _windows(self, place: Place, begin: bytes, stream: BinaryIO) -> None:
        """Search a large file in pieces. Matches close to the end of a piece are left to the next one."""
        window, skipped = begin, 0
        suspect: list[bytes] = []
        size = 0
        while window:
            piece = read_exactly(stream, WINDOW)
            if place.inside:
                self._budget.take(len(piece))
            until = len(window) - _OVERLAP if piece else len(window)
            if suspect or archives.may_embed(window):
                suspect += [piece] if suspect else [window, piece]
                size += len(suspect[-1])
                if size > self._limits.archive:
                    self.refuse(place, "too large for what may be in it")
                    suspect, size = [], -(1 << 62)
            hits = search(window, hosts=self._hosts)
            self.add(place, (hit for hit in hits if hit.start < until and (skipped <= hit.start or hit.encoding)))
            if not piece:
                break
            skipped = min(_CONTEXT, until)
            window = window[until - skipped :] + piece
        if suspect:
            self._embedded(place, b"".join(suspect))

    def add(self, place: Place, hits: Iterable[Hit], data: bytes = b"") -> None:
        """Add hits as findings, except duplicates and known false positives."""
        for hit in hits:
            if hit.kind == ARCHIVE:
                self._hidden(place, hit)
                continue
            if hit.kind == UNSEARCHABLE:
                self.refuse(place, hit.secret.decode())
                continue
            sha256 = digest(hit.secret)
            if sha256 in KNOWN or names.is_shown(hit.kind, place.path, hit.secret):
                continue
            path = place.inside[-1] if place.inside else place.path
            kind = names.renamed(hit.kind, path)
            line = 0 if b"\0" in data[:4096] or not data else data.count(b"\n", 0, hit.start) + 1
            named = "" if kind in PASSWORDS else sha256
            finding = Finding(kind, place, named, shown(kind, hit.secret), hit.encoding, line)
            key = (kind, sha256, place.layer, place.path)
            before = self._found.get(key)
            if before is None or _says_more(finding, before):
                self._found[key] = finding

    def _hidden(self, place: Place, hit: Hit) -> None:
        """Scan an archive that was encoded as text."""
        inner = attrs.evolve(place, inside=(*place.inside, f"({hit.encoding})"))
        if len(place.inside) >= self._limits.depth:
            self.refuse(place, _TOO_DEEP)
        else:
            self.file(inner, io.BytesIO(hit.secret), is_sure=len(hit.secret) > WINDOW // 4)


def _says_more(finding: Finding, before: Finding) -> bool:
    """Return whether a finding is better than a previous one of the same secret in the same file."""
    if len(before.place.inside) != len(finding.place.inside):
        return len(before.place.inside) < len(finding.place.inside)
    return bool(before.encoding) and not finding.encoding


@attrs.define
class _Batch:
    """Small files to be searched together, and their total size."""

    files: list[tuple[Place, bytes]] = attrs.field(factory=list)
    size: int = 0


class _Kept(forms.Chained):
    """A stream that keeps what is read from it, so that it can be read again."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        super().__init__(b"", stream)
        self._parts: list[bytes] = []
        self._source = stream
        self._room = limit

    def read(self, size: int = -1, /) -> bytes:
        """Read and keep."""
        data = super().read(size)
        if size >= 0 and self._room > 0:
            self._parts.append(data)
            self._room -= len(data)
        return data

    @property
    def is_whole(self) -> bool:
        """Whether everything that was read was kept."""
        return self._room > 0

    def again(self) -> BinaryIO:
        """Return a stream of what was read, followed by the rest."""
        return forms.Chained(b"".join(self._parts), self._source)
