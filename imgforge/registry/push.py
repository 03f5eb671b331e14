"""Pushing: blobs first, several at once; then manifests, by their digest; the tag last; then all of it is read back.

Source: distribution-spec v1.1, spec.md, "Push". At every moment, whoever is killed when, a tag stands for the old image
or the whole new one. What is there already is neither sent nor opened. Reading back goes past all caches: one that
serves the old image under the new tag is noticed here, and not in production.

Registries whose tags do not move refuse a tag that is there, also for the manifest that it stands for: that is success.
"""

from __future__ import annotations

import attrs

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError, UsageError
from imgforge.fetch import parallel
from imgforge.fetch.request import NotFoundError, PassingError, RefusedError
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import CAP
from imgforge.oci.manifest import Index, Manifest
from imgforge.registry.answer import Answer, DeniedError
from imgforge.registry.client import Call, Client
from imgforge.registry.pull import Name, find, look, manifest_call
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target, Way, ensure

_CREATED = frozenset({200, 201, 202})
_SUBJECT = "OCI-Subject"
_LACKING = "MANIFEST_BLOB_UNKNOWN"
_TRACES = ("Age", "X-Cache", "Via")
"""What caches tell of themselves: RFC 9111, section 5.1; RFC 9110, section 7.6.3; custom."""


class ReadBackError(IntegrityError):
    """What the registry serves after a push is not what was pushed."""


class ImmutableTagError(RefusedError):
    """A tag stands for something else already, and the registry does not move it."""


@attrs.frozen
class Pushed:
    """What a push did.

    Attributes:
        digest: of what the tag stands for.
        ways: how each blob came into the repository.
        sent: bytes of the blobs that were sent.
        is_subject_known: whether the registry lists it among the referrers of its subject by itself.
    """

    digest: Digest
    ways: tuple[tuple[Digest, Way], ...]
    sent: int
    is_subject_known: bool

    def count(self, way: Way) -> int:
        """Return how many blobs came in one way."""
        return sum(taken is way for _digest, taken in self.ways)


def push(
    top: Manifest | Index,
    *,
    target: Target,
    tag: str = "",
    parts: tuple[Manifest, ...] = (),
) -> Pushed:
    """Put an image, an index of images or an artifact into a repository.

    Args:
        top: what the tag is to stand for.
        target: where to, and who opens the blobs.
        tag: empty to push by digest only, which a client that pushes by tag alone cannot.
        parts: the manifests of an index; those that are not given must be in the repository.

    Raises:
        DeniedError: the registry does not let us.
        NotFoundError: a part of an index is not there.
        ReadBackError: the registry, or a cache before it, serves something else than was pushed.
        IntegrityError: a blob's bytes are not what its descriptor says.
        FetchError: the registry does not take it.
    """
    client, repository = target.client, target.repository
    if client.is_by_tag and not tag:
        raise UsageError(f"{repository}@{top.digest}: expected a tag to push by, got none")
    manifests = (*parts, *((top,) if isinstance(top, Manifest) else ()))
    blobs = {blob.digest: blob for manifest in manifests for blob in manifest.blobs}
    # The first one alone: it brings the token, or the one clear word that there is none for us.
    ways = {blob.digest: ensure(target, blob) for blob in tuple(blobs.values())[:1]}
    rest = tuple(blobs.values())[1:]
    ways.update(parallel.each(lambda blob: (blob.digest, ensure(target, blob)), rest, jobs=client.jobs))
    for part in parts:
        _bring(client, repository, part, tag=f"{tag[:100]}.{part.digest.hex[:24]}")
    if isinstance(top, Index):
        _check_parts(client, repository, top.manifests)
    is_known = _bring(client, repository, top, tag=tag)
    if tag and not client.is_by_tag:
        move(client, repository, document=top, tag=tag)
    sent = sum(blob.size for digest, blob in blobs.items() if ways[digest] is Way.SENT)
    return Pushed(top.digest, tuple(sorted(ways.items(), key=str)), sent, is_known)


def move(client: Client, repository: Repository, *, document: Manifest | Index, tag: str) -> bool:
    """Let a tag stand for what the repository holds; return whether the registry knows the document's subject.

    The document is sent even where the tag seems to stand for it: a cache that lies would say the same.

    Raises:
        ImmutableTagError: the tag stands for something else, and stays so.
        ReadBackError: the tag stands for something else afterwards.
        FetchError: the registry does not take it.
    """
    try:
        answer = _send(client, repository, document, name=tag)
    except (RefusedError, NotFoundError) as error:
        _settle(error, client, repository, document=document, tag=tag)
        answer = None
    _confirm(client, repository, document, name=tag)
    return answer is not None and _SUBJECT in answer.headers


def _settle(error: FetchError, client: Client, repository: Repository, *, document: Manifest | Index, tag: str) -> None:
    """Return if a tag that was refused stands for the document already.

    Seen for that: 400 (ECR, Artifact Registry, Nexus), 403 (Docker Hub, Artifactory), 409, 412 (Harbor).
    """
    try:
        found = find(client, repository, tag=tag)
    except FetchError:  # the refusal says more than what stands in the way of a second look
        raise error from None
    if found == document.digest:
        return
    if found is None:
        raise error
    text = f"{error}; it stands for {found}, and is not moved to {document.digest}"
    refused = ImmutableTagError(text)
    refused.add_note("tags of this registry may be immutable: push under another tag, or have this one deleted there")
    for note in getattr(error, "__notes__", ()):
        refused.add_note(note)
    raise refused from None


def _bring(client: Client, repository: Repository, document: Manifest | Index, *, tag: str) -> bool:
    """Put a manifest under its digest or, for a registry that refuses that, under a tag."""
    if client.is_by_tag:
        return move(client, repository, document=document, tag=tag)
    return _put(client, repository, document)


def _put(client: Client, repository: Repository, document: Manifest | Index) -> bool:
    """Put a manifest under its digest, unless it is there, and say whether the registry knows its subject."""
    if document.subject is None and _is_there(client, repository, document):
        return False
    try:
        answer = _send(client, repository, document, name=document.digest)
    except DeniedError:
        raise
    except RefusedError as error:
        if document.subject is not None and _is_there(client, repository, document):
            return False  # Nexus refuses what it has (GoogleContainerTools/jib#2395)
        if _LACKING not in str(error):
            error.add_note("if this registry takes manifests under tags alone, push with --tags-only")
            error.add_note("if it knows Docker's media types alone, push with --docker-media-types")
        raise
    _confirm(client, repository, document, name=document.digest)
    return _SUBJECT in answer.headers


def _is_there(client: Client, repository: Repository, document: Manifest | Index) -> bool:
    call = _call("GET", repository, document.digest)
    answer = client.ask(call, expected=frozenset({200, 404}), cap=CAP)
    return answer.status == 200 and answer.data == document.raw


def _send(client: Client, repository: Repository, document: Manifest | Index, *, name: Name) -> Answer:
    call = _call("PUT", repository, name)
    call = attrs.evolve(call, headers=(*call.headers, ("Content-Type", document.media_type)))
    answer = client.ask(call, expected=_CREATED, body=document.raw)
    if answer.digest not in (None, document.digest):
        raise ReadBackError(f"{call.what}: expected {document.digest}, the registry took it for {answer.digest}")
    return answer


def _confirm(client: Client, repository: Repository, document: Manifest | Index, *, name: Name) -> None:
    """Read back past all caches; a registry that is slow to believe itself gets some time."""
    call = _call("GET", repository, name)
    others: list[Answer] = []

    def attempt() -> None:
        answer = client.attempt(call, expected=frozenset({200, 404}), cap=CAP)
        if answer.data != document.raw:
            others.append(answer)
            raise PassingError(f"expected {document.digest}, got {_found(answer)}")

    try:
        client.persist(attempt, what=call.what)
    except FetchError as failure:
        if not others or type(failure) is not FetchError:
            raise
        error = ReadBackError(f"{call.what}: pushed {document.digest}, but it serves {_found(others[-1])}")
        seen = ", ".join(f"{name}: {others[-1].headers[name][:100]}" for name in _TRACES if name in others[-1].headers)
        error.add_note(f"the answer came through a cache ({seen})" if seen else "a cache, or somebody else's push")
        raise error from None


def _found(answer: Answer) -> str:
    return str(Digest.of(answer.data)) if answer.status == 200 else "nothing"


def _check_parts(client: Client, repository: Repository, parts: tuple[Descriptor, ...]) -> None:
    """Refuse an index of which a manifest is missing; not every registry does."""

    def check(part: Descriptor) -> None:
        if look(client, repository, name=part.digest).status != 200:
            raise NotFoundError(f"{repository}@{part.digest}: not there")

    for _ in parallel.each(check, parts, jobs=client.jobs):
        pass


def _call(method: str, repository: Repository, name: Name) -> Call:
    return manifest_call(method, repository, name=name, is_fresh=True, is_push=True)
