"""Whom to believe that it is the registry: private certificate authorities, one file for each host.

Source: containers-certs.d(5) and docker's certs.d: the authority of ``HOST[:PORT]`` is ``HOST[:PORT]/ca.crt``. Others
trust it besides the public ones; here the file counts alone for its host, so that no public authority can stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from imgforge.registry.repository import canonical

Authority = Callable[[str], Path | None]
"""Returns the file of certificates that alone vouches for a host and port; None for what everybody trusts."""

DIRECTORIES = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def authorities(given: Iterable[tuple[str, Path]] = (), *, directories: tuple[Path, ...] = DIRECTORIES) -> Authority:
    """Return who vouches for which host: pairs of a host and a file, then ``HOST/ca.crt`` in a directory.

    Args:
        given: a host, with a port or not, and its PEM certificates.
        directories: that docker or podman keep.
    """
    named = {canonical(host): path for host, path in given}

    def find(host: str) -> Path | None:
        if canonical(host) in named:
            return named[canonical(host)]
        files = (directory / host / "ca.crt" for directory in directories)
        return next((path for path in files if path.is_file()), None)

    return find
