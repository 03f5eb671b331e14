"""Settings of this machine and caller: directories, mirrors, limits. They never affect the bytes of an image.

Only the manifest and the lock determine an image. `Settings.default()` takes everything that the caller does not give
from the environment and the configuration files (docs/cli.md).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import attrs

from imgforge import configuration
from imgforge.access import ANYTHING, Access
from imgforge.errors import UsageError
from imgforge.limits import Limits
from imgforge.report import Reporter

_COPIED = 1 << 30
_SHIPPED = Path(__file__).parent / "manifests"
"""Package data; in a checkout, a symlink to the directory next to the package."""


def _base(variable: str, fallback: str) -> Path | None:
    """Return an XDG base directory, if any (specification 0.8, "Basics": relative paths are ignored)."""
    given = Path(os.environ.get(variable) or "")
    if given.is_absolute():
        return given
    try:
        return Path.home() / fallback
    except RuntimeError:  # the user of a container may not be in /etc/passwd
        return None


def _place(what: str, variable: str, fallback: str, *, below: str) -> Path:
    given = os.environ.get(f"IMGFORGE_{what.upper()}")
    if given:
        return Path(given)
    base = _base(variable, fallback)
    if base is None:
        error = UsageError(f"home directory: this user has none, and the {what} is in it by default")
        error.add_note(f"set it with --{what} or IMGFORGE_{what.upper()}")
        raise error
    return base / below


def _store() -> Path:
    return _place("store", "XDG_DATA_HOME", ".local/share", below="imgforge/store")


def _cache() -> Path:
    return _place("cache", "XDG_CACHE_HOME", ".cache", below="imgforge")


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _is_positive(_instance: Settings, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 1:
        raise UsageError(f"{attribute.name}: expected 1 or more, got {value}")


def _now() -> int:
    return int(time.time())


def _absolute(path: Path) -> Path:
    return path.absolute()


def shipped_manifests() -> Path:
    """Return the directory of the manifests that are shipped with imgforge."""
    return _SHIPPED.resolve()  # resolve the checkout's symlink, so that no manifest has two paths


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a caller.

    Attributes:
        store: the OCI image layout for images.
        cache: data that can be deleted; it is rebuilt when needed.
        cache_size: bytes of disk that the cache may take; None for 10 GB or a tenth of the disk, whichever is less.
        manifests: directories to search for manifests by name, after the directory tree of the referring manifest.
        mirrors: pairs of a suite, or a prefix of a URI, and the URI to use instead; the first match applies.
        snapshots: base URLs of dated copies of the archive, for packages that it has removed.
        plain: registries, as HOST[:PORT], to access without TLS; those on this machine may always be.
        policy: the policy file; by default that of ``$IMGFORGE_POLICY`` or of the machine.
        offline: never open a connection; data that is not cached is unavailable.
        by_tag: push manifests by tag only, for registries that refuse pushes by digest.
        jobs: number of worker threads; by default the number of CPUs available to this process.
        sandbox: the sandbox mode; None for the best that works, which is never ``chroot``.
        limits: resource limits of commands and images (docs/sandbox.md).
        reporter: receives progress.
        now: seconds since the epoch, for checks such as an archive's Valid-Until.
        access: restrictions on what manifests may access; none unless created by `restricted`.
    """

    store: Path = attrs.field(factory=_store, converter=_absolute)
    cache: Path = attrs.field(factory=_cache, converter=_absolute)
    cache_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(_is_positive))
    manifests: tuple[Path, ...] = attrs.field(factory=lambda: (shipped_manifests(),))
    mirrors: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    snapshots: tuple[str, ...] = attrs.field(default=(), repr=False)
    plain: tuple[str, ...] = ()
    policy: Path | None = None
    offline: bool = False
    by_tag: bool = False
    jobs: int = attrs.field(factory=_processors, validator=_is_positive)
    sandbox: str | None = None
    limits: Limits = attrs.field(factory=Limits)
    reporter: Reporter = attrs.field(factory=Reporter)
    now: int = attrs.field(factory=_now)
    access: Access = ANYTHING

    @classmethod
    def restricted(
        cls,
        *,
        roots: tuple[Path, ...],
        hosts: tuple[str, ...],
        transports: tuple[str, ...] = ("docker",),
        networks: tuple[str, ...] = (),
        copied: int = _COPIED,
        **given: Any,
    ) -> Settings:
        """Return settings for a service that builds untrusted manifests (docs/services.md).

        Configuration files are not read. Manifests and references can only access what is listed here; everything else
        raises a RestrictedError.

        Args:
            roots: directories that contain manifests, with their locks, keys and files.
            hosts: registries and mirrors: ``HOST``, ``HOST:PORT``, ``*.DOMAIN`` or ``*`` for all public ones.
            transports: the allowed transports of references.
            networks: private networks that are allowed, such as ``172.16.0.0/12``.
            copied: maximum total size of the files of a manifest, in bytes.
            given: other fields; `store` and `cache` should be given.

        Raises:
            UsageError: malformed network.
        """
        try:
            access = Access(transports=transports, roots=roots, hosts=hosts, networks=networks, copied=copied)
        except ValueError as error:
            raise UsageError(f"networks: {error}") from None
        return cls(access=access, **given)

    @classmethod
    def default(
        cls, *, manifests: tuple[Path, ...] = (), mirrors: tuple[tuple[str, str], ...] = (), **given: Any
    ) -> Settings:
        """Return settings with the given fields, and this machine's and user's defaults for the others.

        Args:
            manifests: directories that are searched before the shipped manifests.
            mirrors: take precedence over those of the configuration files.
            given: other fields; without `limits` or `cache_size`, those of the configuration files apply.

        Raises:
            UsageError: a configuration file cannot be read, or a default directory is unknown without a home directory.
            ManifestError: invalid configuration file.
        """
        home = _base("XDG_CONFIG_HOME", ".config")
        files = tuple(configuration.read(path) for path in configuration.places(home))
        given.setdefault("limits", configuration.limits(files))
        given.setdefault("cache_size", configuration.cache_size(files))
        return cls(
            manifests=(*manifests, shipped_manifests()),
            mirrors=(*mirrors, *(pair for file in files for pair in file.mirrors)),
            **given,
        )

    @staticmethod
    def mirror(text: str) -> tuple[str, str]:
        """Parse ``SUITE=URI`` or ``FROM=TO`` to a pair of what is mirrored and the mirror's URI.

        Raises:
            UsageError: neither form.
        """
        of, _, uri = text.partition("=")
        if configuration.MIRRORED.refuses_text(of) or configuration.URI.refuses_text(uri):
            # the text itself is not repeated: a URI may hold a password
            error = UsageError("mirror: expected SUITE=URI or FROM=TO, got something else")
            error.add_note("for example --mirror bookworm=https://mirrors.wikimedia.org/debian")
            raise error
        return of, uri
