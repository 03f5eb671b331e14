"""The verbs that move images and vouch for them: copy, push, pull, tag, tags, keygen, sign, verify."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from imgforge import late
from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.oci.reference import Reference
from imgforge.pipeline.policy.governing import Governor
from imgforge.settings import Settings
from imgforge.store.cache import Cache

consuming = late.module("imgforge.pipeline.policy.consuming")
evidence = late.module("imgforge.pipeline.attest.evidence")
moving = late.module("imgforge.pipeline.moving")
registries = late.module("imgforge.pipeline.registry.registries")
transports = late.module("imgforge.transport.table")
repositories = late.module("imgforge.registry.repository")
listing = late.module("imgforge.registry.tags")
opening = late.module("imgforge.signing.opening")
generating = late.module("imgforge.signing.keygen")
verifying = late.module("imgforge.signing.verify")


@attrs.frozen
class Published:
    """An image that was copied somewhere.

    Attributes:
        reference: where it is now.
        digest: of its manifest.
        signed: whether it was signed there.
        attached: the kinds of statements about it that were signed there, but for those that were there.
    """

    reference: str
    digest: Digest
    signed: bool = False
    attached: tuple[str, ...] = ()


@attrs.frozen
class Vouched:
    """A signature that counts.

    Attributes:
        reference: of the image.
        digest: that was signed.
        key: the trusted key's fingerprint.
        annotations: what else the signer says.
    """

    reference: str
    digest: Digest
    key: str
    annotations: tuple[tuple[str, str], ...] = ()


def copy(
    source: str, target: str, *, settings: Settings, platform: str = "", attach: bool = True, docker: bool = False
) -> Published:
    """Copy an image from one place to another; nothing that is there already is moved.

    From one registry to another its signatures and what else is attached to it go with it, as with `cosign copy`.

    Args:
        source: a name in the store, or ``docker://…``, ``oci:DIR:NAME``, ``oci-archive:FILE``, ``docker-archive:FILE``.
        target: likewise.
        settings: the store, and how registries are reached.
        platform: which image of an index; all of them unless given.
        attach: whether what is attached to the image is copied, too.
        docker: copy it with Docker's manifest: the same layers, another digest, to which nothing is attached.

    Raises:
        RefusedError: the policy does not let the image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    places = Reference.parse(source), Reference.parse(target)
    with moving.Carrier(settings, is_docker=docker) as carrier:
        return Published(target, carrier.copy(*places, platform=platform, is_accompanied=attach)[0])


def index(target: str, images: tuple[str, ...], *, settings: Settings, key: str = "", attach: bool = True) -> Published:
    """Join images for several platforms to one index, and put it with them where it is wanted.

    Args:
        target: a name in the store, ``oci:DIR:NAME`` or ``docker://HOST/REPOSITORY:TAG``.
        images: each for another platform; names in the store or references.
        settings: the store, and how registries are reached.
        key: the URI of the key that signs the index and each image, in a registry; empty for none.
        attach: whether what is known of each image is signed too, if it was built with this cache.

    Raises:
        UsageError: two images are for one platform.
        RefusedError: the policy does not let an image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    where = registries.in_registry(target) if key else Reference.parse(target)
    with moving.Carrier(settings, key=key, is_telling=attach) as carrier:
        moved = carrier.join(map(Reference.parse, images), where)
        return Published(target, moved[0], bool(key), carrier.vouch(where, moved))


def push(
    image: str, reference: str, *, settings: Settings, key: str = "", attach: bool = True, docker: bool = False
) -> Published:
    """Push an image of the store to a registry, its tag last; with a key, sign it and what is known of it there.

    Args:
        image: a name in the store, or another place.
        reference: ``docker://HOST/REPOSITORY:TAG``; the transport may be left out.
        settings: the store, and how registries are reached.
        key: the URI of the key that signs; empty for none.
        attach: whether SBOMs, provenance and report are signed too, if the image was built with this cache.
        docker: push it with Docker's manifest: the same layers, another digest, which is signed.

    Raises:
        RefusedError: the policy does not let the image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    target = registries.in_registry(reference)
    with moving.Carrier(settings, key=key, is_telling=attach, is_docker=docker) as carrier:
        moved = carrier.copy(Reference.parse(image), target)
        return Published(str(target), moved[0], bool(key), carrier.vouch(target, moved))


def pull(reference: str, name: str = "", *, settings: Settings, platform: str = "") -> Published:
    """Pull an image from a registry into the store.

    Args:
        reference: ``docker://HOST/REPOSITORY:TAG``, or with a digest; the transport may be left out.
        name: in the store; the repository's last part and the tag unless given.
        settings: the store, and how registries are reached.
        platform: which image of an index; the only one unless given.

    Raises:
        ImgforgeError: what stood in the way, by class.
    """
    source = registries.in_registry(reference)
    own = name or ":".join(part for part in (source.name.rpartition("/")[2], source.tag) if part)
    with moving.Carrier(settings) as carrier:
        return Published(own, carrier.copy(source, Reference.parse(own), platform=platform, is_whole=False)[0])


def tag(image: str, name: str, *, settings: Settings) -> Published:
    """Give an image of the store one more name.

    Args:
        image: a name in the store, or a digest.
        name: the new one.
        settings: the store.

    Raises:
        StoreError: there is no such image.
    """
    if Reference.parse(name).transport != Reference.parse("x").transport:
        raise UsageError(f"{name}: expected a name in the store; the verb copy writes elsewhere")
    return copy(image, name, settings=settings)


def tags(repository: str, *, settings: Settings) -> tuple[str, ...]:
    """Return the tags of a repository, sorted.

    Args:
        repository: ``docker://HOST/REPOSITORY``; the transport may be left out.
        settings: how registries are reached.
    """
    where = repositories.Repository.of(registries.in_registry(repository))
    with registries.client(settings) as client:
        found: tuple[str, ...] = listing.tags(client, where)
        return found


def keygen(prefix: Path, *, algorithm: str = "ecdsa-p256") -> tuple[Path, Path]:
    """Make a key pair and return the paths of ``PREFIX.key`` and ``PREFIX.pub``.

    The private key is encrypted as cosign encrypts it, with the passphrase in ``$COSIGN_PASSWORD``.

    Args:
        prefix: path without the ending.
        algorithm: ``ecdsa-p256``, ``ed25519`` or ``rsa``.

    Raises:
        UsageError: a file is there already, or there is no passphrase.
    """
    pair = generating.generate(opening.from_environment(f"{prefix}.key"), algorithm=algorithm)
    paths: tuple[Path, Path] = generating.write(pair, prefix)
    return paths


def sign(reference: str, *, key: str, settings: Settings) -> Published:
    """Sign an image in a registry, in both formats that cosign reads.

    Args:
        reference: of the image; a tag is resolved once, and its digest is signed.
        key: URI of the private key: ``file:PATH``, ``env:NAME`` or a path.
        settings: how registries are reached, and the time.
    """
    signer = opening.open_key(key)
    with _beside(reference, settings) as beside:
        beside.vouch(signer, created=settings.now, statements={})
        return Published(reference, beside.digest, signed=True)


def verify(reference: str, *, keys: tuple[str, ...] = (), settings: Settings) -> tuple[Vouched, ...]:
    """Return every signature of an image in a registry by one of these keys or of the policy's, in either format.

    Args:
        reference: of the image.
        keys: URIs of public keys; one good signature of any is enough.
        settings: how registries are reached, the time, and the policy: its rules for publishing must be kept, too.

    Raises:
        UsageError: no key is given, and the policy names none for the repository.
        RefusedError: by the policy the image must not be there, or a signature is missing.
        SignatureError: no signature by the given keys counts; the class says why.
    """
    governor = Governor(settings, cache=Cache(settings.cache))
    given = tuple(opening.open_public(key) for key in keys)
    if not given and not governor.is_there:
        raise UsageError(f"{reference}: expected a key that must have signed it, or a policy that names one; got none")
    where = registries.in_registry(reference)
    if governor.is_there:
        consuming.ask(governor.found, where)
    with _beside(reference, settings) as beside:
        good = beside.verify(verifying.Trust(given, settings.now), what=reference) if given else ()
        if governor.is_there:
            good = (*good, *consuming.good(governor.found, beside, where, now=settings.now, is_enough=bool(given)))
        found = ((one.key.fingerprint, one.claims.annotations) for one in good)
        return tuple(Vouched(reference, beside.digest, key, said) for key, said in dict.fromkeys(found))


@contextlib.contextmanager
def _beside(reference: str, settings: Settings) -> Iterator[Any]:
    with registries.client(settings) as client:
        yield registries.Beside(client, registries.in_registry(reference))
