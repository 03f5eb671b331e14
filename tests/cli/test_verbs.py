"""The verbs from words to printed results, on a manifest that needs no package and so no archive."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest
from builders import images

from imgforge.cli.main import main
from imgforge.store.layout import Layout

MANIFEST = """\
imgforge: 1
name: tiny
base: scratch
files: [{from: hello.txt, to: /srv/hello.txt}]
config: {user: "900:900", workdir: /srv, ports: [8080], env: {LANG: C.UTF-8}}
"""


@attrs.frozen
class Bench:
    """A directory with a manifest, a store and a cache, and the command line on it."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def manifest(self) -> str:
        return str(self.directory / "tiny.yaml")

    def perform(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a verb."""
        self.capsys.readouterr()
        places = ("--store", str(self.directory / "store"), "--cache", str(self.directory / "cache"))
        code = main([verb, *places, *words])
        said = self.capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    (tmp_path / "hello.txt").write_text("hello\n")
    (tmp_path / "tiny.yaml").write_text(MANIFEST)
    return Bench(tmp_path, capsys)


def test_build_prints_name_and_digest_and_nothing_else(bench: Bench) -> None:
    code, out, _ = bench.perform("build", bench.manifest)
    assert code == 0
    assert re.fullmatch(r"tiny@sha256:[0-9a-f]{64}\n", out)
    assert bench.perform("build", bench.manifest)[1] == out


def test_build_writes_further_outputs(bench: Bench) -> None:
    _, out, _ = bench.perform("build", bench.manifest, "--output", f"oci:{bench.directory}/out:v1")
    layout = Layout(bench.directory / "out")
    assert out == f"tiny@{layout.resolve('v1').digest}\n"


def test_events_of_a_build_are_json_and_its_result_is_not(bench: Bench) -> None:
    code, out, err = bench.perform("build", bench.manifest, "--json")
    assert code == 0
    assert out.startswith("tiny@sha256:")
    assert {"started", "finished"} <= {json.loads(line)["event"] for line in err.splitlines()}


def test_a_stale_lock_is_refused_where_it_must_fit(bench: Bench) -> None:
    assert bench.perform("lock", bench.manifest)[0] == 0
    assert bench.perform("build", bench.manifest, "--locked")[0] == 0
    Path(bench.manifest).write_text(MANIFEST + "without: [dmsetup]\n")
    code, out, err = bench.perform("build", bench.manifest, "--locked")
    assert (code, out) == (3, "")
    assert "tiny.lock.json: does not answer the manifest" in err
    assert "hint: run `imgforge lock" in err


def test_lock_says_where_it_is(bench: Bench) -> None:
    code, out, _ = bench.perform("lock", bench.manifest, "--json")
    assert code == 0
    assert json.loads(out)["path"] == str(bench.directory / "tiny.lock.json")
    assert "nothing changed" in bench.perform("lock", bench.manifest)[2]


def test_several_manifests_are_locked_and_one_that_fails_stops_none(bench: Bench) -> None:
    names = []
    for name, packages in (
        ("first", ""),
        ("second", "packages: [no-such-package]\n"),
        ("third", "color: red\n"),
        ("last", ""),
    ):
        path = bench.directory / f"{name}.yaml"
        path.write_text(MANIFEST.replace("name: tiny", f"name: {name}") + packages)
        names.append(str(path))
    code, out, err = bench.perform("lock", *names, "--json")
    assert [row["manifest"] for row in json.loads(out)] == [names[0], names[3]]
    assert code != 0
    assert "third.yaml:" in err
    assert "second.yaml: is not locked" in err
    assert (bench.directory / "last.lock.json").exists()
    assert not (bench.directory / "second.lock.json").exists()


def test_plan_makes_no_image(bench: Bench) -> None:
    code, out, _ = bench.perform("plan", bench.manifest)
    assert (code, out.splitlines()[-1]) == (0, "0 packages, 0 B to fetch")
    assert json.loads(bench.perform("plan", bench.manifest, "--json")[1])["name"] == "tiny"
    assert bench.perform("images")[1] == ""


def test_why_of_a_package_that_is_not_there_is_an_error(bench: Bench) -> None:
    code, out, err = bench.perform("why", bench.manifest, "dmsetup")
    assert (code, out) == (2, "")
    assert "dmsetup" in err


def test_images_are_a_table_or_json(bench: Bench) -> None:
    bench.perform("build", bench.manifest)
    header, row = bench.perform("images")[1].splitlines()
    assert header.split() == ["NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"]
    assert row.split()[0] == "tiny"
    assert [image["name"] for image in json.loads(bench.perform("images", "--json")[1])] == ["tiny"]


def test_a_store_without_images_is_said_to_be_empty(bench: Bench) -> None:
    assert bench.perform("images") == (0, "", f"            {bench.directory}/store: no images yet\n")


def test_inspect_shows_configuration_and_layers(bench: Bench) -> None:
    digest = bench.perform("build", bench.manifest)[1].strip().partition("@")[2]
    facts, layers = bench.perform("inspect", "tiny")[1].split("\n\n")
    assert dict(line.split(maxsplit=1) for line in facts.splitlines())["digest"] == digest
    assert dict(line.split(maxsplit=1) for line in facts.splitlines())["ports"] == "8080/tcp"
    assert len(layers.splitlines()) == 2
    assert json.loads(bench.perform("inspect", "tiny", "--json")[1])["digest"] == digest


def test_inspect_of_scripts_is_a_table_even_when_none_ran(bench: Bench) -> None:
    bench.perform("build", bench.manifest)
    assert bench.perform("inspect", "tiny", "--scripts")[:2] == (0, "SCRIPT  TIME\n")


def test_an_image_without_a_command_cannot_be_run(bench: Bench) -> None:
    bench.perform("build", bench.manifest)
    code, out, err = bench.perform("run", "tiny")
    assert (code, out) == (2, "")
    assert "no command" in err


def test_gc_frees_what_no_image_needs(bench: Bench) -> None:
    layout = Layout(bench.directory / "store")
    bench.perform("build", bench.manifest)
    made = images.build_image({"a": b"x" * 1_000})
    images.put(made, layout, "other")
    layout.remove("other")
    code, out, _ = bench.perform("gc")
    assert (code, out.splitlines()[0].split(",")[0]) == (0, "store: 3 blobs")
    assert json.loads(bench.perform("gc", "--json")[1])["blobs"] == 0
    images.check_layout(layout)


def test_rm_removes_names_and_prints_them_with_their_digests(bench: Bench) -> None:
    built = bench.perform("build", bench.manifest)[1]
    digest = built.strip().partition("@")[2]
    bench.perform("tag", "tiny", "tiny:old")
    assert bench.perform("rm", "tiny:old", f"tiny@{digest}") == (0, f"tiny@{digest}\ntiny:old@{digest}\n", "")
    assert json.loads(bench.perform("images", "--json")[1]) == []
    assert bench.perform("gc")[1].startswith("store: 3 blobs")


def test_rm_of_a_digest_removes_all_names_of_the_image(bench: Bench) -> None:
    digest = bench.perform("build", bench.manifest)[1].strip().partition("@")[2]
    bench.perform("tag", "tiny", "other")
    removed = json.loads(bench.perform("rm", "--json", digest)[1])
    assert removed == [{"name": "tiny", "digest": digest}, {"name": "other", "digest": digest}]


OTHER_DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("tynie",), 10, "expected image 'tynie', got no such one"),
        (("tiny", "none"), 10, "expected image 'none'"),
        ((f"tiny@{OTHER_DIGEST}",), 10, f"tiny: expected {OTHER_DIGEST}, got sha256:"),
        ((OTHER_DIGEST,), 10, "got no such one"),
        (("sha256:12",), 2, "expected sha256:<64 hex>"),
        (("docker://example.org/tiny",), 2, "expected an image of the store"),
        (("oci:dir:tiny",), 2, "expected an image of the store"),
        (("../tiny",), 2, "image name"),
        ((), 2, "required: IMAGE"),
    ],
)
def test_what_rm_refuses_removes_nothing(bench: Bench, words: tuple[str, ...], code: int, says: str) -> None:
    bench.perform("build", bench.manifest)
    done, out, err = bench.perform("rm", *words)
    assert (done, out) == (code, "")
    assert says in err
    assert [image["name"] for image in json.loads(bench.perform("images", "--json")[1])] == ["tiny"]


def test_rm_suggests_a_name_that_is_close(bench: Bench) -> None:
    assert "got a store without images" in bench.perform("rm", "tynie")[2]
    bench.perform("build", bench.manifest)
    assert "hint: did you mean 'tiny'?" in bench.perform("rm", "tinny")[2]
