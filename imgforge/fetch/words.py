"""What failed, in a few words: the errors of libraries without the URLs and addresses that they put in their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgforge import late

ssl = late.module("ssl")

_DEEPEST = 10
_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
_WORDS = {
    "IncompleteRead": "connection closed before the end",
    "RemoteDisconnected": "connection closed without an answer",
    "ConnectTimeoutError": "no connection in time",
    "ReadTimeoutError": "stalled",
    "TimeoutError": "stalled",
    "NameResolutionError": "the host's name cannot be resolved",
    "gaierror": "the host's name cannot be resolved",
    "BadStatusLine": "not an answer in HTTP",
    "LineTooLong": "a header that is too long",
    "HTTPException": "too many headers",
    "InvalidHeader": "a header that contradicts itself",
    "InvalidChunkLength": "connection closed before the end",
}


def reason(error: BaseException) -> str:
    """Return in a few words why a transfer failed."""
    innermost = error
    for one in _chain(error):
        innermost = one
        name = type(one).__name__
        if isinstance(one, OSError) and one.strerror and name != "gaierror":
            return one.strerror.lower()
        if name in _WORDS and name != "TimeoutError":
            return _WORDS[name]
    name = type(innermost).__name__
    return _WORDS.get(name, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def certificate_fault(error: BaseException) -> str | None:
    """Return what is wrong with a certificate, in OpenSSL's words; None where something else failed."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return str(one.verify_message).rstrip(".").lower()[:200]
    return None


def tunnel_status(error: BaseException) -> int | None:
    """Return the status by which a proxy refused to connect us to a host; None where something else failed."""
    matches = (_TUNNEL.match(str(one)) for one in _chain(error) if isinstance(one, OSError))
    return next((int(match[1]) for match in matches if match), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    one: BaseException | None = error
    for _ in range(_DEEPEST):
        if one is None:
            return
        yield one
        causes = (getattr(one, "reason", None), *one.args, one.__cause__, one.__context__)
        one = next((cause for cause in causes if isinstance(cause, BaseException)), None)
