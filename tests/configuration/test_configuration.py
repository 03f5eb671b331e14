from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from imgforge import configuration
from imgforge.errors import ManifestError, UsageError
from imgforge.limits import Limits

GOOD = """\
imgforge: 1
mirrors:
  bookworm: https://mirrors.wikimedia.org/debian
  https://deb.example.org/: file:/srv/mirror/
"""


def test_mirrors_are_read_in_the_order_of_the_file() -> None:
    assert configuration.parse(GOOD, file="config.yaml").mirrors == (
        ("bookworm", "https://mirrors.wikimedia.org/debian"),
        ("https://deb.example.org/", "file:/srv/mirror/"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "c.yaml:1:1: is empty"),
        ("mirrors: {}", "c.yaml:1:1: the key 'imgforge' is missing: this format is 'imgforge: 1'"),
        ("imgforge: 2", "c.yaml:1:11: imgforge: must be 1, the version of the format, got int 2"),
        ("imgforge: 1\nmirors: {}", "c.yaml:2:1: unknown key 'mirors' (did you mean 'mirrors'?)"),
        (
            "imgforge: 1\nmirrors: {sid: ftp://example.org/}",
            "c.yaml:2:16: mirrors.sid: must be a URI with http, https or file, got 'ftp://example.org/'",
        ),
        (
            "imgforge: 1\nlimits: {memory: 4}",
            "c.yaml:2:18: limits.memory: must be a size such as '4 GiB', got int 4",
        ),
        (
            "imgforge: 1\nlimits: {time: 2 days}",
            "c.yaml:2:16: limits.time: must be a time such as '90 seconds' or '2 hours', got '2 days'",
        ),
        (
            "imgforge: 1\nlimits: {processes: 3}",
            "c.yaml:2:21: limits.processes: must be a number from 16 to 4194304, got int 3",
        ),
        ("imgforge: 1\nlimits: {memry: 1 GiB}", "c.yaml:2:10: limits: unknown key 'memry' (did you mean 'memory'?)"),
        ("imgforge: 1\nmirrors: [sid]", "c.yaml:2:10: mirrors: must be a mapping, got a list"),
    ],
)
def test_what_is_wrong_is_said_with_its_position(text: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        configuration.parse(text, file="c.yaml")
    assert str(caught.value) == said


def test_a_file_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    assert configuration.read(tmp_path / "none.yaml") == configuration.Configuration()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a file, got a directory"):
        configuration.read(tmp_path)


def test_a_file_that_is_not_text_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"imgforge: 1\n# \xff\n")
    with pytest.raises(ManifestError, match=r"config\.yaml:2:1: is not UTF-8"):
        configuration.read(path)


def test_a_huge_file_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ManifestError, match="expected at most 1048576 characters, got 1048577"):
        configuration.read(path)


def test_the_users_file_counts_before_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMGFORGE_CONFIG")
    assert configuration.places(Path("/home/ada/.config")) == (
        Path("/home/ada/.config/imgforge/config.yaml"),
        Path("/etc/imgforge/config.yaml"),
    )


@pytest.mark.parametrize(("value", "expected"), [("", ()), ("/srv/c.yaml", (Path("/srv/c.yaml"),))])
def test_the_environment_names_another_file_or_none(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[Path, ...]
) -> None:
    monkeypatch.setenv("IMGFORGE_CONFIG", value)
    assert configuration.places(Path("/home/ada/.config")) == expected


def test_limits_of_the_first_file_count_before_those_of_the_next() -> None:
    files = (
        configuration.parse("imgforge: 1\nlimits: {memory: 4 GiB, time: 90 seconds}", file="user.yaml"),
        configuration.parse("imgforge: 1\nlimits: {memory: 1 GiB, output: 5 MB, processes: 64}", file="machine.yaml"),
        configuration.parse("imgforge: 1", file="empty.yaml"),
    )
    expected = Limits(memory=4 << 30, time=90, output=5_000_000, processes=64)
    assert configuration.limits(files) == expected


def test_every_limit_has_its_key() -> None:
    keys = {field.name for field in attrs.fields(configuration.LimitsSection)}
    assert keys == {field.name for field in attrs.fields(Limits)}
