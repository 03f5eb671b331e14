"""Manifests on disk: found by name, read under caps, and nothing of theirs lies elsewhere."""

import os
from pathlib import Path, PurePosixPath

import pytest

from imgforge.errors import ManifestError, Position, UsageError
from imgforge.manifest import files

TEXT = "imgforge: 1\nname: {}\nbase: b\n"


def put(directory: Path, *names: str, text: str = TEXT) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format("a"), encoding="utf-8")


def test_a_manifest_is_found_by_name_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "base/one.yaml", "examples/two/manifest.yaml", "deep/er/still/three.yml")
    found = [files.find(name, [tmp_path]).relative_to(tmp_path) for name in ("one", "two", "three")]
    assert [str(path) for path in found] == ["base/one.yaml", "examples/two/manifest.yaml", "deep/er/still/three.yml"]


def test_the_first_directory_that_has_it_wins(tmp_path: Path) -> None:
    put(tmp_path, "first/a.yaml", "second/a.yaml", "second/b.yaml")
    directories = [tmp_path / "missing", tmp_path / "first", tmp_path / "second"]
    assert files.find("a", directories) == tmp_path / "first" / "a.yaml"
    assert files.find("b", directories) == tmp_path / "second" / "b.yaml"


def test_a_name_that_a_directory_has_twice_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "x/a.yaml", "y/a.yaml")
    with pytest.raises(UsageError, match=r"a: expected one manifest, got .*/x/a\.yaml and .*/y/a\.yaml"):
        files.find("a", [tmp_path])


def test_a_name_that_nobody_has_is_refused_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^a: no manifest of this name below {tmp_path}$"):
        files.find("a", [tmp_path])
    with pytest.raises(UsageError, match=r"below any directory$"):
        files.find("a", [])


def test_material_beside_a_manifest_is_no_manifest(tmp_path: Path) -> None:
    put(tmp_path, "app/manifest.yaml", "app/src/settings.yaml", "app/other.yaml", ".git/hidden.yaml")
    assert [str(path.relative_to(tmp_path)) for path in files.manifests(tmp_path)] == ["app/manifest.yaml"]


def test_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "real/a.yaml")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    assert [path.name for path in files.manifests(tmp_path)] == ["a.yaml"]


def test_manifests_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    put(tmp_path, "c.yaml", "a/z.yaml", "b/manifest.yaml", "a/a.yaml")
    found = [str(path.relative_to(tmp_path)) for path in files.manifests(tmp_path)]
    assert found == ["a/a.yaml", "a/z.yaml", "b/manifest.yaml", "c.yaml"]


def test_a_manifest_knows_its_lock_and_its_tree(tmp_path: Path) -> None:
    put(tmp_path, "manifests/runtimes/x.yaml")
    read = files.read(tmp_path / "manifests" / "runtimes" / "x.yaml")
    assert read.manifest.name == "a"
    assert read.lock == tmp_path / "manifests" / "runtimes" / "a.lock.json"
    assert read.tree == tmp_path / "manifests"


def test_the_tree_of_a_lonely_manifest_is_its_directory(tmp_path: Path) -> None:
    assert files.tree_of(tmp_path / "x.yaml") == tmp_path


def test_a_directory_stands_for_the_manifest_in_it(tmp_path: Path) -> None:
    put(tmp_path, "app/manifest.yaml")
    assert files.read(tmp_path / "app").path == tmp_path / "app" / "manifest.yaml"
    with pytest.raises(UsageError, match=r"expected a manifest, got a directory without 'manifest\.yaml'$"):
        files.read(tmp_path)


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.yaml: cannot be read: no such file or directory$"):
        files.read(tmp_path / "x.yaml")


def test_a_pipe_is_no_manifest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(UsageError, match="expected a file, got a directory, pipe or device"):
        files.read(tmp_path / "x.yaml")


def test_a_large_manifest_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "x.yaml").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ManifestError, match=r"x\.yaml:1:1: .*expected at most 4194304 bytes, got more"):
        files.read(tmp_path / "x.yaml")


def test_bytes_that_are_not_utf_8_are_refused_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"imgforge: 1\nname: \xff\n")
    with pytest.raises(ManifestError, match=r"x\.yaml:2:7: expected UTF-8, got the byte 0xff$"):
        files.read(tmp_path / "x.yaml")


def test_keys_lie_beside_the_manifest_or_at_the_root_of_its_tree(tmp_path: Path) -> None:
    put(tmp_path, "manifests/base/x.yaml")
    put(tmp_path, "manifests/keys/k.asc", text="root's")
    read = files.read(tmp_path / "manifests" / "base" / "x.yaml")
    assert read.keys(PurePosixPath("keys/k.asc")) == b"root's"
    put(tmp_path, "manifests/base/keys/k.asc", text="its own")
    assert read.keys(PurePosixPath("keys/k.asc")) == b"its own"


def test_files_lie_below_the_manifests_directory_only(tmp_path: Path) -> None:
    put(tmp_path, "manifests/base/x.yaml", "manifests/src/f", "manifests/base/mine/f")
    read = files.read(tmp_path / "manifests" / "base" / "x.yaml")
    assert read.source(PurePosixPath("mine")) == tmp_path / "manifests" / "base" / "mine"
    with pytest.raises(ManifestError, match=r"m:3:4: 'src' is not below .*/manifests/base$"):
        read.source(PurePosixPath("src"), position=Position("m", 3, 4))


@pytest.mark.parametrize("target", ["../../secret", "/etc/passwd", "../inside/../../../secret"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    put(tmp_path, "m/base/x.yaml", "secret", "m/inside/f")
    (tmp_path / "m" / "base" / "link").symlink_to(target)
    with pytest.raises(ManifestError, match="'link' leads out of "):
        files.read(tmp_path / "m" / "base" / "x.yaml").source(PurePosixPath("link"))


def test_a_link_in_the_middle_that_leads_out_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "m/x.yaml", "outside/f")
    (tmp_path / "m" / "d").symlink_to("../outside")
    with pytest.raises(ManifestError, match="'d/f' leads out of "):
        files.read(tmp_path / "m" / "x.yaml").keys(PurePosixPath("d/f"))


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "m/x.yaml", "m/real/f")
    (tmp_path / "m" / "link").symlink_to("real")
    read = files.read(tmp_path / "m" / "x.yaml")
    assert read.source(PurePosixPath("link")) == tmp_path / "m" / "real"


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "m/x.yaml")
    (tmp_path / "m" / "link").symlink_to("gone")
    with pytest.raises(ManifestError, match=r"'link' is a link to nothing$"):
        files.read(tmp_path / "m" / "x.yaml").source(PurePosixPath("link"))


def test_a_directory_is_no_file_of_keys(tmp_path: Path) -> None:
    put(tmp_path, "m/x.yaml", "m/keys/k")
    with pytest.raises(UsageError, match="keys: expected a file"):
        files.read(tmp_path / "m" / "x.yaml").keys(PurePosixPath("keys"))
