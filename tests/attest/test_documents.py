"""The documents are valid by their formats' own validators, complete, and the same for the same knowledge."""

from __future__ import annotations

import json
import random
from typing import Any

import attrs
import pytest
from builders import evidence
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from imgforge.attest import cyclonedx, purl, report, slsa, spdx
from imgforge.attest.knowledge import Distribution, Knowledge, Package, SourcePackage
from imgforge.digest import Digest
from imgforge.oci import document

DIGEST = Digest.of(b"image")
KNOWN = evidence.know(DIGEST)
DISTRIBUTION = Distribution("debian", "12")


def _documents(known: Knowledge) -> dict[str, dict[str, Any]]:
    return {
        "spdx": spdx.document(known),
        "cyclonedx": cyclonedx.document(known),
        "slsa": slsa.predicate(known, evidence.INVOCATION, evidence.MEASURED),
        "report": report.document(known, evidence.MEASURED),
    }


def test_spdx_tools_finds_the_sbom_valid() -> None:
    assert _complaints(spdx.document(KNOWN)) == []


def _complaints(sbom: dict[str, Any]) -> list[str]:
    parser: Any = JsonLikeDictParser
    return [found.validation_message for found in validate_full_spdx_document(parser().parse(sbom), "SPDX-2.3")]


def test_the_validator_of_cyclonedx_finds_the_sbom_valid() -> None:
    text = json.dumps(cyclonedx.document(KNOWN))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_both_sboms_list_the_packages_that_dpkg_lists() -> None:
    contained = {
        relation["relatedSpdxElement"]
        for relation in spdx.document(KNOWN)["relationships"]
        if relation["relationshipType"] == "CONTAINS"
    }
    in_spdx = [
        (package["name"], package["versionInfo"])
        for package in spdx.document(KNOWN)["packages"]
        if package["SPDXID"] in contained
    ]
    in_cyclonedx = [(one["name"], one["version"]) for one in cyclonedx.document(KNOWN)["components"]]
    expected = [(name, version) for name, version, _architecture in evidence.LISTED]
    assert in_spdx == in_cyclonedx == expected


def _spdx(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in spdx.document(KNOWN)["packages"] if one["name"] == name)
    return found


def test_spdx_says_which_source_is_locked_and_who_maintains() -> None:
    libc6, busybox, removed = _spdx("libc6"), _spdx("busybox-static"), _spdx("libdb5.3")
    assert libc6["supplier"] == "Organization: GNU Libc Maintainers (debian-glibc@lists.debian.org)"
    assert busybox["supplier"] == "Person: Jane Janet Doe (jane@example.org)"
    assert removed["supplier"] == "NOASSERTION"
    assert "locked from the APT source debian (bookworm main 1F89983E)" in libc6["sourceInfo"]
    assert libc6["checksums"] == [{"algorithm": "SHA256", "checksumValue": Digest.of(b"libc6").hex}]
    assert "no lock is known" in busybox["sourceInfo"]
    assert "checksums" not in busybox
    assert removed["comment"] == "dpkg's state: config-files"


def test_spdx_ties_binaries_to_sources_and_the_image_to_its_bases() -> None:
    packages = {one["SPDXID"]: one["name"] for one in spdx.document(KNOWN)["packages"]}
    packages["SPDXRef-DOCUMENT"] = "document"
    related = {
        (packages[one["spdxElementId"]], one["relationshipType"], packages[one["relatedSpdxElement"]])
        for one in spdx.document(KNOWN)["relationships"]
    }
    assert related >= {
        ("document", "DESCRIBES", "team/app"),
        ("team/app", "DESCENDANT_OF", "docker://registry.example/Base/bookworm:12"),
        ("docker://registry.example/Base/bookworm:12", "DESCENDANT_OF", "scratchpad"),
        ("libc6", "GENERATED_FROM", "glibc"),
        ("busybox-static", "GENERATED_FROM", "busybox"),
        ("busybox-static", "GENERATED_FROM", "libxcrypt"),
    }


def test_cyclonedx_says_sources_licences_and_origin() -> None:
    components = {one["name"]: one for one in cyclonedx.document(KNOWN)["components"]}
    ancestors = [
        (one["name"], one["properties"][0]["value"]) for one in components["busybox-static"]["pedigree"]["ancestors"]
    ]
    assert ancestors == [("busybox", "source"), ("glibc", "built-using"), ("libxcrypt", "built-using")]
    assert "MIT" in components["busybox-static"]["licenses"][0]["expression"]
    properties = {one["name"]: one["value"] for one in components["libc6"]["properties"]}
    assert properties["imgforge:apt-source"] == "debian"
    assert properties["imgforge:size"] == "2750000"


def test_the_provenance_names_every_input_by_digest() -> None:
    predicate = slsa.predicate(KNOWN, evidence.INVOCATION, evidence.MEASURED)
    definition, run = predicate["buildDefinition"], predicate["runDetails"]
    assert [one["name"] for one in definition["resolvedDependencies"]] == [
        "manifests/app.lock.json",
        "src/main.js",
        "docker://registry.example/Base/bookworm:12",
        "libc6",
    ]
    assert all(len(one["digest"]["sha256"]) == 64 for one in definition["resolvedDependencies"])
    assert definition["externalParameters"]["manifest"]["name"] == "manifests/app.yaml"
    assert run["builder"] == {"id": "https://ci.example.org/builders/1", "version": {"imgforge": "0.1.0"}}
    assert run["metadata"]["finishedOn"] == "2025-06-15T15:06:50Z"


def test_the_report_adds_up() -> None:
    told = report.document(KNOWN, evidence.MEASURED)
    assert told["totals"] == {
        "packages": 3,
        "layers": 150,
        "debs": 2_750_000,
        "installed": (13000 + 1900) * 1024,
    }
    assert told["sources"] == [{"name": "debian", "identity": "bookworm main 1F89983E", "packages": 1, "vouched": 1}]
    assert told["build"]["stages"][0] == {"stage": "fetch", "subject": "3 packages", "seconds": 1.235}
    assert told["build"]["scripts"] == [{"label": "libc6 postinst", "seconds": 0.123, "changed": ["etc/ld.so.cache"]}]
    assert told["build"]["effects"]["removed"] == ["etc/gone"]
    assert told["packages"][1]["vouched_by"] == "debian"


@pytest.mark.parametrize("name", ["spdx", "cyclonedx", "slsa", "report"])
def test_documents_are_the_same_whatever_the_order_of_the_packages(name: str) -> None:
    shuffled = list(KNOWN.packages)
    random.Random(7).shuffle(shuffled)
    again = attrs.evolve(KNOWN, packages=tuple(shuffled))
    assert document.dump(_documents(again)[name]) == document.dump(_documents(KNOWN)[name])


def test_an_image_of_nothing_has_documents_too() -> None:
    empty = attrs.evolve(KNOWN, packages=(), base=(), layers=(), sources=())
    assert _complaints(spdx.document(empty)) == []
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx.document(empty))) is None
    assert report.document(empty, evidence.MEASURED)["totals"]["packages"] == 0


_NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
_VERSIONS = st.from_regex(r"([0-9]:)?[0-9][A-Za-z0-9.+~-]{0,12}", fullmatch=True)


@given(_NAMES, _VERSIONS)
def test_purls_are_those_of_packageurl(name: str, version: str) -> None:
    ours = purl.package(Package(name, version, "amd64", SourcePackage(name, version)), DISTRIBUTION)
    theirs = PackageURL("deb", "debian", name, version, {"arch": "amd64", "distro": "debian-12"})
    assert ours == theirs.to_string()
    assert PackageURL.from_string(ours) == theirs


@given(_NAMES, _VERSIONS, _NAMES, _VERSIONS)
def test_identifiers_in_spdx_are_one_to_one(name: str, version: str, other: str, later: str) -> None:
    one, two = SourcePackage(name, version), SourcePackage(other, later)
    assert (spdx._source_id(one) == spdx._source_id(two)) == (one == two)


def test_the_purl_of_an_image_has_the_last_part_of_its_name() -> None:
    digest = Digest("sha256", "ab" * 32)
    for name in ("docker://registry.example/Team/App:1", "team/app@sha256:00", "app"):
        assert purl.image(name, digest) == f"pkg:oci/app@sha256:{'ab' * 32}"
