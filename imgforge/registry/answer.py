"""What a registry answers, and what an answer means that is not the one that was hoped for.

Source: distribution-spec v1.1, spec.md, "Error Codes". Of an error's body only the codes that are listed there
are shown: a registry may put anything into its messages, also what we sent it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from imgforge.digest import Digest
from imgforge.errors import FetchError, IntegrityError
from imgforge.fetch.request import NotFoundError, PassingError, RefusedError
from imgforge.fetch.response import retry_after
from imgforge.fetch.url import Url

_AGAIN = frozenset({408, 421, 425, 429})
_UNSUPPORTED = 501
_CODES = frozenset(
    (
        *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
        *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "MANIFEST_UNVERIFIED", "NAME_INVALID", "NAME_UNKNOWN"),
        *("SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"),
        *("TAG_INVALID", "RANGE_INVALID", "UNAVAILABLE", "PRECONDITION"),
    )
)
_NEXT = re.compile(r'<([^<>]{1,8192})>(?:\s*;\s*[a-z]+=(?:"[^"]*"|[^\s;,"]+))*\s*;\s*rel="?next"?')
_DIGEST = "Docker-Content-Digest"


Location = tuple[Url, str]
"""What answered, and where it sends us, absolute or relative to that: nothing in it is checked."""


class DeniedError(RefusedError):
    """The registry knows us and says no, or does not know us."""


@attrs.frozen
class Answer:
    """An answer that was read whole.

    Attributes:
        url: what answered, for the links in it.
        status: HTTP's.
        headers: by name, in any case.
        data: the body; empty for HEAD.
    """

    url: Url
    status: int
    headers: Mapping[str, str]
    data: bytes = attrs.field(repr=False)

    @property
    def digest(self) -> Digest | None:
        """What the registry says the content's digest is; None when it does not say, or not in a way we know."""
        try:
            return Digest.parse(self.headers.get(_DIGEST, ""))
        except IntegrityError:
            return None

    @property
    def location(self) -> Location | None:
        """Where the registry wants the next request of an upload; None when it does not say."""
        said = self.headers.get("Location", "")
        return (self.url, said) if said else None

    @property
    def following(self) -> Location | None:
        """Where the next page of a list is; None on the last: RFC 8288."""
        found = _NEXT.search(self.headers.get("Link", "")[:8192])
        return (self.url, found[1]) if found else None


def refusal(status: int, headers: Mapping[str, str], data: bytes, *, what: str) -> FetchError:
    """Return the error that an answer is.

    Args:
        status: HTTP's.
        headers: the answer's.
        data: the beginning of its body.
        what: what was asked for, for people.
    """
    said = ", ".join((f"HTTP {status}", *codes(data)))
    if status in _AGAIN or (status >= 500 and status != _UNSUPPORTED):
        return PassingError(said, wait=retry_after(headers.get("Retry-After", "")))
    if status in {401, 403}:
        return DeniedError(f"{what}: denied ({said})")
    if status in {404, 410}:
        return NotFoundError(f"{what}: not there ({said})")
    return RefusedError(f"{what}: refused ({said})")


def codes(data: bytes) -> tuple[str, ...]:
    """Return the codes of an error's body that the specification knows, each once."""
    try:
        listed = json.loads(data)["errors"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ()
    return tuple(dict.fromkeys(_known(listed))) if isinstance(listed, list) else ()


def _known(errors: list[Any]) -> Iterator[str]:
    for error in errors:
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, str) and code in _CODES:
            yield code
