"""Whose word is taken that a host is the one it says it is: certificate authorities, and our own certificate.

The first of these that is there counts, for mirrors and registries alike: the caller's file for a host;
``$REQUESTS_CA_BUNDLE``, ``$CURL_CA_BUNDLE`` or ``$SSL_CERT_FILE`` (a file of certificates, or a directory), with
``$SSL_CERT_DIR``; the authorities of this machine, which ``update-ca-certificates`` maintains; those that OpenSSL was
built with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from imgforge import late
from imgforge.fetch.request import RefusedError

ssl = late.module("ssl")

_FILES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_DIRECTORY: Final = "SSL_CERT_DIR"
_MACHINE: Final = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


@attrs.frozen
class Trust:
    """Whom to believe.

    Attributes:
        files: of certificates of authorities, in PEM; they alone count.
        directories: of such certificates by their hash (`openssl rehash`).
        client: our certificate and its key, for hosts that ask who we are.
        origin: who named the authorities, for people.
    """

    files: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()
    client: tuple[Path, Path] | None = None
    origin: str = "this machine's certificate authorities"

    def context(self) -> Any:
        """Return OpenSSL's settings for connections.

        Raises:
            RefusedError: a file is not there, or holds no certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a named certificate counts, whoever signed it
        for path in self.files:
            _load(path, lambda path=path: context.load_verify_locations(cafile=str(path)))
        for path in self.directories:
            context.load_verify_locations(capath=str(path))
        if not self.files and not self.directories:
            context.load_default_certs()
        if self.client:
            certificate, key = self.client
            # a key with a passphrase would make OpenSSL ask for it on the terminal
            _load(certificate, lambda: context.load_cert_chain(certificate, key, password=lambda: b""))
        return context


def public(environment: Mapping[str, str]) -> Trust:
    """Return the authorities for hosts that have none of their own."""
    directories = tuple(Path(name) for name in environment.get(_DIRECTORY, "").split(os.pathsep) if name)
    for variable in _FILES:
        if environment.get(variable):
            named = Path(environment[variable])
            if named.is_dir():
                return Trust(directories=(named, *directories), origin=f"${variable}")
            return Trust((named,), directories, origin=f"${variable}")
    machine = tuple(path for path in _MACHINE if path.is_file())[:1]
    return (
        Trust(() if directories else machine, directories, origin=f"${_DIRECTORY}") if directories else Trust(machine)
    )


def _load(path: Path, load: Any) -> None:
    try:
        load()
    except ssl.SSLError:
        raise RefusedError(f"{path}: expected certificates in PEM, and with a key its own") from None
    except OSError as error:
        raise RefusedError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
