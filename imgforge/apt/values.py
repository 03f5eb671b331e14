"""The values that the rooms around an APT archive hand to each other.

A `Suite` is what a verified Release file says of itself; an `IndexFile` is one verified, decompressed
``Packages`` file on this disk. Nothing here does I/O.

Source: https://wiki.debian.org/DebianRepository/Format, sections "Release files" and "Packages Indices".
"""

from __future__ import annotations

from pathlib import Path

import attrs

from imgforge.digest import Digest


@attrs.frozen(order=True)
class Suite:
    """The identity of a suite, from the signed part of its Release file; an absent field is empty text.

    Attributes:
        archive: the field ``Suite``: what APT calls the archive (``a=`` of a pin), for example ``oldstable``.
        codename: the field ``Codename`` (``n=``), for example ``bookworm``.
        version: the field ``Version`` (``v=``), for example ``12.9``.
        origin: the field ``Origin`` (``o=``).
        label: the field ``Label`` (``l=``).
        not_automatic: ``NotAutomatic: yes``: APT gives its packages priority 1.
        but_automatic_upgrades: ``ButAutomaticUpgrades: yes``: together with the above, priority 100.
    """

    archive: str
    codename: str
    version: str = ""
    origin: str = ""
    label: str = ""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False


@attrs.frozen
class IndexFile:
    """One verified ``Packages`` file, uncompressed, in the cache.

    Attributes:
        path: where it lies on this disk; immutable, named by its digest.
        digest: sha256 of the uncompressed bytes, as the Release file lists it.
        source: the name of the source that it belongs to.
        suite: what the Release file says of the suite.
        requested_suite: the suite as the source names it: the path below ``dists/``.
        component: ``main``, ``contrib``, …; empty in a flat archive.
        architecture: ``amd64``, ``all``, ….
        bases: base URLs of the mirrors, best first; a package's ``Filename`` is relative to each.
        site: the host of the source's own first URI, which ``Pin: origin`` names, wherever the file was fetched; empty
            text for files of this machine, None where the source has no URI.
        signers: fingerprints of the certificates that signed the Release file, lower case.
        date: when the Release file was made, seconds since the epoch.
    """

    path: Path
    digest: Digest
    source: str
    suite: Suite
    requested_suite: str
    component: str
    architecture: str
    bases: tuple[str, ...]
    site: str | None = None
    signers: tuple[str, ...] = ()
    date: int = 0
