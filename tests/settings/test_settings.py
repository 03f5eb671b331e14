from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgforge import settings
from imgforge.errors import UsageError
from imgforge.settings import Settings


def test_places_follow_the_xdg_base_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/srv/cache")
    got = Settings.default()
    assert (got.store, got.cache) == (Path("/srv/data/imgforge/store"), Path("/srv/cache/imgforge"))


def test_a_relative_base_directory_is_ignored_as_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings.default().store == Path("/home/ada/.local/share/imgforge/store")


def test_the_environment_says_where_the_store_and_the_cache_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFORGE_STORE", "/srv/images")
    monkeypatch.setenv("IMGFORGE_CACHE", "/srv/scratch")
    got = Settings.default()
    assert (got.store, got.cache) == (Path("/srv/images"), Path("/srv/scratch"))


def test_what_is_given_counts_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMGFORGE_STORE", "/srv/images")
    assert Settings.default(store=tmp_path).store == tmp_path


def test_a_relative_place_is_made_absolute_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.default(store=Path("store")).store == tmp_path / "store"


@pytest.fixture
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "IMGFORGE_CONFIG", "HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)


@pytest.mark.usefixtures("_no_home")
def test_a_user_without_a_home_must_say_where() -> None:
    with pytest.raises(UsageError, match="this user has none, and the store is in it by default") as caught:
        Settings.default(cache=Path("/srv/cache"))
    assert caught.value.__notes__ == ["set it with --store or IMGFORGE_STORE"]


@pytest.mark.usefixtures("_no_home")
def test_a_user_without_a_home_needs_none_when_it_says_where(tmp_path: Path) -> None:
    assert Settings.default(store=tmp_path, cache=tmp_path).store == tmp_path


def test_the_shipped_manifests_are_looked_up_last(tmp_path: Path) -> None:
    assert Settings.default(manifests=(tmp_path,)).manifests == (tmp_path, settings.shipped_manifests())


def test_given_mirrors_count_before_configured_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("imgforge: 1\nmirrors: {trixie: https://configured.example.org/}\n")
    monkeypatch.setenv("IMGFORGE_CONFIG", str(path))
    given = ("trixie", "https://given.example.org/")
    assert Settings.default(mirrors=(given,)).mirrors == (given, ("trixie", "https://configured.example.org/"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bookworm=https://mirrors.wikimedia.org/debian", ("bookworm", "https://mirrors.wikimedia.org/debian")),
        ("https://a.example.org/=file:/srv/mirror", ("https://a.example.org/", "file:/srv/mirror")),
        ("sid=https://example.org/?key=value", ("sid", "https://example.org/?key=value")),
    ],
)
def test_a_mirror_is_read_up_to_the_first_equals_sign(text: str, expected: tuple[str, str]) -> None:
    assert Settings.mirror(text) == expected


@pytest.mark.parametrize("text", ["", "bookworm", "=https://example.org/", "bookworm=", "a b=https://example.org/"])
def test_a_mirror_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected SUITE=URI or FROM=TO"):
        Settings.mirror(text)


def test_a_refused_mirror_does_not_repeat_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        Settings.mirror("bookworm=htps://ada:secret@example.org/")
    assert "secret" not in str(caught.value)


def test_passwords_of_mirrors_do_not_stand_in_the_repr() -> None:
    assert "secret" not in repr(Settings.default(mirrors=(("sid", "https://ada:secret@example.org/"),)))


def test_jobs_are_the_processors_that_this_process_may_use() -> None:
    assert Settings.default().jobs == len(os.sched_getaffinity(0))


def test_no_jobs_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="jobs: expected 1 or more, got 0"):
        Settings.default(jobs=0)
