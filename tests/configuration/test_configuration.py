from __future__ import annotations

from pathlib import Path

import pytest

from imgforge import configuration
from imgforge.errors import ManifestError, UsageError

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
