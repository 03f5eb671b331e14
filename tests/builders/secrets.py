"""Secrets, made in a moment and worth nothing: real in form, so that whoever looks for secrets must find them.

Nothing here looks like one in this file: prefixes are put together from parts, bodies are drawn or generated.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import random
import string
import struct

import pysequoia
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

_ALNUM = string.ascii_letters + string.digits
_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER
_PKCS8, _OLD = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
_OPEN = serialization.NoEncryption()
_DASHES = b"-" * 5


def drawn(size: int, alphabet: str = _ALNUM, *, seed: str = "") -> str:
    """Return characters that look drawn, the same on every run."""
    return "".join(random.Random(f"{seed} {size} {alphabet}").choices(alphabet, k=size))


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(form: str = "pkcs8") -> bytes:
    """Return a private key in PEM: pkcs8, pkcs1, sec1, ed25519, encrypted, openssh or openssh-encrypted."""
    locked = serialization.BestAvailableEncryption(b"correct horse")
    openssh = serialization.PrivateFormat.OpenSSH
    return {
        "pkcs8": lambda: rsa_key().private_bytes(_PEM, _PKCS8, _OPEN),
        "pkcs1": lambda: rsa_key().private_bytes(_PEM, _OLD, _OPEN),
        "sec1": lambda: ec_key().private_bytes(_PEM, _OLD, _OPEN),
        "ed25519": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(_PEM, _PKCS8, _OPEN),
        "encrypted": lambda: rsa_key().private_bytes(_PEM, _PKCS8, locked),
        "legacy": lambda: rsa_key().private_bytes(_PEM, _OLD, locked),
        "openssh": lambda: rsa_key().private_bytes(_PEM, openssh, _OPEN),
        "openssh-ed25519": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(_PEM, openssh, _OPEN),
    }[form]()


def der(form: str = "pkcs8") -> bytes:
    """Return a private key in DER: pkcs8, pkcs1, sec1 or ec."""
    return {
        "pkcs8": lambda: rsa_key().private_bytes(_DER, _PKCS8, _OPEN),
        "pkcs1": lambda: rsa_key().private_bytes(_DER, _OLD, _OPEN),
        "sec1": lambda: ec_key().private_bytes(_DER, _OLD, _OPEN),
        "ec": lambda: ec_key().private_bytes(_DER, _PKCS8, _OPEN),
        "ed25519": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(_DER, _PKCS8, _OPEN),
    }[form]()


def public() -> bytes:
    """Return a public key and a certificate, in PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa_key().public_key().public_bytes(_PEM, form) + _certificate().public_bytes(_PEM)


@functools.cache
def pgp() -> tuple[bytes, bytes]:
    """Return an OpenPGP private key, armored and binary."""
    key = bytes(pysequoia.Tsk.generate("Nobody <nobody@example.org>", profile=pysequoia.Profile.RFC4880))
    return str(pysequoia.armor(key, pysequoia.ArmorKind.SecretKey)).encode(), key


def gpg_agent() -> bytes:
    """Return a key as gpg-agent keeps it."""
    numbers = rsa_key().private_numbers()
    modulus = numbers.public_numbers.n.to_bytes(256, "big")
    return b"(11:private-" + b"key(3:rsa(1:n257:\0" + modulus + b")(1:e3:\1\0\1)(1:d256:" + modulus[::-1] + b")))"


def putty() -> bytes:
    """Return a key of PuTTY."""
    lines = [drawn(64, seed=f"putty {number}") for number in range(14)]
    head = "PuTTY-User-" + "Key-File-3: ssh-rsa\nEncryption: none\nComment: rsa-key\nPublic-Lines: 6\n"
    return "\n".join([head + "\n".join(lines[:6]), "Private-Lines: 8", *lines[6:], "Private-MAC: 00", ""]).encode()


def age() -> bytes:
    return f"AGE-SECRET-{'KEY'}-1{drawn(58, '023456789ACDEFGHJKLMNPQRSTUVWXYZ', seed='age')}".encode()


@functools.cache
def _certificate() -> x509.Certificate:
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key().public_key())
    dated = builder.serial_number(1).not_valid_before(moment).not_valid_after(moment.replace(year=2034))
    return dated.sign(rsa_key(), hashes.SHA256())


def p12(*, with_key: bool = True) -> bytes:
    """Return a PKCS #12 store; without a key, a trust store."""
    locked = serialization.BestAvailableEncryption(b"changeit")
    if with_key:
        return pkcs12.serialize_key_and_certificates(b"nobody", rsa_key(), _certificate(), None, locked)
    return pkcs12.serialize_java_truststore([pkcs12.PKCS12Certificate(_certificate(), b"nobody")], locked)


def java(*, magic: bytes = b"\xfe\xed\xfe\xed", with_key: bool = True) -> bytes:
    """Return a Java key store with a certificate and, after it, a private key or none."""
    certificate = _certificate().public_bytes(_DER)
    entries = struct.pack(">IH", 2, 2) + b"ca" + bytes(8) + struct.pack(">H", 5) + b"X.509"
    entries += struct.pack(">I", len(certificate)) + certificate
    if with_key:
        key = der()
        entries += struct.pack(">IH", 1, 3) + b"key" + bytes(8) + struct.pack(">I", len(key)) + key + bytes(4)
    return magic + struct.pack(">II", 2, 1 + with_key) + entries + bytes(20)


def jwt() -> bytes:
    parts = [{"alg": "RS256", "typ": "JWT", "kid": "7"}, {"sub": "system:serviceaccount:shop", "iss": "k8s"}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, drawn(86, _ALNUM + "-_", seed="jwt").encode()])


def gcp_account() -> bytes:
    """Return a service account's key as Google's console saves it."""
    said = {"type": "service_account", "project_id": "shop", "private_key": pem().decode(), "client_email": "a@b"}
    return json.dumps(said, indent=2).encode()


def token(kind: str) -> bytes:
    """Return a token of a service, by the service's own name for it."""
    upper = string.ascii_uppercase + "234567"
    made = {
        "github": lambda: f"gh{'p'}_{drawn(36, seed='a')}",
        "github-app": lambda: f"gh{'s'}_{drawn(36, seed='b')}",
        "github-fine": lambda: f"github_{'pat'}_{drawn(22, seed='c')}_{drawn(59, seed='d')}",
        "gitlab": lambda: f"glp{'at'}-{drawn(20, seed='e')}",
        "gitlab-deploy": lambda: f"gl{'dt'}-{drawn(20, seed='f')}",
        "aws-id": lambda: f"AK{'IA'}{drawn(16, upper, seed='g')}",
        "aws-session": lambda: f"AS{'IA'}{drawn(16, upper, seed='h')}",
        "aws-secret": lambda: drawn(40, _ALNUM + "/+", seed="i"),
        "gcp-api": lambda: f"AI{'za'}{drawn(35, _ALNUM + '-_', seed='j')}",
        "slack": lambda: (
            f"xo{'xb'}-{drawn(12, string.digits, seed='k')}-{drawn(12, string.digits)}-{drawn(24, seed='l')}"
        ),
        "slack-hook": lambda: (
            f"https://hooks.{'slack'}.com/services/T{drawn(8, upper)}/B{drawn(10, upper)}/{drawn(24)}"
        ),
        "npm": lambda: f"np{'m'}_{drawn(36, seed='m')}",
        "pypi": lambda: f"py{'pi'}-AgEI{drawn(131, _ALNUM + '-_', seed='n')}",
        "stripe": lambda: f"sk_{'live'}_{drawn(24, seed='o')}",
        "dockerhub": lambda: f"dckr_{'pat'}_{drawn(27, seed='p')}",
        "vault": lambda: f"hv{'s'}.{drawn(90, seed='q')}",
    }
    return made[kind]().encode()
