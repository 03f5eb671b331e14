"""From locked .debs to fragments: records, trees that can be mounted, and compressed bytes for layers.

Everything here is a pure function of one .deb and the path rules, so it is made once and cached for ever.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, as_completed, wait
from pathlib import Path

import attrs

from imgforge import record
from imgforge.apt.pool import file_name
from imgforge.codec import decompress
from imgforge.deb.errors import MismatchError
from imgforge.deb.package import open_deb
from imgforge.digest import Digest
from imgforge.layer import fragment as fragments
from imgforge.layer.directories import completed
from imgforge.layer.fragment import Fragment
from imgforge.layer.rules import PathRules
from imgforge.lock import LockedPackage
from imgforge.pipeline.layer import owners
from imgforge.pipeline.layer.compress import COMPRESSIONS, Compression
from imgforge.pipeline.layer.owners import Accounts
from imgforge.pipeline.layer.threads import Threads
from imgforge.report import Progress, Reporter, Step, running
from imgforge.rootfs.facts import Facts
from imgforge.store.cache import Cache
from imgforge.tar import reader, writer
from imgforge.tree import Entry, Kind
from imgforge.workshop.client import Workshop

_LARGE = 8 << 20
"""Bytes of a .deb from which its one stream of xz is decoded by several threads (liblzma 5.8, per block)."""

_CHUNK = 1 << 20


@attrs.frozen
class Made:
    """A fragment and where its forms are.

    Attributes:
        key: names it: a digest of the .deb's digest, the rules and the format.
        locked: the package that it was made of, as the lock names it.
        fragment: what is known of it.
        origin: the fragment with the package's own numbers, if this one has other owners.
    """

    key: str
    locked: LockedPackage
    fragment: Fragment
    origin: Made | None = None

    @property
    def deb(self) -> Digest:
        """The digest of the .deb."""
        return self.locked.digest


def key_of(deb: Digest, rules: PathRules) -> str:
    """Return the name of a fragment: equal names mean equal bytes."""
    question = repr((str(deb), attrs.astuple(rules), fragments.FORMAT))
    return hashlib.sha256(question.encode()).hexdigest()


class Fragments:
    """Makes and finds fragments for one build.

    Args:
        rules: the path rules of the image.
        facts: of the base, whose accounts decide about owners.
        cache: keeps records, trees and compressed bytes.
        scratch: a directory of this build, for tars that are in use.
        debs: fetches the packages and says where each lies; called once, when the first is needed.
        compression: of the layers that the fragments are for.
        threads: decode packages and compress.
        reporter: hears of progress.
    """

    def __init__(
        self,
        rules: PathRules,
        *,
        facts: Facts,
        cache: Cache,
        scratch: Path,
        debs: Callable[[], Mapping[Digest, Path]],
        compression: Compression,
        threads: Threads,
        reporter: Reporter,
    ) -> None:
        self._rules = rules
        self._facts = facts
        self._cache = cache
        self._scratch = scratch
        self._fetch = functools.cache(debs)
        self._compression = compression
        self._compressing: dict[str, Future[Path]] = {}
        self._threads = threads
        self._reporter = reporter

    def close(self) -> None:
        """Give up what nobody has asked for yet, and wait for what is being done in the scratch directory."""
        for future in self._compressing.values():
            future.cancel()
        wait(self._compressing.values())

    def are_known(self, wanted: Iterable[LockedPackage]) -> bool:
        """Tell whether there is a record of each fragment."""
        keys = (key_of(package.digest, self._rules) for package in wanted)
        return all(self._cache.get("fragments", self._record_key(key)) for key in keys)

    def archives(self, made: Iterable[Made]) -> tuple[tuple[str, str], ...]:
        """Return the name of each package and where its .deb lies."""
        return tuple((one.fragment.package, str(self._fetch()[one.deb])) for one in made)

    @staticmethod
    def _record_key(key: str) -> str:
        return f"{key}-{record.VERSION}"

    def all(self, wanted: Iterable[LockedPackage], *, workshop: Workshop | None) -> tuple[Made, ...]:
        """Return fragments in the order asked for; with a workshop, the tree of each is there afterwards.

        Raises:
            IntegrityError: a .deb is not what it should be, or another package than the lock says.
        """
        ordered = tuple(wanted)
        total = sum(package.size for package in ordered)
        with running(self._reporter, Step("fragment", f"{len(ordered)} packages", total)) as progress:
            found = {package.digest: self._found(package) for package in ordered}
            lacking = [package for package in ordered if self._lacks(found[package.digest], workshop)]
            lacking.sort(key=lambda package: (package.size, package.digest), reverse=True)
            if lacking:
                self._fetch()
            futures = [self._threads.workers.submit(self._make, package) for package in lacking]
            self._collect(futures, found, workshop=workshop, progress=progress)
        all_made = tuple(made for package in ordered if (made := found[package.digest]) is not None)
        return self._with_owners(all_made, workshop)

    def _with_owners(self, all_made: tuple[Made, ...], workshop: Workshop | None) -> tuple[Made, ...]:
        """Return fragments with the owners that the image gives their files by name, which few have."""
        if not any(made.fragment.owners for made in all_made):
            return all_made
        known = Accounts.of(self._facts, (made.fragment for made in all_made))
        return tuple(self._with_owner(made, known, workshop) for made in all_made)

    def _with_owner(self, made: Made, known: Accounts, workshop: Workshop | None) -> Made:
        fragment = owners.resolved(made.fragment, known)
        if fragment is made.fragment:
            return made
        owned = Made(owners.key_of(made.key, fragment), made.locked, fragment, made)
        if workshop is not None:
            self._extract(owned, workshop)
        return owned

    def _collect(
        self,
        futures: list[Future[Made]],
        found: dict[Digest, Made | None],
        *,
        workshop: Workshop | None,
        progress: Progress,
    ) -> None:
        try:
            for future in as_completed(futures):
                made = future.result()
                found[made.deb] = made
                if workshop is not None:
                    # A layer will want it; it is done while packages are still decoded, and while they are configured.
                    self._compressing[made.key] = self._threads.later.submit(self._compress, made)
                    self._extract(made, workshop)
                progress.advance(made.locked.size)
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def tree(self, made: Made, workshop: Workshop) -> Path:
        """Return the fragment's tree, which `all` has made."""
        return self._cache.place(workshop.tree_kind, made.key)

    def tar(self, made: Made) -> Path:
        """Return the fragment's uncompressed tar, for the time of this build."""
        path = self._scratch / f"{made.key}.tar"
        if path.exists():
            return path
        for compression in COMPRESSIONS.values():
            compressed = self._cache.get("compressed", f"{made.key}-{compression.key}")
            if compressed is not None:
                with compressed.open("rb") as raw, path.open("wb") as file:
                    shutil.copyfileobj(
                        decompress(raw, what=made.fragment.package, cap=made.fragment.size), file, _CHUNK
                    )
                return path
        if made.origin is not None:
            self._rewrite(made, self.tar(made.origin), path)
        else:
            self._make(made.locked)
        return path

    @staticmethod
    def _rewrite(made: Made, origin: Path, path: Path) -> None:
        """Write the tar of a fragment whose owners differ from its origin's."""
        entries = {entry.path: entry for entry in made.fragment.entries}
        partial = path.with_suffix(f".{threading.get_ident()}")  # a compressor may want it at the same time
        with origin.open("rb") as stream, partial.open("wb", buffering=_CHUNK) as sink:
            tar = writer.Writer(sink)
            for entry, content in reader.read(stream, what=made.fragment.package):
                tar.add(entries[entry.path], content if entry.kind is Kind.FILE else None)
        partial.rename(path)

    def compressed(self, made: Made) -> Path:
        """Return the fragment's compressed bytes: whole gzip members or zstd frames."""
        started = self._compressing.get(made.key)
        return started.result() if started is not None else self._compress(made)

    def _compress(self, made: Made) -> Path:
        key = f"{made.key}-{self._compression.key}"
        found = self._cache.get("compressed", key)
        if found is not None:
            return found
        with self._cache.writing("compressed", key) as sink, self.tar(made).open("rb") as tar:
            self._compression.compress(tar, sink, self._threads.compressors)
        return self._cache.place("compressed", key)

    def _found(self, package: LockedPackage) -> Made | None:
        key = key_of(package.digest, self._rules)
        known = self._cache.read("fragments", self._record_key(key))
        if known is None:
            return None
        fragment = _load(known)
        _expect(fragment, package)
        return Made(key, package, fragment)

    def _lacks(self, made: Made | None, workshop: Workshop | None) -> bool:
        return made is None or (workshop is not None and self._cache.get(workshop.tree_kind, made.key) is None)

    def _make(self, locked: LockedPackage) -> Made:
        key = key_of(locked.digest, self._rules)
        path = self._fetch()[locked.digest]
        target, partial = self._scratch / f"{key}.tar", self._scratch / f"{key}.partial"
        with path.open("rb") as stream, partial.open("wb", buffering=_CHUNK) as sink:
            package = open_deb(stream, what=file_name(locked))
            package.expect(name=locked.name, version=locked.version, architecture=locked.architecture)
            threads = self._threads.jobs if locked.size >= _LARGE else 1
            fragment = fragments.write(package, sink, rules=self._rules, threads=threads)
        partial.rename(target)
        self._cache.put("fragments", self._record_key(key), _dump(fragment))
        return Made(key, locked, fragment)

    def _extract(self, made: Made, workshop: Workshop) -> None:
        if self._cache.get(workshop.tree_kind, made.key) is not None:
            return
        directories = self._scratch / f"{made.key}.dirs"
        with directories.open("wb") as sink:
            tar = writer.Writer(sink)
            for entry in directories_of(made.fragment):
                tar.add(entry, None)
        workshop.extract((directories, self.tar(made)), self._cache.place(workshop.tree_kind, made.key))


def directories_of(fragment: Fragment) -> tuple[Entry, ...]:
    """Return the directories that a package's tree has: those that it ships, and all above its files."""
    paths = (entry.path for entry in fragment.entries)
    return completed(fragment.directories, paths, epoch=fragment.timestamp)


def _expect(fragment: Fragment, locked: LockedPackage) -> None:
    """Refuse a fragment of another package than the lock says: policy and reports go by the lock's names."""
    promised = (locked.name, locked.version, locked.architecture)
    got = (fragment.package, fragment.version, fragment.architecture)
    if got != promised:
        raise MismatchError(f"{file_name(locked)}: expected {' '.join(promised)}, got {' '.join(got)}")


def _dump(fragment: Fragment) -> bytes:
    fields = {field.name: getattr(fragment, field.name) for field in attrs.fields(Fragment)}
    fields["directories"] = record.rows(fragment.directories)
    fields["entries"] = record.rows(fragment.entries)
    return record.dump(fields)


def _load(data: bytes) -> Fragment:
    fields = record.load(data)
    return Fragment(
        **{
            **fields,
            "directories": record.entries(fields["directories"]),
            "entries": record.entries(fields["entries"]),
        }
    )
