"""The registries that people use, each with what is documented or reported of it.

A source is a page of its maker's, or ``OWNER/REPOSITORY#NUMBER``: an issue of that project on GitHub. Where nothing is
known, a profile does what the specification asks for. Sizes are the registries' own; `Profile.scaled` divides them.
"""

from __future__ import annotations

from builders.simulator.profile import Auth, Mounts, Profile, Referrers

_MIB = 1 << 20
_NOT_BLOBS = frozenset({"tag", "manifest"})

DOCKER_HUB = Profile(
    name="Docker Hub",
    # distribution's docs/spec/auth/token.md names its realm and service as the example.
    auth=Auth.BEARER,
    realm="/token",
    service="registry.docker.io",
    # docker/hub-feedback#2372: sends OCI-Subject, has no referrers API. soci-snapshotter#1828: it has had one since.
    referrers=Referrers.REFUSED,
    says_subject=True,
    # docker/hub-feedback#2466: a tag that may not move is refused with 403.
    immutable=403,
    immutable_code="DENIED",
    movable=r"sha256-.*",
    # docker/hub-feedback#1669, #1907: 429 for too many requests of any kind.
    busy_every=7,
    # Not reported: the rest is as in distribution, which it grew from.
    redirects_blobs=True,
    upload_is_absolute=True,
    upload_has_state=True,
    deletes=frozenset(),
)

GHCR = Profile(
    name="GHCR",
    auth=Auth.BEARER,
    service="ghcr",
    # artifacthub/hub#4785: 303 to the pages of the site, which then answer 429.
    referrers=Referrers.ELSEWHERE,
    says_subject=False,
    # ocx-sh/ocx#237, wasmCloud/wash-archive#268: a part of more than 4 MiB is answered 416.
    chunk_most=4 * _MIB,
    chunk_refusal=416,
    # proteanhq/protean#1085, dotnet/sdk-container-builds#292: uploads are at blobs/upload.
    upload="/v2/{name}/blobs/upload/{session}",
    # radius-project/radius#12623: an upload cannot be cancelled.
    cancels=False,
    deletes=frozenset(),
)

GITLAB = Profile(
    name="GitLab",
    # oras-project/oras-go#1396 shows its token server and its service.
    auth=Auth.BEARER,
    realm="/jwt/auth",
    service="container_registry",
    # The same: no referrers API, and a tag sha256-HEX is answered with the manifest sha256:HEX.
    referrers=Referrers.REFUSED,
    says_subject=False,
    reads_dash=True,
    # A fork of distribution 2: the address of an upload is absolute and has its state.
    upload_is_absolute=True,
    upload_has_state=True,
    page=100,
    # gitlab-org/container-registry#1094 (on GitLab): tags are deleted as the specification says.
    deletes=_NOT_BLOBS,
)

ECR = Profile(
    name="Amazon ECR",
    # User guide, "Private registry authentication": a user AWS and a password.
    auth=Auth.BASIC,
    service="https://ecr.example.org/",
    # sigstore/sigstore-js#1183: sent OCI-Subject before it had the API. It lists referrers now
    # (aws/containers-roadmap#43).
    referrers=Referrers.LISTED,
    says_subject=True,
    # moby/buildkit#3776, JiRaska/open-bank-oss#8981: 400 TAG_INVALID for a tag that is there, also for the same image.
    immutable=400,
    immutable_code="TAG_INVALID",
    # aws/containers-roadmap#2831: parts are answered 201, and Range repeats the end of the first one.
    chunk_status=201,
    range_sticks=True,
    chunk_least=5 * _MIB,
    # aws/containers-roadmap#2860: mounts only what a manifest names.
    mounts=Mounts.REFERENCED,
    # PutImage in the API reference: manifests of at most 4194304 bytes. Repositories are made beforehand.
    manifest_most=4194304,
    creates_repositories=False,
    upload_is_absolute=True,
    redirects_blobs=True,
    page=100,
    deletes=frozenset(),
)

GAR = Profile(
    name="Google Artifact Registry",
    # oras-project/oras#157 shows realm and service.
    auth=Auth.BEARER,
    realm="/v2/token",
    service="docker.pkg.example.org",
    # Documentation, "Docker API" (by way of dotnet/sdk-container-builds#287): no uploads in parts.
    takes_chunks=False,
    chunk_refusal=400,
    # Not reported in these sources: uploads are at a place of their own, outside of /v2/.
    upload="/artifacts-uploads/namespaces/p/repositories/{name}/uploads/{session}",
    # stackshy/cloudemu#1037: FAILED_PRECONDITION for a tag that is there.
    immutable=400,
    immutable_code="MANIFEST_INVALID",
    # notaryproject/notation#1222: artifacts are taken and listed.
    referrers=Referrers.LISTED,
    redirects_blobs=True,
    deletes=_NOT_BLOBS,
)

ACR = Profile(
    name="Azure Container Registry",
    auth=Auth.BEARER,
    realm="/oauth2/token",
    service="registry.azure.example.org",
    # aquasecurity/trivy-plugin-referrer#25: lists referrers.
    referrers=Referrers.LISTED,
    # goharbor/harbor#23015: a request of more than about 20 MB is answered 413.
    body_most=20 * _MIB,
    # Azure/acr#217: blobs are redirected to storage that answers 400 to a request with Authorization.
    redirects_blobs=True,
    upload_has_state=True,
    deletes=_NOT_BLOBS,
)

QUAY = Profile(
    name="Quay",
    # oras-project/oras#738 shows realm and service.
    auth=Auth.BEARER,
    realm="/v2/auth",
    service="quay",
    # opencontainers/distribution-spec#563: no OCI-Subject, and the list under the tag is taken.
    referrers=Referrers.REFUSED,
    says_subject=False,
    # oras-project/oras#738, deckhouse/deckhouse#10672: configs that are no image's are refused unless allowed by name.
    takes_artifacts=False,
    # replicatedhq/kots#5940, quay/quay#1927: tags can be made immutable one by one. The status is not reported.
    immutable=409,
    immutable_code="TAG_INVALID",
    movable=r"sha256-.*",
    redirects_blobs=True,
    page=50,
    deletes=_NOT_BLOBS,
)

HARBOR = Profile(
    name="Harbor",
    # goharbor/harbor#18611 and #9482 show realm and service.
    auth=Auth.BEARER,
    realm="/service/token",
    service="harbor-registry",
    # goharbor/harbor#18305: lists referrers since 2.8; #18865: OCI-Subject is missing before 2.9.
    referrers=Referrers.LISTED,
    says_subject=False,
    # goharbor/harbor#17332: 412 PRECONDITION, also for signatures' tags; rules name the tags.
    immutable=412,
    immutable_code="PRECONDITION",
    movable=r"sha256-.*",
    upload_is_absolute=True,
    upload_has_state=True,
    page=100,
)

ARTIFACTORY = Profile(
    name="Artifactory",
    auth=Auth.BEARER,
    realm="/artifactory/api/docker/token",
    service="artifactory",
    # google/go-containerregistry#1962, #2026: the referrers API answers 406.
    referrers=Referrers.REFUSED,
    referrers_status=406,
    says_subject=False,
    # GoogleContainerTools/kaniko#1095, replicatedhq/kots#5940: existing tags can be blocked, with 403 MANIFEST_INVALID.
    immutable=403,
    immutable_code="MANIFEST_INVALID",
    upload_is_absolute=True,
    mounts=Mounts.NEVER,
    link_is_absolute=True,
)

NEXUS = Profile(
    name="Nexus",
    auth=Auth.BASIC,
    service="Sonatype Nexus Repository Manager",
    # sigstore/sigstore-js#1187: some registries answer 200 to a request for referrers and have no such API; it does not
    # name them, and nothing is reported of this one.
    referrers=Referrers.PAGE,
    says_subject=False,
    # GoogleContainerTools/jib#3057, #2395: with redeployment disabled what is there is refused, by digest, too.
    immutable=400,
    immutable_code="BLOB_UPLOAD_INVALID",
    keeps_manifests=True,
    movable=r"latest",
    mounts=Mounts.REFUSED,
    deletes=_NOT_BLOBS,
)

ZOT = Profile(
    name="Zot",
    # zotregistry.dev, "Summary of Key Features": conforms to the distribution-spec; deletes by tag.
    auth=Auth.OPEN,
)

DISTRIBUTION_2 = Profile(
    name="distribution 2.8",
    # distribution/distribution#3859: no referrers API.
    referrers=Referrers.REFUSED,
    says_subject=False,
    upload_is_absolute=True,
    upload_has_state=True,
    # distribution/distribution#1573: deleting is off by default; #3174: and never by tag.
    deletes=frozenset(),
    # distribution/distribution#3203: all tags at once.
    page=1 << 30,
)

DISTRIBUTION_3 = Profile(
    name="distribution 3",
    # oras-project/rust-oci-client#259: no referrers API either.
    referrers=Referrers.REFUSED,
    says_subject=False,
    upload_is_absolute=True,
    upload_has_state=True,
    deletes=frozenset(),
    page=1000,
)

PROFILES = (
    *(DOCKER_HUB, GHCR, GITLAB, ECR, GAR, ACR, QUAY, HARBOR, ARTIFACTORY, NEXUS, ZOT),
    *(DISTRIBUTION_2, DISTRIBUTION_3),
)
