"""The requests of the API, one function for each kind of path."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from builders.listeners import Quiet
from builders.simulator import letting, uploads
from builders.simulator.profile import Referrers
from builders.simulator.registry import Simulator
from builders.simulator.storage import INDEX, digest_of, is_artifact, is_digest, is_of

_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>blobs/uploads|blobs|manifests|tags|referrers)/(?P<rest>[^/]*)")
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")
_OCI = "application/vnd.oci."
_PAGE = b"<!DOCTYPE html><title>Welcome</title>"

Query = dict[str, str]


class Answering(Quiet):
    """Answers as the registry."""

    def serve(self) -> None:
        """Answer a request."""
        registry: Simulator = self.serves
        registry.note(self.command, self.path, dict(self.headers))
        planned = next((answers for path, answers in registry.answers.items() if self.path[3:].startswith(path)), None)
        if planned:
            status, headers, body = planned.pop(0)
            self.body()
            self.answer(status, body, **headers)
            return
        url = urlsplit(self.path)
        if url.path == registry.profile.realm:
            letting.issue(self, registry)
        elif registry.is_busy:
            self.body()
            self.fail(429, "TOOMANYREQUESTS", Retry_After="0")
        else:
            self._route(
                registry,
                url.path,
                {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()},
            )

    def _route(self, registry: Simulator, path: str, query: Query) -> None:
        session = registry.session_of(path)
        found = _PATH.fullmatch(path)
        name = found["name"] if found else session[0] if session else ""
        if not letting.is_let_in(self, registry, name, source=query.get("from", "")):
            return
        if path in ("/v2/", "/v2"):
            self.body()
            self.answer(200, b"{}", Content_Type="application/json")
        elif session:
            uploads.go_on(self, registry, *session, query)
        elif found and _NAME.fullmatch(name):
            kind = found["kind"].replace("/", "_")
            getattr(self, f"_{kind}")(registry, name, unquote(found["rest"]), query)
        else:
            self.body()
            self.fail(404, "NAME_INVALID" if found else "UNSUPPORTED")

    def fail(self, status: int, code: str, **headers: str) -> None:
        """Answer with an error: spec.md, "Error Codes"."""
        body = json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]})
        self.answer(status, body.encode(), Content_Type="application/json", **headers)

    def _blobs(self, registry: Simulator, name: str, digest: str, _query: Query) -> None:
        self.body()
        profile = registry.profile
        data = registry.blobs[name].get(digest)
        if self.command == "DELETE":
            self._delete_blob(registry, name, digest)
        elif not is_digest(digest):
            self.fail(400, "DIGEST_INVALID")
        elif self.command == "HEAD" and not profile.head:
            self.fail(405, "UNSUPPORTED")
        elif data is None:
            self.fail(profile.absent_blob, "BLOB_UNKNOWN" if profile.absent_blob == 404 else "DENIED")
        elif self.command == "GET" and (registry.storage or profile.redirects_blobs):
            place = registry.storage or f"http://{registry.elsewhere}"
            self.answer(307, Location=f"{place}/v2/{name}/blobs/{digest}?signature=secret")
        else:
            serve_bytes(self, data, digest, ranges=profile.ranges, says_length=profile.says_length)

    def _delete_blob(self, registry: Simulator, name: str, digest: str) -> None:
        if "blob" not in registry.profile.deletes:
            self.fail(405, "UNSUPPORTED")
        elif registry.blobs[name].pop(digest, None) is None:
            self.fail(404, "BLOB_UNKNOWN")
        else:
            self.answer(202)

    def _blobs_uploads(self, registry: Simulator, name: str, rest: str, query: Query) -> None:
        if self.command == "POST" and not rest:
            uploads.begin(self, registry, name, query)
        else:
            self.body()
            self.fail(404, "BLOB_UPLOAD_UNKNOWN")

    def _manifests(self, registry: Simulator, name: str, reference: str, _query: Query) -> None:
        if self.command == "PUT":
            self._put_manifest(registry, name, reference)
            return
        self.body()
        profile, found = registry.profile, registry.manifests[name]
        if reference not in found and profile.reads_dash:
            reference = reference.replace("-", ":", 1)
        if self.command == "HEAD" and not profile.head:
            self.fail(405, "UNSUPPORTED")
        elif reference not in found:
            self.fail(404, "MANIFEST_UNKNOWN" if registry.has_repository(name) else "NAME_UNKNOWN")
        elif self.command == "DELETE":
            self._delete_manifest(registry, name, reference)
        else:
            media_type, body = found[reference]
            digest = reference if is_digest(reference) else registry.stands[name].get(reference) or digest_of(body)
            says = {"Docker_Content_Digest": digest} if profile.says_digest else {}
            self.answer(200, body, Content_Type=media_type, **says)

    def _delete_manifest(self, registry: Simulator, name: str, reference: str) -> None:
        if ("manifest" if is_digest(reference) else "tag") not in registry.profile.deletes:
            self.fail(405, "UNSUPPORTED")
            return
        if is_digest(reference):
            registry.delete_manifest(name, reference)
        else:
            del registry.manifests[name][reference]
        self.answer(202)

    def _put_manifest(self, registry: Simulator, name: str, reference: str) -> None:
        profile, body = registry.profile, self.body()
        if profile.manifest_most and len(body) > profile.manifest_most:
            self.fail(413, "MANIFEST_INVALID")
            return
        refused = self._refusal(registry, name, reference, body)
        if refused:
            self.fail(*refused)
            return
        said = json.loads(body)
        media_type = self.headers.get("Content-Type", "").partition(";")[0]
        tags = [tag for tag in parse_qs(urlsplit(self.path).query).get("tag", ()) if _TAG.fullmatch(tag)]
        digest = registry.put(name, reference, media_type=media_type, data=body, tags=tags)
        subject = (said.get("subject") or {}).get("digest")
        says = {"OCI_Subject": subject} if subject and profile.says_subject else {}
        says |= {"OCI_Tag": ", ".join(tags)} if tags else {}
        place = f"/v2/{name}/manifests/{digest}"
        self.answer(201, Location=place, Docker_Content_Digest=digest, **says)

    def _refusal(self, registry: Simulator, name: str, reference: str, body: bytes) -> tuple[int, str] | None:
        """Return why a manifest is not taken."""
        profile = registry.profile
        try:
            said = json.loads(body)
        except ValueError:
            return 400, "MANIFEST_INVALID"
        is_there = reference in registry.manifests[name]
        is_kept = profile.keeps_manifests if is_digest(reference) else not registry.moves(reference)
        reasons = (
            (is_digest(reference) and not profile.takes_digests, 400, "MANIFEST_INVALID"),
            (is_digest(reference) and not is_of(body, reference), 400, "DIGEST_INVALID"),
            (not is_digest(reference) and not _TAG.fullmatch(reference), 400, "TAG_INVALID"),
            (not profile.takes_oci and _OCI in self.headers.get("Content-Type", ""), 400, "MANIFEST_INVALID"),
            (not profile.takes_artifacts and is_artifact(said), 405, "UNSUPPORTED"),
            (profile.checks_parts and registry.missing(name, said), 400, "MANIFEST_BLOB_UNKNOWN"),
            (is_there and is_kept, profile.immutable, profile.immutable_code),
        )
        return next(((status, code) for is_so, status, code in reasons if is_so), None)

    def _tags(self, registry: Simulator, name: str, _list: str, query: Query) -> None:
        self.body()
        if not registry.has_repository(name):
            self.fail(404, "NAME_UNKNOWN")
            return
        tags = [tag for tag in registry.tags(name) if tag > query.get("last", "")]
        most = min(int(query.get("n") or registry.profile.page), registry.profile.page)
        more = self._next(registry, query, last=tags[most - 1]) if 0 < most < len(tags) else {}
        self.answer(200, _json({"name": name, "tags": tags[:most]}), Content_Type="application/json", **more)

    def _referrers(self, registry: Simulator, name: str, digest: str, query: Query) -> None:
        self.body()
        how = registry.profile.referrers
        if how is Referrers.REFUSED:
            self.fail(registry.profile.referrers_status, "UNSUPPORTED")
        elif how is Referrers.PAGE:
            self.answer(200, _PAGE, Content_Type="text/html; charset=utf-8")
        elif how is Referrers.ELSEWHERE:
            self.answer(303, Location=f"http://{registry.elsewhere}/pages/{quote(name, safe='')}/{digest[:6]}")
        elif not is_digest(digest):
            self.fail(400, "DIGEST_INVALID")
        else:
            found = [] if how is Referrers.EMPTY else list(registry.referrers(name, digest))
            self._list_referrers(registry, found, query)

    def _list_referrers(self, registry: Simulator, found: Sequence[Any], query: Query) -> None:
        kind = query.get("artifactType")
        if kind:
            found = [one for one in found if one.get("artifactType") == kind]
        start = int(query.get("last", "0"))
        end = start + registry.profile.page
        more = self._next(registry, query, last=str(end)) if end < len(found) else {}
        applied = {"OCI_Filters_Applied": "artifactType"} if kind else {}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found[start:end]}
        self.answer(200, _json(index), Content_Type=INDEX, **applied, **more)

    def _next(self, registry: Simulator, query: Query, *, last: str) -> dict[str, str]:
        """Return the header that names the next page: RFC 8288."""
        kept = "".join(f"&{key}={quote(value, safe='')}" for key, value in query.items() if key != "last")
        place = f"{urlsplit(self.path).path}?last={quote(last)}{kept}"
        host = f"http://{registry.host}" if registry.profile.link_is_absolute else ""
        return {"Link": f'<{host}{place}>; rel="next"'}


class Elsewhere(Quiet):
    """Answers as another host: storage with addresses that are signed, and pages for people."""

    def serve(self) -> None:
        """Answer a request."""
        registry: Simulator = self.serves
        self.body()
        found = _PATH.fullmatch(urlsplit(self.path).path)
        if not found:
            self.answer(429, _PAGE, Content_Type="text/html", Retry_After="3600")
        elif "Authorization" in self.headers:
            self.answer(400, b"<Error><Code>InvalidAuthenticationInfo</Code></Error>", Content_Type="application/xml")
        else:
            digest = unquote(found["rest"])
            serve_bytes(self, registry.blobs[found["name"]][digest], digest)


def serve_bytes(answering: Quiet, data: bytes, digest: str, *, ranges: bool = True, says_length: bool = True) -> None:
    """Answer with a blob, or a part of it."""
    says = {"Docker_Content_Digest": digest, "Content_Type": "application/octet-stream"}
    asked = _RANGE.fullmatch(answering.headers.get("Range", ""))
    if asked and ranges:
        start, end = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        if start > end:
            answering.answer(416, Content_Range=f"bytes */{len(data)}")
        else:
            says["Content_Range"] = f"bytes {start}-{end}/{len(data)}"
            answering.answer(206, data[start : end + 1], **says)
        return
    if not says_length:
        says |= {"Content_Length": "", "Connection": "close"}
        answering.close_connection = True
    answering.answer(200, data, **says)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
