"""The search of an image for secrets, each layer at most once: what was found is cached by the layer's digest.

By the digest of its bytes as they are stored, never by the diff_id, which a stranger's config could claim of others.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from imgforge.apt import hosts as apt_hosts
from imgforge.image import Layer, open_tar
from imgforge.oci.verified import drain
from imgforge.pipeline.image import reading
from imgforge.pipeline.image.base import Base
from imgforge.privacy import scan
from imgforge.privacy.finding import Finding, Place
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.scan import Searched
from imgforge.privacy.streams import Aside
from imgforge.report import Reporter, Step, running
from imgforge.store.cache import Cache
from imgforge.tree import Entry, Kind

_PROXY = re.compile(r"(http|https|all|ftp)_proxy", re.IGNORECASE)
_HOSTS_MAX = 1 << 20
_CHUNK = 1 << 20
_BESIDE = "(comments and skipped frames of its compression)"
_BEHIND = "(bytes behind the end of the archive)"


def image(image: Base, *, layers: Iterable[int], hosts: Hosts, cache: Cache, reporter: Reporter) -> tuple[Finding, ...]:
    """Return what is found in an image's config and in its layers.

    Args:
        image: the image.
        layers: the numbers of those that are searched, counted from 0.
        hosts: what tells on the machine that builds.
        cache: keeps what was found.
        reporter: gets each layer that is searched now.

    Raises:
        IntegrityError: a layer is not what the image says.
    """
    found = [scan.config(image.image.config, annotations=image.image.manifest.annotations, hosts=hosts)]
    every = image.image.layers
    found += [_layer(image, every[number], number, hosts=hosts, cache=cache, reporter=reporter) for number in layers]
    return tuple(finding for searched in found for finding in searched.findings)


def title(number: int) -> str:
    """Return what findings call a layer, counted from 0."""
    return f"layer {number + 1}"


def of_this_machine(patterns: Iterable[str]) -> Hosts:
    """Return what tells on this machine: its names and proxies, and host names that a policy adds."""
    name = os.uname().nodename
    proxies = [text for variable, text in sorted(os.environ.items()) if _PROXY.fullmatch(variable) and text]
    proxies += [url for _, url in apt_hosts.read().proxies if url]
    return Hosts.of((name, *_full_names(name)), proxies=proxies, patterns=patterns)


def _full_names(name: str) -> tuple[str, ...]:
    """Return the machine's names with a domain, as far as they are known without asking anybody (hosts(5))."""
    try:
        with Path("/etc/hosts").open(encoding="utf-8", errors="replace") as stream:
            words = stream.read(_HOSTS_MAX).split()
    except OSError:
        return ()
    return tuple(sorted({word for word in words if word.startswith(f"{name}.")}))


def _layer(image: Base, layer: Layer, number: int, *, hosts: Hosts, cache: Cache, reporter: Reporter) -> Searched:
    called = title(number)
    words = [(word.kind, word.text) for word in hosts.words]
    question = json.dumps([scan.VERSION, str(layer.descriptor.digest), words])
    key = hashlib.sha256(question.encode()).hexdigest()
    known = cache.read("searches", key)
    if known is None:
        with running(reporter, Step("search", f"{image.name} {called}", layer.descriptor.size)):
            known = _dump(_search(image, number, called, hosts))
        cache.put("searches", key, known)
    return _load(known, called)


def _search(image: Base, number: int, called: str, hosts: Hosts) -> Searched:
    aside = Aside()
    with open_tar(image.image.layers[number], image.open_blob, aside=aside.keep) as stream:
        members = _and_the_rest(reading.members(image, number, stream), stream, aside)
        found = scan.layer(members, name=called, hosts=hosts)
        drain(stream)
    return found


def _and_the_rest(
    members: Iterator[tuple[Entry, BinaryIO]], stream: BinaryIO, aside: Aside
) -> Iterator[tuple[Entry, BinaryIO]]:
    """Yield the members of a tar, what is behind its end, and what its compression carries: all of it is downloaded."""
    yield from members
    while chunk := stream.read(_CHUNK):
        if chunk.strip(b"\0"):
            yield Entry(_BEHIND, Kind.FILE, size=len(chunk)), io.BytesIO(chunk)
    if carried := b"".join(aside.parts):
        yield Entry(_BESIDE, Kind.FILE, size=len(carried)), io.BytesIO(carried)


def _dump(searched: Searched) -> bytes:
    findings = [
        (one.kind, one.place.path, one.place.inside, one.sha256, one.shown, one.encoding, one.line)
        for one in searched.findings
    ]
    return json.dumps(findings).encode()


def _load(data: bytes, called: str) -> Searched:
    return Searched(
        tuple(
            Finding(kind, _place(called, path, inside), sha256, shown, encoding, line)
            for kind, path, inside, sha256, shown, encoding, line in json.loads(data)
        )
    )


def _place(called: str, path: str, inside: list[Any]) -> Place:
    return Place(called, path, tuple(inside))
