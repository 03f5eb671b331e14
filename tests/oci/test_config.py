from __future__ import annotations

import json
from typing import Any

import pytest

from imgforge.digest import Digest
from imgforge.errors import IntegrityError
from imgforge.oci import document
from imgforge.oci.config import Execution, History, ImageConfig, Overrides
from imgforge.oci.document import DocumentError
from imgforge.oci.platform import Platform

DIFF = Digest.of(b"layer")
DOCKER = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2023-11-14T22:13:20.123456789Z",
    "docker_version": "20.10",
    "container_config": {"Hostname": "x"},
    "config": {
        "Hostname": "",
        "User": "www-data",
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Env": ["PATH=/bin", "EMPTY=", "EQUALS=a=b", "BARE"],
        "Entrypoint": None,
        "Cmd": ["httpd", "-X"],
        "Image": "sha256:1",
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "OnBuild": None,
        "Labels": {"b": "2", "a": "1"},
        "StopSignal": "SIGWINCH",
    },
    "rootfs": {"type": "layers", "diff_ids": [str(DIFF), str(DIFF)]},
    "history": [
        {"created": "2023-11-14T22:13:20Z", "created_by": "ADD", "author": "A"},
        {"created_by": "CMD", "empty_layer": True, "comment": "c"},
        {"created_by": "COPY"},
    ],
}


def config(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (DOCKER | changes).items() if value is not ...}).encode()


def test_a_docker_config_is_read_and_keeps_its_bytes() -> None:
    found = ImageConfig.parse(config(), what="it")
    assert found.raw == config()
    assert found.digest == Digest.of(config())
    assert found.platform == Platform("linux", "arm64", "v8")
    assert found.diff_ids == (DIFF, DIFF)
    assert found.created == "2023-11-14T22:13:20.123456789Z"
    assert found.execution == Execution(
        user="www-data",
        env=(("PATH", "/bin"), ("EMPTY", ""), ("EQUALS", "a=b")),
        entrypoint=None,
        cmd=("httpd", "-X"),
        workdir="/srv",
        ports=("443/tcp", "80/tcp"),
        labels=(("a", "1"), ("b", "2")),
        stop_signal="SIGWINCH",
        volumes=("/data",),
    )
    assert found.history == (
        History("2023-11-14T22:13:20Z", "ADD", author="A"),
        History(created_by="CMD", comment="c", is_empty=True),
        History(created_by="COPY"),
    )


def test_a_made_config_is_read_back_the_same() -> None:
    execution = ImageConfig.parse(config(), what="it").execution
    history = (History("2023-11-14T22:13:20Z", "a"), History(created_by="b", is_empty=True))
    made = ImageConfig.make(
        Platform("linux", "amd64"), (DIFF,), history=history, execution=execution, created="2023-11-14T22:13:20Z"
    )
    assert ImageConfig.parse(made.raw, what="it") == made
    assert (made.execution, made.history, made.diff_ids) == (execution, history, (DIFF,))
    assert document.parse(made.raw, what="it").value["config"]["Env"] == ["PATH=/bin", "EMPTY=", "EQUALS=a=b"]
    assert made.descriptor.size == len(made.raw)


def test_a_config_may_leave_out_all_but_platform_and_rootfs() -> None:
    raw = b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}'
    assert ImageConfig.parse(raw, what="it") == ImageConfig(raw, Platform("linux", "amd64"), ())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rootfs": ...}, "it: expected a member 'rootfs', got none"),
        ({"rootfs": {"type": "zfs", "diff_ids": []}}, "it: rootfs: type: expected 'layers', got 'zfs'"),
        ({"rootfs": {"type": "layers"}}, "it: rootfs: expected a member 'diff_ids', got none"),
        ({"rootfs": {"type": "layers", "diff_ids": ["x"]}}, "it: rootfs: diff_ids[0]: digest x:''"),
        ({"architecture": 64}, "it: architecture: expected text, got 64"),
        ({"config": []}, "it: config: expected an object, got an array"),
        ({"config": {"Env": "A=1"}}, "it: config: Env: expected an array, got 'A=1'"),
        ({"config": {"Cmd": 7}}, "it: config: Cmd: expected an array, got 7"),
        ({"config": {"Env": [7]}}, "it: config: Env[0]: expected text, got 7"),
        ({"os": 7}, "it: os: expected text, got 7"),
        ({"config": {"Labels": {"a": 1}}}, "it: config: Labels: a: expected text, got 1"),
        ({"config": {"ExposedPorts": ["80"]}}, "it: config: ExposedPorts: expected an object, got an array"),
        ({"history": [{"empty_layer": "yes"}]}, "it: history[0]: empty_layer: expected true or false, got 'yes'"),
        ({"history": ["x"]}, "it: history[0]: expected an object, got 'x'"),
    ],
)
def test_a_config_that_is_not_what_its_format_says_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IntegrityError) as error:
        ImageConfig.parse(config(**changes), what="it")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "execution"),
    [
        ({"Env": None, "Cmd": None, "Labels": None, "ExposedPorts": None, "Volumes": None, "User": None}, {}),
        ({"Env": [], "Cmd": [], "Entrypoint": [], "Labels": {}, "User": "", "WorkingDir": ""}, {}),
        ({"Env": ["=x", "=", "", "BARE", None]}, {}),
        ({"Env": ["A=1", "=x", "A=2"]}, {"env": (("A", "1"), ("A", "2"))}),
        ({"Cmd": "sh"}, {"cmd": ("sh",)}),
        ({"Entrypoint": "/bin/a b"}, {"entrypoint": ("/bin/a b",)}),
        ({"Cmd": ["a", None, ""]}, {"cmd": ("a", "", "")}),
        ({"Labels": {"a": None, "b": ""}}, {"labels": (("a", ""), ("b", ""))}),
        ({"ExposedPorts": {"80/tcp": None}, "Volumes": {"/v": None}}, {"ports": ("80/tcp",), "volumes": ("/v",)}),
        ({"ArgsEscaped": True, "Memory": 7, "MacAddress": "", "Unknown": {"a": [1]}}, {}),
    ],
)
def test_what_writers_leave_empty_is_empty(changes: dict[str, Any], execution: dict[str, Any]) -> None:
    found = ImageConfig.parse(config(config=changes, created=None, history=None), what="it")
    assert found.execution == Execution(**execution)
    assert (found.created, found.history) == ("", ())


def test_null_diff_ids_are_none() -> None:
    """Go writes an empty list so."""
    assert ImageConfig.parse(config(rootfs={"type": "layers", "diff_ids": None}), what="it").diff_ids == ()


@pytest.mark.parametrize(
    ("changes", "platform"),
    [
        ({"os": ..., "architecture": ..., "variant": ...}, Platform("linux", "")),
        ({"os": "", "architecture": "arm64", "variant": ...}, Platform("linux", "arm64")),
        ({"os": None, "architecture": None, "variant": None}, Platform("linux", "")),
        ({"os": "windows", "architecture": "", "variant": ...}, Platform("windows", "")),
    ],
)
def test_a_config_without_a_platform_is_for_linux(changes: dict[str, Any], platform: Platform) -> None:
    assert ImageConfig.parse(config(**changes), what="it").platform == platform


def test_history_of_another_number_of_layers_cannot_be_made() -> None:
    with pytest.raises(DocumentError, match="expected history of 1 layers, got 0"):
        ImageConfig.make(
            Platform("linux", "amd64"), (DIFF,), history=(History(is_empty=True),), execution=Execution(), created=""
        )


@pytest.mark.parametrize(
    ("history", "steps"),
    [
        ([], ["?", "?"]),
        ([{"created_by": "a"}], ["a", "?"]),
        ([{"created_by": "a"}, {"created_by": "b"}], ["a", "b"]),
        ([{"created_by": "a"}, {"created_by": "b"}, {"created_by": "c"}], ["?", "?"]),
    ],
)
def test_full_history_has_one_step_for_each_layer(history: list[dict[str, str]], steps: list[str]) -> None:
    found = ImageConfig.parse(config(history=history), what="it").full_history
    assert [step.created_by or "?" for step in found] == steps


def test_changes_lie_on_top_of_the_base_as_in_dockerfiles() -> None:
    base = ImageConfig.parse(config(), what="it").execution
    changed = base.override(
        Overrides(
            user="app",
            entrypoint=("run",),
            env=(("PATH", "/usr/bin"), ("NEW", "1")),
            labels=(("0", "z"), ("a", "9")),
            ports=("8080/tcp", "80/tcp"),
            volumes=("/a",),
        )
    )
    assert changed == Execution(
        user="app",
        env=(("PATH", "/usr/bin"), ("EMPTY", ""), ("EQUALS", "a=b"), ("NEW", "1")),
        entrypoint=("run",),
        cmd=None,
        workdir="/srv",
        ports=("443/tcp", "80/tcp", "8080/tcp"),
        labels=(("0", "z"), ("a", "9"), ("b", "2")),
        stop_signal="SIGWINCH",
        volumes=("/a", "/data"),
    )


def test_no_changes_change_nothing() -> None:
    base = ImageConfig.parse(config(), what="it").execution
    assert base.override(Overrides()) == base
    assert Overrides().describe() == ()


def test_a_base_value_can_be_taken_away() -> None:
    base = ImageConfig.parse(config(), what="it").execution
    changed = base.override(Overrides(user="", cmd=(), workdir=""))
    assert (changed.user, changed.cmd, changed.workdir) == ("", (), "")
    assert "Cmd" not in changed.to_json()


def test_changes_are_described_one_by_one() -> None:
    changes = Overrides(
        user="app",
        workdir="/srv",
        entrypoint=("a", "b"),
        cmd=(),
        stop_signal="SIGINT",
        env=(("A", "1"),),
        labels=(("l", "2"),),
        ports=("80/tcp",),
        volumes=("/v",),
    )
    assert changes.describe() == (
        "user app",
        "workdir /srv",
        "entrypoint a b",
        "cmd",
        "stop-signal SIGINT",
        "env A=1",
        "label l=2",
        "port 80/tcp",
        "volume /v",
    )
