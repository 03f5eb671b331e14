"""The table of transports: the prefix of a reference, and who serves it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from imgforge.access import ANYTHING, Access
from imgforge.errors import UsageError
from imgforge.image import Image
from imgforge.oci import reference as prefixes
from imgforge.oci.platform import Platform
from imgforge.oci.reference import Reference
from imgforge.registry.client import Client
from imgforge.store.layout import Layout
from imgforge.transport.docker_archive import DockerArchive
from imgforge.transport.layout import OciLayout, Store
from imgforge.transport.oci_archive import OciArchive
from imgforge.transport.place import OpenBlob, Opened, Transport
from imgforge.transport.registry import Registry
from imgforge.transport.restricted import Restricted

Table = Mapping[str, Transport]


def transports(store: Layout, client: Client | None = None, *, access: Access = ANYTHING) -> Table:
    """Return the table of what imgforge can read and write.

    Args:
        store: what names without a prefix are of.
        client: for registries, open for as long as the table is used; without one they are not served.
        access: which of them may be used, and on which paths.
    """
    registries: Table = {prefixes.DOCKER: Registry(client)} if client else {}
    table: Table = {
        **registries,
        prefixes.STORE: Store(store),
        prefixes.OCI: OciLayout(),
        prefixes.OCI_ARCHIVE: OciArchive(),
        prefixes.DOCKER_ARCHIVE: DockerArchive(),
    }
    if not access.is_restricted:
        return table
    return {name: Restricted(transport, access) for name, transport in table.items()}


def read(reference: Reference, *, table: Table, platform: Platform | None = None) -> AbstractContextManager[Opened]:
    """Open the image that a reference names; its blobs can be read during the block.

    Raises:
        UsageError: no transport serves the reference, or there is no image for the platform.
        StoreError: the image is not there, or cannot be read.
        IntegrityError: it is not what its format says.
    """
    return _find(reference, table).read(reference, platform=platform)


def write(image: Image, blobs: OpenBlob, *, reference: Reference, table: Table) -> None:
    """Put an image where a reference says; whoever looks there sees the old one or the whole new one.

    Raises:
        UsageError: no transport serves the reference, or it names a digest, which nobody can choose.
        StoreError: the disk is full, or refuses.
        IntegrityError: a blob is not what its descriptor says.
    """
    if reference.digest:
        raise UsageError(f"{reference}: expected a name to write to, got a digest")
    _find(reference, table).write(image, blobs, reference=reference)


def _find(reference: Reference, table: Table) -> Transport:
    transport = table.get(reference.transport)
    if transport is None:
        served = ", ".join(sorted(table))
        raise UsageError(f"{reference}: expected one of the transports {served}, got {reference.transport!r}")
    return transport
