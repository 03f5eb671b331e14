"""A small registry in memory that does what the specification allows and Debian's docker-registry does not.

It keeps uploads that broke within a chunk, lists referrers, pages its lists, redirects blobs, and may refuse chunks.
Source: OCI distribution-spec v1.1, spec.md.
"""

from __future__ import annotations

import collections
import contextlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from builders.listeners import Quiet, listening
from imgforge.digest import Digest

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>blobs/uploads|blobs|manifests|tags|referrers)/(?P<rest>[^/]*)")
_INDEX = "application/vnd.oci.image.index.v1+json"


@attrs.frozen
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


class Registry:
    """A running registry.

    Attributes:
        host: its host and port.
        blobs: by repository and digest.
        manifests: by repository and tag or digest: type and bytes.
        uploads: what came of each that is not closed.
        asked: what came.
        page: entries of a page of a list.
        lists_referrers: whether it knows the API.
        takes_chunks: whether it takes an upload in more than one part.
        knows_ranges: whether it serves parts of blobs.
        says_length: whether it says how long a blob is.
        storage: where blobs are redirected to; empty to serve them.
        challenge: what is asked of those who do not say who they are; empty to serve anybody.
        answers: by the beginning of a path, without ``/v2``: status, headers and body of the next answers.
    """

    def __init__(self) -> None:
        self.host = ""
        self.blobs: dict[str, dict[str, bytes]] = collections.defaultdict(dict)
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = collections.defaultdict(dict)
        self.uploads: dict[str, bytearray] = {}
        self.asked: list[Asked] = []
        self.page = 2
        self.lists_referrers = True
        self.takes_chunks = True
        self.knows_ranges = True
        self.says_length = True
        self.storage = ""
        self.challenge = ""
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests came for paths that a pattern fits."""
        return sum(asked.method == method and re.search(pattern, asked.path) is not None for asked in self.asked)


@contextlib.contextmanager
def serve() -> Iterator[Registry]:
    """Run a registry during a block."""
    made = Registry()
    with listening(_Answering, made) as server:
        made.host = server.host
        yield made


class _Answering(Quiet):
    def serve(self) -> None:
        registry: Registry = self.serves
        registry.asked.append(Asked(self.command, self.path, dict(self.headers)))
        planned = next((answers for path, answers in registry.answers.items() if self.path[3:].startswith(path)), None)
        if planned:
            status, headers, body = planned.pop(0)
            self.body()
            self.answer(status, body, **headers)
        elif registry.challenge and "Authorization" not in self.headers:
            self.body()
            self.answer(401, WWW_Authenticate=registry.challenge)
        elif self.path == "/v2/":
            self.answer(200, b"{}")
        else:
            self._route(registry)

    def _route(self, registry: Registry) -> None:
        found = _PATH.fullmatch(urlsplit(self.path).path)
        if not found:
            self.answer(404)
            return
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        kind = found["kind"].replace("/", "_")
        getattr(self, f"_{kind}")(registry, found["name"], found["rest"], query)

    def _blobs(self, registry: Registry, name: str, digest: str, _query: dict[str, str]) -> None:
        data = registry.blobs[name].get(digest)
        if data is None:
            self.answer(404)
            return
        if registry.storage and self.command == "GET":
            self.answer(307, Location=f"{registry.storage}/v2/{name}/blobs/{digest}?signature=secret")
            return
        asked = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        if asked and registry.knows_ranges:
            start = int(asked[1])
            extent = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], Content_Range=extent)
            return
        self.answer(200, data, **({} if registry.says_length else {"Content_Length": "", "Connection": "close"}))
        self.close_connection = not registry.says_length

    def _blobs_uploads(self, registry: Registry, name: str, session: str, query: dict[str, str]) -> None:
        if self.command == "POST":
            self.body()
            self._begin(registry, name, query)
            return
        upload = registry.uploads.get(session)
        if upload is None:
            self.body()
            self.answer(404)
            return
        place = f"/v2/{name}/blobs/uploads/{session}"
        if self.command == "PATCH" and not registry.takes_chunks and self.headers.get("Content-Range"):
            self.body()
            self.answer(416)
        elif self.command == "PATCH" and not self._starts_at(len(upload)):
            self.body()
            self.answer(416, Location=place, Range=f"0-{len(upload) - 1}")
        elif self.command == "GET":
            self.answer(204, Location=place, Range=f"0-{len(upload) - 1}" if upload else "0-0")
        else:
            self._take(registry, name, session, query)

    def _begin(self, registry: Registry, name: str, query: dict[str, str]) -> None:
        source = registry.blobs[query.get("from", "")]
        if query.get("mount") in source:
            registry.blobs[name][query["mount"]] = source[query["mount"]]
            self.answer(201, Location=f"/v2/{name}/blobs/{query['mount']}")
            return
        session = secrets.token_hex(4)
        registry.uploads[session] = bytearray()
        self.answer(202, Location=f"/v2/{name}/blobs/uploads/{session}")

    def _starts_at(self, position: int) -> bool:
        return self.headers.get("Content-Range", f"{position}-").startswith(f"{position}-")

    def _take(self, registry: Registry, name: str, session: str, query: dict[str, str]) -> None:
        """Take what comes, also when it breaks off."""
        upload = registry.uploads[session]
        left = int(self.headers.get("Content-Length", "0"))
        while left:
            piece = self.rfile.read1(min(left, 4096))
            if not piece:
                self.close_connection = True
                return
            upload += piece
            left -= len(piece)
        place = f"/v2/{name}/blobs/uploads/{session}"
        if self.command == "PATCH":
            self.answer(202, Location=place, Range=f"0-{len(upload) - 1}")
            return
        del registry.uploads[session]
        if str(Digest.of(bytes(upload))) != query["digest"]:
            self.answer(400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}')
            return
        registry.blobs[name][query["digest"]] = bytes(upload)
        self.answer(201, Docker_Content_Digest=query["digest"], Location=f"/v2/{name}/blobs/{query['digest']}")

    def _manifests(self, registry: Registry, name: str, reference: str, _query: dict[str, str]) -> None:
        if self.command == "PUT":
            body = self.body()
            content = (self.headers.get("Content-Type", ""), body)
            registry.manifests[name][str(Digest.of(body))] = registry.manifests[name][reference] = content
            subject = json.loads(body).get("subject") if registry.lists_referrers else None
            self.answer(201, **({"OCI_Subject": subject["digest"]} if subject else {}))
            return
        if reference not in registry.manifests[name]:
            self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
            return
        media_type, body = registry.manifests[name][reference]
        self.answer(200, body, Content_Type=media_type, Docker_Content_Digest=str(Digest.of(body)))

    def _tags(self, registry: Registry, name: str, _list: str, query: dict[str, str]) -> None:
        tags = sorted(tag for tag in registry.manifests[name] if ":" not in tag)
        self._page(registry, query, tags, lambda part: {"name": name, "tags": part})

    def _referrers(self, registry: Registry, name: str, digest: str, query: dict[str, str]) -> None:
        if not registry.lists_referrers:
            self.answer(404)
            return
        found = []
        for own, (media_type, body) in sorted(registry.manifests[name].items()):
            said = json.loads(body)
            if (said.get("subject") or {}).get("digest") == digest and ":" in own:
                kind = said.get("artifactType") or said["config"]["mediaType"]
                found.append({"mediaType": media_type, "digest": own, "size": len(body), "artifactType": kind})
        self._page(registry, query, found, lambda part: {"schemaVersion": 2, "mediaType": _INDEX, "manifests": part})

    def _page(self, registry: Registry, query: dict[str, str], entries: list[Any], dress: Any) -> None:
        start = int(query.get("last", "0"))
        end = start + registry.page
        more = {"Link": f'<{urlsplit(self.path).path}?last={end}>; rel="next"'} if end < len(entries) else {}
        self.answer(200, json.dumps(dress(entries[start:end])).encode(), Content_Type=_INDEX, **more)
