"""The SBOM in CycloneDX 1.6 JSON. Pure.

Source: https://cyclonedx.org/docs/1.6/json/. The components are exactly the packages that dpkg lists. The ancestors
(``pedigree``) of a component are its source packages; that of the image is its base image.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from imgforge.attest import purl
from imgforge.attest.knowledge import Distribution, Knowledge, Package, SourcePackage, rfc3339

PREDICATE_TYPE: Final = "https://cyclonedx.org/bom"
MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"

_PREFIX = "imgforge:"


def document(known: Knowledge) -> dict[str, Any]:
    """Return the SBOM of an image as a JSON object."""
    components = [_package(one, known.distribution) for one in known.packages]
    own = purl.image(known.name, known.digest)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{PREDICATE_TYPE}#{known.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(known.created),
            "tools": {"components": [{"type": "application", "name": known.tool.name, "version": known.tool.version}]},
            "component": _image(known, own),
            "properties": _properties(
                ("distribution", f"{known.distribution.id} {known.distribution.version}".strip()),
                *((f"source:{name}", identity) for name, identity in known.sources),
            ),
        },
        "components": components,
        "dependencies": [
            {"ref": own, "dependsOn": sorted(component["bom-ref"] for component in components)},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }


def _image(known: Knowledge, own: str) -> dict[str, Any]:
    ancestors = [
        {
            "type": "container",
            "name": base.name,
            "version": str(base.digest),
            "purl": purl.image(base.name, base.digest),
            "hashes": [{"alg": "SHA-256", "content": base.digest.hex}],
        }
        for base in known.base
    ]
    return {
        "type": "container",
        "bom-ref": own,
        "name": known.name,
        "version": str(known.digest),
        "purl": own,
        "hashes": [{"alg": "SHA-256", "content": known.digest.hex}],
        "properties": _properties(("platform", known.platform)),
        **({"pedigree": {"ancestors": ancestors}} if ancestors else {}),
    }


def _package(one: Package, distribution: Distribution) -> dict[str, Any]:
    locator = purl.package(one, distribution)
    ancestors = [
        _source(one.source, distribution, kind="source"),
        *(_source(source, distribution, kind="built-using") for source in one.built_using),
    ]
    members: dict[str, Any] = {
        "type": "library",
        "bom-ref": locator,
        "name": one.name,
        "version": one.version,
        "purl": locator,
        "pedigree": {"ancestors": ancestors},
        "properties": _properties(*_facts(one)),
    }
    if one.maintainer:
        members["supplier"] = {"name": one.maintainer}
    if one.licence:
        members["licenses"] = [{"expression": one.licence.expression}]
    if one.locked:
        algorithm = one.locked.digest.algorithm.upper().replace("SHA", "SHA-")
        members["hashes"] = [{"alg": algorithm, "content": one.locked.digest.hex}]
    if one.homepage.startswith(("http://", "https://")) and not set(one.homepage) & set(' <>"{}|\\^`'):
        members["externalReferences"] = [{"type": "website", "url": one.homepage}]
    return members


def _source(one: SourcePackage, distribution: Distribution, *, kind: str) -> dict[str, Any]:
    return {
        "type": "library",
        "name": one.name,
        "version": one.version,
        "purl": purl.source(one, distribution),
        "properties": _properties(("kind", kind)),
    }


def _facts(one: Package) -> tuple[tuple[str, str], ...]:
    facts = [
        ("architecture", one.architecture),
        ("state", one.state),
        ("section", one.section),
        ("installed-size", str(one.installed_size)),
    ]
    if one.locked:
        origin = one.locked.origin
        facts += [("size", str(one.locked.size)), ("apt-source", origin.source), ("apt-path", origin.path)]
    return tuple(facts)


def _properties(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": f"{_PREFIX}{name}", "value": value} for name, value in pairs if value]
