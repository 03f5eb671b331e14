"""A small APT archive with a throw-away OpenPGP key: pools, indices, by-hash, signed Releases. APT accepts it.

    archive = Archive(tmp_path / "archive")
    archive.add(build_deb("hello", "1.0"))
    archive.publish()
    source = archive.source(archive.url)            # or with the URL of a `servers.serve`

Nothing here uses imgforge's own readers. `publish` may be called again: everything is written anew, as an archive does
when packages were added.
Source: https://wiki.debian.org/DebianRepository/Format
"""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from pathlib import Path

import attrs
import pysequoia
import zstandard
from pysequoia.packet import PacketPile

from builders.servers import Fault, Server, serve
from imgforge.apt.sources import Source

__all__ = ["NOW", "Archive", "Deb", "Fault", "Key", "Server", "Suite", "describe", "serve", "sign", "sign_detached"]

NOW = 1_700_000_000
"""The Date of what is published unless a test says otherwise: 2023-11-14T22:13:20Z."""

PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".xz": functools.partial(lzma.compress, preset=0),
    ".gz": functools.partial(gzip.compress, mtime=0),
    ".bz2": bz2.compress,
    ".lzma": functools.partial(lzma.compress, format=lzma.FORMAT_ALONE, preset=0),
    ".zst": zstandard.ZstdCompressor(level=1).compress,
}


class Key:
    """A signing key, made in a moment and kept nowhere."""

    def __init__(self, name: str = "Test Archive <archive@example.org>") -> None:
        self.secret = pysequoia.Tsk.generate(name, profile=pysequoia.Profile.RFC4880)

    @property
    def certificate(self) -> bytes:
        """The certificate, binary, as a keyring holds it."""
        return bytes(self.secret.extract_certificate())

    @property
    def armored(self) -> str:
        """The certificate, armored."""
        return str(self.secret.extract_certificate())

    @property
    def fingerprint(self) -> str:
        return str(self.secret.extract_certificate().fingerprint)


def sign(text: bytes, *keys: Key) -> bytes:
    """Return a cleartext signed message with a signature by each key, as ``InRelease`` is."""
    messages = [pysequoia.sign(key.secret.signer(), text, mode=pysequoia.SignatureMode.CLEAR) for key in keys]
    mark = b"\n-----BEGIN PGP SIGNATURE-----"
    packets = [bytes(one) for message in messages for one in PacketPile.from_bytes(mark + message.rpartition(mark)[2])]
    armored = pysequoia.armor(b"".join(packets), pysequoia.ArmorKind.Signature)
    return bytes(messages[0].rpartition(mark)[0]) + b"\n" + armored.encode()


def sign_detached(text: bytes, *keys: Key) -> bytes:
    """Return signatures by each key, as ``Release.gpg`` has them."""
    mode = pysequoia.SignatureMode.DETACHED
    blocks = [pysequoia.sign(key.secret.signer(), text, mode=mode, armor=False) for key in keys]
    return str(pysequoia.armor(b"".join(blocks), pysequoia.ArmorKind.Signature)).encode()


@attrs.frozen
class Deb:
    """A package in the pool."""

    data: bytes = attrs.field(repr=False)
    control: str
    path: str

    def field(self, name: str) -> str:
        lines = (line.partition(": ") for line in self.control.splitlines())
        return next((value for key, _, value in lines if key == name), "")

    @property
    def stanza(self) -> str:
        """Its stanza in an index."""
        return self.listed("SHA256")

    def listed(self, *hashes: str) -> str:
        """Return its stanza in an index with hashes of some kinds: ``SHA512``."""
        hashed = "".join(f"{name}: {_hash(name, self.data)}\n" for name in hashes)
        return f"{self.control}Filename: {self.path}\nSize: {len(self.data)}\n{hashed}"


@attrs.define
class Suite:
    """A suite, to be changed as a test likes before it is published.

    Attributes:
        name: the directory below ``dists/``; one that ends in a slash is a flat archive.
        components: of the suite.
        architectures: of the suite.
        fields: further fields of its Release, or others in the place of the made ones; an empty value leaves one out.
        date: the Date of its Release, seconds since the epoch.
        valid_for: seconds from the date to Valid-Until; None for none.
        packings: how its indices are packed, by the endings of their names.
        unlisted: packings that are there and not in the Release.
        by_hash: whether there are by-hash names.
        separate_all: whether packages of architecture all are only in an index of their own.
        hashes: kinds of hashes in its Release.
        deb_hashes: kinds of hashes in its indices.
        mangle: changes the text of an index before it is listed.
        extra: text after the stanzas of an index, by ``component/architecture``.
        debs: by component.
    """

    name: str
    components: tuple[str, ...] = ("main",)
    architectures: tuple[str, ...] = ("amd64",)
    fields: dict[str, str] = attrs.Factory(dict)
    date: int = NOW
    valid_for: int | None = None
    packings: tuple[str, ...] = ("", ".xz")
    unlisted: tuple[str, ...] = ()
    by_hash: bool = True
    separate_all: bool = False
    hashes: tuple[str, ...] = ("SHA256",)
    deb_hashes: tuple[str, ...] = ("SHA256",)
    mangle: Callable[[str], str] = str
    extra: dict[str, str] = attrs.Factory(dict)
    debs: dict[str, list[Deb]] = attrs.Factory(dict)

    @property
    def directory(self) -> str:
        """Where it is, below the archive's base."""
        return self.name.rstrip("/") if self.is_flat else f"dists/{self.name}"

    @property
    def is_flat(self) -> bool:
        return self.name.endswith("/")

    def indices(self) -> Iterable[tuple[str, bytes]]:
        """Yield the path and the bytes of each index."""
        if self.is_flat:
            debs = [deb for listed in self.debs.values() for deb in listed]
            yield "Packages", self._text(debs).encode(errors="surrogateescape")
            return
        for component in self.components:
            own = ("all",) if self.separate_all else ()
            for architecture in (*self.architectures, *own):
                debs = [deb for deb in self.debs.get(component, ()) if self._is_in(deb, architecture)]
                text = self._text(debs) + self.extra.get(f"{component}/{architecture}", "")
                yield f"{component}/binary-{architecture}/Packages", text.encode(errors="surrogateescape")

    def release(self, files: Mapping[str, bytes]) -> bytes:
        """Return the text of the Release that lists the files."""
        all_too = () if not self.separate_all else ("all",)
        fields = {
            "Origin": "Test",
            "Label": "Test",
            "Suite": self.name.rstrip("/") or ".",
            "Codename": self.name.rstrip("/") or ".",
            "Version": "1",
            "Date": formatdate(self.date, usegmt=True).replace("GMT", "UTC"),
            "Valid-Until": "" if self.valid_for is None else formatdate(self.date + self.valid_for, usegmt=True),
            "Acquire-By-Hash": "yes" if self.by_hash else "",
            "Architectures": " ".join((*all_too, *self.architectures)),
            "Components": " ".join(self.components),
            **{
                name: "".join(f"\n {_hash(name, data)} {len(data):8} {path}" for path, data in sorted(files.items()))
                for name in self.hashes
            },
            **self.fields,
        }
        return "".join(f"{name}: {value}\n".replace(": \n", ":\n") for name, value in fields.items() if value).encode()

    def _text(self, debs: Iterable[Deb]) -> str:
        return self.mangle("\n".join(deb.listed(*self.deb_hashes) for deb in debs))

    def _is_in(self, deb: Deb, architecture: str) -> bool:
        own = deb.field("Architecture")
        return own == architecture or (own == "all" and not self.separate_all)


class Archive:
    """An archive below one directory."""

    def __init__(self, path: Path, *, keys: tuple[Key, ...] | None = None) -> None:
        """Make an empty archive with one suite, ``stable``, of one component, ``main``.

        Args:
            path: its directory.
            keys: what signs it; by default one new key.
        """
        self.path = path
        self.keys = (Key(),) if keys is None else keys
        self.suites = {"stable": Suite("stable")}

    @property
    def url(self) -> str:
        """The ``file`` URL of its base."""
        return self.path.as_uri()

    @property
    def keyring(self) -> bytes:
        """The certificates of its keys."""
        return b"".join(key.certificate for key in self.keys)

    def suite(self, name: str = "stable") -> Suite:
        """Return a suite, made at the first use."""
        return self.suites.setdefault(name, Suite(name))

    def add(self, data: bytes, *, suite: str = "stable", component: str = "main") -> Deb:
        """Put a `.deb` into the pool and a suite; it is listed at the next `publish`."""
        deb = describe(data, component=component)
        self.suite(suite).debs.setdefault(component, []).append(deb)
        self._write(deb.path, data)
        return deb

    def remove(self, deb: Deb, *, suite: str = "stable") -> None:
        """Remove a package from the pool and a suite, as an update does."""
        for listed in self.suite(suite).debs.values():
            if deb in listed:
                listed.remove(deb)
        (self.path / deb.path).unlink()

    def publish(self) -> None:
        """Write the indices and Releases of all suites."""
        for suite in self.suites.values():
            self.publish_suite(suite)

    def publish_suite(self, suite: Suite) -> None:
        """Write the indices and the Release of one suite."""
        files: dict[str, bytes] = {}
        for path, data in suite.indices():
            for packing in dict.fromkeys((*suite.packings, *suite.unlisted)):
                packed = PACKINGS[packing](data)
                self._write(f"{suite.directory}/{path}{packing}", packed)
                if suite.by_hash:
                    folder = f"{path.rpartition('/')[0]}/by-hash".lstrip("/")
                    for name in suite.hashes:
                        self._write(f"{suite.directory}/{folder}/{name}/{_hash(name, packed)}", packed)
                if packing not in suite.unlisted:
                    files[path + packing] = packed
        self.write_release(suite, suite.release(files))

    def write_release(self, suite: Suite, text: bytes) -> None:
        """Sign the text of a Release and write it in both forms."""
        self._write(f"{suite.directory}/Release", text)
        self._write(f"{suite.directory}/Release.gpg", sign_detached(text, *self.keys))
        self._write(f"{suite.directory}/InRelease", sign(text, *self.keys))

    def source(self, *uris: str, name: str = "test", suites: tuple[str, ...] | None = None) -> Source:
        """Return the source of all its suites; at its ``file`` URL unless others are given."""
        chosen = [self.suites[one] for one in (suites or tuple(self.suites))]
        components = dict.fromkeys(one for suite in chosen for one in suite.components if not suite.is_flat)
        return Source(
            name=name,
            suites=tuple(suite.name for suite in chosen),
            components=tuple(components),
            uris=uris or (self.url,),
            keys=self.keyring,
        )

    def _write(self, name: str, data: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _hash(name: str, data: bytes) -> str:
    return hashlib.new(name.removesuffix("Sum").lower(), data).hexdigest()


def describe(data: bytes, *, component: str = "main") -> Deb:
    """Return what an archive says of a `.deb`: its control file, and a path in the pool."""
    control = _control(data)
    deb = Deb(data, control, "")
    source = (deb.field("Source") or deb.field("Package")).partition(" ")[0]
    folder = source[:4] if source.startswith("lib") else source[:1]
    version = deb.field("Version").rpartition(":")[2]
    name = f"{deb.field('Package')}_{version}_{deb.field('Architecture')}.deb"
    return attrs.evolve(deb, path=f"pool/{component}/{folder}/{source}/{name}")


def _control(data: bytes) -> str:
    """Return the text of a package's control file."""
    position = 8
    while position < len(data):
        name, size = data[position : position + 16].strip(b" /"), int(data[position + 48 : position + 58])
        body = data[position + 60 : position + 60 + size]
        if name.startswith(b"control.tar"):
            with tarfile.open(fileobj=io.BytesIO(_unpacked(body))) as tar:
                member = tar.extractfile("./control")
                assert member is not None
                return member.read().decode()
        position += 60 + size + (size & 1)
    raise AssertionError("no control.tar")


def _unpacked(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\xfd7zXZ"):
        return lzma.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data
