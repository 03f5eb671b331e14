"""Referrers: signatures, SBOMs and the like that are attached to an image by its digest.

Source: distribution-spec v1.1, spec.md, "Listing Referrers", "Pushing Manifests with Subject", "Referrers Tag Schema".
A registry that lacks the API (Debian's does) keeps the list as an index under a tag; whoever attaches writes it. Its
garbage collection with ``--delete-untagged`` deletes what only such a list names (docs/decisions/0023), so there each
referrer has a tag of its own, too. A manifest that is listed and gone is absent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import BinaryIO

import attrs

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.fetch import parallel
from imgforge.fetch.request import NotFoundError, RefusedError
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.registry import pull, push
from imgforge.registry.client import FRESH, Call, Client
from imgforge.registry.push import Pushed, ReadBackError
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


def fallback_tag(digest: Digest) -> str:
    """Return the tag of the list of a manifest's referrers, for registries without the API."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def referrers(
    client: Client, repository: Repository, *, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...]:
    """Return what refers to a manifest, each once, in the registry's order.

    Args:
        client: to ask with.
        repository: that holds the manifest.
        digest: the manifest's.
        artifact_type: only of this type; empty for all.

    Raises:
        IntegrityError: the list is not what its format says.
        FetchError: it cannot be had.
    """
    listed = _from_api(client, repository, digest)
    if listed is None:
        index = _from_tag(client, repository, digest)
        listed = index.manifests if index else ()
    if len(listed) > _MOST:
        raise RefusedError(f"{repository}@{digest}: referrers: expected at most {_MOST}, got {len(listed)}")
    found = dict.fromkeys(listed)
    return tuple(entry for entry in found if artifact_type in ("", entry.artifact_type))


def present(client: Client, repository: Repository, digests: Iterable[Digest]) -> frozenset[Digest]:
    """Return those manifests that a repository has, whatever its lists name.

    Raises:
        FetchError: it does not answer.
    """

    def look(digest: Digest) -> tuple[Digest, bool]:
        call = pull.manifest_call("HEAD", repository, name=digest, is_fresh=True)
        return digest, client.ask(call, expected=frozenset({200, 404})).status == 200

    return frozenset(digest for digest, is_there in parallel.each(look, digests, jobs=client.jobs) if is_there)


def attach(manifest: Manifest, *, target: Target, absent: frozenset[Digest] = frozenset()) -> Pushed:
    """Put a manifest that refers to another, and have it listed there.

    Args:
        manifest: with a subject.
        target: the subject's repository, and who opens the manifest's blobs.
        absent: manifests that are gone from there, which are not listed any more.

    Raises:
        UsageError: it refers to nothing.
        ReadBackError, FetchError, IntegrityError: as `imgforge.registry.push.push`.
    """
    if manifest.subject is None:
        raise UsageError(f"manifest {manifest.digest}: expected one that refers to another")
    pushed = push.push(manifest, target=target)
    if not pushed.is_subject_known:
        client, repository, subject = target.client, target.repository, manifest.subject.digest
        push.move(client, repository, document=manifest, tag=own_tag(subject, manifest.digest))
        _list(client, repository, manifest, subject=subject, absent=absent - {manifest.digest})
    return pushed


def own_tag(subject: Digest, digest: Digest) -> str:
    """Return the tag that keeps a referrer where the registry does not know what refers to an image."""
    return f"{fallback_tag(subject)}.{digest.hex[:24]}"


def _from_api(client: Client, repository: Repository, digest: Digest) -> tuple[Descriptor, ...] | None:
    """Return what the API lists; None when there is no API."""
    what = f"{repository}@{digest}: referrers"
    call = Call("GET", repository, f"referrers/{digest}", what, headers=FRESH)
    found: list[Descriptor] = []
    for page in range(_PAGES):
        answer = client.ask(call, expected=frozenset({200, 404, 405} if page == 0 else {200}))
        is_index = answer.headers.get("Content-Type", "").partition(";")[0].strip() == media.INDEX
        if answer.status != 200 or (page == 0 and not is_index):
            return None  # some servers answer 200 with a page for people to whatever they do not know
        found.extend(Index.parse(answer.data, what=what).manifests)
        if len(found) > _MOST:
            return tuple(found)  # the caller refuses it; no further page is read
        if not answer.following:
            return tuple(found)
        call = attrs.evolve(call, location=answer.following)
    raise RefusedError(f"{what}: more than {_PAGES} pages")


def _from_tag(client: Client, repository: Repository, digest: Digest) -> Index | None:
    """Return the list under the tag; None when there is none."""
    try:
        listed = pull.manifest(client, repository, name=fallback_tag(digest))
    except NotFoundError:
        return None
    if not isinstance(listed, Index):
        raise IntegrityError(f"{repository}:{fallback_tag(digest)}: expected a list of referrers, got a manifest")
    return listed


def _list(
    client: Client, repository: Repository, manifest: Manifest, *, subject: Digest, absent: frozenset[Digest]
) -> None:
    """Add a manifest to the list under the tag, and see that it is there after."""
    entry = Descriptor(
        manifest.media_type,
        manifest.digest,
        len(manifest.raw),
        annotations=manifest.annotations,
        artifact_type=manifest.artifact_type or manifest.config.media_type,
    )
    with _WRITING:
        for _ in range(_ROUNDS):
            index = _from_tag(client, repository, subject)
            listed = index.manifests if index else ()
            kept = tuple(one for one in listed if one.digest not in absent)
            is_listed = any(one.digest == entry.digest for one in kept)
            if is_listed and kept == listed:
                return
            entries = kept if is_listed else (*kept, entry)
            added = Index.make(entries, annotations=index.annotations if index else ())
            if len(added.raw) > document.CAP:
                raise UsageError(f"{repository}@{subject}: its list of referrers is full")
            with contextlib.suppress(ReadBackError):  # somebody else was as quick: what is listed now is read again
                push.push(added, target=Target(client, repository, _nothing), tag=fallback_tag(subject))
    raise FetchError(f"{repository}@{subject}: somebody else keeps rewriting its list of referrers")


def _nothing(blob: Descriptor) -> BinaryIO:
    raise IntegrityError(f"blob {blob.digest}: an index has none")
