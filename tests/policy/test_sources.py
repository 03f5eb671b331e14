"""Sources: by key, suite and component, and which packages."""

from __future__ import annotations

from pathlib import PurePosixPath

import attrs
import pytest
from builders.archives import Key
from builders.golden import Golden
from policy.desk import DEBIAN, DEBIAN_KEY, EXAMPLE_KEY, PHP, PLACES, POLICY, told

from imgforge import policy
from imgforge.apt.sources import Source
from imgforge.digest import Digest
from imgforge.lock import LockedPackage, LockedSource, PlatformLock
from imgforge.policy import NONE, sources
from imgforge.policy.subject import PackageUse, Places, SourceUse, packages_of

STRANGER = "abad1deaabad1deaabad1deaabad1deaabad1dea"

CASES: dict[str, tuple[tuple[SourceUse, ...], tuple[PackageUse, ...]]] = {
    "sources.stranger": ((attrs.evolve(DEBIAN, fingerprints=(DEBIAN_KEY, STRANGER)),), ()),
    "sources.unsigned": ((attrs.evolve(DEBIAN, fingerprints=()),), ()),
    "sources.suite": ((attrs.evolve(DEBIAN, suites=("bookworm", "sid")),), ()),
    "sources.component": ((attrs.evolve(DEBIAN, components=("main", "contrib")),), ()),
    "sources.two-keys": ((attrs.evolve(DEBIAN, fingerprints=(DEBIAN_KEY, EXAMPLE_KEY)),), ()),
    "sources.allow-expired": ((attrs.evolve(PHP, allow_expired=True),), ()),
    "sources.allow-suite-mismatch": ((attrs.evolve(PHP, allow_suite_mismatch=True),), ()),
    "sources.allow-weak-key": ((attrs.evolve(PHP, allow_weak_key=True),), ()),
    "sources.packages": (
        (DEBIAN, PHP),
        (
            PackageUse("nginx", "1.22", "debian", "main"),
            PackageUse("php8.3-fpm", "8.3.1", "php", "component/php83"),
            PackageUse("php7.4-fpm", "7.4", "php", "component/php83"),
            PackageUse("openssl", "3.0", "php", "component/php83"),
        ),
    ),
    "sources.packages-unknown-source": ((DEBIAN,), (PackageUse("nginx", "1.22", "elsewhere", "main"),)),
    "sources.packages-many": ((PHP,), tuple(PackageUse(f"a{number}", "1", "php") for number in range(30))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_source_against_the_rules_is_refused(name: str, golden_file: Golden) -> None:
    uses, packages = CASES[name]
    golden_file.check(f"policy/{name}.txt", told(sources.refusals(POLICY, uses, packages, places=PLACES)))


@pytest.mark.parametrize("name", CASES)
def test_no_policy_takes_every_source(name: str) -> None:
    assert sources.refusals(NONE, *CASES[name], places=PLACES) == ()


def test_sources_that_keep_to_the_rules_are_taken() -> None:
    wide = attrs.evolve(DEBIAN, suites=("bookworm", "bookworm-updates"))
    assert sources.refusals(POLICY, (wide, PHP), (PackageUse("php8.3-cli", "8", "php"),), places=PLACES) == ()


def test_an_empty_list_takes_no_source() -> None:
    nothing = policy.load("imgforge-policy: 1\nsources: []\n", file="p.yaml")
    assert [refusal.rule for refusal in sources.refusals(nothing, (DEBIAN,), places=Places())] == ["sources"]


@pytest.mark.parametrize(("rule", "suite"), [("/", "./"), ("./", "/"), ("/", "/")])
def test_a_rule_means_a_flat_archive_by_either_name(rule: str, suite: str) -> None:
    text = f"imgforge-policy: 1\nsources:\n  - {{keys: [{DEBIAN_KEY.upper()}], suites: ['{rule}']}}\n"
    flat = attrs.evolve(DEBIAN, suites=(suite,), components=())
    assert sources.refusals(policy.load(text, file="p.yaml"), (flat,), places=Places()) == ()


PARTS = """\
imgforge-policy: 1
sources:
  - {keys: [0123456789ABCDEF0123456789ABCDEF01234567], suites: [stable], components: [main]}
  - {keys: [0123456789ABCDEF0123456789ABCDEF01234567], suites: [backports], components: [main], packages: [git]}
"""


def test_a_package_is_judged_by_every_suite_that_it_may_be_from() -> None:
    parts = policy.load(PARTS, file="p.yaml")
    source = SourceUse("debian", (DEBIAN_KEY,), ("stable", "backports"), ("main",))
    unknown = PackageUse("nginx", "1", "debian", "main")
    told_ = sources.refusals(parts, (source,), (unknown,), places=Places())
    assert [(refusal.text, refusal.hint) for refusal in told_] == [
        (
            "package 'nginx' is not allowed from source 'debian', backports main: expected git",
            "give each suite its own source, so that the lock records which one a package is from",
        )
    ]
    known = attrs.evolve(unknown, suites=("stable",))
    git = attrs.evolve(unknown, name="git")
    assert sources.refusals(parts, (source,), (known, git), places=Places()) == ()


def test_a_flat_archive_has_no_component() -> None:
    text = "imgforge-policy: 1\nsources: [{keys: [0123456789ABCDEF0123456789ABCDEF01234567], suites: [./]}]\n"
    flat = SourceUse("flat", (DEBIAN_KEY,), ("./",), ())
    found = sources.refusals(policy.load(text, file="p"), (flat,), (PackageUse("x1", "1", "flat"),), places=Places())
    assert found == ()


def test_fingerprints_come_from_the_certificates() -> None:
    key = Key()
    source = Source("a", ("s",), ("main",), (), keys=key.certificate)
    use = SourceUse.of(source)
    assert use.fingerprints == tuple(fingerprint.lower() for fingerprint in source.fingerprints)
    text = f"imgforge-policy: 1\nsources: [{{keys: ['{use.fingerprints[0].upper()}'], suites: ['*']}}]\n"
    assert sources.refusals(policy.load(text, file="p.yaml"), (use,), places=Places()) == ()


def test_the_component_of_a_locked_package_is_where_the_pool_says() -> None:
    php = attrs.evolve(PHP, components=("component", "component/php83", "main"))
    paths = {
        "php8.3": "pool/component/php83/p/php8.3/php8.3_1_all.deb",
        "php-apcu": "pool/component/p/php-apcu/php-apcu_1_all.deb",
        "php-flat": "./php-flat_1_all.deb",
        "php-other": "pool/contrib/p/php-other_1_all.deb",
    }
    locked = platform_lock(
        *(package(name, path=PurePosixPath(path), source="php") for name, path in paths.items()),
        sources=("php",),
    )
    assert {use.name: use.component for use in packages_of(locked, (php,))} == {
        "php8.3": "component/php83",
        "php-apcu": "component",
        "php-flat": None,
        "php-other": None,
    }


def platform_lock(*packages: LockedPackage, sources: tuple[str, ...]) -> PlatformLock:
    named = tuple(LockedSource(name=name, identity="x") for name in sources)
    return PlatformLock(platform="linux/amd64", asked=(), sources=named, packages=packages)


def package(name: str, *, path: PurePosixPath, source: str) -> LockedPackage:
    return LockedPackage(
        name=name, version="1", architecture="all", size=1, digest=Digest.of(b""), path=path, source=source
    )
