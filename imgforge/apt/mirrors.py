"""Where the bytes of a source may be fetched, best first.

A mirror is transport: a signature decides what is trusted, never the host (DESIGN, D3). The order: what the caller
says, what this machine's own APT uses for the same suite, what it uses for a suite of the same archive, and the URIs
of the source itself.
"""

from __future__ import annotations

from urllib.parse import quote

from imgforge.apt.hosts import Host
from imgforge.apt.sources import Source, spellings

_FETCHED = ("http://", "https://", "file:/")


def candidates(
    source: Source, suite: str, *, overrides: tuple[tuple[str, str], ...] = (), host: Host | None = None
) -> tuple[str, ...]:
    """Return base URLs without a trailing slash; a suite is at ``BASE/dists/SUITE``.

    Args:
        source: with its keys.
        suite: one of its suites.
        overrides: pairs of a source's name, a suite, or ``*``, and a base URL.
        host: this machine's APT configuration.
    """
    said = [base for name, base in overrides if name in (source.name, suite, "*")]
    own = [] if host is None else _of_host(source, suite, host)
    bases = (base.rstrip("/") for base in (*said, *own, *source.uris))
    return tuple(dict.fromkeys(base for base in bases if base.startswith(_FETCHED)))


def join(base: str, path: str) -> str:
    """Return the URL of a file of an archive; ``+``, ``~`` and ``:`` of its name stay as they are."""
    return f"{base}/{quote(path, safe='/+~:@!$&,;=()')}"


def _of_host(source: Source, suite: str, host: Host) -> list[str]:
    """Return what the host uses for the suite, then for others that the same keys sign.

    A mirror that has bookworm mostly has trixie too, and bookworm-security is where trixie-security is: on a machine
    that reaches nothing but its own mirror this is what makes another release buildable at all. A wrong guess costs
    one request that is answered with 404.
    """
    ranked: list[tuple[int, int, str]] = []
    for number, entry in enumerate(host.sources):
        rank = _rank(source, suite, entry)
        if rank is not None:
            ranked += [(rank, number, uri) for uri in entry.uris]
    return [uri for _, _, uri in sorted(ranked, key=lambda one: one[:2])]


def _rank(source: Source, suite: str, entry: Source) -> int | None:
    """Return 0 for the same suite, 1 for its kind (``-security``), 2 for the same signer; None for another archive."""
    if source.components and not set(source.components) & set(entry.components):
        return None
    if entry.keys and not set(source.fingerprints) & set(entry.fingerprints):
        return None
    if set(spellings(suite)) & set(entry.suites):
        return 0
    if not entry.keys or suite.endswith("/"):
        return None
    kind = suite.partition("-")[2]
    return 1 if kind in {other.partition("-")[2] for other in entry.suites} else 2
