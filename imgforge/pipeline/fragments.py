"""From locked .debs to fragments: records, trees that can be mounted, and compressed bytes for layers.

Everything here is a pure function of one .deb and the path rules, so it is made once and cached for ever.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, as_completed
from pathlib import Path

import attrs

from imgforge import record
from imgforge.codec import decompress
from imgforge.deb.package import open_deb
from imgforge.digest import Digest
from imgforge.layer import fragment as fragments
from imgforge.layer.directories import completed
from imgforge.layer.fragment import Fragment
from imgforge.layer.rules import PathRules
from imgforge.pipeline.compress import COMPRESSIONS, Compression
from imgforge.report import Progress, Reporter, Step, running
from imgforge.store.cache import Cache
from imgforge.tar import writer
from imgforge.tree import Entry
from imgforge.workshop.client import Workshop

_LARGE = 8 << 20
"""Bytes of a .deb from which its one stream of xz is decoded by several threads (liblzma 5.8, per block)."""

_CHUNK = 1 << 20


@attrs.frozen
class Made:
    """A fragment and where its forms are.

    Attributes:
        key: names it: a digest of the .deb's digest, the rules and the format.
        deb: digest of the .deb.
        size: bytes of the .deb.
        fragment: what is known of it.
    """

    key: str
    deb: Digest
    size: int
    fragment: Fragment


def key_of(deb: Digest, rules: PathRules) -> str:
    """Return the name of a fragment: equal names mean equal bytes."""
    question = repr((str(deb), attrs.astuple(rules), fragments.FORMAT))
    return hashlib.sha256(question.encode()).hexdigest()


class Fragments:
    """Makes and finds fragments for one build.

    Args:
        rules: the path rules of the image.
        cache: keeps records, trees and compressed bytes.
        scratch: a directory of this build, for tars that are in use.
        debs: fetches the packages and says where each lies; called once, when the first is needed.
        executor: decodes packages.
        compressors: compresses blocks; another pool, since whoever waits for blocks holds a thread of the first.
        jobs: threads for one large .deb.
        reporter: hears of progress.
    """

    def __init__(
        self,
        rules: PathRules,
        *,
        cache: Cache,
        scratch: Path,
        debs: Callable[[], Mapping[Digest, Path]],
        executor: Executor,
        compressors: Executor,
        jobs: int,
        reporter: Reporter,
    ) -> None:
        self._rules = rules
        self._cache = cache
        self._scratch = scratch
        self._fetch = functools.cache(debs)
        self._executor = executor
        self._compressors = compressors
        self._jobs = jobs
        self._reporter = reporter

    def are_known(self, wanted: Iterable[tuple[Digest, int]]) -> bool:
        """Tell whether there is a record of each fragment."""
        return all(self._cache.get("fragments", self._record_key(key_of(deb, self._rules))) for deb, _ in wanted)

    def archives(self, made: Iterable[Made]) -> tuple[tuple[str, str], ...]:
        """Return the name of each package and where its .deb lies."""
        return tuple((one.fragment.package, str(self._fetch()[one.deb])) for one in made)

    @staticmethod
    def _record_key(key: str) -> str:
        return f"{key}-{record.VERSION}"

    def all(self, wanted: Iterable[tuple[Digest, int]], *, workshop: Workshop | None) -> tuple[Made, ...]:
        """Return fragments in the order asked for; with a workshop, the tree of each is there afterwards.

        Raises:
            IntegrityError: a .deb is not what it should be.
        """
        ordered = tuple(wanted)
        total = sum(size for _, size in ordered)
        with running(self._reporter, Step("fragment", f"{len(ordered)} packages", total)) as progress:
            found = {digest: self._found(digest, size) for digest, size in ordered}
            lacking = sorted((size, digest) for digest, size in ordered if self._lacks(found[digest], workshop))
            if lacking:
                self._fetch()
            futures = [self._executor.submit(self._make, digest, size) for size, digest in reversed(lacking)]
            self._collect(futures, found, workshop=workshop, progress=progress)
        return tuple(made for digest, _ in ordered if (made := found[digest]) is not None)

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
                    self._extract(made, workshop)
                progress.advance(made.size)
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
        self._make(made.deb, made.size)
        return path

    def compressed(self, made: Made, compression: Compression) -> Path:
        """Return the fragment's compressed bytes: whole gzip members or zstd frames."""
        key = f"{made.key}-{compression.key}"
        found = self._cache.get("compressed", key)
        if found is not None:
            return found
        with self._cache.writing("compressed", key) as sink, self.tar(made).open("rb") as tar:
            compression.compress(tar, sink, self._compressors)
        return self._cache.place("compressed", key)

    def _found(self, deb: Digest, size: int) -> Made | None:
        key = key_of(deb, self._rules)
        path = self._cache.get("fragments", self._record_key(key))
        return Made(key, deb, size, _load(path.read_bytes())) if path is not None else None

    def _lacks(self, made: Made | None, workshop: Workshop | None) -> bool:
        return made is None or (workshop is not None and self._cache.get(workshop.tree_kind, made.key) is None)

    def _make(self, deb: Digest, size: int) -> Made:
        key = key_of(deb, self._rules)
        path = self._fetch()[deb]
        target, partial = self._scratch / f"{key}.tar", self._scratch / f"{key}.partial"
        with path.open("rb") as stream, partial.open("wb", buffering=_CHUNK) as sink:
            package = open_deb(stream, what=path.name)
            threads = self._jobs if size >= _LARGE else 1
            fragment = fragments.write(package, sink, rules=self._rules, threads=threads)
        partial.rename(target)
        self._cache.put("fragments", self._record_key(key), _dump(fragment))
        return Made(key, deb, size, fragment)

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
