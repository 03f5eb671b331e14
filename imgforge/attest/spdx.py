"""The SBOM in SPDX 2.3 JSON. Pure.

Source: https://spdx.github.io/spdx-spec/v2.3/. The image is a package that CONTAINS the packages that dpkg lists. Each
of those is GENERATED_FROM its source package, and the image is a DESCENDANT_OF its base.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from imgforge.attest import licences, purl
from imgforge.attest.knowledge import BaseImage, Knowledge, Package, SourcePackage, rfc3339

PREDICATE_TYPE: Final = "https://spdx.dev/Document"
MEDIA_TYPE: Final = "application/spdx+json"
NAMESPACE: Final = "https://imgforge.wikimedia.org/spdx"

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-image"
_NONE = "NOASSERTION"
_TEAM = re.compile(r"team|maintainers|developers|group|project|packag|lists\.|operations|foundation", re.IGNORECASE)
_PERSON = re.compile(r"([^<]+?)\s*<([^<>]+)>")


def document(known: Knowledge) -> dict[str, Any]:
    """Return the SBOM of an image as a JSON object."""
    sources = sorted({source for package in known.packages for source in (package.source, *package.built_using)})
    texts = [_text(identifier, name) for identifier, name in licences.unknown_in(p.licence for p in known.packages)]
    packages = [
        _image(known),
        *(_base(one) for one in known.base),
        *(_package(one, known) for one in known.packages),
        *(_source(one, known) for one in sources),
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": known.name,
        "documentNamespace": f"{NAMESPACE}/{known.name}/{known.digest.hex}",
        "creationInfo": {
            "created": rfc3339(known.created),
            "creators": [f"Tool: {known.tool.name}-{known.tool.version}"],
        },
        "documentDescribes": [_IMAGE],
        "packages": packages,
        "relationships": list(_relationships(known)),
        **({"hasExtractedLicensingInfos": texts} if texts else {}),
    }


def _image(known: Knowledge) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": known.name,
        "versionInfo": str(known.digest),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": known.digest.hex}],
        "comment": f"platform {known.platform}",
        **_unsaid(),
        **_reference(purl.image(known.name, known.digest)),
    }


def _base(one: BaseImage) -> dict[str, Any]:
    return {
        "SPDXID": _base_id(one),
        "name": one.name,
        "versionInfo": str(one.digest),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": one.digest.hex}],
        **_unsaid(),
        **_reference(purl.image(one.name, one.digest)),
    }


def _package(one: Package, known: Knowledge) -> dict[str, Any]:
    locked = one.locked
    members: dict[str, Any] = {
        "SPDXID": _package_id(one),
        "name": one.name,
        "versionInfo": one.version,
        **_unsaid(),
        "licenseDeclared": one.licence.expression if one.licence else _NONE,
        "supplier": _supplier(one.maintainer),
        "sourceInfo": _source_info(one),
        **_reference(purl.package(one, known.distribution)),
    }
    if one.homepage.startswith(("http://", "https://")):
        members["homepage"] = one.homepage
    if one.state != "installed":
        members["comment"] = f"dpkg's state: {one.state}"
    if locked is not None:
        members["checksums"] = [{"algorithm": locked.digest.algorithm.upper(), "checksumValue": locked.digest.hex}]
        members["packageFileName"] = locked.origin.path.rsplit("/", 1)[-1]
    return members


def _source(one: SourcePackage, known: Knowledge) -> dict[str, Any]:
    return {
        "SPDXID": _source_id(one),
        "name": one.name,
        "versionInfo": one.version,
        "primaryPackagePurpose": "SOURCE",
        **_unsaid(),
        **_reference(purl.source(one, known.distribution)),
    }


def _unsaid() -> dict[str, Any]:
    """Return the members that the format requires but a build cannot know."""
    return {
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
    }


def _reference(locator: str) -> dict[str, Any]:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}
    return {"externalRefs": [reference]}


def _source_info(one: Package) -> str:
    built = f"built from the source package {one.source.name} {one.source.version}"
    if one.locked is None:
        return f"{built}; came with a base image for which no lock is known"
    origin = one.locked.origin
    return f"{built}; locked from the APT source {origin.source} ({origin.identity})"


def _supplier(maintainer: str) -> str:
    match = _PERSON.fullmatch(maintainer)
    if match is None:
        return _NONE
    name = re.sub(r"[()\"]", "", match[1]).strip()
    kind = "Organization" if _TEAM.search(maintainer) else "Person"
    return f"{kind}: {name} ({match[2]})" if name else _NONE


def _relationships(known: Knowledge) -> Iterator[dict[str, str]]:
    yield _related(_DOCUMENT, "DESCRIBES", _IMAGE)
    below = _IMAGE
    for base in known.base:
        yield _related(below, "DESCENDANT_OF", _base_id(base))
        below = _base_id(base)
    for package in known.packages:
        yield _related(_IMAGE, "CONTAINS", _package_id(package))
        yield _related(_package_id(package), "GENERATED_FROM", _source_id(package.source))
        for source in package.built_using:
            yield {**_related(_package_id(package), "GENERATED_FROM", _source_id(source)), "comment": "Built-Using"}


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _text(identifier: str, name: str) -> dict[str, str]:
    return {
        "licenseId": identifier,
        "name": name,
        "extractedText": f"called {name!r} in debian/copyright; its text is in the image, below /usr/share/doc",
    }


def _base_id(one: BaseImage) -> str:
    return f"SPDXRef-base-{one.digest.hex}"


def _package_id(one: Package) -> str:
    return f"SPDXRef-deb-{_id(one.name)}-{_id(one.architecture)}-{_id(one.version)}"


def _source_id(one: SourcePackage) -> str:
    return f"SPDXRef-src-{_id(one.name)}-{_id(one.version)}"


def _id(text: str) -> str:
    """Encode text injectively with the characters of an identifier (SPDX 2.3, 7.2.1: letters, digits, ``.``, ``-``)."""
    return re.sub(r"[^A-Za-z0-9.]", lambda match: "-" if match[0] == "-" else f"-{ord(match[0]):x}-", text)
