"""Patterns of a policy."""

from __future__ import annotations

import pytest

from imgforge.oci.reference import Reference
from imgforge.policy.pattern import ImagePattern, is_loopback, matches

CASES = [
    ("docker://example.org/base/*", "docker://example.org/base/a", True),
    ("docker://example.org/base/*", "docker://example.org/base/a:1@sha256:" + "0" * 64, True),
    ("docker://Example.org/base/*", "docker://EXAMPLE.ORG/base/a", True),
    ("docker://example.org/base/*", "docker://example.org/base/a/b", False),
    ("docker://example.org/base/**", "docker://example.org/base/a/b", True),
    ("docker://example.org/base/*", "docker://example.org/base", False),
    ("docker://example.org/**", "docker://example.org.evil.example/base", False),
    ("docker://example.org/**", "docker://example.org:5000/base", False),
    ("docker://example.org:5000/**", "docker://example.org:5000/base", True),
    ("docker://example.org/a.b", "docker://example.org/axb", False),
    ("docker://example.org/**", "oci:example.org/base", False),
    ("oci:/srv/bases/*", "oci:/srv/bases/a:tag", True),
    ("oci:/srv/bases/*", "oci:/srv/bases/..", False),
    ("oci:/srv/bases/**", "oci:/srv/bases/../../tmp/evil", False),
    ("oci:/srv/bases/*", "oci-archive:/srv/bases/a", False),
    ("bookworm*", "bookworm-slim", True),
    ("bookworm", "bookworm", True),
    ("*", "scratch-like", True),
    ("scratch", "scratch-like", False),
]


@pytest.mark.parametrize(("pattern", "reference", "expected"), CASES)
def test_a_pattern_means_what_it_says(pattern: str, reference: str, *, expected: bool) -> None:
    assert ImagePattern.parse(pattern).matches(Reference.parse(reference)) is expected


def test_only_scratch_means_scratch() -> None:
    patterns = ["scratch", "*", "**", "docker://example.org/**", "oci:**"]
    assert [text for text in patterns if ImagePattern.parse(text).matches(None)] == ["scratch"]


@pytest.mark.parametrize("text", ["scratch", "a*", "oci:/srv/**", "docker-archive:a.tar", "docker://example.org/a/*"])
def test_a_pattern_is_written_as_it_was_read(text: str) -> None:
    assert str(ImagePattern.parse(text)) == text


def test_stars_and_newlines() -> None:
    assert matches("/a/**", "/a/b\nc/d")
    assert not matches("/a/*", "/a/b/c")
    assert matches("php8.?-*", "php8.3-fpm")
    assert not matches("php8.?", "php8.30")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.1.2.3", True),
        ("127.999.1.1", False),
        ("[::1]:5000", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("example.org", False),
    ],
)
def test_loopback_is_this_machine(host: str, *, expected: bool) -> None:
    assert is_loopback(Reference.parse(f"docker://{host}/a")) is expected
