"""A real docker-registry on loopback, and the few requests that put signatures into it and get them out.

Not imgforge's own client: what signing hands up is tested against other people's tools.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import requests

from builders import images
from builders.images import Made
from imgforge.digest import Digest
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor
from imgforge.oci.manifest import Manifest
from imgforge.signing.attachment import Attachment
from imgforge.signing.verify import Found
from imgforge.store.layout import Layout

_ACCEPT = {"Accept": f"{media.MANIFEST}, {media.INDEX}"}


@attrs.frozen
class Shelf:
    """One repository of a registry."""

    host: str
    name: str

    def at(self, digest: Digest) -> str:
        return f"{self.host}/{self.name}@{digest}"

    def push_image(self, made: Made, scratch: Path) -> str:
        """Push an image with skopeo; return its reference by digest."""
        layout = Layout(scratch / "layout")
        layout.create()
        images.put(made, layout, "it")
        target = f"docker://{self.host}/{self.name}:it"
        command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout.path}:it", target]
        subprocess.run(command, check=True, capture_output=True)
        return self.at(made.image.digest)

    def push(self, attachment: Attachment) -> None:
        """Push what signing made; a referrer is also listed behind its tag, as the registry has no API for it."""
        for descriptor, data in attachment.blobs:
            self._push_blob(descriptor, data)
        manifest = attachment.manifest
        self.put(attachment.tag or str(manifest.digest), manifest.raw, manifest.media_type)
        if manifest.subject is not None:
            self._list(manifest, manifest.subject.digest)

    def found(self, digest: Digest) -> Found:
        tag = f"{digest.algorithm}-{digest.hex}"
        listed = self._get(f"manifests/{tag}")
        names = [entry["digest"] for entry in json.loads(listed)["manifests"]] if listed else []
        referrers = tuple(manifest for name in names if (manifest := self._manifest(name)))
        return Found(self._manifest(f"{tag}.sig"), self._manifest(f"{tag}.att"), referrers)

    def read(self, descriptor: Descriptor) -> bytes:
        data = self._get(f"blobs/{descriptor.digest}")
        assert data is not None
        return data

    def put(self, name: str, raw: bytes, media_type: str) -> None:
        headers = {"Content-Type": media_type}
        answer = requests.put(self._url(f"manifests/{name}"), data=raw, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text

    def _push_blob(self, descriptor: Descriptor, data: bytes) -> None:
        place = requests.post(self._url("blobs/uploads/"), timeout=30).headers["Location"]
        mark = "&" if "?" in place else "?"
        answer = requests.put(f"{place}{mark}digest={descriptor.digest}", data=data, timeout=30)
        assert answer.status_code == 201, answer.text

    def _list(self, manifest: Manifest, subject: Digest) -> None:
        tag = f"{subject.algorithm}-{subject.hex}"
        listed = self._get(f"manifests/{tag}")
        entries: list[Any] = json.loads(listed)["manifests"] if listed else []
        entry = attrs.evolve(manifest.descriptor, annotations=manifest.annotations).to_json()
        index = {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": [*entries, entry]}
        self.put(tag, json.dumps(index).encode(), media.INDEX)

    def _manifest(self, name: str) -> Manifest | None:
        raw = self._get(f"manifests/{name}")
        return Manifest.parse(raw, what=name) if raw else None

    def _get(self, path: str) -> bytes | None:
        answer = requests.get(self._url(path), headers=_ACCEPT, timeout=30)
        return answer.content if answer.status_code == 200 else None

    def _url(self, path: str) -> str:
        return f"http://{self.host}/v2/{self.name}/{path}"


@contextlib.contextmanager
def serve(place: Path) -> Iterator[str]:
    """Run a docker-registry; yield its host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(place)}},
        "http": {"addr": host},
    }
    (place / "config.yml").write_text(json.dumps(config))
    with (place / "log").open("wb") as log:
        command = ["docker-registry", "serve", str(place / "config.yml")]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(host, server)
            yield host
        finally:
            server.terminate()
            server.wait(timeout=10)


def _wait(host: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"http://{host}/v2/", timeout=5).status_code == 200:
                return
        assert server.poll() is None, "docker-registry ended"
        time.sleep(0.05)
    raise AssertionError("docker-registry does not answer")
