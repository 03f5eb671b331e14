"""The Sigstore bundle, version 0.3, and the referrer that carries it: what cosign 3 writes and reads by default. Pure.

Only bundles around a DSSE envelope are read, which is what cosign makes for images, and only those that name a key:
keyless signatures need Sigstore's own services. Entries of a transparency log and timestamps may be there and are not
looked at, as under cosign's ``--insecure-ignore-tlog``.
Sources: sigstore/protobuf-specs, sigstore_bundle.proto; cosign's specs/BUNDLE_SPEC.md; what cosign 2.5 and 3.1 wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from imgforge.digest import Digest, check
from imgforge.errors import IntegrityError
from imgforge.oci import document, media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.document import DocumentError, Node
from imgforge.oci.manifest import Manifest
from imgforge.signing import claims
from imgforge.signing.attachment import Attachment
from imgforge.signing.dsse import CAP, Envelope
from imgforge.signing.errors import ChangedError, MalformedSignatureError, OtherImageError, WrongKeyError
from imgforge.signing.members import only

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
CONTENT: Final = "dev.sigstore.bundle.content"
PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"
CREATED: Final = "org.opencontainers.image.created"
EMPTY: Final = b"{}"

_UNREAD = ("tlogEntries", "timestampVerificationData")


@attrs.frozen
class Bundle:
    """An envelope and what names the key that signed it.

    Attributes:
        envelope: the signed statement.
        hint: `keys.PublicKey.hint` of the key; nothing vouches for it, so it only says which key to try.
    """

    envelope: Envelope
    hint: str

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Bundle:
        """Read a bundle.

        Raises:
            WrongKeyError: it was signed without a key of its own, by a certificate of Sigstore's.
            MalformedSignatureError: it is no bundle of version 0.3 around an envelope.
        """
        try:
            return cls._read(document.parse(raw, what=what, cap=CAP))
        except DocumentError as error:
            raise MalformedSignatureError(str(error)) from None

    @classmethod
    def _read(cls, node: Node) -> Bundle:
        only(node, ("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"))
        if node.need("mediaType").text() != MEDIA_TYPE:
            raise node.need("mediaType").wrong(repr(MEDIA_TYPE))
        if node.find("messageSignature"):
            raise DocumentError(f"{node.where}: expected a DSSE envelope, got the signature of a file")
        material = node.need("verificationMaterial")
        if material.find("certificate") or material.find("x509CertificateChain"):
            raise WrongKeyError(f"{node.where}: expected a signature by a key, got one by a certificate (keyless)")
        only(material, ("publicKey", *_UNREAD))
        key = material.need("publicKey")
        only(key, ("hint",))
        hint = key.find("hint")
        return cls(Envelope.read(node.need("dsseEnvelope")), hint.text() if hint else "")

    def dump(self) -> bytes:
        """Return the bundle in canonical bytes."""
        return document.dump(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {"publicKey": {"hint": self.hint}},
                "dsseEnvelope": self.envelope.to_json(),
            }
        )


def attach(bundle: Bundle, *, subject: Descriptor, predicate_type: str, created: int) -> Attachment:
    """Return the referrer that carries a bundle, as cosign writes it.

    Args:
        bundle: to carry.
        subject: of the image's manifest or index.
        predicate_type: of the bundle's statement: by it a reader picks the referrer.
        created: seconds since the epoch.
    """
    raw = bundle.dump()
    empty = Descriptor(media.EMPTY, Digest.of(EMPTY), len(EMPTY), artifact_type=MEDIA_TYPE)
    layer = Descriptor(MEDIA_TYPE, Digest.of(raw), len(raw))
    manifest = Manifest.make(
        empty,
        (layer,),
        annotations=(
            (CONTENT, "dsse-envelope"),
            (PREDICATE_TYPE, predicate_type),
            (CREATED, claims.rfc3339(created)),
        ),
        subject=attrs.evolve(subject.bare(), artifact_type=""),
        artifact_type=MEDIA_TYPE,
    )
    return Attachment(manifest, ((empty, EMPTY), (layer, raw)))


def is_one(manifest: Manifest) -> bool:
    """Tell whether a referrer carries a bundle.

    Look at the manifest for this: where a registry has no referrers API, cosign writes the type of the config
    (``application/vnd.oci.empty.v1+json``) as ``artifactType`` into the index behind the tag.
    """
    return manifest.artifact_type == MEDIA_TYPE


def predicate_type(manifest: Manifest) -> str:
    """Return what a referrer says of its statement's type; nothing vouches for it, and it may be empty."""
    return dict(manifest.annotations).get(PREDICATE_TYPE, "")


def detach(
    manifest: Manifest, *, digest: Digest, read: Callable[[Descriptor], bytes], what: str
) -> tuple[Bundle, bytes]:
    """Return the bundle that a referrer carries, and its bytes.

    Args:
        manifest: the referrer's.
        digest: of the image that it should refer to.
        read: returns a blob's bytes, at most as many as its descriptor says.
        what: the image's name in messages.

    Raises:
        OtherImageError: it refers to another image.
        ChangedError: the blob is not the one that the manifest names.
        MalformedSignatureError, WrongKeyError: it is no bundle that can be read.
    """
    if manifest.subject is None or manifest.subject.digest != digest:
        got = manifest.subject.digest if manifest.subject else "none"
        raise OtherImageError(f"{what}: referrer {manifest.digest}: expected subject {digest}, got {got}")
    layers = manifest.layers
    if len(layers) != 1 or layers[0].media_type != MEDIA_TYPE or layers[0].size > CAP:
        raise MalformedSignatureError(
            f"{what}: referrer {manifest.digest}: expected one layer, a bundle of {CAP} bytes at most"
        )
    raw = blob(layers[0], read, what=what)
    return Bundle.parse(raw, what=f"{what}: bundle {layers[0].digest}"), raw


def blob(descriptor: Descriptor, read: Callable[[Descriptor], bytes], *, what: str) -> bytes:
    """Return a blob's bytes after comparing them with its descriptor.

    Raises:
        ChangedError: they are others.
    """
    raw = read(descriptor)
    if len(raw) != descriptor.size:
        raise ChangedError(f"{what}: blob {descriptor.digest}: expected {descriptor.size} bytes, got {len(raw)}")
    try:
        return check(raw, descriptor.digest, what=f"{what}: blob")
    except IntegrityError as error:
        raise ChangedError(str(error)) from None
