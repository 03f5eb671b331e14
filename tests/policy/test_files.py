"""Where the policy is, and its keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgforge.errors import ManifestError, UsageError
from imgforge.policy import NONE, files

TEXT = "imgforge-policy: 1\nkeys: {a: keys/a.pub, b: keys/b.pub, c: c.pub}\n"


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "policy.yaml"
    (path.parent / "keys").mkdir(parents=True)
    path.write_text(TEXT)
    (path.parent / "keys" / "a.pub").write_text("PEM")
    (tmp_path / "outside.pub").write_text("PEM")
    (path.parent / "keys" / "b.pub").symlink_to(tmp_path / "outside.pub")
    return path


def test_keys_lie_below_the_policy(policy_file: Path) -> None:
    found = files.read(policy_file)
    assert found.key("a") == b"PEM"
    with pytest.raises(ManifestError, match=r"policy.yaml:2:26: 'keys/b.pub' leads out of "):
        found.key("b")
    with pytest.raises(ManifestError, match=r"policy.yaml:2:41: 'c.pub' is not below "):
        found.key("c")
    with pytest.raises(UsageError, match="key 'd': not in the policy"):
        found.key("d")


def test_the_given_policy_counts_most(policy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("imgforge-policy: 1\n")
    monkeypatch.setattr(files, "MACHINE", tmp_path / "machine.yaml")
    assert files.find() == files.PolicyFile(None, NONE)
    (tmp_path / "machine.yaml").write_text("imgforge-policy: 1\nbases: []\n")
    assert files.find().policy.bases == ()
    monkeypatch.setenv("IMGFORGE_POLICY", str(policy_file))
    assert files.find().path == policy_file
    assert files.find(other).path == other
    monkeypatch.setenv("IMGFORGE_POLICY", "")
    assert files.find() == files.PolicyFile(None, NONE)


def test_a_policy_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFORGE_POLICY", str(tmp_path / "a.yaml"))
    with pytest.raises(UsageError, match=r"a.yaml: cannot be read: no such file"):
        files.find()
    with pytest.raises(UsageError, match="expected a file, got a directory"):
        files.find(tmp_path)


def test_a_machines_policy_that_leads_nowhere_is_no_policy_to_pass_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").symlink_to(tmp_path / "gone.yaml")
    monkeypatch.setattr(files, "MACHINE", tmp_path / "policy.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        files.find()


def test_a_policy_is_utf8_and_not_huge(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"imgforge-policy: 1\n\xff")
    with pytest.raises(ManifestError, match=r"p.yaml:2:1: is not UTF-8"):
        files.read(path)
    path.write_bytes(b"#" * (4 << 20) + b"\n")
    with pytest.raises(ManifestError, match="expected at most 4194304 bytes"):
        files.read(path)
