"""No input makes the search slow: four times the bytes are about four times the work, for every rule and decoder.

Work is counted, not timed: the bytes that are looked at again and again show as calls and as bytes handed to them. For
what happens inside of one expression the ratio of processor times is compared, with a wide margin and three tries.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from builders.samples import sample

from imgforge.privacy import escapes, hidden, names
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.patterns import RULES
from imgforge.privacy.search import search

NOBODY = Hosts.of(["forge-7.example.se"], patterns=["*.shop.se"])
SIZE = 8 << 10
TIMES = 4
RATIO = 9
"""Linear is 4, quadratic 16."""

QUICK = 0.06
"""Seconds of a processor below which a ratio says nothing; quadratic inputs took more than a second at this size."""

_DASHES = b"-" * 5
_HEADER = _DASHES + b"BEGIN PRIVATE " + b"KEY" + _DASHES

SEEDS = {
    **{f"rule {rule.name}": rule.prefixes[0] or b"PrivateKey=" for rule in RULES},
    **{f"body {rule.name}": rule.prefixes[0] + sample(rule.pattern, seed="s")[:-1] for rule in RULES},
    "pem": _HEADER,
    "pem lines": _HEADER + b"\nMIIEvQIBADANBgkqhkiG9w0BAQ\n",
    "pem escapes": _HEADER + b"\\n",
    "machine": b"machine ",
    "machine login": b"machine a login b passw" + b"ord ",
    "spaces": b" ",
    "newlines": b"\n",
    "base64": b"QUJDREVG",
    "base64 lines": b"QUJDREVGQUJDREVGQUJDREVGQUJDREVG\n",
    "base64 short lines": b"QUJD\n",
    "base64 broken": b"QUJDREVGQUJDREVGQUJDREVGQUJDREVG\n.",
    "base64 of base64": b"UVVKRFJFVkc",
    "glue": b"QUJDREVGQUJDREVGQUJDREVGQUJDREVG" + b"\n" * 3 + b" " * 60,
    "hex": b"41",
    "hex lines": b"4142434445464748494a4b4c4d4e4f50\n",
    "utf-16": b"a\0",
    "utf-16 runs": b"a\0" * 16 + b"\xff",
    "utf-32": b"a\0\0\0",
    "dashes": b"-",
    "underscores": b"_",
    "dots": b".eyJ",
    "colons": b"://",
    "backslashes": b"\\",
    "escapes": b"\\u002d",
    "double escapes": b"\\\\u002d",
    "percents": b"%2D",
    "entities": b"&#45;",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    "zip": b"PK\x03\x04" + b"\x14\0" + bytes(20) + b"\1\0\0\0a",
    "separators": b"\xff\0\xff\n",
    "host": b".shop.se",
}

PATHS = (
    "root/.env",
    "root/.pgpass",
    "root/.my.cnf",
    "root/.pypirc",
    "root/.m2/settings.xml",
    "root/auth.json",
    "a/hosts.yml",
    "root/.s3cfg",
    "root/.gem/credentials",
    "etc/shadow",
    "srv/.htpasswd",
    "etc/apt/apt.conf",
    "etc/environment",
    "a/NuGet.Config",
)
LINES = (
    b"PASSWORD",
    b"a",
    b" ",
    b"\n",
    b" \n",
    b"\t",
    b":",
    b"a:",
    b"proxy ",
    b"https_proxy=",
    b"Acquire::http::Proxy",
    b"secret",
    b'"password":',
    b"<password>",
    b"export ",
    b'<add key="Password" ',
)


def taken(work: Callable[[bytes], object], data: bytes) -> float:
    start = time.process_time()
    work(data)
    return time.process_time() - start


def is_linear(work: Callable[[bytes], object], seed: bytes) -> bool:
    """Tell whether work grows as the input does; what is quick at the larger size is not asked."""
    small, large = ((seed * (size // len(seed) + 1))[:size] for size in (SIZE, TIMES * SIZE))
    for _ in range(3):
        second = taken(work, large)
        if second < QUICK or second / max(taken(work, small), QUICK / TIMES) < RATIO:
            return True
    return False


@pytest.mark.parametrize("name", SEEDS)
def test_a_search_is_linear(name: str) -> None:
    assert is_linear(lambda data: search(data, hosts=NOBODY), SEEDS[name])


@pytest.mark.parametrize("path", PATHS)
def test_a_search_by_name_is_linear(path: str) -> None:
    assert [seed for seed in LINES if not is_linear(lambda data: list(names.by_name(path, data)), seed)] == []


@pytest.mark.parametrize("name", [name for name in SEEDS if not name.startswith(("rule", "body"))])
def test_no_byte_is_decoded_often(name: str) -> None:
    data = (SEEDS[name] * (TIMES * SIZE // len(SEEDS[name]) + 1))[: TIMES * SIZE]
    decoded = sum(len(found.content) for found in hidden.find(hidden.Classes.of(data)))
    assert decoded <= 4 * len(data)
    assert sum(len(found.content) for found in escapes.find(data)) <= len(data)


def test_quadratic_work_is_noticed() -> None:
    assert not is_linear(re.compile(rb"a+b").findall, b"a")
    assert is_linear(re.compile(rb"ab").findall, b"a")


def test_a_variable_with_a_long_name_is_judged_by_its_end() -> None:
    assert is_linear(lambda data: list(names.by_variable(data.decode(), "a value")), b"PASSWORD")
