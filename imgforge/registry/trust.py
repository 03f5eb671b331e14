"""Whom to believe that it is the registry: private certificate authorities, a directory for each host.

Sources: containers-certs.d(5) and docker's certs.d: in ``HOST[:PORT]/`` each ``*.crt`` is an authority, ``NAME.cert``
and ``NAME.key`` are our own certificate and its key. Podman and docker trust these authorities besides the public ones;
here they count alone for their host, so that no public authority can stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import attrs

from imgforge.errors import ImgforgeError
from imgforge.fetch.request import RefusedError
from imgforge.fetch.trust import Trust, public
from imgforge.registry.repository import canonical

Authority = Callable[[str], Trust | None]
"""Returns who vouches for a host and port; None for those that vouch for everybody."""

DIRECTORIES = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def directories(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where a host's directory is looked for, what counts most first: this user's place, then the machine's."""
    home = environment.get("HOME", "")
    config = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    return (*((Path(config, "containers/certs.d"),) if config else ()), *DIRECTORIES)


def authorities(
    given: Iterable[tuple[str, Path]] = (),
    *,
    directories: tuple[Path, ...] = DIRECTORIES,
    environment: Mapping[str, str] | None = None,
) -> Authority:
    """Return who vouches for which host: pairs of a host and a file, then the files of a directory ``HOST``.

    Args:
        given: a host, with a port or not, and its PEM certificates.
        directories: that docker or podman keep.
        environment: names the public authorities, which count where a directory holds only our own certificate.
    """
    named = {canonical(host): path for host, path in given}

    def find(host: str) -> Trust | None:
        if canonical(host) in named:
            return Trust((named[canonical(host)],), origin=str(named[canonical(host)]))
        found = (_in(directory / host, environment or {}) for directory in directories)
        return next((trust for trust in found if trust), None)

    return find


def explain(error: ImgforgeError, host: str) -> None:
    """Add to an error about a host's certificate where its authority belongs."""
    error.add_note(
        f"a private authority belongs into ~/.config/containers/certs.d/{host}/ca.crt (docs/registries.md), or "
        "into a file that $SSL_CERT_FILE names"
    )


def _in(directory: Path, environment: Mapping[str, str]) -> Trust | None:
    """Return what a host's directory holds; None for nothing."""
    try:
        names = sorted(path.name for path in directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RefusedError(f"{directory}: {(error.strerror or 'cannot be read').lower()}") from None
    authorities = tuple(directory / name for name in names if name.endswith(".crt"))
    keys = {name.removesuffix(".key") for name in names if name.endswith(".key")}
    clients = [name.removesuffix(".cert") for name in names if name.endswith(".cert")]
    for stem in clients:
        if stem not in keys:
            raise RefusedError(f"{directory}: {stem}.cert: expected its key as {stem}.key")
    client = (directory / f"{clients[0]}.cert", directory / f"{clients[0]}.key") if clients else None
    if authorities:
        return Trust(authorities, client=client, origin=str(directory))
    return attrs.evolve(public(environment), client=client) if client else None
