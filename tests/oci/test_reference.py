from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.digest import Digest
from imgforge.errors import UsageError
from imgforge.oci.reference import Reference, check_name

DIGEST = Digest.of(b"image")

REPOSITORIES = st.from_regex(r"[a-z0-9]{1,6}([._-][a-z0-9]{1,6}){0,2}(/[a-z0-9]{1,6}){0,2}", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z0-9]{1,6}([-._:+/][A-Za-z0-9]{1,6}){0,3}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
HOSTS = st.sampled_from(["localhost", "localhost:5000", "registry.example.org", "127.0.0.1:5000", "[::1]:5000"])
PATHS = st.sampled_from(["dir", "/srv/images", "./a b", "../x@y", "é"])
DIGESTS = st.none() | st.just(DIGEST)

REFERENCES = st.one_of(
    st.builds(Reference, st.just("store"), st.just(""), NAMES.filter(lambda name: "://" not in name), digest=DIGESTS),
    st.builds(Reference, st.sampled_from(["oci", "oci-archive"]), PATHS, NAMES | st.just("")),
    st.builds(Reference, st.sampled_from(["oci", "oci-archive"]), PATHS, NAMES, digest=DIGESTS),
    st.builds(Reference, st.just("docker-archive"), PATHS, REPOSITORIES, TAGS),
    st.builds(Reference, st.just("docker"), HOSTS, REPOSITORIES, TAGS, DIGESTS),
)


@given(REFERENCES.filter(lambda reference: reference.name.partition(":")[0] != "oci"))
def test_a_reference_reads_back_from_its_text(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", Reference("store", "", "hello")),
        ("hello:1.0", Reference("store", "", "hello:1.0")),
        (f"hello@{DIGEST}", Reference("store", "", "hello", digest=DIGEST)),
        ("oci:dir", Reference("oci", "dir", "")),
        ("oci:/a/b:name:with:colons", Reference("oci", "/a/b", "name:with:colons")),
        (f"oci:dir:name@{DIGEST}", Reference("oci", "dir", "name", digest=DIGEST)),
        ("oci-archive:x.tar:v1", Reference("oci-archive", "x.tar", "v1")),
        ("docker-archive:x.tar", Reference("docker-archive", "x.tar", "")),
        ("docker-archive:x.tar:hello", Reference("docker-archive", "x.tar", "hello", "latest")),
        (
            "docker-archive:x.tar:localhost:5000/a/b:v1",
            Reference("docker-archive", "x.tar", "localhost:5000/a/b", "v1"),
        ),
        ("docker://localhost/x", Reference("docker", "localhost", "x", "latest")),
        ("docker://r.example.org:5000/a/b_c/d--e:V1", Reference("docker", "r.example.org:5000", "a/b_c/d--e", "V1")),
        (f"docker://r.example.org/x@{DIGEST}", Reference("docker", "r.example.org", "x", "", DIGEST)),
        (f"docker://r.example.org/x:t@{DIGEST}", Reference("docker", "r.example.org", "x", "t", DIGEST)),
    ],
)
def test_references_are_read_as_other_tools_read_them(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-x",
        "a..b",
        "a/../b",
        "../store",
        "a b",
        "a@sha256:12",
        "a\n",
        "é",
        "x" * 256,
        "oci:",
        "oci::name",
        "oci:dir:na me",
        "oci:dir:../name",
        "oci:dir:name@sha256:zz",
        "oci:a\0b",
        "docker-archive:x.tar:Hello",
        "docker-archive:x.tar:hello:-tag",
        "docker-archive:x.tar:" + "a/" * 200 + "a",
        "docker://",
        "docker://x",
        "docker://debian/x",  # no host: whose registry it would be is nobody's to guess
        "docker://localhost/",
        "docker://localhost/X",
        "docker://localhost/x:",
        "docker://localhost/x:" + "t" * 129,
        "docker://localhost/x/../y",
        "docker://local host/x",
        "docker://localhost:999999/x",
        "docker://-a.example.org/x",
        "docker://" + "a." * 150 + "org/x",
        "docker://localhost/" + "x" * 250,
        "docker://localhost/x@sha256:00",
        "https://localhost/x",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


def test_a_long_hostile_reference_is_refused_at_once() -> None:
    for text in ("docker://" + "a" * 100_000 + "-/x", "a-" * 100_000, "docker-archive:f:" + "a-" * 100_000):
        with pytest.raises(UsageError):
            Reference.parse(text)


@pytest.mark.parametrize("name", ["latest", "a/b:c", "python3-bookworm", "a--b", "v1.0+x@y"])
def test_names_of_the_specification_are_taken(name: str) -> None:
    assert check_name(name) == name
