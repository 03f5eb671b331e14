"""Package URLs of Debian packages and images. Pure.

Source: https://github.com/package-url/purl-spec, PURL-SPECIFICATION.rst and the types ``deb`` and ``oci``. Qualifiers
are sorted by name; colons are not encoded, as the specification requires since 2024.
"""

from __future__ import annotations

import urllib.parse

from imgforge.attest.knowledge import Distribution, Package, SourcePackage
from imgforge.digest import Digest


def package(one: Package, distribution: Distribution) -> str:
    """Return the purl of a binary package."""
    return _deb(one.name, one.version, distribution, architecture=one.architecture)


def source(one: SourcePackage, distribution: Distribution) -> str:
    """Return the purl of a source package."""
    return _deb(one.name, one.version, distribution, architecture="source")


def image(name: str, digest: Digest) -> str:
    """Return the purl of an image. Its name is the reference's last component in lower case, as the type requires."""
    last = name.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0].lower()
    return f"pkg:oci/{_quoted(last)}@{_quoted(str(digest))}"


def _deb(name: str, version: str, distribution: Distribution, *, architecture: str) -> str:
    distro = f"{distribution.id}-{distribution.version}" if distribution.version else distribution.id
    qualifiers = f"arch={_quoted(architecture)}&distro={_quoted(distro)}"
    return f"pkg:deb/{_quoted(distribution.id.lower())}/{_quoted(name.lower())}@{_quoted(version)}?{qualifiers}"


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe=":")
