"""Architecture wildcards, judged by dpkg's Perl library on every pair."""

from __future__ import annotations

import subprocess

import pytest

from imgforge.deb import architecture

PERL = """
use Dpkg::Arch qw(get_valid_arches debarch_is);
my @real = get_valid_arches();
my @alias = (@real, map { ("linux-$_", "any-$_", "$_-any", "gnu-any-$_") } qw(any amd64 arm linux hurd musl));
push @alias, qw(musl-linux-any gnu-linux-amd64 eabihf-any-any-arm base-gnu-any-any any-any-any any-musl-any-any);
for my $real (@real) { print "$real $_ ", debarch_is($real, $_), "\\n" for @alias; }
"""


@pytest.mark.parametrize(
    ("name", "wildcard", "expected"),
    [
        ("amd64", "amd64", True),
        ("amd64", "any", True),
        ("amd64", "linux-any", True),
        ("amd64", "any-amd64", True),
        ("amd64", "linux-amd64", True),
        ("amd64", "i386", False),
        ("amd64", "hurd-any", False),
        ("amd64", "any-arm", False),
        ("amd64", "musl-linux-any", False),
        ("armhf", "any-arm", True),
        ("x32", "any-amd64", True),
        ("hurd-i386", "linux-any", False),
        ("hurd-i386", "any-i386", True),
        ("some-new-thing", "linux-any", False),
        ("newcpu", "linux-any", True),
    ],
)
def test_wildcard_matches(name: str, wildcard: str, *, expected: bool) -> None:
    assert architecture.matches(name, wildcard) is expected


def test_every_architecture_and_wildcard_agrees_with_dpkg() -> None:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    if subprocess.run(
        ["perl", "-MDpkg::Arch", "-e", "1"], env=environment, check=False, capture_output=True
    ).returncode:
        pytest.skip("dpkg-dev is not installed")
    run = subprocess.run(["perl", "-e", PERL], env=environment, check=True, capture_output=True, text=True)
    rows = [line.split(" ") for line in run.stdout.splitlines()]

    assert len(rows) > 50_000
    assert [row for row in rows if architecture.matches(row[0], row[1]) != (row[2] == "1")] == []
