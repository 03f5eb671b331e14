"""Which proxy a URL is fetched through: what the caller says, else the environment. Pure.

Source: curl(1), "ENVIRONMENT", which wget, apt and requests follow: ``http_proxy``, ``https_proxy``, ``all_proxy`` and
``no_proxy``, in lower case before capitals; ``HTTP_PROXY`` in capitals too, unless a web server runs us.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote

import attrs

from imgforge.fetch.request import RefusedError
from imgforge.fetch.url import Url, UrlError, without_user


@attrs.frozen
class Proxy:
    """A proxy.

    Attributes:
        url: without user and password.
        user: ``NAME:PASSWORD``, empty for none.
        origin: who named it, for people.
    """

    url: Url
    user: str = attrs.field(repr=False)
    origin: str

    def __str__(self) -> str:
        """Return how it is called in messages."""
        return f"proxy {self.url.scheme}://{self.url.netloc} (from {self.origin})"


def choose(url: Url, given: Mapping[str, str], environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a URL; None for none.

    Args:
        url: to be fetched.
        given: by ``http``, ``https`` or ``http://host``, the proxy's URL, empty for none; counts before the rest.
        environment: the variables.

    Raises:
        RefusedError: what names the proxy is not a URL.
    """
    for key in (f"{url.scheme}://{url.host}", url.scheme):
        if key in given:
            return _proxy(given[key], origin="the APT configuration") if given[key] else None
    if _is_excepted(url, _variable("no_proxy", environment)[0]):
        return None
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        value, origin = _variable(name, environment)
        if value:
            return _proxy(value, origin=origin)
    return None


def _variable(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return a variable's value, and by which name it was found."""
    is_cgi = name == "http_proxy" and "REQUEST_METHOD" in environment
    names = (name,) if is_cgi else (name, name.upper())
    return next(((environment[one], one) for one in names if environment.get(one)), ("", name))


def _proxy(text: str, *, origin: str) -> Proxy:
    bare, user = without_user(text if "://" in text else f"http://{text}")
    try:
        url = Url.parse(bare)
    except UrlError as error:
        raise RefusedError(f"the proxy from {origin}: {error}") from None
    if url.scheme == "file":
        raise RefusedError(f"the proxy from {origin}: expected http://HOST:PORT")
    return Proxy(url, unquote(user), origin)


def _is_excepted(url: Url, listed: str) -> bool:
    """Tell whether ``no_proxy`` names a host: ``*``, a domain, an address, a network, each with a port or not."""
    host = url.host.strip("[]")
    _scheme, _host, port = url.origin
    for entry in listed.replace(",", " ").split():
        name, colon, number = entry.lower().rpartition(":")
        has_port = bool(colon) and number.isdecimal() and (name.count(":") == 0 or name.endswith("]"))
        if has_port and number != str(port):
            continue
        if _names((name if has_port else entry.lower()).strip("[]"), host):
            return True
    return False


def _names(entry: str, host: str) -> bool:
    domain = entry.removeprefix("*").lstrip(".")
    if entry == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
