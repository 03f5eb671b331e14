"""What is fuzzed: one target for each way in which foreign bytes come in.

A target takes any bytes. It may raise `ImgforgeError` and nothing else, and what it asserts holds for every input.
`run.py` searches with coverage feedback, `test_targets.py` replays seeds, saved inputs and fixed mutations.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from builders import debs, tarballs
from builders.debs import build_deb, build_tar
from builders.indices import parsed, stanza
from builders.trees import file

from fuzz import seeds
from fuzz.seeds import json_bytes
from imgforge import configuration, manifest, policy, record
from imgforge.apt import certificates, openpgp, pins, release, sources
from imgforge.apt.status import parse_status
from imgforge.codec.stream import decompress
from imgforge.deb import changelog, control, relation, triggers, version
from imgforge.deb.package import open_deb
from imgforge.errors import ImgforgeError
from imgforge.fetch.url import Url
from imgforge.lock import Lock
from imgforge.oci import manifest as documents
from imgforge.oci.config import ImageConfig
from imgforge.oci.reference import Reference
from imgforge.privacy import scan
from imgforge.registry import answer, challenge
from imgforge.rootfs import accounts, ini
from imgforge.rootfs.extract import extract
from imgforge.rootfs.owners import RecordedOwners, owners_for
from imgforge.signing import payload, statement
from imgforge.signing.bundle import Bundle
from imgforge.signing.dsse import Envelope
from imgforge.signing.keys import PublicKey
from imgforge.tar import LAYER, reader, writer
from imgforge.transport.docker_archive import DockerArchive
from imgforge.transport.oci_archive import OciArchive
from imgforge.tree import Kind

_CAP = 1 << 20
_SMALL = reader.Limits(entries=2_000, total=8 << 20)


@attrs.frozen
class Target:
    """One way in.

    Attributes:
        name: of the target, and of the directory of its saved inputs.
        take: gets the bytes; may raise `ImgforgeError`.
        seeds: good inputs to start from.
    """

    name: str
    take: Callable[[bytes], None]
    seeds: tuple[bytes, ...]

    def run(self, data: bytes) -> None:
        """Give the target some bytes; a typed error is a right answer."""
        with contextlib.suppress(ImgforgeError):
            self.take(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _tar(data: bytes) -> None:
    written = io.BytesIO()
    copy = writer.Writer(written)
    for entry, content in reader.read(io.BytesIO(data), what="fuzz", limits=_SMALL, forms=LAYER):
        assert ".." not in entry.path.split("/")
        copy.add(entry, content if entry.kind is Kind.FILE else None)
    copy.close()
    again = list(reader.read(io.BytesIO(written.getvalue()), what="again", limits=_SMALL))
    assert len({entry.path for entry, _ in again}) <= len(again)


def _deb(data: bytes) -> None:
    package = open_deb(io.BytesIO(data), what="fuzz.deb")
    for entry, content in package.entries():
        assert ".." not in entry.path.split("/")
        while content.read(1 << 16):
            pass


def _control(data: bytes) -> None:
    stanzas = control.parse(_text(data), file="control")
    for one in stanzas:
        assert control.parse(control.dump(one), file="again")[0] == one
    triggers.parse(_text(data), what="triggers")


def _relation(data: bytes) -> None:
    first, _, second = _text(data).partition("\n")
    with contextlib.suppress(ImgforgeError):
        relation.parse(first, architecture="amd64")
    assert version.compare(first, second) == -version.compare(second, first)
    assert version.compare(first, first) == 0


def _release(data: bytes) -> None:
    for read in (
        lambda: release.parse(data, what="Release"),
        lambda: sources.parse(_text(data), file="x.sources"),
        lambda: sources.parse(_text(data), file="x.list"),
        lambda: pins.parse(_text(data), file="preferences"),
    ):
        with contextlib.suppress(ImgforgeError):
            read()


def _index(data: bytes) -> None:
    index = parsed(data)
    for name in list(index.names())[:50]:
        for package in index.packages(name):
            assert package.name == name
        index.providers(name)
    parse_status(data)


def _openpgp(data: bytes) -> None:
    with contextlib.suppress(ImgforgeError):
        certificates.fingerprints(data, what="keys")
    head, _, tail = data.partition(b"\0\0")
    with contextlib.suppress(ImgforgeError):
        signed = openpgp.clear_signed(head, seeds.KEYS, now=1_700_000_000, what="InRelease")
        assert signed.signers
    with contextlib.suppress(ImgforgeError):
        openpgp.clear_signed(head, tail, now=1_700_000_000, what="InRelease", takes_weak=True)
    openpgp.detached(b"Suite: x\n", tail or head, seeds.KEYS, now=1_700_000_000, what="Release")


def _manifest(data: bytes) -> None:
    manifest.load(_text(data), file="m.yaml")


def _lock(data: bytes) -> None:
    lock = Lock.parse(_text(data), file="m.lock.json")
    assert Lock.parse(lock.dump(), file="again") == lock


def _policy(data: bytes) -> None:
    with contextlib.suppress(ImgforgeError):
        configuration.parse(_text(data), file="config.yaml")
    policy.load(_text(data), file="policy.yaml")


def _documents(data: bytes) -> None:
    for read in (documents.parse, ImageConfig.parse):
        with contextlib.suppress(ImgforgeError):
            found: Any = read(data, what="fuzz")
            assert found.raw == data


def _names(data: bytes) -> None:
    text = _text(data)
    header = "".join(map(chr, data))  # http.client reads headers as Latin-1
    challenge.read(header)
    for name in ("Location", "Link", "Docker-Content-Digest"):
        got = answer.Answer(Url.parse("https://registry.example.org/v2/a/"), 200, {name: header}, data)
        for read in ("location", "following", "digest"):
            with contextlib.suppress(ImgforgeError):
                getattr(got, read)
    answer.codes(data)
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference


def _signing(data: bytes) -> None:
    for read in (Bundle.parse, Envelope.parse, payload.parse, statement.Statement.parse, PublicKey.parse):
        with contextlib.suppress(ImgforgeError):
            read(data, what="fuzz")


def _privacy(data: bytes) -> None:
    def members() -> Iterator[Any]:
        entry = attrs.evolve(file("srv/data")[0], size=len(data))
        yield entry, io.BytesIO(data)

    scan.layer(members(), name="layer 1")


def _codec(data: bytes) -> None:
    with decompress(io.BytesIO(data), what="fuzz", cap=_CAP) as stream:
        total = 0
        while chunk := stream.read(1 << 16):
            total += len(chunk)
        assert total <= _CAP


def _extract(data: bytes) -> None:
    """Unpack a layer twice, in both ways, and see that nothing outside changed."""
    place = Path(tempfile.mkdtemp(prefix="imgforge-fuzz-"))
    try:
        (place / "outside").write_bytes(b"canary")
        before = sorted(path.name for path in place.iterdir())
        for number, how in enumerate(("apply", "overlay")):
            root = place / "in" / str(number)
            root.mkdir(parents=True)
            owners = owners_for("ROOT") if os.geteuid() == 0 else RecordedOwners("user.overlay.")
            with contextlib.suppress(ImgforgeError):
                members = reader.read(io.BytesIO(data), what="fuzz", limits=_SMALL, forms=LAYER)
                extract(members, root, owners=owners, whiteouts=how)  # type: ignore[arg-type]  # both of the Literal
        assert sorted(path.name for path in place.iterdir() if path.name != "in") == before
        assert (place / "outside").read_bytes() == b"canary"
    finally:
        for parent, names, _ in os.walk(place):
            for name in names:
                child = Path(parent, name)
                if not child.is_symlink():
                    child.chmod(0o700)
        shutil.rmtree(place)


def _archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="imgforge-fuzz-") as place:
        path = Path(place, "image.tar")
        path.write_bytes(data)
        for form, transport in (("oci-archive", OciArchive()), ("docker-archive", DockerArchive())):
            reference = Reference.parse(f"{form}:{path}")
            with contextlib.suppress(ImgforgeError), transport.read(reference, platform=None) as opened:
                assert opened.image.manifest.digest


def _image_files(data: bytes) -> None:
    """Read files of an image that imgforge edits or reports."""
    text = _text(data)
    changelog.urgency_since(text, "1.0")
    changelog.entries_between(text, after="1.0", until="2.0")
    ini.set_values(text, (("key", "value"),), section="section")
    accounts.ids({"etc/passwd": text, "etc/group": text}, "etc/passwd")
    with contextlib.suppress(accounts.AccountError):
        account = accounts.Account("app", 900, 900, "/srv/app", "/usr/sbin/nologin")
        accounts.add({"etc/passwd": text, "etc/group": text, "etc/shadow": text}, account, epoch=0)
    with contextlib.suppress(ImgforgeError):
        record.load(record.dump(text))


TARGETS = (
    Target("tar", _tar, (seeds.LAYER, tarballs.member(content=b"x" * 600) + bytes(1024), *seeds.SPARSE)),
    Target("deb", _deb, (build_deb("a", "1.0", files={"usr/a": b"x"}, compression="gzip"), build_deb("b", "2"))),
    Target(
        "control", _control, (debs.control_text({"Package": "a", "Version": "1"}).encode(), b"interest-await /usr\n")
    ),
    Target("relation", _relation, (b"a (>= 1) | b [amd64] <!nocheck>, c:any\n1:2.0~rc1-3", b"1.0\n1.0-1")),
    Target(
        "apt-files",
        _release,
        (
            seeds.RELEASE,
            b"Types: deb\nURIs: https://x/\nSuites: a\nComponents: b\n",
            b"Package: *\nPin: release a=x\nPin-Priority: 5\n",
        ),
    ),
    Target("index", _index, ((stanza("a") + "\n" + stanza("b", fields={"Provides": "c (= 1)"})).encode(),)),
    Target(
        "openpgp",
        _openpgp,
        (
            seeds.KEYS,
            seeds.SIGNED,
        ),
    ),
    Target("manifest", _manifest, seeds.SHIPPED),
    Target("lock", _lock, (seeds.LOCK,)),
    Target("policy", _policy, (seeds.POLICY,)),
    Target(
        "documents",
        _documents,
        tuple(map(json_bytes, (seeds.MANIFEST, seeds.INDEX, seeds.CONFIG))),
    ),
    Target(
        "names",
        _names,
        (
            b"docker://registry.example.org/a/b:tag",
            b'Bearer realm="https://x/t",service="s",scope="repository:a:pull"',
            b'</v2/x?n=1>; rel="next"',
        ),
    ),
    Target(
        "signing",
        _signing,
        (
            json_bytes(seeds.ENVELOPE),
            json_bytes(
                {
                    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                    "verificationMaterial": {"publicKey": {"hint": "x"}},
                    "dsseEnvelope": seeds.ENVELOPE,
                }
            ),
        ),
    ),
    Target(
        "privacy",
        _privacy,
        (seeds.LAYER, gzip.compress(seeds.LAYER, mtime=0), seeds.TOKEN),
    ),
    Target(
        "codec",
        _codec,
        (gzip.compress(b"x" * 5000, mtime=0), debs.compress(b"x" * 500, "xz"), debs.compress(b"x" * 500, "zstd")),
    ),
    Target("extract", _extract, (seeds.LAYER, *seeds.SPARSE)),
    Target(
        "archive",
        _archive,
        (
            build_tar(
                [
                    file("manifest.json", json_bytes([{"Config": "c", "Layers": [], "RepoTags": []}])),
                    file("c", json_bytes(seeds.CONFIG)),
                ]
            ),
            build_tar(
                [
                    file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                    file("index.json", json_bytes(seeds.INDEX)),
                ]
            ),
        ),
    ),
    Target(
        "image-files",
        _image_files,
        (
            b"a (1.0) unstable; urgency=low\n\n  * x\n\n -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n",
            b"[section]\nkey = 1\n",
            b"root:x:0:0:root:/root:/bin/sh\n",
        ),
    ),
)

BY_NAME = {target.name: target for target in TARGETS}
