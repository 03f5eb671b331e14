"""The header by which a registry asks who we are is read as RFC 9110 writes it, and keeps nobody busy."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.registry.challenge import BASIC, BEARER, Challenge, read

TOKEN = Challenge(BEARER, "https://auth.example.org/token", "registry")
TEXT = 'realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer {TEXT}", TOKEN),
        (f"bearer {TEXT.replace(',', ' , ')}", TOKEN),
        (f"Basic realm=x, Bearer {TEXT}", TOKEN),
        (f"Bearer {TEXT}, Basic realm=x", TOKEN),
        (f"Negotiate abc==, Bearer {TEXT}", TOKEN),
        ('Basic realm="a, Bearer b"', Challenge(BASIC)),
        ("Basic", Challenge(BASIC)),
        (r'Bearer realm="https://a/\"b\\"', Challenge(BEARER, 'https://a/"b\\')),
        ("Bearer realm=https://a", Challenge(BEARER, "https://a")),
        ('Bearer realm="https://a",realm="https://b"', Challenge(BEARER, "https://a")),
        (
            'Bearer realm="https://a",scope="s:1:pull s:2:pull",error="invalid_token"',
            Challenge(BEARER, "https://a", "", "invalid_token"),
        ),
        ('Bearer service="x"', None),
        ("Digest realm=x", None),
        ("", None),
        ('Bearer realm="https://a', None),
    ],
)
def test_a_header_is_read(header: str, expected: Challenge | None) -> None:
    assert read(header) == expected


@pytest.mark.parametrize("piece", [" ", ",", '"', "a=", 'a="', '\\"', "Bearer ", "=", 'a="\\'])
def test_a_hostile_header_costs_no_time(piece: str) -> None:
    started = time.monotonic()
    read("Bearer " + piece * 100_000)
    assert time.monotonic() - started < 1


@given(st.text(max_size=200))
def test_any_header_is_read_or_not(header: str) -> None:
    read(header)
