"""Each rule finds what it is for and nothing that only looks like it; the table says what gitleaks has besides."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from builders import secrets
from builders.samples import sample
from privacy import gitleaks

from imgforge.pipeline.policy import governing
from imgforge.privacy import names, patterns, scan
from imgforge.privacy.credentials import CREDENTIALS
from imgforge.privacy.hosts import Hosts
from imgforge.privacy.kinds import KINDS
from imgforge.privacy.patterns import RULES
from imgforge.privacy.rule import Rule
from imgforge.privacy.search import search

NOBODY = Hosts()
BEFORE = {
    "telegram-bot-api-token": b"7" + secrets.drawn(9, "0123456789").encode(),
    "maxmind-license-key": f"{secrets.drawn(6)}_{secrets.drawn(29)}".encode(),
    "doppler-service-token": b"dp.st",
    "aws-secret-access-key": b"SecretAccess" + b"Key = ",
    "azure-storage-key": b"Account" + b"Key=",
    "azure-shared-access-key": b"SharedAccess" + b"Key=",
    "airtable-personnal-access-token": b"pat" + secrets.drawn(14).encode(),
}
"""What comes before a token, which its judge looks at."""

JUDGED = {rule.name for rule in CREDENTIALS}
"""Rules whose matches must decode to something: `corpus.py` plants what they are for."""

TOKENS = [(rule, prefix) for rule in RULES if rule.name not in JUDGED for prefix in rule.prefixes]
IDS = [f"{rule.name} {prefix.decode('latin-1')}" for rule, prefix in TOKENS]


def made(rule: Rule, prefix: bytes) -> bytes:
    """Return a token that nobody was given."""
    return BEFORE.get(rule.name, b"") + prefix + sample(rule.pattern, seed=rule.name)


def kinds(data: bytes) -> set[str]:
    return {hit.kind for hit in search(data, hosts=NOBODY)}


@pytest.mark.parametrize(("rule", "prefix"), TOKENS, ids=IDS)
def test_a_token_is_found(rule: Rule, prefix: bytes) -> None:
    for before, after in ((b"", b""), (b"key = '", b"'\n"), (b'{"a": "', b'"}'), (b"\0\xff", b"\0")):
        assert rule.kind in kinds(before + made(rule, prefix) + after)


@pytest.mark.parametrize(("rule", "prefix"), TOKENS, ids=IDS)
def test_a_placeholder_is_none(rule: Rule, prefix: bytes) -> None:
    token = made(rule, prefix)
    start = token.index(prefix) + len(prefix) if prefix else len(BEFORE[rule.name])
    assert rule.kind not in kinds(b" " + token[:start] + b"x" * (len(token) - start))
    assert rule.kind not in kinds(b" " + token[:start] + b"0" * (len(token) - start))
    assert rule.kind not in kinds(b" " + token[: min(start + 4, len(token) - 1)] + b" ")


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_match_without_what_it_promises_is_none(name: str) -> None:
    (rule,) = (rule for rule in RULES if rule.name == name)
    if rule.judge.__name__ == "_value":
        pytest.skip("accepts any value after its name")
    for prefix in rule.prefixes:
        assert rule.kind not in kinds(b"\n" + prefix + re.sub(rb"[A-Za-z]{3,}", b"ab", sample(rule.pattern, seed="x")))


def test_every_rule_says_where_its_format_is_from() -> None:
    assert [rule.name for rule in RULES if len(rule.origin) < 8] == []


def test_names_of_rules_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_documentation_names_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
    assert sorted(kind for kind in KINDS if f"`{kind}`" not in text) == []


def test_what_gitleaks_finds_is_found_or_has_a_reason() -> None:
    table = gitleaks.stored()
    assert len(table) == 222
    wrong = {name: said for name, said in table.items() if not said.startswith(gitleaks.NOT) and said not in KINDS}
    assert wrong == {}
    ours = {rule.name: rule.kind for rule in RULES}
    assert {name for name, said in table.items() if name in ours and said != ours[name]} == set()
    assert sum(not said.startswith(gitleaks.NOT) for said in table.values()) >= 115


def test_a_newer_list_of_gitleaks_is_compared(tmp_path: Path) -> None:
    given = [name for name in gitleaks.stored() if name != "npm-access-token"] + ["new-one"]
    (tmp_path / "gitleaks.toml").write_text("".join(f'[[rules]]\nid = "{name}"\n' for name in given))
    assert gitleaks.compare(tmp_path / "gitleaks.toml") == ["new: new-one", "gone: npm-access-token"]


def test_another_set_of_rules_has_another_digest() -> None:
    rules = list(RULES)
    changed = attrs.evolve(rules[-1], body=rules[-1].body + b"x")
    assert patterns.digest((*rules[:-1], changed)) != patterns.digest()
    assert patterns.digest(tuple(rules[:-1])) != patterns.digest()
    assert len(names.digest()) == 16


def test_what_was_remembered_is_forgotten_when_rules_change() -> None:
    """Raise nothing by hand: copy the version that this prints."""
    assert governing.FORMATS[1] == scan.VERSION


def test_a_rule_for_whole_runs_says_how_long_they_are() -> None:
    for rule in RULES:
        assert bool(rule.length) == (rule.run and b"" in rule.prefixes)
        assert not rule.run or all(len(prefix) != 1 for prefix in rule.prefixes)
