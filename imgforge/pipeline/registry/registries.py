"""Registries, as the verbs use them: one client made from the settings, and what an image has beside it there."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, UsageError
from imgforge.fetch import parallel
from imgforge.fetch.request import NotFoundError, RefusedError
from imgforge.oci import docker, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Index, Manifest
from imgforge.oci.reference import DOCKER, DOCKER_ARCHIVE, OCI, OCI_ARCHIVE, Reference
from imgforge.registry import pull, referrers
from imgforge.registry.answer import DeniedError
from imgforge.registry.client import Client
from imgforge.registry.credentials import from_files
from imgforge.registry.push import ImmutableTagError, push
from imgforge.registry.repository import Repository
from imgforge.registry.upload import Target
from imgforge.settings import Settings
from imgforge.signing import bundle, cosign_tag, sign, verify
from imgforge.signing.attachment import Attachment
from imgforge.signing.claims import Claims
from imgforge.signing.dsse import Envelope
from imgforge.signing.errors import AbsentError, SignatureError, UnsignedError
from imgforge.signing.keys import KeyService
from imgforge.signing.statement import Statement
from imgforge.signing.verify import Found, Trust, Verified

_REFERRER = 256 * 1024
"""Bytes of a referrer's manifest; those of bundles have about 1000."""

_MOST = 256
"""Signed statements about one image that are held in memory."""

_FORMATS = 2
"""Ways in which a signature is kept: behind a tag, and as a bundle."""

_DOCKER = frozenset({media.DOCKER_MANIFEST, media.DOCKER_LIST})
"""Of images in registries that may know nothing else."""

_BUNDLES = frozenset({bundle.MEDIA_TYPE, media.EMPTY, ""})
"""What lists give as the type of a bundle: see `bundle.is_one`."""


def client(settings: Settings) -> Client:
    """Return a client with this user's credentials; it opens nothing before it is asked something."""
    made = Client(
        credentials=from_files(os.environ),
        plain=frozenset(settings.plain),
        offline=settings.offline,
        reporter=settings.reporter,
        access=settings.access,
    )
    made.is_by_tag = settings.by_tag
    return made


def in_registry(text: str) -> Reference:
    """Read a reference that must be one of a registry; ``docker://`` may be left out.

    Raises:
        UsageError: it is none.
    """
    is_elsewhere = "://" in text or text.partition(":")[0] in (OCI, OCI_ARCHIVE, DOCKER_ARCHIVE)
    reference = Reference.parse(text if is_elsewhere else f"{DOCKER}://{text}")
    if reference.transport != DOCKER:
        raise UsageError(f"{text}: expected docker://HOST/REPOSITORY, got another transport")
    return reference


def attached(talker: Client, reference: Reference, *, among: frozenset[str] | None = None) -> frozenset[str]:
    """Return the digests of what is attached to an image: referrers that are there, and what cosign's tags name.

    Args:
        talker: to ask with.
        reference: of the image, by digest.
        among: the referrers that are looked for; None for all.
    """
    repository, digest = Repository.of(reference), reference.digest
    if digest is None:
        raise UsageError(f"{reference}: expected a digest")
    every = (one.digest for one in referrers.referrers(talker, repository, digest=digest))
    listed = tuple(one for one in every if among is None or str(one) in among)
    there = referrers.present(talker, repository, listed)
    tags = (cosign_tag.tag(digest, suffix) for suffix in ("sig", "att"))
    tagged = parallel.each(lambda tag: pull.find(talker, repository, tag=tag), tags, jobs=talker.jobs)
    return frozenset(str(one) for one in (*there, *tagged) if one is not None)


class Beside:
    """What a repository has beside one image: signatures and statements.

    Args:
        talker: to ask with.
        reference: of the image.
    """

    def __init__(self, talker: Client, reference: Reference) -> None:
        self._client = talker
        self.repository = Repository.of(reference)
        self.subject = pull.manifest(talker, self.repository, name=reference.digest or reference.tag).descriptor
        self._known: Found | None = None
        self._absent: frozenset[Digest] = frozenset()

    def vouch(
        self,
        key: KeyService,
        *,
        created: int,
        statements: Mapping[str, Mapping[str, Any]],
        annotations: tuple[tuple[str, str], ...] = (),
    ) -> tuple[str, ...]:
        """Sign the image in both of cosign's formats, and statements about it, unless the key has said the same before.

        Args:
            key: which signs.
            created: seconds since 1970.
            statements: predicates by their types.
            annotations: what else the signature says.

        Returns:
            The types of the statements that were attached.
        """
        claims = Claims(self.subject.digest, self._docker_reference, annotations)
        trust, found = Trust((key.public,), created), self._found()
        has_tag = self._says(claims, Found(signatures=found.signatures), trust)
        has_bundle = self._says(claims, Found(referrers=found.referrers), trust)
        new = {kind: said for kind, said in statements.items() if not self._has_said(kind, said, trust)}
        bundles = [] if has_bundle else [sign.with_bundle(claims, key, subject=self.subject, created=created)]
        about: dict[str, Any] = {"subject": self.subject, "created": created}
        plain = Claims(self.subject.digest, self._docker_reference)
        bundles += [sign.attest(plain, key, predicate_type=kind, predicate=new[kind], **about) for kind in new]
        refused = () if has_tag else self._refused(sign.with_tag(claims, key, existing=found.signatures))
        unlisted = self._refused(*bundles)
        self._settle((*refused, *(() if has_bundle else unlisted)))
        if unlisted and new:
            self._client.reporter.noted(f"{unlisted[0]}; a tag holds the statements, as cosign's older format has them")
            self._attach(self._behind_tag(new, plain, key))
        return tuple(new)

    def _settle(self, refused: tuple[RefusedError, ...]) -> None:
        """Warn of the format of a signature that a registry does not take; one is enough.

        Raises:
            RefusedError: it takes neither.
        """
        if len(refused) == _FORMATS:
            raise refused[0]
        for error in refused:
            self._client.reporter.warned(f"{error}; the signature is there in cosign's other format alone")

    def _behind_tag(self, statements: Mapping[str, Mapping[str, Any]], claims: Claims, key: KeyService) -> Attachment:
        """Return the manifest that holds statements beside those that the tag has."""
        made: list[Attachment] = []
        for kind, predicate in statements.items():
            existing = made[-1].manifest if made else self._found().attestations
            made.append(sign.attest_with_tag(claims, key, predicate_type=kind, predicate=predicate, existing=existing))
        blobs = tuple(blob for one in made for blob in one.blobs)
        return Attachment(made[-1].manifest, blobs, made[-1].tag)

    def _refused(self, *attachments: Attachment) -> tuple[RefusedError, ...]:
        """Attach things; return the error of a registry that refuses them, unless the credentials allow no push."""
        try:
            self._attach(*attachments)
        except DeniedError:
            raise
        except RefusedError as error:
            return (error,)
        return ()

    def _says(self, claims: Claims, found: Found, trust: Trust) -> bool:
        """Tell whether a good signature among those found says the same; one in a bundle names no repository."""
        try:
            good = verify.image(found, digest=claims.digest, trust=trust, read=self.read, what=str(claims.digest))
        except SignatureError:
            return False
        names = ("", claims.reference)
        return any(one.claims.annotations == claims.annotations and one.claims.reference in names for one in good)

    def verify(self, trust: Trust, *, what: str) -> tuple[Verified, ...]:
        """Return every signature of the image that counts.

        Raises:
            SignatureError: none does; the class says why.
        """
        return verify.image(self._found(), digest=self.subject.digest, trust=trust, read=self.read, what=what)

    def statement(self, predicate_type: str, trust: Trust | None, *, what: str) -> dict[str, Any]:
        """Return what the newest statement of a type says about the image.

        Args:
            predicate_type: what kind of statement.
            trust: who must have signed it; None to take whatever is there.
            what: the image's name in messages.

        Raises:
            UnsignedError: there is no such statement.
            SignatureError: there are some and none counts; the class says why.
        """
        if trust is None:
            found = tuple(self._unverified(predicate_type, what=what))
        else:
            digest = self.subject.digest
            verified = verify.attestation(
                self._found(), predicate_type, digest=digest, trust=trust, read=self.read, what=what
            )
            found = tuple(one.statement for one in verified if one.statement is not None)
        if not found:
            raise UnsignedError(f"{what}: expected a statement of type {predicate_type}, got none")
        return dict(found[-1].predicate)

    def _has_said(self, predicate_type: str, predicate: Mapping[str, Any], trust: Trust) -> bool:
        """Tell whether a key has made the same statement before."""
        try:
            said = verify.attestation(
                self._found(), predicate_type, digest=self.digest, trust=trust, read=self.read, what=str(self.digest)
            )
        except SignatureError:  # nothing is there, or only what others said
            return False
        return any(one.statement is not None and one.statement.predicate == predicate for one in said)

    def _unverified(self, predicate_type: str, *, what: str) -> Iterator[Statement]:
        for read in self._payloads(predicate_type, what=what):
            try:
                said = Statement.parse(read(), what=what)
            except AbsentError as error:  # garbage collection took it; another one may be there
                self._client.reporter.warned(str(error))
                continue
            if said.predicate_type == predicate_type:
                said.claims(self.digest, what=what)
                yield said

    def _payloads(self, predicate_type: str, *, what: str) -> Iterator[Callable[[], bytes]]:
        def tagged(blob: Descriptor) -> bytes:
            return Envelope.parse(bundle.blob(blob, self.read, what=what), what=what).payload

        def bundled(manifest: Manifest) -> bytes:
            return bundle.detach(manifest, digest=self.digest, read=self.read, what=what)[0].envelope.payload

        found = self._found()
        envelopes = cosign_tag.envelopes(found.attestations, what=what) if found.attestations else ()
        yield from (partial(tagged, one) for one in envelopes)
        bundles = (one for one in found.referrers if bundle.is_one(one))
        yield from (partial(bundled, one) for one in bundles if bundle.predicate_type(one) == predicate_type)

    def _found(self) -> Found:
        """Return what is there, looked for once, and again after something was added."""
        if self._known is None:
            self._known = self._looked_up()
        return self._known

    def _looked_up(self) -> Found:
        digest = self.subject.digest
        every = referrers.referrers(self._client, self.repository, digest=digest)
        listed = tuple(one.digest for one in every if one.artifact_type in _BUNDLES and one.size <= _REFERRER)
        if len(listed) > _MOST:
            raise UsageError(
                f"{self.repository}@{digest}: expected at most {_MOST} signed statements, got {len(listed)}"
            )
        places = enumerate(listed)
        found = dict(parallel.each(lambda place: (place[0], self._listed(place[1])), places, jobs=self._client.jobs))
        self._absent = frozenset(listed[number] for number, one in found.items() if one is None)
        manifests = (found[number] for number in sorted(found))
        return Found(
            signatures=self._tagged(cosign_tag.tag(digest)),
            attestations=self._tagged(cosign_tag.tag(digest, "att")),
            referrers=tuple(one for one in manifests if isinstance(one, Manifest)),
        )

    def _listed(self, digest: Digest) -> Manifest | Index | None:
        """Return a referrer; None, with a warning, where the list names what is gone or is not a manifest.

        Nothing is lost by that: what is signed is verified, and whoever can list a wrong one can list nothing.
        """
        try:
            return pull.manifest(self._client, self.repository, name=digest, cap=_REFERRER)
        except (NotFoundError, IntegrityError) as error:
            why = "is listed, and gone" if isinstance(error, NotFoundError) else f"is not used: {error}"
            self._client.reporter.warned(f"{self.repository}: referrer {digest.short} of {self.digest.short} {why}")
            return None

    def _tagged(self, tag: str) -> Manifest | None:
        try:
            found = pull.manifest(self._client, self.repository, name=tag)
        except NotFoundError:
            return None
        return None if isinstance(found, Index) else found

    def document(self, digest: Digest) -> Manifest | Index:
        """Return a manifest or index of the repository."""
        return pull.manifest(self._client, self.repository, name=digest)

    def read(self, blob: Descriptor) -> bytes:
        """Return a small blob of the repository.

        Raises:
            AbsentError: it is gone.
        """
        try:
            return pull.read_blob(self._client, self.repository, digest=blob.digest, cap=blob.size)
        except NotFoundError as error:
            raise AbsentError(str(error)) from None

    def _attach(self, *attachments: Attachment) -> None:
        """Push what belongs to the image: one manifest behind a tag, or referrers."""
        self._known = None if attachments else self._known
        contents = {descriptor.digest: data for attachment in attachments for descriptor, data in attachment.blobs}

        def open_blob(blob: Descriptor) -> BinaryIO:
            return io.BytesIO(contents[blob.digest]) if blob.digest in contents else self._stream(blob)

        target = Target(self._client, self.repository, open_blob)
        referring = tuple(one.manifest for one in attachments if one.manifest.subject is not None)
        if referring:
            referrers.attach(referring, target=target, absent=self._absent)
        for attachment in attachments:
            if attachment.manifest.subject is None:
                self._put(attachment, target)

    def _put(self, attachment: Attachment, target: Target) -> None:
        """Push a manifest behind a tag; with Docker's media types where the image has them and no others are taken."""
        try:
            push(attachment.manifest, target=target, tag=attachment.tag)
        except (DeniedError, ImmutableTagError):
            raise
        except RefusedError:
            if self.subject.media_type not in _DOCKER:
                raise
            push(docker.signatures(attachment.manifest, what=attachment.tag), target=target, tag=attachment.tag)

    def _stream(self, blob: Descriptor) -> BinaryIO:
        return pull.open_blob(self._client, self.repository, blob=blob)

    @property
    def _docker_reference(self) -> str:
        return f"{self.repository.host}/{self.repository.name}"

    @property
    def digest(self) -> Digest:
        """Of the image's manifest or index."""
        return self.subject.digest
