"""Where imgforge keeps things and how it works on this machine: nothing here may change an image's bytes.

What an image is stands in the manifest and the lock. `Settings.default()` takes what its caller does not give from
the environment and the configuration files (docs/cli.md), so a script names only what it cares about.
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
"""Package data; in a checkout a link to the one beside the package."""


def _base(variable: str, fallback: str) -> Path | None:
    """Return a base directory of the XDG specification, if there is one (0.8, "Basics": a relative one is ignored)."""
    given = Path(os.environ.get(variable) or "")
    if given.is_absolute():
        return given
    try:
        return Path.home() / fallback
    except RuntimeError:  # a container's user may have no entry in /etc/passwd
        return None


def _place(what: str, variable: str, fallback: str, *, below: str) -> Path:
    given = os.environ.get(f"IMGFORGE_{what.upper()}")
    if given:
        return Path(given)
    base = _base(variable, fallback)
    if base is None:
        error = UsageError(f"home directory: this user has none, and the {what} goes below it")
        error.add_note(f"say where with --{what} or IMGFORGE_{what.upper()}")
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
    """Return the directory of the manifests that come with imgforge."""
    return _SHIPPED.resolve()  # the checkout's own name of it: by two names each manifest would be there twice


@attrs.frozen(kw_only=True)
class Settings:
    """How this caller's imgforge works.

    Attributes:
        store: the OCI image layout that holds images.
        cache: everything that may be deleted at no loss.
        manifests: directories where a manifest's name is looked up, after the tree of the manifest that says it.
        mirrors: pairs of a suite, or the beginning of a URI, and the URI to use in its stead; the first that fits.
        snapshots: base URLs of dated copies of the archive, where packages are looked for that it has no more.
        plain: registries, HOST[:PORT], that are spoken to without TLS; this machine's own may be without asking.
        policy: the policy's file; ``$IMGFORGE_POLICY`` or the machine's unless given.
        offline: never open a connection; what is not in the cache is missing.
        jobs: how many threads work on bytes at once; the processors that this process may use unless given.
        sandbox: the mode of the sandbox to use; None for the best that works, which is never ``chroot``.
        limits: how much one command in an image, and one image, may use (docs/sandbox.md).
        reporter: hears of progress.
        now: seconds since the epoch, against which an archive's Valid-Until is held.
        access: what may be opened for a manifest; everything unless `restricted` made the settings.
    """

    store: Path = attrs.field(factory=_store, converter=_absolute)
    cache: Path = attrs.field(factory=_cache, converter=_absolute)
    manifests: tuple[Path, ...] = attrs.field(factory=lambda: (shipped_manifests(),))
    mirrors: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    snapshots: tuple[str, ...] = attrs.field(default=(), repr=False)
    plain: tuple[str, ...] = ()
    policy: Path | None = None
    offline: bool = False
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
        """Return settings for a service that builds manifests of strangers (docs/services.md).

        No configuration file is read. What a manifest or a reference names is opened only as far as it is listed here;
        anything else is a RestrictedError.

        Args:
            roots: directories below which manifests lie, with their locks, keys and files.
            hosts: registries and mirrors: ``HOST``, ``HOST:PORT``, ``*.DOMAIN`` or ``*`` for all public ones.
            transports: of references.
            networks: private addresses that may be connected to, as ``172.16.0.0/12``.
            copied: bytes that the files of one manifest may have together.
            given: other fields; `store` and `cache` should be given.

        Raises:
            UsageError: a network is none.
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
        """Return what is given, and the rest as this machine and its user have it.

        Args:
            manifests: count before the shipped ones.
            mirrors: count before those of the configuration files.
            given: other fields; `limits` of the configuration files count when it is not among them.

        Raises:
            UsageError: a configuration file cannot be read, or no home directory says where things go.
            ManifestError: a configuration file is not what its format says.
        """
        home = _base("XDG_CONFIG_HOME", ".config")
        files = tuple(configuration.read(path) for path in configuration.places(home))
        given.setdefault("limits", configuration.limits(files))
        return cls(
            manifests=(*manifests, shipped_manifests()),
            mirrors=(*mirrors, *(pair for file in files for pair in file.mirrors)),
            **given,
        )

    @staticmethod
    def mirror(text: str) -> tuple[str, str]:
        """Return what is mirrored and the mirror's URI, from ``SUITE=URI`` or ``FROM=TO``.

        Raises:
            UsageError: the text has neither form.
        """
        of, _, uri = text.partition("=")
        if configuration.MIRRORED.refuses_text(of) or configuration.URI.refuses_text(uri):
            # the text itself is not repeated: a URI may hold a password
            error = UsageError("mirror: expected SUITE=URI or FROM=TO, got something else")
            error.add_note("for example --mirror bookworm=https://mirrors.wikimedia.org/debian")
            raise error
        return of, uri
