"""Sigstore bundles, version 0.3, and the referrers that carry them: cosign 3's default format. Pure.

Supported are bundles with a DSSE envelope, which cosign uses for images, signed by a key. Keyless signatures are not
supported: they need Sigstore's online services. Transparency log entries and timestamps are ignored, as with cosign's
``--insecure-ignore-tlog``.
Sources: sigstore/protobuf-specs, sigstore_bundle.proto; cosign's specs/BUNDLE_SPEC.md; output of cosign 2.5 and 3.1.
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
    """An envelope and the hint of its key.

    Attributes:
        envelope: the signed statement.
        hint: `keys.PublicKey.hint` of the key. Not authenticated: use it only to select the key to try.
    """

    envelope: Envelope
    hint: str

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Bundle:
        """Parse a bundle.

        Raises:
            WrongKeyError: signed with a certificate (keyless), not with a key.
            MalformedSignatureError: not a version 0.3 bundle with a DSSE envelope.
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
        """Return the bundle as canonical JSON."""
        return document.dump(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {"publicKey": {"hint": self.hint}},
                "dsseEnvelope": self.envelope.to_json(),
            }
        )


def attach(bundle: Bundle, *, subject: Descriptor, predicate_type: str, created: int) -> Attachment:
    """Return a referrer that carries a bundle, as cosign writes it.

    Args:
        bundle: the bundle to attach.
        subject: descriptor of the image's manifest or index.
        predicate_type: predicate type of the bundle's statement; readers select referrers by it.
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
    """Return whether a referrer carries a bundle.

    Check the manifest, not its entry in a fallback index: for registries without the referrers API, cosign writes the
    config's media type (``application/vnd.oci.empty.v1+json``) as ``artifactType`` there.
    """
    return manifest.artifact_type == MEDIA_TYPE


def predicate_type(manifest: Manifest) -> str:
    """Return the predicate type from a referrer's annotations. It is not authenticated and may be empty."""
    return dict(manifest.annotations).get(PREDICATE_TYPE, "")


def detach(
    manifest: Manifest, *, digest: Digest, read: Callable[[Descriptor], bytes], what: str
) -> tuple[Bundle, bytes]:
    """Return the bundle that a referrer carries, and its bytes.

    Args:
        manifest: the referrer's manifest.
        digest: digest of the image that the referrer must refer to.
        read: returns the bytes of a blob, at most as many as its descriptor's size.
        what: name of the image, for error messages.

    Raises:
        OtherImageError: the referrer's subject is another image.
        ChangedError: the blob does not match its descriptor.
        MalformedSignatureError, WrongKeyError: not a supported bundle.
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
    """Read a blob and verify its size and digest.

    Raises:
        ChangedError: the bytes do not match the descriptor.
    """
    raw = read(descriptor)
    if len(raw) != descriptor.size:
        raise ChangedError(f"{what}: blob {descriptor.digest}: expected {descriptor.size} bytes, got {len(raw)}")
    try:
        return check(raw, descriptor.digest, what=f"{what}: blob")
    except IntegrityError as error:
        raise ChangedError(str(error)) from None
