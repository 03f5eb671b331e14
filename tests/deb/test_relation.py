"""Relations, judged by dpkg's Perl library and, over a whole archive, by libapt."""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgforge.deb.relation import LENGTH_MAX, Relation, RelationError, parse, parse_flat
from imgforge.deb.version import VersionError

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def texts(field: str, *, architecture: str = "amd64", profiles: tuple[str, ...] = ()) -> str:
    groups = parse(field, architecture=architecture, profiles=profiles)
    return ", ".join(" | ".join(map(str, group)) for group in groups)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", ""),
        ("  \n ", ""),
        ("a", "a"),
        ("a,b", "a, b"),
        ("a | b , c", "a | b, c"),
        ("a|b|c", "a | b | c"),
        ("a,\n b,\n c", "a, b, c"),
        ("\n a,\n b", "a, b"),
        ("a, b,", "a, b"),
        ("a, b ,\n", "a, b"),
        ("a(>=1)", "a (>= 1)"),
        ("a\t( >=\n 1:2~rc1-3+b1 )", "a (>= 1:2~rc1-3+b1)"),
        ("a (= 1), a (<< 1), a (<= 1), a (>> 1)", "a (= 1), a (<< 1), a (<= 1), a (>> 1)"),
        ("a (< 1), a (> 1), a (1)", "a (<= 1), a (>= 1), a (= 1)"),
        ("python3:any (>= 3.9)", "python3:any (>= 3.9)"),
        ("gcc:native, libc6:arm64", "gcc:native, libc6:arm64"),
        ("libstdc++6, g++, libfoo0.1-dev", "libstdc++6, g++, libfoo0.1-dev"),
        ("Odd_Name", "Odd_Name"),
        ("a [amd64], b [i386]", "a"),
        ("a [!amd64], b [!i386]", "b"),
        ("a [i386 amd64], b [i386 armhf]", "a"),
        ("a [!i386 !amd64] | b", "b"),
        ("a [linux-any], b [any-amd64], c [hurd-any], d [any], e [musl-linux-any]", "a, b, d"),
        ("a [ amd64\n i386 ]", "a"),
        ("a:any (>= 1) [amd64] <!nocheck>", "a:any (>= 1)"),
        ("a(>=1)[amd64]<!nocheck>", "a (>= 1)"),
        ("a <stage1>, b <!stage1>, c <!stage1> <cross>, d <!stage1 cross>", "b, c"),
        ("a <>> b", None),
    ],
)
def test_field_means(field: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(RelationError):
            parse(field, architecture="amd64")
    else:
        assert texts(field) == expected


def test_build_profiles_are_a_disjunction_of_conjunctions() -> None:
    field = "a <stage1 cross>, b <stage1> <cross>, c <!stage1 cross>, d <!stage1> <!cross>, e"

    assert texts(field) == "d, e"
    assert texts(field, profiles=("stage1",)) == "b, d, e"
    assert texts(field, profiles=("cross",)) == "b, c, d, e"
    assert texts(field, profiles=("cross", "stage1")) == "a, b, e"


def test_group_without_any_alternative_left_disappears() -> None:
    assert parse("a [i386] | b [armhf], c [i386]", architecture="amd64") == ()


def test_qualifier_and_version_stand_apart() -> None:
    assert parse("python3:any (>= 3.9~)", architecture="amd64") == ((Relation("python3", ">=", "3.9~", "any"),),)


@pytest.mark.parametrize(
    "wrong",
    [
        ",",
        "a,,b",
        ",a",
        "a,,",
        "a |",
        "| a",
        "a | | b",
        "a b",
        "a (>= 1",
        "a >= 1",
        "a (>= )",
        "a ()",
        "a (>= 1) (<< 2)",
        "a (=> 1)",
        "a (== 1)",
        "a (!= 1)",
        "a (> = 1)",
        "a (>>> 1)",
        "a (<> 1)",
        "a (>= 1 2)",
        "a (>= 1, b",
        "a :any",
        "a: any",
        "a:",
        "a:any:native",
        "a []",
        "a [amd64",
        "a amd64]",
        "a [!amd64 i386]",
        "a [a/b]",
        "a [!!amd64]",
        "a <>",
        "a < >",
        "a <!>",
        "a <nocheck",
        "a <x> [amd64]",
        "a [amd64] (>= 1)",
        "${misc:Depends}",
        "../../etc/passwd",
        "-a",
        "a;b",
        "ä",
        "a\u00a0b",
        "a\0",
        "a (>= \u0661)",
    ],
)
def test_malformed_field_is_refused(wrong: str) -> None:
    with pytest.raises(RelationError, match="relation"):
        parse(wrong, architecture="amd64")


@pytest.mark.parametrize("wrong", ["a <", "a  <", "a <b> <", "a <b", "a [", "a ("])
def test_half_a_list_is_refused(wrong: str) -> None:
    with pytest.raises(RelationError):
        parse(wrong, architecture="amd64")


@pytest.mark.parametrize("wrong", ["a (>= 1-)", "a (= x:1)", "a (<< 99999999999:1)", "a (= 1:)"])
def test_relation_to_no_version_is_refused(wrong: str) -> None:
    with pytest.raises(VersionError):
        parse(wrong, architecture="amd64")


def test_what_another_architecture_hears_is_checked_all_the_same() -> None:
    with pytest.raises(RelationError):
        parse("a [i386] | b [amd64 !i386]", architecture="armhf")


def test_field_without_alternatives() -> None:
    assert parse_flat("a, b (= 1), c [i386]", architecture="amd64") == (Relation("a"), Relation("b", "=", "1"))
    with pytest.raises(RelationError, match="alternatives"):
        parse_flat("a | b", architecture="amd64")


def test_half_a_version_cannot_exist() -> None:
    with pytest.raises(RelationError):
        Relation("a", ">=")
    with pytest.raises(RelationError):
        Relation("a", version="1")


def test_relation_admits_versions() -> None:
    assert Relation("a").admits("0")
    assert Relation("a", ">=", "1.0").admits("1.0-0")
    assert not Relation("a", ">>", "1.0").admits("1.0-0")
    assert not Relation("a", "<<", "1.0").admits("1.0")


@pytest.mark.parametrize(
    "attack",
    [
        "a" + " " * 500_000 + "b",
        "a (>= 1" + " " * 500_000,
        "a [" + " " * 500_000,
        "a " + "<x> " * 100_000 + "!",
        "a <" + "x " * 200_000,
        "(" * 500_000,
        "a:" * 200_000,
        "a" * 900_000 + "!",
    ],
)
def test_hostile_field_is_refused_in_linear_time(attack: str) -> None:
    start = time.monotonic()
    with pytest.raises(RelationError) as caught:
        parse(attack, architecture="amd64")

    assert time.monotonic() - start < 2
    assert len(str(caught.value)) < 400


def test_endless_field_is_refused() -> None:
    with pytest.raises(RelationError, match="longer"):
        parse("a," * LENGTH_MAX, architecture="amd64")


@given(st.text(alphabet="ab1 ,|()[]<>=!:~\n", max_size=30))
def test_any_text_is_read_or_refused_and_what_is_read_can_be_read_again(text: str) -> None:
    try:
        groups = parse(text, architecture="amd64", profiles=("a",))
    except (RelationError, VersionError):
        return
    printed = ", ".join(" | ".join(map(str, group)) for group in groups)
    assert parse(printed, architecture="amd64") == groups


PERL = """
use Dpkg::Deps;
while (<STDIN>) {
    chomp;
    my ($arch, $profiles, $text) = split /\\t/;
    my $deps = deps_parse($text, reduce_restrictions => 1, build_dep => 1, host_arch => $arch, build_arch => $arch,
                          build_profiles => [split / /, $profiles]);
    print defined $deps ? $deps->output() : "refused", "\\n";
}
"""


def generated_fields(count: int, *, seed: int) -> list[tuple[str, str, str]]:
    draw = random.Random(seed)
    wildcards = ["amd64", "i386", "armhf", "linux-any", "any-arm", "any-amd64", "hurd-any", "any", "musl-linux-any"]
    profiles = ["nocheck", "stage1", "cross", "pkg.x.y"]

    def some(items: list[str], *, negations: list[str]) -> str:
        return " ".join(draw.choice(negations) + item for item in draw.sample(items, draw.randrange(1, 4)))

    def atom() -> str:
        space = draw.choice(["", " ", "  "])
        text = draw.choice(["a", "libb2.0-dev", "g++", "x-y"]) + draw.choice(["", "", ":any", ":native", ":i386"])
        if draw.random() < 0.5:
            operator, version = draw.choice(["<<", "<=", "=", ">=", ">>"]), draw.choice(["1", "2:0-1~"])
            text += f"{space}({space}{operator}{space}{version}{space})"
        if draw.random() < 0.4:
            text += f"{space}[{some(wildcards, negations=draw.choice([[''], ['!']]))}]"
        for _ in range(draw.choice([0, 0, 1, 2])):
            # Without white space between two lists dpkg's Perl library reads them as one; its manual wants the space.
            text += f" <{some(profiles, negations=['', '!'])}>"
        return text

    def field() -> str:
        groups = (draw.choice([" | ", "|"]).join(atom() for _ in range(draw.randrange(1, 4))) for _ in range(3))
        return draw.choice([", ", ",", " ,  "]).join(groups) + draw.choice(["", ","])

    return [
        (draw.choice(["amd64", "i386", "armhf", "hurd-i386"]), some(profiles, negations=[""]), field())
        for _ in range(count)
    ]


def test_generated_fields_agree_with_dpkg() -> None:
    probe = subprocess.run(["perl", "-MDpkg::Deps", "-e", "1"], env=ENVIRONMENT, check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("dpkg-dev is not installed")
    fields = generated_fields(3000, seed=1)
    lines = "".join("\t".join(field) + "\n" for field in fields)
    run = subprocess.run(["perl", "-e", PERL], env=ENVIRONMENT, input=lines, check=True, capture_output=True, text=True)
    expected = run.stdout.split("\n")[:-1]

    ours = [texts(text, architecture=arch, profiles=tuple(given.split())) for arch, given, text in fields]

    differences = [row for row in zip(fields, ours, expected, strict=True) if row[1] != row[2]]
    assert differences == []
    assert "refused" not in expected


LIBAPT = """
import apt_pkg, json, sys
apt_pkg.init_system()
for line in sys.stdin:
    print(json.dumps(apt_pkg.parse_depends(json.loads(line), False, "amd64")))
"""


@pytest.mark.archive
def test_every_field_of_the_archive_agrees_with_libapt() -> None:
    lists = sorted(Path("/var/lib/apt/lists").glob("*_Packages*"))
    python = "/usr/bin/python3"
    probe = subprocess.run([python, "-c", "import apt_pkg"], env=ENVIRONMENT, check=False, capture_output=True)
    if not lists or probe.returncode:
        pytest.skip("needs the host's APT lists and python3-apt")
    argv = ["/usr/lib/apt/apt-helper", "cat-file", *map(str, lists)]
    indices = subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    names = "Depends|Pre-Depends|Recommends|Suggests|Enhances|Conflicts|Breaks|Replaces|Provides"
    fields = sorted(set(re.findall(rf"^(?:{names}): (.*)$", indices, re.MULTILINE)))
    lines = "".join(json.dumps(field) + "\n" for field in fields)
    run = subprocess.run(
        [python, "-c", LIBAPT], env=ENVIRONMENT, input=lines, check=True, capture_output=True, text=True
    )

    assert len(fields) > 10_000
    for field, answer in itertools.zip_longest(fields, run.stdout.splitlines()):
        assert [
            [as_libapt(relation) for relation in group] for group in parse(field, architecture="amd64")
        ] == json.loads(answer)


def as_libapt(relation: Relation) -> list[str]:
    """Return name, version and operator in libapt's words."""
    operator = {None: "", "<<": "<", ">>": ">"}.get(relation.operator, relation.operator) or ""
    name = relation.name if relation.qualifier is None else f"{relation.name}:{relation.qualifier}"
    return [name, relation.version or "", operator]
