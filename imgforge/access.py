"""Restrictions on what a manifest may access: transports, directories, hosts and addresses. Pure: opens nothing.

A service builds untrusted manifests, which name paths, registries and mirrors. `Settings.restricted` creates an
`Access` that allows only what the service lists; by default everything is allowed that the user can access. The check
takes place where something is opened, for the exact path, host or address.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from imgforge.errors import PolicyError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMERIC = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)\.?\Z")
"""Last label of names that resolvers interpret as an IPv4 address (WHATWG URL, "ends in a number checker")."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RestrictedError(PolicyError):
    """The restrictions of the build service forbid an access. The message names the restriction."""


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _optional(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(value.lower() for value in values)


def _paths(values: Iterable[Path] | None) -> tuple[Path, ...] | None:
    return None if values is None else tuple(Path(posixpath.realpath(value)) for value in values)


@attrs.frozen(kw_only=True)
class Access:
    """What may be accessed.

    Attributes:
        transports: of references: ``docker``, ``store``, ``oci``, ``oci-archive``, ``docker-archive``; None for all.
        roots: directories for files that a manifest or reference names, to read and write; None for all.
        hosts: registries and mirrors: ``HOST``, ``HOST:PORT``, ``*.DOMAIN`` or ``*``; without a port, the default ports
            of http and https; None for all.
        networks: private networks that are allowed, such as ``172.16.0.0/12``.
        copied: total size of the files of a manifest in bytes; None for no limit.
    """

    transports: tuple[str, ...] | None = attrs.field(default=None, converter=_optional)
    roots: tuple[Path, ...] | None = attrs.field(default=None, converter=_paths)
    hosts: tuple[str, ...] | None = attrs.field(default=None, converter=_optional)
    networks: tuple[Network, ...] = attrs.field(default=(), converter=_networks)
    copied: int | None = None

    def transport(self, name: str, *, what: str) -> None:
        """Check a transport.

        Raises:
            RestrictedError: it is not allowed.
        """
        if self.transports is not None and name not in self.transports:
            raise RestrictedError(
                f"{what}: transport {name!r} is not allowed here (transports: {_list(self.transports)})"
            )

    def path(self, path: Path, *, what: str) -> Path:
        """Resolve symlinks and check the path; the result must be opened.

        Raises:
            RestrictedError: it is outside of the roots.
        """
        real = Path(posixpath.realpath(path))
        if self.roots is not None and not any(real.is_relative_to(root) for root in self.roots):
            raise RestrictedError(f"{what}: the path is not below a directory that is allowed here (roots)")
        return real

    def url(self, url: str, *, what: str) -> None:
        """Check the host of a URL, or the path of a file URL.

        Raises:
            RestrictedError: the host is not allowed, or the path is outside of the roots.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            raise RestrictedError(f"{what}: expected a URL of a host that is allowed here (hosts)") from None
        if parts.scheme == "file":
            self.path(Path(parts.path), what=what)
            return
        self.host(parts.hostname or "", port, what=what)

    def host(self, host: str, port: int | None, *, what: str) -> None:
        """Check a host, and its address if it is given as one.

        Raises:
            RestrictedError: it is not allowed.
        """
        if self.hosts is None:
            return
        name = host.lower().strip("[]").removesuffix(".")
        if not name or not any(_matches(pattern, name, port) for pattern in self.hosts):
            raise RestrictedError(f"{what}: host {name[:200]!r} is not allowed here (hosts: {_list(self.hosts)})")
        if (literal := _literal(name, what)) is not None:
            self.address(literal, port, host=name, what=what)

    def address(self, address: Address | str, port: int | None, *, host: str, what: str) -> None:
        """Check an address before connecting; by default only public ones are allowed.

        Args:
            address: the address that the host's name resolved to.
            port: port of the connection.
            host: the host's name. A private address is allowed if it is itself listed as a host.
            what: name of the object, for error messages.

        Raises:
            RestrictedError: the address is private, and neither listed nor in an allowed network.
        """
        if self.hosts is None:
            return
        found = address if not isinstance(address, str) else ipaddress.ip_address(address.partition("%")[0])
        name = host.lower().strip("[]").removesuffix(".")
        if name == str(found) and any(_matches(pattern, name, port) and pattern != "*" for pattern in self.hosts):
            return
        for one in _meant(found):
            if not (one.is_global and not one.is_multicast) and not any(one in network for network in self.networks):
                raise RestrictedError(f"{what}: host {name[:200]!r} is {found}, which is not public (networks)")

    def size(self, count: int, *, what: str) -> None:
        """Check the total size of the files that a manifest copies.

        Raises:
            RestrictedError: it exceeds the limit.
        """
        if self.copied is not None and count > self.copied:
            raise RestrictedError(f"{what}: expected at most {self.copied} bytes of files (copied), got more")

    @property
    def is_restricted(self) -> bool:
        """Whether there are any restrictions."""
        return self != ANYTHING


ANYTHING = Access()
"""No restrictions."""


def _matches(pattern: str, name: str, port: int | None) -> bool:
    wanted, given = _split(pattern)
    if given is None and port not in (*_DEFAULT_PORTS.values(), None):
        return False
    if given is not None and given != port:
        return False
    if wanted.startswith("*."):
        return name.endswith(wanted[1:]) and len(name) >= len(wanted)
    return wanted in ("*", name)


def _split(pattern: str) -> tuple[str, int | None]:
    """Split a pattern into host and port. IPv6 addresses with a port are in brackets."""
    host, colon, port = pattern.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return pattern.strip("[]"), None
    return host.strip("[]"), int(port)


def _literal(name: str, what: str) -> Address | None:
    """Return the address if a host is one, else None.

    Raises:
        RestrictedError: an ambiguous form of an address: octal, hexadecimal or abbreviated.
    """
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        if _NUMERIC.search(name.rpartition(".")[2]):
            text = f"{what}: host {name[:200]!r}: expected an address of four decimal numbers (hosts)"
            raise RestrictedError(text) from None
        return None


def _meant(address: Address) -> tuple[Address, ...]:
    """Return the address itself, and the IPv4 addresses embedded in it."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:  # also the deprecated ::a.b.c.d
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return (address, *(one for one in inner if one is not None))


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(values) or "none"
