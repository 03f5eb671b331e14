"""Referrers: signatures, SBOMs and the like that are attached to an image by its digest.

Source: distribution-spec v1.1, spec.md, "Listing Referrers", "Pushing Manifests with Subject", "Unavailable Referrers
API", "Referrers Tag Schema". For a registry that lacks the API (Debian's does) the client keeps the list as an index
under a tag. Garbage collection with ``--delete-untagged`` deletes what only such a list names, so there each referrer
has a tag of its own as well. A manifest that is listed and gone counts as absent.

Registries refuse the API in many ways and some answer 200 to anything, so both lists are read, always, and the tag is
written unless the registry lists referrers and confirmed this one (docs/decisions/0037).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable

import attrs

from imgforge.access import RestrictedError
from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.fetch import parallel
from imgforge.fetch.request import NotFoundError, PassingError, RefusedError
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import DocumentError
from imgforge.oci.manifest import Index, Manifest
from imgforge.registry import pull, push
from imgforge.registry.answer import Answer, refusal
from imgforge.registry.client import ANY, FRESH, Call, Client
from imgforge.registry.push import ImmutableTagError, Pushed, ReadBackError
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target

_PAGES = 20
"""Pages that are read at most: a registry may not keep us for ever."""

_MOST = 1000
"""Referrers of one image that are read at most, and held in memory."""

_ROUNDS = 5
"""Times that the list under a tag is written again because somebody else wrote it at the same moment."""

_WRITING = threading.Lock()
"""One thread of this process writes such a list at a time."""


class UnlistedError(RefusedError):
    """The registry has a referrer and does not let it be listed."""


def fallback_tag(digest: Digest) -> str:
    """Return the tag of the list of a manifest's referrers, for registries without the API."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def referrers(
    client: Client, repository: Repository, *, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...]:
    """Return what refers to a manifest, each once: what the API lists, then what the tag lists besides.

    Args:
        client: to ask with.
        repository: that holds the manifest.
        digest: the manifest's.
        artifact_type: only of this type; empty for all.

    Raises:
        FetchError: a list cannot be had.
    """
    lists = (_from_api, _tagged)
    found = dict(
        parallel.each(lambda place: (place, lists[place](client, repository, digest)), range(len(lists)), jobs=2)
    )
    by_digest: dict[Digest, Descriptor] = {}
    for entry in (entry for place in sorted(found) for entry in found[place] or ()):
        by_digest.setdefault(entry.digest, entry)
    if len(by_digest) > _MOST:
        raise RefusedError(f"{repository}@{digest}: referrers: expected at most {_MOST}, got {len(by_digest)}")
    return tuple(entry for entry in by_digest.values() if artifact_type in ("", entry.artifact_type))


def present(client: Client, repository: Repository, digests: Iterable[Digest]) -> frozenset[Digest]:
    """Return those manifests that a repository has, whatever its lists name.

    Raises:
        FetchError: it does not answer.
    """

    def look(digest: Digest) -> tuple[Digest, bool]:
        return digest, pull.look(client, repository, name=digest).status == 200

    return frozenset(digest for digest, is_there in parallel.each(look, digests, jobs=client.jobs) if is_there)


def attach(
    manifests: tuple[Manifest, ...], *, target: Target, absent: frozenset[Digest] = frozenset()
) -> tuple[Pushed, ...]:
    """Put manifests that refer to another, and have them listed there: at once, since a tag may be immutable.

    Args:
        manifests: all with the same subject.
        target: the subject's repository, and who opens the manifests' blobs.
        absent: manifests that are gone from there, which are not listed any more.

    Raises:
        UsageError: one refers to nothing, or to something else than the others.
        UnlistedError: they are there, and cannot be listed.
        ReadBackError, FetchError, IntegrityError: as `imgforge.registry.push.push`.
    """
    client, repository, subject = target.client, target.repository, _subject(manifests)
    pushed: list[Pushed] = []
    unlisted: list[Manifest] = []
    for manifest in manifests:
        own = own_tag(subject, manifest.digest)
        pushed.append(push.push(manifest, target=target, tag=own if client.is_by_tag else ""))
        if pushed[-1].is_subject_known and _is_served(client, repository, subject):
            continue
        if not client.is_by_tag:
            push.move(client, repository, document=manifest, tag=own)
        unlisted.append(manifest)
    if unlisted:
        _list(client, repository, tuple(unlisted), subject=subject, absent=absent)
    return tuple(pushed)


def _subject(manifests: tuple[Manifest, ...]) -> Digest:
    """Return what manifests refer to."""
    for manifest in manifests:
        if manifest.subject is None or manifest.subject.digest != (manifests[0].subject or manifest.subject).digest:
            raise UsageError(f"manifest {manifest.digest}: expected one that refers to another, the same as all")
    (subject,) = {manifest.subject.digest for manifest in manifests if manifest.subject}
    return subject


def own_tag(subject: Digest, digest: Digest) -> str:
    """Return the tag that keeps a referrer where the registry does not know what refers to an image."""
    return f"{fallback_tag(subject)}.{digest.hex[:24]}"


def _is_served(client: Client, repository: Repository, digest: Digest) -> bool:
    """Return whether a repository has the API, as it was found last; ask if it was not.

    The header ``OCI-Subject`` alone does not tell: ECR and Docker Hub sent it before they had the API
    (sigstore/sigstore-js#1183, docker/hub-feedback#2372).
    """
    known = client.seen.is_listing(repository)
    return _from_api(client, repository, digest) is not None if known is None else known


def _from_api(client: Client, repository: Repository, digest: Digest) -> tuple[Descriptor, ...] | None:
    """Return what the API lists; None when there is no API."""
    what = f"{repository}@{digest}: referrers"
    call = Call("GET", repository, f"referrers/{digest}", what, headers=FRESH)
    found: list[Descriptor] = []
    for page in range(_PAGES):
        answer = client.persist(functools.partial(_answered, client, call), what=what)
        index = _index(answer, what=what) if answer else None
        if page == 0:
            client.seen.note_listing(repository, is_there=index is not None)
        if answer is None or index is None:
            if page:
                raise RefusedError(f"{what}: the registry refuses page {page + 1} of the list")
            return None
        found.extend(index.manifests)
        if not answer.following or len(found) > _MOST:  # the caller refuses too many; no further page is read
            return tuple(found)
        call = attrs.evolve(call, location=answer.following)
    raise RefusedError(f"{what}: more than {_PAGES} pages")


def _answered(client: Client, call: Call) -> Answer | None:
    """Return the answer 200 to a call about referrers; None where the registry refuses, in whatever way.

    404 is the specification's. Seen besides: 400, 401 without a challenge (goharbor/harbor#18305), 403, 405, 406
    (google/go-containerregistry#1962), 501, and a redirect to pages for people, which then answer 404 or 429
    (artifacthub/hub#4785).

    Raises:
        PassingError: the registry itself is busy or fails.
    """
    try:
        answer = client.attempt(call, expected=ANY)
    except (RefusedError, RestrictedError):  # not authorized, or redirected to a host that is not allowed
        return None
    if answer.status == 200:
        return answer
    error = refusal(answer.status, answer.headers, answer.data, what=call.what)
    if isinstance(error, PassingError) and client.is_own(answer.url, call.repository):
        raise error
    return None


def _index(answer: Answer, *, what: str) -> Index | None:
    """Return the index that an answer holds; None for anything else: some servers answer 200 to whatever they get."""
    if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() != media.INDEX:
        return None
    try:
        return Index.parse(answer.data, what=what)
    except DocumentError:
        return None


def _tagged(client: Client, repository: Repository, digest: Digest) -> tuple[Descriptor, ...]:
    """Return what the tag lists; nothing, with a warning, when it stands for something else.

    "Listing Referrers": a tag that is no valid index means that there are no referrers.
    """
    try:
        index = _from_tag(client, repository, digest)
    except IntegrityError as error:
        client.reporter.warned(f"{error}; it is not used")
        return ()
    return index.manifests if index else ()


def _from_tag(client: Client, repository: Repository, digest: Digest) -> Index | None:
    """Return the list under the tag; None when there is none.

    Raises:
        IntegrityError: the tag stands for something else.
    """
    try:
        listed = pull.manifest(client, repository, name=fallback_tag(digest))
    except NotFoundError:
        return None
    if listed.digest == digest:  # GitLab reads the tag as the digest (oras-project/oras-go#1396)
        return None
    if not isinstance(listed, Index):
        raise IntegrityError(f"{repository}:{fallback_tag(digest)}: expected a list of referrers, got a manifest")
    return listed


def _list(
    client: Client,
    repository: Repository,
    manifests: tuple[Manifest, ...],
    *,
    subject: Digest,
    absent: frozenset[Digest],
) -> None:
    """Add manifests to the list under the tag, and see that they are there after."""
    entries = {manifest.digest: _entry(manifest) for manifest in manifests}
    with _WRITING:
        for _ in range(_ROUNDS):
            index = _from_tag(client, repository, subject)
            listed = index.manifests if index else ()
            kept = tuple(one for one in listed if one.digest not in absent or one.digest in entries)
            there = {one.digest for one in kept}
            new = tuple(entry for digest, entry in entries.items() if digest not in there)
            if not new and kept == listed:
                return
            added = Index.make((*kept, *new), annotations=index.annotations if index else ())
            if len(added.raw) > document.CAP:
                raise UsageError(f"{repository}@{subject}: its list of referrers is full")
            _write(client, repository, added, subject=subject)
    raise FetchError(f"{repository}@{subject}: somebody else keeps rewriting its list of referrers")


def _entry(manifest: Manifest) -> Descriptor:
    """Return what lists a manifest: "Pushing Manifests with Subject"."""
    return Descriptor(
        manifest.media_type,
        manifest.digest,
        len(manifest.raw),
        annotations=manifest.annotations,
        artifact_type=manifest.artifact_type or manifest.config.media_type,
    )


def _write(client: Client, repository: Repository, added: Index, *, subject: Digest) -> None:
    """Write the list of referrers. A concurrent writer may replace it; the caller reads it again.

    Raises:
        UnlistedError: the registry does not let the tag be written.
    """
    tag = fallback_tag(subject)
    try:
        push.move(client, repository, document=added, tag=tag)
    except ReadBackError:
        if pull.find(client, repository, tag=tag) == subject:
            text = "the registry takes this tag for the digest, so referrers cannot be listed"
            raise UnlistedError(f"{repository}:{tag}: {text}") from None
    except ImmutableTagError as refused:
        error = UnlistedError(f"{refused}: a list of referrers that cannot be rewritten")
        error.add_note("exempt tags that begin with sha256- from the registry's rule against overwriting")
        raise error from None
