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
from imgforge.oci.platform import Platform
from imgforge.oci.reference import DOCKER, Reference
from imgforge.pipeline.base import Base
from imgforge.pipeline.builder import Builder
from imgforge.pipeline.governing import Governor
from imgforge.pipeline.marks import is_marked
from imgforge.settings import Settings
from imgforge.store.cache import Cache
from imgforge.store.layout import Layout
from imgforge.transport.place import Opened

consuming = late.module("imgforge.pipeline.consuming")
evidence = late.module("imgforge.pipeline.evidence")
gate = late.module("imgforge.pipeline.gate")
registries = late.module("imgforge.pipeline.registries")
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


def copy(source: str, target: str, *, settings: Settings, platform: str = "") -> Published:
    """Copy an image from one place to another; nothing that is there already is moved.

    Args:
        source: a name in the store, or ``docker://…``, ``oci:DIR:NAME``, ``oci-archive:FILE``, ``docker-archive:FILE``.
        target: likewise.
        settings: the store, and how registries are reached.
        platform: which image of an index; the only one unless given.

    Raises:
        RefusedError: the policy does not let the image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    digest = _copy(Reference.parse(source), Reference.parse(target), settings=settings, platform=platform)
    return Published(target, digest)


def _copy(
    source: Reference, target: Reference, *, settings: Settings, platform: str = "", signer: Any = None
) -> Digest:
    store = Layout(settings.store)
    store.create()
    wanted = Platform.parse(platform) if platform else None
    with registries.client(settings) as client, store.using():
        table = transports.transports(store, client)
        with transports.read(source, table=table, platform=wanted) as opened:
            let_out(opened, source, target, settings=settings, client=client, signer=signer)
            transports.write(opened.image, opened.open, reference=target, table=table)
            digest: Digest = opened.image.digest
            return digest


def let_out(
    opened: Opened, source: Reference, target: Reference, *, settings: Settings, client: Any, signer: Any = None
) -> None:
    """Ask whether an image may go where it goes, before anything moves; see `gate.allow`.

    Args:
        opened: the image at its place.
        source: that place.
        target: where it goes; whatever is no registry is open to everybody.
        settings: name the policy.
        client: to ask registries with.
        signer: who will sign it there.

    Raises:
        RefusedError: it must not.
    """
    if target.transport != DOCKER:
        return
    cache = Cache(settings.cache)
    is_free = repositories.is_loopback(target.location) and not is_marked(opened.image)
    if Governor(settings, cache=cache).is_there or not is_free:
        image = Base(str(source), opened.image.digest, opened.image, opened.open)
        gate.allow(gate.Exit(image, source, target, signer), settings=settings, client=client, cache=cache)


def push(image: str, reference: str, *, settings: Settings, key: str = "", attach: bool = True) -> Published:
    """Push an image of the store to a registry, its tag last; with a key, sign it and what is known of it there.

    Args:
        image: a name in the store, or another place.
        reference: ``docker://HOST/REPOSITORY:TAG``; the transport may be left out.
        settings: the store, and how registries are reached.
        key: the URI of the key that signs; empty for none.
        attach: whether SBOMs, provenance and report are signed too, if the image was built with this cache.

    Raises:
        RefusedError: the policy does not let the image go there.
        ImgforgeError: what else stood in the way, by class.
    """
    target = registries.in_registry(reference)
    signer = opening.open_key(key) if key else None  # a key that cannot be had is said before anything moves
    told = _evidence(image, settings) if attach and signer is not None else {}
    published = Published(str(target), _copy(Reference.parse(image), target, settings=settings, signer=signer))
    if signer is None:
        return published
    with _beside(f"{target}@{published.digest}", settings) as beside:
        beside.sign(signer, created=settings.now)
        attached = tuple(
            kind
            for (kind, digest), predicate in told.items()
            if digest == published.digest  # a build may have moved the name in the meantime
            and beside.attest(evidence.DOCUMENTS[kind], predicate, signer, created=settings.now)
        )
    return attrs.evolve(published, signed=True, attached=attached)


def _evidence(image: str, settings: Settings) -> dict[tuple[str, Digest], dict[str, Any]]:
    """Return every document by kind and image; none for an image of whose making nothing is known: nobody guesses."""
    with Builder(settings) as builder:
        opened = builder.open(image)
        if not evidence.is_known(opened.digest, cache=builder.cache):
            settings.reporter.warned(f"{image}: nothing is known here of how it was built: no evidence is attached")
            return {}
        return {
            (kind, opened.digest): evidence.document(kind, opened, cache=builder.cache, reporter=settings.reporter)
            for kind in evidence.DOCUMENTS
        }


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
    return copy(str(source), own, settings=settings, platform=platform)


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
        raise UsageError(f"{name}: expected a name in the store; to copy elsewhere there is `imgforge copy`")
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
        beside.sign(signer, created=settings.now)
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
    with _beside(reference, settings) as beside:
        good = beside.verify(verifying.Trust(given, settings.now), what=reference) if given else ()
        if governor.is_there:
            where = registries.in_registry(reference)
            good = (*good, *consuming.good(governor.found, beside, where, now=settings.now, is_enough=bool(given)))
        found = ((one.key.fingerprint, one.claims.annotations) for one in good)
        return tuple(Vouched(reference, beside.digest, key, said) for key, said in dict.fromkeys(found))


@contextlib.contextmanager
def _beside(reference: str, settings: Settings) -> Iterator[Any]:
    with registries.client(settings) as client:
        yield registries.Beside(client, registries.in_registry(reference))
