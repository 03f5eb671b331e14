"""What is known of a machine or container, and the advice that follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from imgforge.sandbox import environment
from imgforge.sandbox.environment import Environment

STATUS = "Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{caps}\nSeccomp:\t{seccomp}\n"


def machine(
    path: Path,
    *marks: str,
    uid: int = 1000,
    caps: str = "0",
    seccomp: int = 0,
    switches: Mapping[str, str] | None = None,
) -> Path:
    """Make a root directory with what `look` reads."""
    files = {"proc/self/status": STATUS.format(uid=uid, caps=caps, seccomp=seccomp), **dict.fromkeys(marks, "")}
    files |= {f"proc/sys/{name.replace('.', '/')}": f"{value}\n" for name, value in (switches or {}).items()}
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_nothing_that_can_be_read_is_the_usual(tmp_path: Path) -> None:
    assert environment.look({}, root=tmp_path) == Environment()


@pytest.mark.parametrize(
    ("mark", "variables", "engine", "service"),
    [
        (".dockerenv", {}, "docker", ""),
        ("run/.containerenv", {}, "podman", ""),
        (".dockerenv", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes", ""),
        (".dockerenv", {"GITLAB_CI": "true"}, "docker", "gitlab"),
        (".dockerenv", {"GITHUB_ACTIONS": "true"}, "docker", "github"),
        ("etc/hosts", {"GITHUB_ACTIONS": "true"}, "", "github"),
    ],
)
def test_engine_and_service_are_found(
    tmp_path: Path, mark: str, variables: dict[str, str], engine: str, service: str
) -> None:
    here = environment.look(variables, root=machine(tmp_path, mark))
    assert (here.engine, here.service) == (engine, service)


@pytest.mark.parametrize(
    ("name", "value", "forbidding"),
    [
        ("user.max_user_namespaces", "0", ("user.max_user_namespaces",)),
        ("user.max_user_namespaces", "63000", ()),
        ("kernel.unprivileged_userns_clone", "0", ("kernel.unprivileged_userns_clone",)),
        ("kernel.unprivileged_userns_clone", "1", ()),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", ("kernel.apparmor_restrict_unprivileged_userns",)),
        ("kernel.apparmor_restrict_unprivileged_userns", "0", ()),
        ("user.max_user_namespaces", "garbage", ()),
    ],
)
def test_settings_that_forbid_namespaces_are_named_with_the_command(
    tmp_path: Path, name: str, value: str, forbidding: tuple[str, ...]
) -> None:
    here = environment.look({}, root=machine(tmp_path, switches={name: value}))
    assert here.forbidding == forbidding
    said = environment.advice(here)
    assert [line for line in said if "sysctl" in line] == [
        f"user namespaces are forbidden: as root, `sysctl {one}={environment._SWITCHES[one]}`" for one in forbidding
    ]


def test_capabilities_and_filters_are_read(tmp_path: Path) -> None:
    here = environment.look({}, root=machine(tmp_path, uid=0, caps="00000000a80425fb", seccomp=2))
    assert (here.is_root, here.has_admin, here.has_filter) == (True, False, True)
    here = environment.look({}, root=machine(tmp_path, uid=0, caps="000001ffffffffff"))
    assert (here.is_root, here.has_admin, here.has_filter) == (True, True, False)


@pytest.mark.parametrize(
    ("here", "says"),
    [
        (Environment("podman"), "podman: start the container with `--security-opt seccomp=unconfined"),
        (Environment("docker"), "Docker: start the container with `--security-opt seccomp=unconfined"),
        (Environment("docker", "gitlab"), "GitLab Runner: as an administrator"),
        (Environment("docker", "github"), "GitHub Actions: give the job no `container:`"),
        (Environment("kubernetes"), "Kubernetes: set `hostUsers: false`"),
        (Environment("kubernetes", "gitlab"), "Kubernetes: set `hostUsers: false`"),
        (Environment(), "an ordinary user needs user namespaces"),
        (Environment(is_root=True), "root needs CAP_SYS_ADMIN here"),
    ],
)
def test_advice_is_for_the_very_environment(here: Environment, says: str) -> None:
    assert environment.advice(here)[0].startswith(says)
    assert environment.advice(here)[-1] == "what works where: docs/ci.md"
