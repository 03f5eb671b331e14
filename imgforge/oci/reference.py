"""References: the name and location of an image.

====================================  ===================================================
``NAME``, ``NAME@sha256:…``           in the store; with a digest, the name is informational
``oci:DIR``, ``oci:DIR:NAME``         in an OCI image layout
``oci-archive:FILE[:NAME]``           in a tar archive of an OCI image layout
``docker-archive:FILE[:NAME:TAG]``    in an archive as written by ``docker save``
``docker://HOST/REPOSITORY[:TAG][@DIGEST]``  in a registry; tag ``latest`` if neither is given
====================================  ===================================================

Sources: distribution-spec v1.1, spec.md, "Pulling manifests" (repository and tag); image-spec v1.1, annotations.md
(name in a layout); containers-transports(5) (the prefixes; a path ends at the first colon).
"""

from __future__ import annotations

import re

import attrs

from imgforge.digest import Digest
from imgforge.errors import IntegrityError, UsageError

STORE, OCI, OCI_ARCHIVE, DOCKER_ARCHIVE, DOCKER = "store", "oci", "oci-archive", "docker-archive", "docker"

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_PLACES = "docker://HOST/REPOSITORY, oci:DIR, oci-archive:FILE, docker-archive:FILE"
_UNSERVED = frozenset(
    {"archive", "containerd", "containers-storage", "dir", "docker", "docker-daemon", "docker-tar", "file", "oci-dir"}
    | {"oci-layout", "oci-tar", "ostree", "podman", "registry", "sif", "tar", "tarball"}
)
"""Transports of other tools (containers-transports(5), buildx). They are refused, not taken as image names."""

_ARCHIVES = (".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".zip")
_LONGEST = 255
"""Maximum length of host and repository together (distribution-spec), and of a name here, in characters."""


@attrs.frozen
class Reference:
    """A reference to an image.

    Attributes:
        transport: one of this module's constants.
        location: a path for ``oci`` and the archives, host and optional port for ``docker``, empty for ``store``.
        name: the name in a layout or store, or the repository in a registry; empty selects an archive's only image.
        tag: for registries and Docker archives; empty otherwise.
        digest: required digest of the manifest; None accepts whatever the name resolves to.
    """

    transport: str
    location: str
    name: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference.

        Raises:
            UsageError: not a reference.
        """
        if text.startswith("docker://"):
            return _registry(text)
        transport, colon, rest = text.partition(":")
        if colon and transport in {OCI, OCI_ARCHIVE}:
            return _layout(transport, rest, text)
        if colon and transport == DOCKER_ARCHIVE:
            return _docker_archive(rest, text)
        if "://" in text or (colon and transport in _UNSERVED):
            raise UsageError(f"reference {text[:200]!r}: expected {_PLACES} or a name")
        name, digest = _split_digest(text)
        if name.lower().endswith(_ARCHIVES):
            error = UsageError(f"reference {text[:200]!r}: expected {_PLACES} or a name, got the name of a file")
            error.add_note(f"for an archive write oci-archive:{text[:200]} or docker-archive:{text[:200]}")
            raise error
        return cls(STORE, "", check_name(name), digest=digest)

    def __str__(self) -> str:
        """Return the text form, which `parse` reads back."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        if self.transport == STORE:
            return f"{self.name}{digest}"
        if self.transport == DOCKER:
            return f"docker://{self.location}/{self.name}{tag}{digest}"
        name = f":{self.name}{tag}" if self.name else ""
        return f"{self.transport}:{self.location}{name}{digest}"


def elsewhere(name: str) -> str:
    """Return the registry reference that other tools would read a store name as; empty if there is none.

    A first component with a dot or a port is a host; otherwise the host is Docker Hub (distribution/reference,
    "normalize.go").
    """
    host, slash, path = name.partition("/")
    if not slash or not _is_host(host):
        host, path = "docker.io", name if slash else f"library/{name}"
    found = f"docker://{host}/{path}"
    try:
        Reference.parse(found)
    except UsageError:
        return ""
    return found if ":" in name or slash else ""


def check_name(name: str) -> str:
    """Validate the name of an image in a layout or the store, and return it.

    Raises:
        UsageError: not allowed by image-spec's grammar for ``org.opencontainers.image.ref.name``.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise UsageError(
            f"image name {name[:200]!r}: expected letters and digits, with single - . _ : @ + / in between"
        )
    return name


def _split_digest(text: str) -> tuple[str, Digest | None]:
    name, at, digest = text.rpartition("@")
    if not at:
        return text, None
    try:
        return name, Digest.parse(digest)
    except IntegrityError as error:
        raise UsageError(f"reference {text[:300]!r}: {error}") from None


def _location(text: str, whole: str) -> tuple[str, str]:
    location, _, rest = text.partition(":")
    if not location or "\0" in location:
        raise UsageError(f"reference {whole[:200]!r}: expected a path after the transport")
    return location, rest


def _layout(transport: str, text: str, whole: str) -> Reference:
    location, name = _location(text, whole)
    digest = None
    if re.search(r"@sha\d+:", name):
        name, digest = _split_digest(name)
    return Reference(transport, location, check_name(name) if name else "", digest=digest)


def _docker_archive(text: str, whole: str) -> Reference:
    location, rest = _location(text, whole)
    if not rest:
        return Reference(DOCKER_ARCHIVE, location, "")
    name, tag = _split_tag(rest)
    host, slash, path = name.partition("/")
    is_qualified = slash and _is_host(host)
    if len(name) > _LONGEST or not _REPOSITORY.fullmatch(path if is_qualified else name):
        raise UsageError(f"reference {whole[:200]!r}: expected NAME[:TAG] after the file, in lower case")
    return Reference(DOCKER_ARCHIVE, location, name, tag or "latest")


def _registry(text: str) -> Reference:
    name, digest = _split_digest(text.removeprefix("docker://"))
    host, _, path = name.partition("/")
    path, tag = _split_tag(path)
    if not _is_host(host):
        hint = f"reference {text[:300]!r}: expected docker://HOST/REPOSITORY, the host with a dot or port, or localhost"
        raise UsageError(hint)
    if len(host) + len(path) + 1 > _LONGEST or not _REPOSITORY.fullmatch(path):
        raise UsageError(f"reference {text[:300]!r}: repository {path[:200]!r}: expected lower case words")
    return Reference(DOCKER, host, path, tag or ("" if digest else "latest"), digest)


def _split_tag(text: str) -> tuple[str, str]:
    """Split ``host:5000/name:tag`` at the tag's colon, which follows the last slash."""
    directory, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise UsageError(f"tag {tag[:200]!r}: expected up to 128 letters, digits and ._-, not starting with . or -")
    return f"{directory}{slash}{name}", tag


def _is_host(text: str) -> bool:
    """Return whether the first component of a name is a host, by the rule that all registry clients use."""
    return len(text) <= _LONGEST and bool(_HOST.fullmatch(text)) and (text == "localhost" or "." in text or ":" in text)
