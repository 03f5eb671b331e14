"""What distinguishes one registry from another: data that the simulator acts by.

The defaults are what distribution-spec v1.1 asks for. A size of 0 is no limit.
"""

from __future__ import annotations

import enum
import re

import attrs

MANIFEST_MOST = 4 << 20
"""Bytes of a manifest that registries take at least: spec.md, "Pushing Manifests"."""


class Auth(enum.Enum):
    """Who is served."""

    OPEN = "anybody"
    BASIC = "a password"
    BEARER = "a token of the registry's token server"


class Referrers(enum.Enum):
    """What the referrers API does."""

    LISTED = "lists them"
    REFUSED = "answers with an error"
    PAGE = "answers 200 with a page for people"
    EMPTY = "answers 200 with an empty index, whatever was pushed"
    ELSEWHERE = "redirects to another host, which has pages for people and limits requests"


class Mounts(enum.Enum):
    """What the registry does when it is asked to mount a blob of another repository."""

    ALWAYS = "mounts it"
    REFERENCED = "mounts it if a manifest there names it"
    NEVER = "begins an upload"
    REFUSED = "answers with an error"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


@attrs.frozen(kw_only=True)
class Profile:
    """How a registry behaves.

    Attributes:
        name: of the product.
        auth: who is served.
        realm: path of the token server.
        service: the registry's name there.

        referrers: what the referrers API does.
        referrers_status: of `Referrers.REFUSED`.
        says_subject: whether a manifest with a subject is answered with ``OCI-Subject``.
        reads_dash: whether a tag ``sha256-HEX`` that is not there stands for the manifest ``sha256:HEX``.
        takes_artifacts: whether manifests may have configs that are no image's.
        takes_oci: whether manifests may have OCI's media types; else Docker's alone.

        absent_blob: status for a blob that is not there.
        head: whether HEAD is answered; else 405.
        ranges: whether parts of a blob are served.
        says_length: whether a blob's length is.
        redirects_blobs: whether blobs are served by another host, which refuses ``Authorization``.
        says_digest: whether manifests come with ``Docker-Content-Digest``.

        mounts: see `Mounts`.
        upload: path of an upload.
        upload_is_absolute: whether ``Location`` of an upload has the host.
        upload_has_state: whether it has a query, without which the upload is unknown.
        takes_chunks: whether an upload may come in several parts.
        chunk_refusal: status for a part where it may not, and for one that is too large.
        chunk_status: of a part that was taken.
        chunk_most: bytes of a part.
        chunk_least: bytes of a part that is not the last, as ``OCI-Chunk-Min-Length`` says.
        range_sticks: whether ``Range`` repeats the end of the first part.
        cancels: whether an upload can be deleted.
        body_most: bytes of any request's body; more is answered with 413 by a proxy.

        manifest_most: bytes of a manifest.
        checks_parts: whether what a manifest names must be there.
        takes_digests: whether a manifest may be put under its digest.
        immutable: status for a tag that is there already; 0 where tags move.
        immutable_code: of that error.
        movable: tags that move all the same.
        keeps_manifests: whether a manifest that is there is refused, too, as a tag is.

        page: entries of a page of a list.
        link_is_absolute: whether the next page's link has the host.
        deletes: what can be deleted: ``tag``, ``manifest``, ``blob``.
        creates_repositories: whether a push makes the repository.
        busy_every: each so many requests, one is answered 429.
    """

    name: str
    auth: Auth = Auth.OPEN
    realm: str = "/token"
    service: str = "registry"

    referrers: Referrers = Referrers.LISTED
    referrers_status: int = 404
    says_subject: bool = True
    reads_dash: bool = False
    takes_artifacts: bool = True
    takes_oci: bool = True

    absent_blob: int = 404
    head: bool = True
    ranges: bool = True
    says_length: bool = True
    redirects_blobs: bool = False
    says_digest: bool = True

    mounts: Mounts = Mounts.ALWAYS
    upload: str = "/v2/{name}/blobs/uploads/{session}"
    upload_is_absolute: bool = False
    upload_has_state: bool = False
    takes_chunks: bool = True
    chunk_refusal: int = 416
    chunk_status: int = 202
    chunk_most: int = 0
    chunk_least: int = 0
    range_sticks: bool = False
    cancels: bool = True
    body_most: int = 0

    manifest_most: int = MANIFEST_MOST
    checks_parts: bool = True
    takes_digests: bool = True
    immutable: int = 0
    immutable_code: str = "DENIED"
    movable: re.Pattern[str] = attrs.field(default="", converter=_pattern)
    keeps_manifests: bool = False

    page: int = 1000
    link_is_absolute: bool = False
    deletes: frozenset[str] = frozenset({"tag", "manifest", "blob"})
    creates_repositories: bool = True
    busy_every: int = 0

    def scaled(self, divisor: int) -> Profile:
        """Return the profile with sizes of uploads divided, so that tests need no large blobs."""
        sizes = ("chunk_most", "chunk_least", "body_most")
        return attrs.evolve(self, **{name: getattr(self, name) // divisor for name in sizes})
