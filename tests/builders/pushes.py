"""What the registry's tests share: images, a patience, and ways to push and to look without imgforge."""

from __future__ import annotations

import io
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import BinaryIO

import attrs

from builders.images import Made, build_image
from imgforge.digest import Digest
from imgforge.fetch.request import Patience
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.oci.reference import DOCKER, Reference
from imgforge.registry import trust
from imgforge.registry.client import Client
from imgforge.registry.credentials import Find, anonymous
from imgforge.registry.push import Pushed
from imgforge.registry.referrers import attach
from imgforge.registry.repository import Repository
from imgforge.registry.trust import Authority
from imgforge.registry.upload import CHUNK, Target
from imgforge.transport.registry import Registry, opener, publish

QUICK = Patience(attempts=4, connect=2, stall=5, rate=100, delay=0.005, ceiling=1)
MADE = build_image({"etc/hello": b"hello\n" * 100}, {"etc/world": b"world\n"}, {"usr/big": bytes(range(256)) * 200})
_EMPTY = b"{}"
OTHER = build_image({"etc/other": b"other\n"})


@attrs.frozen
class Place:
    """A registry, and how to be let in.

    Attributes:
        host: its host and port.
        credentials: who may push.
        authority: who vouches for it.
    """

    host: str
    credentials: Find = anonymous
    authority: Authority = attrs.field(factory=trust.authorities)

    def client(self, *, clock: Callable[[], float] = time.monotonic) -> Client:
        """Make a client that is let in."""
        return Client(credentials=self.credentials, authority=self.authority, patience=attrs.evolve(QUICK, clock=clock))

    def at(self, name: str) -> Repository:
        """Return a repository."""
        return Repository(self.host, name)


@attrs.define
class Counting:
    """An image's blobs, which remembers what was opened."""

    made: Made
    opened: list[Digest] = attrs.field(factory=list)

    def open(self, blob: Descriptor) -> BinaryIO:
        """Open a blob."""
        self.opened.append(blob.digest)
        return self.made.open(blob)


def reference(repository: Repository, tag: str) -> Reference:
    """Return the reference of a tag."""
    return Reference(DOCKER, repository.host, repository.name, tag)


def push(client: Client, repository: Repository, *, made: Made = MADE, tag: str = "v1") -> Pushed:
    """Push an image."""
    return publish(made.image, made.open, reference=reference(repository, tag), client=client)


def target(client: Client, repository: Repository, *, made: Made = MADE, chunk: int = CHUNK) -> Target:
    """Return where the blobs of an image go."""
    return Target(client, repository, opener(made.image, made.open), chunk=chunk)


def artifact(text: bytes, *, kind: str = "application/vnd.test.note") -> tuple[Manifest, dict[Digest, bytes]]:
    """Return a manifest that refers to `MADE`, and its blobs."""
    config = Descriptor(media.EMPTY, Digest.of(_EMPTY), len(_EMPTY))
    layer = Descriptor("text/plain", Digest.of(text), len(text))
    made = Manifest.make(
        config,
        (layer,),
        annotations=(("note", text.decode()),),
        subject=MADE.image.manifest.descriptor,
        artifact_type=kind,
    )
    return made, {config.digest: _EMPTY, layer.digest: text}


def put(client: Client, repository: Repository, text: bytes, *, kind: str = "application/vnd.test.note") -> Manifest:
    """Attach a note to `MADE`."""
    made, blobs = artifact(text, kind=kind)

    def open_blob(blob: Descriptor) -> BinaryIO:
        return io.BytesIO(blobs[blob.digest])

    attach((made,), target=Target(client, repository, open_blob))
    return made


def check_pulled(client: Client, repository: Repository, *, made: Made = MADE, tag: str = "v1") -> None:
    """Pull an image and compare every byte."""
    assert pulled(client, reference(repository, tag), among=(made,)) == made


def pulled(client: Client, wanted: Reference, *, among: tuple[Made, ...]) -> Made:
    """Pull an image, which must be one of ours, to the last byte."""
    with Registry(client).read(wanted, platform=None) as opened:
        made = {made.image.digest: made for made in among}[opened.image.digest]
        assert opened.image == made.image
        for layer in opened.image.manifest.layers:
            with opened.open(layer) as stream:
                assert stream.read() == made.blobs[layer.digest]
        return made


def stands_for(host: str, name: str, *, tag: str, token: str = "") -> Digest | None:
    """Return what a tag stands for, and see that all of it is there; without imgforge."""
    found = _get(host, f"{name}/manifests/{tag}", token)
    if found is None:
        return None
    document = json.loads(found)
    for blob in (document["config"], *document["layers"]):
        data = _get(host, f"{name}/blobs/{blob['digest']}", token)
        assert data is not None, f"{name}:{tag} lacks {blob['digest']}"
        assert str(Digest.of(data)) == blob["digest"]
        assert len(data) == blob["size"]
    return Digest.of(found)


def has(host: str, name: str, digest: Digest) -> bool:
    """Say whether a repository of a registry for anybody has a blob."""
    return _get(host, f"{name}/blobs/{digest}") is not None


def _get(host: str, path: str, token: str = "") -> bytes | None:
    accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
    who = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://{host}/v2/{path}", headers={"Accept": accept, **who})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            data: bytes = response.read()
            return data
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return None


def uploaded(paths: list[str]) -> set[str]:
    """Return the digests that closed an upload, from the paths of requests."""
    return {found[1] for path in paths if (found := re.search(r"[?&]digest=(sha256(?::|%3A)[0-9a-f]{64})", path))}
