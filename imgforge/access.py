"""What may be opened for a manifest: transports, directories, hosts and addresses. Pure: it decides, others open.

A service builds manifests of strangers, and a manifest names paths, registries and mirrors. `Settings.restricted` makes
an `Access` that allows what the service lists and nothing else; without one, everything is allowed that this user can
reach. The check is made where something is opened, of the very path, host or address that is opened.
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
"""The last label of a name that a resolver takes for an IPv4 address (WHATWG URL, "ends in a number checker")."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RestrictedError(PolicyError):
    """The settings of the service that builds do not allow it; the text names the restriction."""


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _optional(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(value.lower() for value in values)


def _paths(values: Iterable[Path] | None) -> tuple[Path, ...] | None:
    return None if values is None else tuple(Path(posixpath.realpath(value)) for value in values)


@attrs.frozen(kw_only=True)
class Access:
    """What may be opened.

    Attributes:
        transports: of references: ``docker``, ``store``, ``oci``, ``oci-archive``, ``docker-archive``; None for all.
        roots: directories below which files may be read and written that a manifest or a reference names; None for all.
        hosts: of registries and mirrors: ``HOST``, ``HOST:PORT``, ``*.DOMAIN`` or ``*``; without a port, those of http
            and https; None for all.
        networks: addresses that may be connected to though they are private, as ``172.16.0.0/12``.
        copied: bytes that the files of one manifest may have together; None for no limit.
    """

    transports: tuple[str, ...] | None = attrs.field(default=None, converter=_optional)
    roots: tuple[Path, ...] | None = attrs.field(default=None, converter=_paths)
    hosts: tuple[str, ...] | None = attrs.field(default=None, converter=_optional)
    networks: tuple[Network, ...] = attrs.field(default=(), converter=_networks)
    copied: int | None = None

    def transport(self, name: str, *, what: str) -> None:
        """Refuse a transport that is not listed.

        Raises:
            RestrictedError: it is not.
        """
        if self.transports is not None and name not in self.transports:
            raise RestrictedError(
                f"{what}: transport {name!r} is not allowed here (transports: {_list(self.transports)})"
            )

    def path(self, path: Path, *, what: str) -> Path:
        """Return a path without symlinks, which is what must be opened; refuse one outside of the roots.

        Raises:
            RestrictedError: it lies elsewhere.
        """
        real = Path(posixpath.realpath(path))
        if self.roots is not None and not any(real.is_relative_to(root) for root in self.roots):
            raise RestrictedError(f"{what}: the path is not below a directory that is allowed here (roots)")
        return real

    def url(self, url: str, *, what: str) -> None:
        """Refuse a URL whose host is not listed, or whose path is outside of the roots.

        Raises:
            RestrictedError: it is.
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
        """Refuse a host that is not listed, or that is an address which may not be connected to.

        Raises:
            RestrictedError: it is.
        """
        if self.hosts is None:
            return
        name = host.lower().strip("[]").removesuffix(".")
        if not name or not any(_matches(pattern, name, port) for pattern in self.hosts):
            raise RestrictedError(f"{what}: host {name[:200]!r} is not allowed here (hosts: {_list(self.hosts)})")
        if (literal := _literal(name, what)) is not None:
            self.address(literal, port, host=name, what=what)

    def address(self, address: Address | str, port: int | None, *, host: str, what: str) -> None:
        """Refuse to connect to an address that is not a public one.

        Args:
            address: that a host's name stands for.
            port: of the connection.
            host: its name; an address that is listed as a host may be private.
            what: names the object in messages.

        Raises:
            RestrictedError: it is private, and neither listed nor in one of the networks.
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
        """Refuse more bytes of files than one manifest may copy.

        Raises:
            RestrictedError: there are more.
        """
        if self.copied is not None and count > self.copied:
            raise RestrictedError(f"{what}: expected at most {self.copied} bytes of files (copied), got more")

    @property
    def is_restricted(self) -> bool:
        """Whether anything is not allowed."""
        return self != ANYTHING


ANYTHING = Access()
"""Everything that this user can reach."""


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
    """Return the host and the port of a pattern; an address of IPv6 with a port stands in brackets."""
    host, colon, port = pattern.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return pattern.strip("[]"), None
    return host.strip("[]"), int(port)


def _literal(name: str, what: str) -> Address | None:
    """Return the address that a host is; None for a name.

    Raises:
        RestrictedError: it is an address in a form that programs read differently: octal, hexadecimal, or short.
    """
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        if _NUMERIC.search(name.rpartition(".")[2]):
            text = f"{what}: host {name[:200]!r}: expected an address of four decimal numbers (hosts)"
            raise RestrictedError(text) from None
        return None


def _meant(address: Address) -> tuple[Address, ...]:
    """Return an address and those of IPv4 that it may lead to."""
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
