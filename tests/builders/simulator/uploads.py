"""Blobs on their way in: spec.md, "Pushing blobs". What came of an upload that broke is kept."""

from __future__ import annotations

import re
from typing import Any, Protocol
from urllib.parse import quote

from builders.simulator.profile import Mounts
from builders.simulator.registry import Simulator
from builders.simulator.storage import is_of

_EXTENT = re.compile(r"([0-9]+)-([0-9]+)")
_STATE = "_state"
_TOO_LARGE = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
"""What a proxy before the registry answers."""


class Request(Protocol):
    """A request that is answered."""

    command: str
    headers: Any
    rfile: Any
    close_connection: bool

    def body(self) -> bytes:
        """Return the body."""
        ...

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer."""
        ...

    def fail(self, status: int, code: str, **headers: str) -> None:
        """Answer with an error."""
        ...


def begin(request: Request, registry: Simulator, name: str, query: dict[str, str]) -> None:
    """Answer a POST: a mount, a blob that comes with it, or a new upload."""
    profile, body = registry.profile, request.body()
    digest = query.get("mount", "")
    if not profile.creates_repositories and name not in registry.repositories:
        request.fail(404, "NAME_UNKNOWN")
        return
    if digest:
        if profile.mounts is Mounts.REFUSED:
            request.fail(405, "UNSUPPORTED")
            return
        data = _source(registry, digest, query.get("from", ""))
        if data is not None:
            registry.blobs[name][digest] = data
            _created(request, name, digest)
            return
    if body and "digest" in query:
        _keep(request, registry, name, query["digest"], data=body)
        return
    session = registry.begin()
    says = {"Location": _place(request, registry, name, session), "Range": "0-0"}
    if profile.chunk_least:
        says["OCI_Chunk_Min_Length"] = str(profile.chunk_least)
    request.answer(202, b"", **says)


def _source(registry: Simulator, digest: str, source: str) -> bytes | None:
    """Return the blob that is to be mounted; None where that cannot be."""
    how = registry.profile.mounts
    if how is Mounts.NEVER or (how is Mounts.REFERENCED and not registry.is_referenced(source, digest)):
        return None
    return registry.blobs[source].get(digest) if source else None


def go_on(request: Request, registry: Simulator, name: str, session: str, query: dict[str, str]) -> None:
    """Answer a request about an upload."""
    profile, upload = registry.profile, registry.uploads.get(session)
    size = int(request.headers.get("Content-Length") or 0)
    if profile.body_most and size > profile.body_most:
        _read_away(request, size)
        request.answer(413, _TOO_LARGE, Content_Type="text/html")
    elif upload is None or (profile.upload_has_state and query.get(_STATE) != _state(registry, session)):
        _read_away(request, size)
        request.fail(404, "BLOB_UPLOAD_UNKNOWN")
    elif request.command == "GET":
        end = f"0-{len(upload) - 1}" if upload else "0-0"
        request.answer(204, Location=_place(request, registry, name, session), Range=end)
    elif request.command == "DELETE" and not profile.cancels:
        request.fail(405, "UNSUPPORTED")
    elif request.command == "DELETE":
        del registry.uploads[session]
        request.answer(204)
    elif request.command == "PATCH":
        _patch(request, registry, name, session, size)
    else:
        _close(request, registry, name, session, query, size)


def _patch(request: Request, registry: Simulator, name: str, session: str, size: int) -> None:
    profile, upload = registry.profile, registry.uploads[session]
    extent = _EXTENT.fullmatch(request.headers.get("Content-Range", ""))
    is_part = "Content-Range" in request.headers
    if (is_part and not profile.takes_chunks) or (profile.chunk_most and size > profile.chunk_most):
        _read_away(request, size)
        code = "UNSUPPORTED" if not profile.takes_chunks else "SIZE_INVALID"
        request.fail(profile.chunk_refusal, code)
        return
    if is_part and (extent is None or int(extent[1]) != len(upload)):
        _read_away(request, size)
        request.answer(416, Location=_place(request, registry, name, session), Range=f"0-{max(len(upload) - 1, 0)}")
        return
    registry.extents.setdefault(session, size)
    if _take(request, upload, size):
        end = registry.extents[session] if profile.range_sticks else len(upload)
        place = _place(request, registry, name, session)
        request.answer(profile.chunk_status, Location=place, Range=f"0-{end - 1}")


def _close(request: Request, registry: Simulator, name: str, session: str, query: dict[str, str], size: int) -> None:
    upload, extent = registry.uploads[session], _EXTENT.fullmatch(request.headers.get("Content-Range", ""))
    if extent is not None and int(extent[1]) != len(upload):
        _read_away(request, size)
        request.answer(416, Location=_place(request, registry, name, session), Range=f"0-{max(len(upload) - 1, 0)}")
        return
    if _take(request, upload, size):
        del registry.uploads[session]
        _keep(request, registry, name, query.get("digest", ""), data=bytes(upload))


def _keep(request: Request, registry: Simulator, name: str, digest: str, *, data: bytes) -> None:
    if not is_of(data, digest):
        request.fail(400, "DIGEST_INVALID")
        return
    registry.blobs[name][digest] = data
    _created(request, name, digest)


def _created(request: Request, name: str, digest: str) -> None:
    request.answer(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)


def _take(request: Request, upload: bytearray, size: int) -> bool:
    """Add to an upload what comes, also when it breaks off; return whether all came."""
    if "Transfer-Encoding" in request.headers:
        upload += request.body()
        return True
    left = size
    while left:
        piece = request.rfile.read1(min(left, 1 << 16))
        if not piece:
            request.close_connection = True
            return False
        upload += piece
        left -= len(piece)
    return True


def _read_away(request: Request, size: int) -> None:
    _take(request, bytearray(), size)


def _place(request: Request, registry: Simulator, name: str, session: str) -> str:
    profile = registry.profile
    place = profile.upload.format(name=name, session=session)
    state = f"?{_STATE}={quote(_state(registry, session), safe='')}" if profile.upload_has_state else ""
    return (f"http://{request.headers['Host']}" if profile.upload_is_absolute else "") + place + state


def _state(registry: Simulator, session: str) -> str:
    """Return what an upload's address must have beside its name; it changes with each part."""
    return f"{session[:4]}+{len(registry.uploads[session])}="
