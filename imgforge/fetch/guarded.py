"""Connections that go only where an `Access` allows: the name is checked, and the very address that is connected to.

A name is resolved here once, every address that it stands for is checked, and one of these is connected to: a second
look-up could give another one (DNS rebinding). Redirects pass here, too, since each hop is a request of its own.

A proxy that this machine is configured to use is the operator's, and is reached unchecked; then the proxy resolves the
names, and only they are checked here.
"""

from __future__ import annotations

import socket
from typing import Any

from imgforge import late
from imgforge.access import Access
from imgforge.fetch.request import redact

adapters = late.module("requests.adapters")
connection = late.module("urllib3.connection")
connectionpool = late.module("urllib3.connectionpool")
exceptions = late.module("urllib3.exceptions")


def adapter(access: Access, *, jobs: int, **pool: Any) -> Any:
    """Return an adapter for a session of `requests`.

    Args:
        access: what may be connected to.
        jobs: connections to one host that are kept.
        pool: for urllib3's pools.
    """
    if not access.is_restricted:
        made = adapters.HTTPAdapter(pool_connections=jobs, pool_maxsize=jobs)
        if pool:
            made.init_poolmanager(jobs, jobs, **pool)
        return made
    made = _checked_adapter(access)(pool_connections=jobs, pool_maxsize=jobs)
    if pool:
        made.init_poolmanager(jobs, jobs, **pool)
    plain, secure = _pools(access)
    made.poolmanager.pool_classes_by_scheme = {"http": plain, "https": secure}
    return made


def _checked_adapter(access: Access) -> Any:
    base = adapters.HTTPAdapter

    def send(self: Any, request: Any, *args: Any, **settings: Any) -> Any:
        """Check a request, also one that a redirect asks for."""
        access.url(request.url, what=redact(request.url))
        return base.send(self, request, *args, **settings)

    return type("Checked", (base,), {"send": send})


def _pools(access: Access) -> tuple[Any, Any]:
    return (
        _pool(connectionpool.HTTPConnectionPool, connection.HTTPConnection, access),
        _pool(connectionpool.HTTPSConnectionPool, connection.HTTPSConnection, access),
    )


def _pool(pool: Any, base: Any, access: Access) -> Any:
    """Return a pool whose connections lead to what was checked."""

    def connect(self: Any) -> Any:
        return _connected(self, lambda: base._new_conn(self), access)  # noqa: SLF001 -- urllib3 has no other hook

    return type("Pool", (pool,), {"ConnectionCls": type("Connection", (base,), {"_new_conn": connect})})


def _connected(made: Any, connect: Any, access: Access) -> Any:
    """Connect to one of the addresses of a host, all of which are allowed."""
    name, port = made._dns_host, made.port  # noqa: SLF001 -- urllib3's name for what it connects to
    what = f"{name}:{port}"
    access.host(name, port, what=what)
    addresses = _resolved(made, name, port)
    for address in addresses:
        access.address(address, port, host=name, what=what)
    failure: BaseException | None = None
    for address in addresses:
        made._dns_host = address  # noqa: SLF001
        try:
            opened = connect()
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
            failure = error
            continue
        finally:
            made._dns_host = name  # noqa: SLF001 -- TLS asks for the certificate of the name
        peer = opened.getpeername()[0]
        try:
            access.address(peer, port, host=name, what=what)
        except BaseException:
            opened.close()
            raise
        return opened
    raise failure or exceptions.NewConnectionError(made, "no address")


def _resolved(made: Any, name: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise exceptions.NewConnectionError(made, f"cannot be resolved: {error}") from None
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))
