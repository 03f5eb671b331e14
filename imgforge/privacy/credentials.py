"""Rules for private keys and client passwords in formats of their own. Matches are judged by their decoded content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re

from imgforge.privacy import keys
from imgforge.privacy.judgement import is_placeholder, is_placeholder_of_url, is_reserved_host
from imgforge.privacy.rule import Rule

_JSON_MAX = 8 << 10
_NETRC_MAX = 512
_KUBE_MAX = 8192
_KUBE_USER_MAX = 1024

_WIREGUARD_NAME = re.compile(rb"(?:Private|Pre[sS]hared)Key[ \t]{0,8}=[ \t]{0,8}\Z")
_NETRC = re.compile(
    rb"(?:machine\s{1,16}(?P<host>[^\s\\]{1,253})|default)\s{1,16}(?:account\s{1,16}\S{1,128}\s{1,16})?"
    rb"login\s{1,16}(?!anonymous)\S{1,128}\s{1,16}(?:account\s{1,16}\S{1,128}\s{1,16})?pass\Z"
    rb"|^[ \t]{0,16}machine\s{1,16}(?P<alone>[^\s\\]{1,253})\s{1,16}pass\Z",
    re.MULTILINE,
)
_MACHINES = (b"machine", b"default")
_URL = re.compile(rb"//(?P<user>[^:]*):(?P<password>.*)@(?P<host>[^@]+)\Z", re.DOTALL)
_KUBECONFIG = re.compile(rb"^[ \t]*(?:\"?kind\"?:[ \t]*\"?Config\b|users:)", re.MULTILINE)
_KUBE_USER = re.compile(rb"\buser\"?:[ \t]*\r?\n(?:[^\n]{0,256}\n){0,6}[^\n]{0,64}\Z")
_ANONYMOUS = ((b"", b"pserver"), (b"", b"pserver:anoncvs"), (b"", b"pserver:anonymous"), (b"anonymous", b"anonymous"))
"""Anonymous users of public CVS and FTP servers."""

_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_KEY_TYPE = re.compile(rb"\"(?:kty|crv|alg|n)\"\s{0,8}:")

_DEMO_KEYS = (
    b"secret", b"key", b"password", b"test", b"your-256-bit-secret", b"your-384-bit-secret", b"your-512-bit-secret",
    b"a-string-secret-at-least-256-bits-long", b"hello", b"shhhhh", b"changeme", b"foo", b"bar", b"my-secret",
         b"mysecret",
    b"jwt-secret", b"secret-key", b"secretkey", b"12345", b"private", b"hmac", b"123456", b"supersecret", b"sekret",
    b"GawgguFyGrWKav7AX4VKUg",
)  # fmt: skip
"""Keys that documentation signs its examples with; such a token gives no access."""

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def _pem(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.pem(data, match.end(), label=match["label"])


def _pgp(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.pgp(data, match.end())


def _ssh2(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.ssh2(data, match.end())


def _static(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.openvpn(data, match.end())


def _putty(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.putty(data, match.end())


def _der(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.der(data, match.start() - 1)


def _agent(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Accept a key of gpg-agent, which is an S-expression. Libraries contain only its name, without the rest."""
    return data[match.start() - 1 : match.start() + 1023]


def _url(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    parts = _URL.match(match[0])
    if parts is None or is_reserved_host(parts["host"]) or b"[" in parts["user"]:
        return None
    user, password = parts["user"], parts["password"]
    is_made_up = any(map(is_placeholder_of_url, (password.removeprefix(user), password.replace(b":", b""))))
    return None if is_made_up or (user, password) in _ANONYMOUS else match[0]


def _netrc(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Judge a password after a machine and an optional login (netrc(5), apt_auth.conf(5))."""
    around = data[max(0, match.start() - _NETRC_MAX) : match.start() - 1]
    begin = max(around.rfind(word) for word in _MACHINES)
    before = _NETRC.search(around, max(0, begin - 16)) if begin >= 0 else None
    if before is None or is_placeholder(match["secret"]):
        return None
    return None if is_reserved_host(before["host"] or before["alone"] or b"") else match["secret"]


def _wireguard(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return _value(data, match) if _WIREGUARD_NAME.search(data, max(0, match.start() - 32), match.start()) else None


def _value(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value: bytes = match["secret"]
    return None if is_placeholder(value) or len(set(value)) < 6 else value


def _docker(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value: bytes = match["secret"]
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return value if user and colon and password and not is_placeholder(password) else None


def _kube(data: bytes, match: re.Match[bytes]) -> bytes | None:
    around = data[max(0, match.start() - _KUBE_MAX) : match.start()]
    user = around.rfind(b"user", -_KUBE_USER_MAX)
    if user < 0 or not _KUBE_USER.match(around, user) or not _KUBECONFIG.search(around):
        return None
    return _value(data, match)


def _jwk(data: bytes, match: re.Match[bytes]) -> bytes | None:
    around = data[max(0, match.start() - 2048) : match.end() + 2048]
    return _value(data, match) if b'"kty"' in around and len(_KEY_TYPE.findall(around)) > 1 else None


def _jwt(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Judge a JSON web token (RFC 7519): its header must be valid, and its key must not be from documentation."""
    before = data[max(0, match.start() - 1 - _JSON_MAX) : match.start() - 1]
    header = before[len(before.rstrip(_TOKEN)) :]
    if not header.startswith(b"eyJ") or before[-len(header) - 1 : -len(header)] == b".":
        return None
    payload, signature = match[0].split(b".")
    try:
        header_fields = json.loads(base64.urlsafe_b64decode(header + b"=="))
        claims = base64.urlsafe_b64decode(payload + b"==")
    except (ValueError, RecursionError):
        return None
    algorithm = str(header_fields.get("alg", "none")) if isinstance(header_fields, dict) else "none"
    if algorithm.lower() == "none" or not claims.startswith(b"{") or b'"John Doe"' in claims:
        return None
    return None if _is_demo(algorithm, header + b"." + payload, signature) else header[3:] + b"." + match[0]


def _is_demo(algorithm: str, signed: bytes, signature: bytes) -> bool:
    made = _HASHES.get(algorithm)
    if made is None:
        return False
    expected = signature.rstrip(b"=")
    signatures = (hmac.new(key, signed, made).digest() for key in _DEMO_KEYS)
    return any(base64.urlsafe_b64encode(one).rstrip(b"=") == expected for one in signatures)


_RFC7468 = (
    "RFC 7468; sigstore's and cosign's keys: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md"
)
_OPENSSH = "https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key"
_PUTTY = "https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html"
_AGENT = "https://github.com/gpg/gnupg/blob/master/agent/keyformat.txt"
_DOCKER = "https://docs.docker.com/reference/cli/docker/login/"
_KUBERNETES = "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/"
_WIREGUARD = "https://man7.org/linux/man-pages/man8/wg.8.html"

_KEYS = (
    Rule("private-key", "private-key", (b"-",),
         rb"----BEGIN[ +_](?P<label>(?:[A-Z0-9]{1,16}[ +_]){0,4})PRIVATE[ +_]KEY-----", _RFC7468, judge=_pem, needs=0,
         then=b"----BEGIN"),
    Rule("pgp-private-key", "pgp-private-key", (b"-",), rb"----BEGIN\ PGP\ PRIVATE\ KEY\ BLOCK-----",
         "RFC 9580, section 6.2",
         judge=_pgp, needs=0, then=b"----BEGIN"),
    Rule("ssh2-private-key", "private-key", (b"-",), rb"---\ BEGIN\ SSH2\ ENCRYPTED\ PRIVATE\ KEY\ ----",
         "RFC 4716, section 3.2",
         judge=_ssh2, needs=0, then=b"--- BEGIN"),
    Rule("openvpn-static-key", "openvpn-key", (b"-",),
         rb"----BEGIN\ OpenVPN\ (?:Static|tls-crypt-v2\ (?:client|server))\ [Kk]ey[A-Z0-9 ]{0,4}-----",
         "https://openvpn.net/community-resources/reference-manual-for-openvpn-2-6/", judge=_static, needs=0,
         then=b"----BEGIN"),
    Rule("putty-key", "putty-key", (b"PuTTY-User-K",), rb"ey-File-[123]:\ [a-z0-9-]{1,40}", _PUTTY, judge=_putty,
         needs=0, then=b"ey-File"),
    Rule("age-secret-key", "age-key", (b"AGE-SECRET-K",), rb"EY-(?P<secret>(?:PQ-)?1[02-9AC-HJ-NP-Z]{50,4096})",
         "https://github.com/C2SP/C2SP/blob/main/age.md", needs=0, then=b"EY-", long=True),
    Rule("gpg-agent-key", "pgp-private-key", (b":private-", b"protected-private-"),
         rb"(?P<secret>key\(\d{1,4}:(?:rsa|ecc|dsa|elg)\(\d{1,4}:)",
         _AGENT, judge=_agent, needs=0, then=b"key("),
    Rule("der-private-key", "private-key", (b"\x02",), rb"""\x01(?:
          \x00\x30(?:\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04
                   | [\x10-\x14]\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06
                   | \x05\x06\x03\x2b\x65[\x6e-\x71]\x04)
        | \x00\x02\x82[\x00-\x08].\x00
        | \x01\x04[\x20\x30\x42].{32,66}?\xa0[\x07\x0a]\x06[\x05\x08][\x2a\x2b])""",
         "RFC 5958, RFC 8017 A.1.2, RFC 5915", judge=_der, needs=0, then=b"\x01"),
    Rule("jwk", "private-key", (b'"d":',), rb'\s{0,8}"(?P<secret>[A-Za-z0-9_-]{42,2048})"',
         "RFC 7517, RFC 7518 section 6",
         judge=_jwk, needs=0),
    Rule("minisign-key", "signify-key", (b"untrusted comment:",),
         rb"[^\r\n]{0,128}secret\ key\r?\n(?P<secret>RW[A-Za-z0-9+/]{200,320}={0,2})",
         "https://jedisct1.github.io/minisign/#secret-key-format", judge=_value, needs=0, then=b" "),
    Rule("wireguard-key", "wireguard-key", (b"",), rb"(?P<secret>[A-Za-z0-9+/]{43}=)", _WIREGUARD, judge=_wireguard,
         run=True, length=43),
    Rule("dnssec-key", "dnssec-key", (b"Private-",),
         rb"""key-format:\ v1\.\d[^:]{0,80}(?:[A-Z][A-Za-z0-9]{1,32}:\ ?[^\n]{0,1024}\n){0,8}?
         Private(?:Key|Exponent):\ (?P<secret>[A-Za-z0-9+/]{40,2048}={0,2})""",
         "https://bind9.readthedocs.io/en/latest/manpages.html#dnssec-keygen-dnssec-key-generation-tool", judge=_value,
         needs=0, then=b"key-format"),
    Rule("tsig-key", "dnssec-key", (b"algorithm hmac-",),
         rb'[a-z0-9-]{3,24}"?;\s{1,64}secret\s{1,8}"(?P<secret>[A-Za-z0-9+/]{20,172}={0,2})"',
         "RFC 8945; https://bind9.readthedocs.io/", judge=_value, needs=0),
)  # fmt: skip

_PASSWORDS = (
    Rule("url-credentials", "url-credentials", (b":",),
         rb"//[^\s/:@\"'<>\x00]{0,64}:[^\s/@\"'<>\x00]{3,255}@[A-Za-z0-9.\-\[\]]{1,253}",
         "RFC 3986, section 3.2.1", judge=_url, needs=0, then=b"//"),
    Rule("netrc", "netrc", (b"passw",), rb"ord[ \t\r\n]{1,16}(?P<secret>[^\s\x00]{3,256})",
         "netrc(5), apt_auth.conf(5)",
         judge=_netrc, needs=0, then=b"ord"),
    Rule("npm-config-auth", "npm-password", (b":",),
         rb"_(?:authToken|auth|password)[ \t]{0,4}=[ \t]{0,4}[\"']?(?P<secret>[A-Za-z0-9_+/=.-]{8,4096})",
         "npm documentation: npmrc", judge=_value, needs=0, then=b"_"),
    Rule("docker-auth", "docker-auth", (b'"auth":',), rb'\s{0,64}"(?P<secret>[A-Za-z0-9+/]{8,4096}={0,2})"', _DOCKER,
         judge=_docker, needs=0),
    Rule("docker-identity-token", "docker-auth", (b'"identitytoken":', b'"registrytoken":'),
         rb'\s{0,64}"(?P<secret>[A-Za-z0-9_.+/=-]{16,8192})"',
         _DOCKER, judge=_value, needs=0),
    Rule("kubeconfig-key", "kubeconfig", (b"client-key-data:", b'"client-key-data":'),
         rb'\s{0,8}"?(?P<secret>[A-Za-z0-9+/]{40,8192})',
         _KUBERNETES, judge=_value, needs=0),
    Rule("kubeconfig-token", "kubeconfig", (b" token:", b"\ttoken:", b"\ntoken:"),
         rb'[ \t]{1,8}"?(?P<secret>[A-Za-z0-9_.-]{16,8192})', _KUBERNETES,
         judge=_kube, needs=0),
    Rule("jwt", "jwt", (b".",), rb"eyJ[A-Za-z0-9_-]{4,8192}\.[A-Za-z0-9_-]{16,1024}", "RFC 7519", judge=_jwt, needs=0,
         then=b"eyJ"),
)  # fmt: skip

CREDENTIALS = _KEYS + _PASSWORDS
