"""The tags of a repository.

Source: distribution-spec v1.1, spec.md, "Listing Tags".
"""

from __future__ import annotations

import re

import attrs

from imgforge.fetch.request import RefusedError
from imgforge.oci import document
from imgforge.registry.client import Call, Client
from imgforge.registry.repository import Repository

_PAGE = 1000
_PAGES = 500
"""Pages that are read at most: a registry may not keep us for ever."""

_CAP = 8 << 20
"""Bytes of a page; docker-registry answers with all tags at once."""

_MOST = 100_000
"""Tags that are held in memory."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def tags(client: Client, repository: Repository) -> tuple[str, ...]:
    """Return the tags, sorted; what is no tag by the specification's grammar is left out.

    Raises:
        NotFoundError: there is no such repository.
        IntegrityError: the list is not what its format says.
        FetchError: it cannot be had.
    """
    what = f"{repository}: tags"
    call = Call("GET", repository, "tags/list", what, query=(("n", str(_PAGE)),))
    found: set[str] = set()
    for _ in range(_PAGES):
        answer = client.ask(call, cap=_CAP)
        listed = document.parse(answer.data, what=what, cap=_CAP).find("tags")
        found.update(tag for tag in (listed.texts() if listed else ()) if _TAG.fullmatch(tag))
        if len(found) > _MOST:
            raise RefusedError(f"{what}: expected at most {_MOST}, got more")
        if not answer.following:
            return tuple(sorted(found))
        call = attrs.evolve(call, location=answer.following, query=())
    raise RefusedError(f"{what}: more than {_PAGES} pages")
