"""Versions, judged by dpkg and, for many pairs at once, by libapt and dpkg's Perl library."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.deb import version

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
PAIRS = 20_000

# Pairs of versions, one pair a line, in; -1, 0 or 1 a line out.
LIBAPT = """
import sys, apt_pkg
apt_pkg.init_system()
for line in sys.stdin:
    order = apt_pkg.version_compare(*line.rstrip("\\n").split(" "))
    print((order > 0) - (order < 0))
"""
# The parts rather than version_compare(), which dies at what dpkg itself only warns about.
PERL = """
while (<STDIN>) { chomp; my ($one, $other) = map { Dpkg::Version->new($_) } split / /; print $one <=> $other, "\\n"; }
"""

ORACLES = {
    "libapt": (("/usr/bin/python3", "-c", "import apt_pkg"), ("/usr/bin/python3", "-c", LIBAPT)),
    "perl": (("perl", "-MDpkg::Version", "-e", "1"), ("perl", "-MDpkg::Version", "-e", PERL)),
}

Oracle = Callable[[Iterable[tuple[str, str]]], list[int]]


@pytest.fixture(params=sorted(ORACLES))
def oracle(request: pytest.FixtureRequest) -> Oracle:
    probe, command = ORACLES[request.param]
    if subprocess.run(probe, env=ENVIRONMENT, check=False, capture_output=True).returncode:
        pytest.skip(f"{request.param} is not installed")

    def ask(pairs: Iterable[tuple[str, str]]) -> list[int]:
        text = "".join(f"{one} {other}\n" for one, other in pairs)
        run = subprocess.run(command, env=ENVIRONMENT, input=text, check=True, capture_output=True, text=True)
        return [int(line) for line in run.stdout.split()]

    return ask


def adversarial_pairs(count: int, *, seed: int) -> list[tuple[str, str]]:
    """Return pairs of valid versions that differ in little: made by mutating one of them.

    No run of digits is longer than 15: dpkg's Perl library compares them as floating point numbers.
    """
    draw = random.Random(seed)
    pieces = ["0", "00", "1", "01", "10", "9", "~", "~~", "a", "Z", "z", ".", "+", "-", "~rc1", "+b1", "a0", "0a", ".0"]

    def mutated(text: str) -> str:
        at = draw.randrange(len(text) + 1)
        kept = at + draw.choice([0, 0, 0, 1, 2])
        return text[:at] + draw.choice([*pieces, ""]) + text[kept:]

    def padded(text: str) -> str:
        return re.sub(r"(?<!\d)(?=\d)", lambda _: "0" * draw.randrange(3), text)

    def fresh() -> str:
        epoch = draw.choice(["", "", "0:", "1:", "00:", "01:", "10:"])
        colon = [":"] if epoch else []
        upstream = draw.choice("0123") + "".join(draw.choices(pieces + colon, k=draw.randrange(5)))
        revision = "".join(draw.choices([piece for piece in pieces if piece != "-"], k=draw.randrange(1, 4)))
        return epoch + upstream + draw.choice(["", "-", "-", "-0", "-~"]) + revision

    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        one = fresh()
        made: list[Callable[[str], str]] = [padded, mutated, lambda text: mutated(padded(text)), lambda _: fresh()]
        other = draw.choice(made)(one)
        if is_valid(one) and is_valid(other):
            pairs.append((one, other))
    return pairs


def is_valid(text: str) -> bool:
    try:
        version.validate(text)
    except version.VersionError:
        return False
    return True


def disagreements(pairs: list[tuple[str, str]], expected: list[int]) -> list[tuple[str, str, int]]:
    assert len(pairs) == len(expected)
    return [
        (one, other, order)
        for (one, other), order in zip(pairs, expected, strict=True)
        if version.compare(one, other) != order
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("1.0~~", "1.0~~a"),
        ("1.0~~a", "1.0~"),
        ("1.0~", "1.0"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+"),
        ("1.0Z", "1.0a"),
        ("1.0+", "1.0."),
        ("1.9", "1.10"),
        ("9:1", "10:0"),
        ("2.0", "1:1.0"),
        ("1.0-1~", "1.0-1"),
        ("1.0-~", "1.0"),
        ("1.0", "1.0-0+b1"),
        ("1.0-0", "1.0-00a"),
        ("1-2-1", "1-2-2"),
        ("1-1", "1.0-1"),
        ("1" * 300, "2" * 300),
        ("9" * 300, "1" * 301),
        ("9" * 249, "1" * 250),
        ("0" * 999 + "1", "2"),
        ("v1", "v2"),
    ],
)
def test_earlier_sorts_before_later(earlier: str, later: str) -> None:
    assert version.compare(earlier, later) == -1
    assert version.compare(later, earlier) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "0:1.0"),
        ("1.0", "1.0-0"),
        ("1.0", "1.00"),
        ("1.", "1.0"),
        ("00001:1", "1:1"),
        ("1-0", "1-000"),
        ("1", "001"),
    ],
)
def test_different_texts_of_one_version_are_equal(one: str, other: str) -> None:
    assert version.compare(one, other) == 0
    assert version.sort_key(one) == version.sort_key(other)


@pytest.mark.parametrize(
    "wrong", ["", " ", "1 2", " 1", "1\n", ":1", "1:", "a:1", "-1", "1-", "1:-1", "1:1-", "1é", "1\0", "-", "1-1:2"]
)
def test_text_that_dpkg_cannot_read_is_no_version(wrong: str) -> None:
    with pytest.raises(version.VersionError, match="version"):
        version.sort_key(wrong)


@pytest.mark.parametrize("wrong", ["v1", "~1", "1_2", "1-_", "1:a", "1:1-1:2", "1/../2", "1%2", "1,2"])
def test_version_that_dpkg_reads_with_a_warning_is_ordered_and_not_valid(wrong: str) -> None:
    version.sort_key(wrong)
    with pytest.raises(version.VersionError, match="digit first"):
        version.validate(wrong)


def test_epoch_beyond_a_c_int_is_refused() -> None:
    assert version.validate("2147483647:1")
    with pytest.raises(version.VersionError, match="epoch"):
        version.sort_key("2147483648:1")
    with pytest.raises(version.VersionError, match="epoch"):
        version.sort_key("9" * 4000 + ":1")


def test_endless_version_is_refused_and_not_repeated_in_the_message() -> None:
    with pytest.raises(version.VersionError) as caught:
        version.sort_key("1" * 1_000_000)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("<<", (True, False, False)),
        ("<=", (True, True, False)),
        ("=", (False, True, False)),
        (">=", (False, True, True)),
        (">>", (False, False, True)),
    ],
)
def test_relation_holds_below_at_and_above(relation: str, expected: tuple[bool, bool, bool]) -> None:
    assert tuple(version.satisfies(got, relation, "1:2-1") for got in ("2-1", "1:2-01", "1:2-1+b1")) == expected


@pytest.mark.parametrize("relation", ["<", ">", "==", "", "ge", "!="])
def test_relation_that_policy_does_not_know_is_refused(relation: str) -> None:
    with pytest.raises(version.VersionError, match="expected one of"):
        version.satisfies("1", relation, "1")


VALID = st.from_regex(r"\A(?:[0-9]{1,3}:)?[0-9][A-Za-z0-9.+~-]{0,8}[a-z0-9~+.]\Z")


@given(st.lists(VALID, min_size=3, max_size=3))
def test_order_is_total_and_antisymmetric(versions: list[str]) -> None:
    first, second, third = sorted(versions, key=version.sort_key)

    assert version.compare(first, second) <= 0
    assert version.compare(second, third) <= 0
    assert version.compare(first, third) <= 0
    assert version.compare(first, second) == -version.compare(second, first)


@given(VALID)
def test_tilde_sorts_before_and_any_suffix_after(text: str) -> None:
    assert version.compare(text + "~", text) == -1
    assert version.compare(text + "+", text) == 1


@given(st.text(max_size=12))
def test_any_text_is_ordered_or_refused(text: str) -> None:
    try:
        assert isinstance(version.sort_key(text), bytes)
    except version.VersionError:
        assert not is_valid(text)


def test_order_agrees_with_dpkg() -> None:
    pairs = adversarial_pairs(300, seed=3)

    for one, other in pairs:
        relation = {-1: "lt", 0: "eq", 1: "gt"}[version.compare(one, other)]
        outcome = subprocess.run(["dpkg", "--compare-versions", one, relation, other], env=ENVIRONMENT, check=False)
        assert outcome.returncode == 0, (one, relation, other)


def test_validity_agrees_with_dpkg() -> None:
    alphabet = "019aZ.:-+~_ %"
    draw = random.Random(5)
    texts = [draw.choice("019a:+") + "".join(draw.choices(alphabet, k=draw.randrange(5))) for _ in range(300)]
    # Two readings of ours are narrower: white space around a version, and a sign before an epoch.
    texts = [text for text in texts if text == text.strip() and not text.startswith("+")]

    for text in texts:
        outcome = subprocess.run(
            ["dpkg", "--validate-version", text], env=ENVIRONMENT, check=False, capture_output=True
        )
        assert is_valid(text) == (outcome.returncode == 0), text


def test_order_of_adversarial_pairs_agrees(oracle: Oracle) -> None:
    pairs = adversarial_pairs(PAIRS, seed=7)
    expected = oracle(pairs)

    assert disagreements(pairs, expected) == []
    assert min(expected.count(order) for order in (-1, 0, 1)) > 1000


@pytest.mark.archive
def test_order_of_the_whole_archive_agrees(oracle: Oracle) -> None:
    versions = sorted(archive_versions(), key=lambda text: (version.sort_key(text), text))
    draw = random.Random(11)
    neighbours = list(itertools.pairwise(versions))
    pairs = neighbours + [(draw.choice(versions), draw.choice(versions)) for _ in range(PAIRS)]

    assert len(versions) > 30_000
    assert disagreements(pairs, oracle(pairs)) == []


@pytest.mark.archive
def test_versions_of_the_whole_archive_are_valid() -> None:
    assert [text for text in archive_versions() if not is_valid(text)] == []


def archive_versions() -> set[str]:
    """Return every version in the host's own indices, of packages and in relations."""
    lists = sorted(Path("/var/lib/apt/lists").glob("*_Packages*"))
    if not lists:
        pytest.skip("the host has no APT lists: run `apt-get update`")
    argv = ["/usr/lib/apt/apt-helper", "cat-file", *map(str, lists)]
    indices = subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^Version: (.+)$", indices, re.MULTILINE)) | set(
        re.findall(r"\((?:<<|<=|=|>=|>>) ([^)\s]+)\)", indices)
    )
