"""Private keys that are known to everyone: test keys compiled into libraries, identified by their hash.

Each entry has the reason why it is not a secret. Add an entry, with its source, when a shipped runtime contains it.
"""

from __future__ import annotations

from imgforge.privacy.published import EXAMPLES, LEAKED

_GNUTLS = "GnuTLS tests itself with it: lib/crypto-selftests-pk.c"
_OPENSSL = "`openssl speed` measures with it: apps/testrsa.h"

KNOWN: dict[str, str] = {
    **{
        sha256: f"{package}: /{directory}{path}: {why}"
        for package, directory, why, secrets in EXAMPLES + LEAKED
        for sha256, path in secrets
    },
    "09cd13553747783ee4cd34cec3c0588a7fed8e1fd81e4e71e74a8cc0f21a7792": _GNUTLS,
    "09f1c1a4680df80b9e8e6e587d3a787de7402a919e366426ad807a1c0f8c98c1": _GNUTLS,
    "4861704a37999cf122dab0f6db16b0d3f539a5fd9e1f8923dc735fba5894864a": _GNUTLS,
    "60c323abe4854b03743005874156ef6e0343bc9c05c09a2a43335cdda19342b3": _GNUTLS,
    "68f351edbd4d3254637d8447d7af3a58409e26de792eb8ec033ef122e1323cd3": _GNUTLS,
    "87e288dc7dbc29a24241b596ec8c84f949d9f09f34fc0cf69242481fb2274770": _GNUTLS,
    "95cd8e57921e37df4c1d865c938f36149fbdb4010e39e4a34daf0f0819528b70": _GNUTLS,
    "bfe5a77b30270ce82d55c5f07db780adbf529d9d9ed8bf8e095d4fad93d3c7f3": _GNUTLS,
    "c8832495d489202aade1812a966f30587aadc9e5ab63cb5a618ee76906d07cce": _GNUTLS,
    "f1583845e21f5335ec1d438f795ca0ffd4a8b24fa38570fe7753e18bdbc8d879": _GNUTLS,
    "25eec4ddd628fd5e72aa14ad2a894cb91272852bfcae48ac193656ba350f6e40": _OPENSSL,
    "32620d7d2ae52c11db7cc95e333e585c2552abe20da6bd5169c010fedfa4c73e": _OPENSSL,
    "54da0df6070851127a23e00c2836e3dd2c6b3b78f650ce690442a0243fde31bd": _OPENSSL,
    "bb6a6abd969e3ffb523c303fc951ee4ee56349d8f86f52d3386adae5cd4db004": _OPENSSL,
    "c069f7ebcd214901cd196cdfd4f785ffe3d646506217f790aee51576eef363de": _OPENSSL,
}
