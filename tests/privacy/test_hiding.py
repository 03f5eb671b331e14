"""Secrets in places and encodings that were missed once, and their siblings: each is found or refused."""

from __future__ import annotations

import base64
import gzip
import io
import json
import lzma
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from builders.secrets import der, pem, token
from builders.trees import file
from privacy import archive
from privacy.corpus import Once

from imgforge.privacy import scan
from imgforge.signing.keygen import generate

pytestmark = pytest.mark.attack

NOTHING = b"nothing to be seen here\n"
LONG = NOTHING * 6000
SIGSTORE = base64.b64encode(
    json.dumps({"kdf": {"name": "scrypt", "salt": "c2FsdA=="}, "ciphertext": "A" * 300}).encode()
)


def armored(label: bytes, body: bytes) -> bytes:
    lines = b"\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return b"-----BEGIN " + label + b"-----\n" + lines + b"\n-----END " + label + b"-----\n"


def framed(skipped: bytes) -> bytes:
    """Return a zstd stream with a frame that holds no content."""
    return struct.pack("<II", 0x184D2A53, len(skipped)) + skipped + zstandard.ZstdCompressor().compress(NOTHING)


def commented(field: bytes, flag: int) -> bytes:
    plain = gzip.compress(NOTHING, mtime=0)
    return plain[:3] + bytes((flag,)) + plain[4:10] + field + plain[10:]


def unlisted(name: str, content: bytes) -> bytes:
    """Return a zip whose directory does not list its first member."""
    hidden, listed = archive.zipped(name, content), archive.zipped("listed", NOTHING)
    return hidden[: hidden.index(b"PK\x01\x02")] + listed


def gapped(tar: bytes) -> bytes:
    """Return a tar with a compressed key between the last member and the end."""
    return (
        tar[:-1024].rstrip(b"\0")
        + bytes(-len(tar[:-1024].rstrip(b"\0")) % 512)
        + archive.packed(pem(), "gz")
        + bytes(2048)
    )


def lzip(content: bytes) -> bytes:
    alone = lzma.compress(content, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])
    return b"LZIP\x01\x14" + alone[13:] + struct.pack("<IQQ", zlib.crc32(content), len(content), len(alone) + 13)


KEY, GITHUB = pem(), token("github")
BARE = b"-".join((b"-----BEGIN PRIVATE KEY", b"----\n")) + base64.b64encode(
    b"\x30\x82\x04\xa4\x02\x01\0\x30" + b"\0" * 9 + b"Zb3k9q" * 200
)
ENCODED = base64.b64encode(KEY)
LINES = base64.encodebytes(KEY).splitlines()

FOUND: dict[str, tuple[str, bytes]] = {
    "sigstore": ("private-key", armored(b"ENCRYPTED SIGSTORE PRIVATE " + b"KEY", SIGSTORE)),
    "cosign": ("private-key", armored(b"ENCRYPTED COSIGN PRIVATE " + b"KEY", SIGSTORE)),
    "sigstore in base64": ("private-key", base64.b64encode(armored(b"ENCRYPTED SIGSTORE PRIVATE " + b"KEY", SIGSTORE))),
    "base64 beyond 64 KiB": ("private-key", base64.b64encode(LONG + KEY + LONG)),
    "base64 lines beyond 64 KiB": ("private-key", base64.encodebytes(LONG + KEY)),
    "base64 over windows": ("github-token", base64.b64encode(LONG * 12 + b"\n" + GITHUB + b"\n" + LONG)),
    "hex beyond 64 KiB": ("private-key", (LONG + KEY).hex().encode()),
    "utf-16 beyond 64 KiB": ("private-key", (LONG + KEY).decode().encode("utf-16")),
    "utf-32": ("github-token", f"token = {GITHUB.decode()}\n".encode("utf-32")),
    "data URL": ("private-key", b"data:application/octet-stream;base64," + ENCODED),
    "after a key": ("private-key", b"key=" + ENCODED),
    "after a long path": ("github-token", b"srv/" * 60 + base64.b64encode(b"token: " + GITHUB + b"\n")),
    "base64url": ("github-token", base64.urlsafe_b64encode(b"???>>>~~~ token: " + GITHUB + b" ~~~???")),
    "base64url of DER": ("private-key", base64.urlsafe_b64encode(der())),
    "commented lines": ("private-key", b"".join(b"# " + line + b"\n" for line in LINES)),
    "quoted lines": ("private-key", b"key = (\n" + b"".join(b'    "' + line + b'"\n' for line in LINES) + b")\n"),
    "escaped lines": ("private-key", b'"' + b"\\n".join(LINES) + b'"'),
    "escaped lines of Windows": ("private-key", b'"' + b"\\r\\n".join(LINES) + b'"'),
    "continued lines": ("private-key", b"\\\n".join(LINES)),
    "an array of lines": ("private-key", b"[" + b",\n ".join(b'"' + line + b'"' for line in LINES) + b"]"),
    "hex after a prefix": ("github-token", b"blob/" + (b"token: " + GITHUB).hex().encode()),
    "gzip in base64": ("private-key", base64.b64encode(archive.packed(KEY, "gz"))),
    "zip in base64": ("private-key", base64.b64encode(archive.zipped("key", KEY))),
    "base64 four times": ("private-key", base64.b64encode(base64.b64encode(base64.b64encode(ENCODED)))),
    "unicode escapes": ("github-token", b'"' + b"".join(b"\\u%04x" % byte for byte in GITHUB) + b'"'),
    "some unicode escapes": (
        "private-key",
        json.dumps(KEY.decode()).replace("-", "\\u002d").replace("+", "\\u002b").encode(),
    ),
    "hex escapes": ("github-token", b"'" + b"".join(b"\\x%02x" % byte for byte in GITHUB) + b"'"),
    "escaped slashes": ("private-key", json.dumps(KEY.decode()).replace("/", "\\/").encode()),
    "percents": ("private-key", quote(KEY.decode(), safe="").encode()),
    "percents in the header alone": ("private-key", BARE.replace(b" ", b"%20")),
    "percents twice": ("github-token", quote(quote(f"={GITHUB.decode()}=".replace("_", "%5F"))).encode()),
    "entities": ("github-token", b"".join(b"&#%d;" % byte for byte in GITHUB)),
    "hex entities": ("github-token", GITHUB.replace(b"_", b"&#x5f;")),
    "newlines in JSON": ("private-key", json.dumps({"key": KEY.decode()}).encode()),
    "a zip after a program": ("private-key", b"\x7fELF" + bytes(range(256)) * 40 + archive.zipped("key", KEY)),
    "a gzip in a script": ("private-key", b"#!/bin/sh\nexit\n" + archive.packed(archive.tarred("key", KEY), "gz")),
    "an unlisted member": ("private-key", unlisted("key", KEY)),
    "between members of a zip": ("private-key", archive.packed(KEY, "gz") + archive.zipped("a", b"x")),
    "after a zip, compressed": ("private-key", archive.zipped("a", b"x") + archive.packed(KEY, "xz")),
    "a zip in an extra field": ("private-key", archive.zipped("a", NOTHING, comment=archive.zipped("key", KEY))),
    "gzip's name": ("github-token", commented(GITHUB + b"\0", 8)),
    "gzip's comment": ("github-token", commented(b"see " + GITHUB + b"\0", 16)),
    "gzip's extra field": ("github-token", commented(struct.pack("<H", len(GITHUB)) + GITHUB, 4)),
    "gzip's second comment": ("github-token", archive.packed(NOTHING, "gz") + commented(GITHUB + b"\0", 16)),
    "a frame that zstd skips": ("private-key", framed(KEY)),
    "after a gzip": ("private-key", archive.packed(NOTHING, "gz") + KEY),
    "after an xz": ("private-key", archive.packed(NOTHING, "xz") + archive.packed(KEY, "zst")),
    "after a bzip2": ("private-key", archive.packed(NOTHING, "bz2") + b"\n" + KEY),
    "after a tar in gzip": ("private-key", archive.packed(archive.tarred("a", NOTHING) + KEY, "gz")),
    "in a gap of a tar": ("private-key", archive.packed(gapped(archive.tarred("a", NOTHING)), "gz")),
    "five archives": (
        "private-key",
        archive.zipped("a", archive.packed(archive.tarred("b", archive.zipped("c", archive.packed(KEY, "xz"))), "bz2")),
    ),
    "zlib": ("private-key", zlib.compress(KEY)),
    "lzma": ("private-key", lzma.compress(KEY, lzma.FORMAT_ALONE)),
    "lzip": ("private-key", lzip(KEY)),
    "JWK": (
        "private-key",
        b'{"kty": "EC", "crv": "P-256", "x": "a", "d": "' + base64.urlsafe_b64encode(der()[60:92]).rstrip(b"=") + b'"}',
    ),
    "minisign": (
        "signify-key",
        b"untrusted comment: minisign encrypted secret key\nRW" + base64.b64encode(der()[:156]) + b"\n",
    ),
    "WireGuard": ("wireguard-key", b"[Interface]\nPrivateKey = " + base64.b64encode(der()[60:92]) + b"\n"),
    "TSIG": (
        "dnssec-key",
        b'key "a" {\n\talgorithm hmac-sha256;\n\tsecret "' + base64.b64encode(der()[60:92]) + b'";\n};\n',
    ),
    "OpenVPN": (
        "openvpn-key",
        b"-----BEGIN OpenVPN Static key V1-----\n"
        + b"".join(der()[at : at + 16].hex().encode() + b"\n" for at in range(60, 316, 16)),
    ),
    "GCP": ("private-key", json.dumps({"type": "service_account", "private_key": KEY.decode()}).encode()),
    "grafana's old keys": (
        "grafana-token",
        base64.b64encode(b'{"k":"' + token("github")[4:36] + b'","n":"shop","id":1}'),
    ),
}


def found(content: bytes) -> set[str]:
    searched = scan.layer([(file("srv/app/data", content)[0], Once(content))], name="layer 1")
    return {finding.kind for finding in searched.findings}


@pytest.mark.parametrize("name", FOUND)
def test_a_secret_is_found_however_it_hides(name: str) -> None:
    kind, content = FOUND[name]
    assert kind in found(content)


def test_our_own_private_key_is_found() -> None:
    made = generate(b"a password")
    assert found(made[0] if isinstance(made, tuple) else made.private) == {"private-key"}


def cpio(directory: Path) -> bytes:
    (directory / "key").write_bytes(KEY)
    return subprocess.run(
        ["cpio", "-o", "-H", "newc"], input=b"key\n", cwd=directory, capture_output=True, check=True
    ).stdout


def repository(directory: Path) -> bytes:
    """Return a pack of git that holds a key which a later commit deleted."""
    git: Callable[..., object] = lambda *words: subprocess.run(  # noqa: E731
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words],
        cwd=directory,
        capture_output=True,
        check=True,
    )
    git("init", "--quiet")
    (directory / "key").write_bytes(KEY)
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    git("rm", "--quiet", "key")
    git("commit", "--quiet", "-m", "two")
    git("gc", "--quiet")
    return next((directory / ".git/objects/pack").glob("*.pack")).read_bytes()


@pytest.mark.parametrize("make", [cpio, repository])
def test_a_key_in_an_archive_of_another_tool_is_found(make: Callable[[Path], bytes], tmp_path: Path) -> None:
    try:
        content = make(tmp_path)
    except FileNotFoundError as error:
        pytest.skip(f"needs {error.filename}")
    assert "private-key" in found(content)


def test_a_directory_that_contradicts_a_local_header_is_followed() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("key", KEY)
    data = bytearray(stream.getvalue())
    data[8:10] = b"\0\0"  # its local header says that it is stored
    assert "private-key" in found(bytes(data))
