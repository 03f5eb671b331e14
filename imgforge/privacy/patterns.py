"""What plain secrets look like, as regular expressions that begin with one rare character each.

A regular expression that starts with one fixed byte is searched for at 2 GB/s, an alternation of prefixes at 150 MB/s:
so each token is looked for by a rare character of its prefix, with the rest of it in a lookbehind.
A group's name is the kind of the secret, with underscores for hyphens.
Sources: the issuers' documentation of their formats; `judge` says where a match is no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable

from imgforge.privacy import keys
from imgforge.privacy.judgement import is_placeholder, is_random, is_reserved_host

_HYPHEN = rb"""-(?:
    ----BEGIN\ (?:(?P<private_key>[A-Z0-9 ]{0,24}PRIVATE\ KEY-----)|(?P<pgp_private_key>PGP\ PRIVATE\ KEY\ BLOCK-----))
  | U(?<=PuTTY-U)(?P<putty_key>ser-Key-File-[123]:\ [a-z0-9-]+)
  | S(?<=AGE-S)(?P<age_key>ECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{50,})
  | k(?<=:private-k)(?P<gpg_agent_key>ey\(\d+:(?:rsa|ecc|dsa|elg)\(\d+:)
  | k(?<=protected-private-k)(?P<gpg_agent_key_>ey\(\d+:(?:rsa|ecc|dsa|elg)\(\d+:)
  | A(?<=pypi-A)(?P<pypi_token>gE[A-Za-z0-9_-]{50,})
  | 1(?<=xapp-1)(?P<slack_app_token>-[A-Z0-9]{8,}-[0-9]{8,}-[a-f0-9]{32,})
  | (?=[A-Za-z0-9_-]{16})(?:
        (?<=gl(?:pat|ptt|rtr|ftt|oas)-)(?P<gitlab_token>[A-Za-z0-9_-]{20,64})
      | (?<=gl(?:dt|rt|ft)-)(?P<gitlab_token_>[A-Za-z0-9_-]{20,64})
      | (?<=glcbt-)(?P<gitlab_job_token>[A-Za-z0-9_-]{20,64})
      | (?<=xox[abeoprs]-)(?P<slack_token>[A-Za-z0-9-]{16,})
      | (?<=GOCSPX-)(?P<gcp_client_secret>[A-Za-z0-9_-]{28})
      | (?<=sk-)(?P<openai_key>(?:proj-|ant-[a-z0-9]{2,8}-)[A-Za-z0-9_-]{32,})
    )
)"""

_UNDERSCORE = rb"""_(?:
    p(?<=github_p)(?P<github_pat>at_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})
  | l(?<=[sr]k_l)(?P<stripe_key>ive_[A-Za-z0-9]{24,})
  | [op](?<=dckr_[op])(?P<docker_token>at_[A-Za-z0-9_-]{27,})
  | v(?<=do[opr]_v)(?P<digitalocean_token>1_[a-f0-9]{64})
  | [sS](?<=(?:aws|AWS)_[sS])(?P<aws_secret_key>(?:ecret|ECRET)_(?:access|ACCESS)_(?:key|KEY)["']?\s{0,8}
        (?:=>|[=:])\s{0,8}["']?[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])
  | (?=[A-Za-z0-9]{34})(?:
        (?<=gh[pousr]_)(?P<github_token>[A-Za-z0-9]{36,255})
      | (?<=npm_)(?P<npm_token>[A-Za-z0-9]{36})(?![A-Za-z0-9_])
      | (?<=rubygems_)(?P<rubygems_key>[a-f0-9]{48})
      | (?<=[^A-Za-z0-9]hf_)(?P<huggingface_token>[A-Za-z]{34})(?![A-Za-z0-9_])
    )
)"""

_COLON = rb""":(?:
    (?P<url_credentials>//[^\s/:@"'<>\x00]{0,64}:[^\s/@"'<>\x00]{3,255}@[A-Za-z0-9.\-\[\]]{1,253})
  | (?P<npm_auth>_(?:authToken|auth|password)[ \t]{0,4}=[ \t]{0,4}["']?[A-Za-z0-9_+/=.-]{8,})
  | (?<="auth":)(?P<docker_auth>\s{0,64}"[A-Za-z0-9+/]{8,}={0,2}")
  | (?<="identitytoken":)(?P<docker_identity>\s{0,64}"[A-Za-z0-9_.+/=-]{16,}")
  | (?<=client-key-data:)(?P<kubeconfig>\s{0,8}"?[A-Za-z0-9+/]{40,})
  | (?<=\stoken:)(?P<kube_token>[ \t]{1,8}"?[A-Za-z0-9_.-]{16,})
  | //(?P<slack_webhook>hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,})
)"""

_K = rb"""K(?:
    (?<=AK)IA(?P<aws_access_key>[A-Z2-7]{16})(?![A-Za-z0-9])
  | (?<=SecretAccessK)(?P<aws_secret_key_>ey["']?\s{0,8}[=:]\s{0,8}["']?[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])
  | (?<=AccountK)(?P<azure_key>ey=[A-Za-z0-9+/]{86}==)
)"""

_S = rb"""S(?:
    (?<=AS)IA(?P<aws_session_key>[A-Z2-7]{16})(?![A-Za-z0-9])
  | (?<=[^A-Za-z0-9_]S)G\.(?P<sendgrid_key>[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})
)"""

_OTHERS = (
    rb"v(?<=[^A-Za-z0-9_]hv)s\.(?P<vault_token>[A-Za-z0-9_-]{24,})",
    rb"z(?<=AIz)a(?P<gcp_api_key>[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])",
    rb"J(?<=[^A-Za-z0-9_.-]eyJ)(?P<jwt>[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,})",
    rb"w(?<=passw)(?P<netrc>ord[ \t\r\n]{1,16}[^\s\x00]{3,256})",
)

_DER = rb"""\x02\x01(?P<der_private_key>
    \x00\x30(?:\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04
             | [\x10-\x14]\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06
             | \x05\x06\x03\x2b\x65[\x6e-\x71]\x04)
  | \x00\x02\x82[\x00-\x08].\x00
  | \x01\x04[\x20\x30\x42].{32,66}?\xa0[\x07\x0a]\x06[\x05\x08][\x2a\x2b]
)"""

ANCHORED = tuple(
    re.compile(pattern, re.VERBOSE | re.DOTALL) for pattern in (_HYPHEN, _UNDERSCORE, _COLON, _K, _S, _DER, *_OTHERS)
)
"""Searches; each match has one named group."""

_NETRC = re.compile(
    rb"(?:machine\s+(?P<host>[^\s\\]+)|default)\s+(?:account\s+\S+\s+)?login\s+(?!anonymous)\S+\s+"
    rb"(?:account\s+\S+\s+)?pass\Z"
    rb"|^[ \t]*machine\s+(?P<alone>[^\s\\]+)\s+pass\Z",
    re.MULTILINE,
)
_URL = re.compile(rb"//(?P<user>[^:]*):(?P<password>.*)@(?P<host>[^@]+)\Z", re.DOTALL)
_ALNUM = re.compile(rb"[A-Za-z0-9_-]")
_KUBECONFIG = re.compile(rb"^\s*(?:\"?kind\"?:\s*\"?Config|users:|- name:)", re.MULTILINE)
_JWT_IO = b'"John Doe"'

Judge = Callable[[bytes, "re.Match[bytes]"], bytes | None]


def _token(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value = match[match.lastindex or 0]
    return value if is_random(value) and not is_placeholder(value) else None


def _separate(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Judge a token whose prefix could be the end of some other word."""
    prefix = match.start() - 2
    is_word = prefix >= 0 and _ALNUM.fullmatch(data[prefix : prefix + 1])
    return None if is_word else _token(data, match)


def _private_key(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.pem(data, match.end())


def _pgp(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.pgp(data, match.end())


def _putty(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.putty(data, match.end())


def _der(data: bytes, match: re.Match[bytes]) -> bytes | None:
    return keys.der(data, match.start())


def _agent(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Take a key of gpg-agent: an S-expression, whose name a library has as a constant without what follows."""
    return data[match.start() : match.start() + 1024]


def _url(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    parts = _URL.match(match["url_credentials"])
    if parts is None or is_placeholder(parts["password"]) or is_reserved_host(parts["host"]) or b"[" in parts["user"]:
        return None
    return match["url_credentials"]


def _netrc(data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Judge a password after a machine and perhaps a login (netrc(5), apt_auth.conf(5))."""
    before = _NETRC.search(data[max(0, match.start() - 512) : match.start()])
    value = match["netrc"].split(None, 1)[1]
    if before is None or is_placeholder(value) or is_reserved_host(before["host"] or before["alone"] or b""):
        return None
    return value


def _value(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value = re.split(rb"=|:\s*", match[match.lastindex or 0], maxsplit=1)[-1].strip(b" \t\r\n\"'")
    return None if is_placeholder(value) or len(set(value)) < 6 else value


def _bare(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value = match[match.lastindex or 0].strip(b" \t\r\n\"'")
    return None if is_placeholder(value) or len(set(value)) < 6 else value


def _docker(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    value = match["docker_auth"].strip(b' \t\r\n"')
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return value if user and colon and password and not is_placeholder(password) else None


def _kube(data: bytes, match: re.Match[bytes]) -> bytes | None:
    around = data[max(0, match.start() - 8192) : match.start()]
    return _bare(data, match) if _KUBECONFIG.search(around) else None


def _jwt(_data: bytes, match: re.Match[bytes]) -> bytes | None:
    """Judge a JSON web token: its header must be one, and it must not be the example that every manual copies."""
    header, payload, _ = (b"eyJ" + match["jwt"]).split(b".")
    try:
        said = json.loads(base64.urlsafe_b64decode(header + b"=="))
        claims = base64.urlsafe_b64decode(payload + b"==")
    except (ValueError, RecursionError):
        return None
    is_signed = isinstance(said, dict) and str(said.get("alg", "none")).lower() != "none"
    return match["jwt"] if is_signed and claims.startswith(b"{") and _JWT_IO not in claims else None


_JUDGES: dict[str, Judge] = {
    "private_key": _private_key,
    "pgp_private_key": _pgp,
    "putty_key": _putty,
    "der_private_key": _der,
    "url_credentials": _url,
    "netrc": _netrc,
    "npm_auth": _value,
    "docker_auth": _docker,
    "docker_identity": _bare,
    "kubeconfig": _bare,
    "kube_token": _kube,
    "jwt": _jwt,
    "aws_access_key": _separate,
    "aws_session_key": _separate,
    "aws_secret_key": _value,
    "aws_secret_key_": _value,
    "azure_key": _value,
    "gpg_agent_key": _agent,
    "gpg_agent_key_": _agent,
}

_NAMES = {
    "gitlab_token_": "gitlab-token",
    "gitlab_job_token": "gitlab-token",
    "slack_app_token": "slack-token",
    "github_pat": "github-token",
    "aws_session_key": "aws-access-key",
    "aws_secret_key_": "aws-secret-key",
    "der_private_key": "private-key",
    "gpg_agent_key": "pgp-private-key",
    "gpg_agent_key_": "pgp-private-key",
    "docker_identity": "docker-auth",
    "kube_token": "kubeconfig",
    "npm_auth": "npm-password",
}


KINDS = frozenset(_NAMES.get(group, group.replace("_", "-")) for pattern in ANCHORED for group in pattern.groupindex)


def judge(data: bytes, match: re.Match[bytes]) -> tuple[str, bytes] | None:
    """Return the kind and the secret of a match; None when it only looks like one.

    Args:
        data: what was searched.
        match: by one of `ANCHORED`.
    """
    group = match.lastgroup or ""
    secret = _JUDGES.get(group, _token)(data, match)
    return None if secret is None else (_NAMES.get(group, group.replace("_", "-")), secret)
