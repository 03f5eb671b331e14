"""Where this process runs, as far as it decides whether a sandbox can be made, and what to change there.

Each fact is read where the kernel or the container engine puts it; each advice is a line of docs/ci.md, which a test
tries with podman.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

_SYS_ADMIN = 21  # linux/capability.h
_MOST = 1 << 16
_ENGINES = {"docker": ".dockerenv", "podman": "run/.containerenv"}
_SERVICES = {"GITLAB_CI": "gitlab", "GITHUB_ACTIONS": "github"}
_SWITCHES = {
    "user.max_user_namespaces": "65536",
    "kernel.unprivileged_userns_clone": "1",
    "kernel.apparmor_restrict_unprivileged_userns": "0",
}
"""Settings of the kernel (sysctl) that forbid user namespaces to ordinary users, and the value that allows them.

Sources: namespaces(7); Debian's and Ubuntu's kernels have the second; Ubuntu's have the third since 23.10.
"""

_ADVICE = {
    "gitlab": "GitLab Runner: as an administrator, in `[runners.docker]` of its config.toml set "
    '`cap_add = ["SYS_ADMIN"]` and `security_opt = ["apparmor:unconfined"]`, and run the job as root',
    "github": "GitHub Actions: give the job no `container:`, or one with "
    "`options: --cap-add SYS_ADMIN --security-opt apparmor=unconfined`",
    "kubernetes": "Kubernetes: set `hostUsers: false` for the pod and, for the container, "
    "`securityContext: {procMount: Unmasked, seccompProfile: {type: Unconfined}}`",
    "docker": "Docker: start the container with "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`",
    "podman": "podman: start the container with `--security-opt seccomp=unconfined --security-opt unmask=ALL`",
}


@attrs.frozen
class Environment:
    """What is known of the machine or container.

    Attributes:
        engine: ``docker``, ``podman``, ``kubernetes``, or empty outside of containers.
        service: ``gitlab`` or ``github``, or empty.
        is_root: whether this process is root, here.
        has_admin: whether it has CAP_SYS_ADMIN.
        has_filter: whether a seccomp filter holds.
        forbidding: settings of the kernel that forbid user namespaces, in the order of `_SWITCHES`.
    """

    engine: str = ""
    service: str = ""
    is_root: bool = False
    has_admin: bool = False
    has_filter: bool = False
    forbidding: tuple[str, ...] = ()


def look(variables: Mapping[str, str] | None = None, *, root: Path = Path("/")) -> Environment:
    """Return what is known here; what cannot be read is taken for what is usual.

    Args:
        variables: the environment variables; this process's unless given.
        root: the root directory; another one is for tests.
    """
    variables = os.environ if variables is None else variables
    status = dict(line.partition(":")[::2] for line in _text(root / "proc/self/status").splitlines())
    engine = next((name for name, mark in _ENGINES.items() if (root / mark).exists()), "")
    return Environment(
        engine="kubernetes" if "KUBERNETES_SERVICE_HOST" in variables else engine,
        service=next((name for variable, name in _SERVICES.items() if variables.get(variable) == "true"), ""),
        is_root=_words(status, "Uid")[1:2] == ["0"],
        has_admin=bool(int((_words(status, "CapEff") or ["0"])[0], 16) >> _SYS_ADMIN & 1),
        has_filter=_words(status, "Seccomp") == ["2"],
        forbidding=tuple(_forbidding(root)),
    )


def advice(here: Environment) -> tuple[str, ...]:
    """Return what to change so that a sandbox works, most specific first."""
    lines = [f"user namespaces are forbidden: as root, `sysctl {name}={_SWITCHES[name]}`" for name in here.forbidding]
    if here.engine:
        lines.append(_ADVICE[here.engine if here.engine == "kubernetes" else here.service or here.engine])
        if here.has_filter:
            lines.append("the container has a seccomp filter, which may deny namespaces and mounts")
    elif not here.forbidding and not here.is_root:
        lines.append("an ordinary user needs user namespaces, and `uidmap` with ranges in /etc/subuid and /etc/subgid")
    elif not here.forbidding and not here.has_admin:
        lines.append("root needs CAP_SYS_ADMIN here, or user namespaces")
    return (*lines, "what works where: docs/ci.md")


def _forbidding(root: Path) -> Iterator[str]:
    for name, allowing in _SWITCHES.items():
        value = _text(root / "proc/sys" / name.replace(".", "/")).strip()
        if value.isdecimal() and (value == "0") != (allowing == "0"):
            yield name


def _words(status: Mapping[str, str], name: str) -> list[str]:
    return status.get(name, "").split()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST).decode("ascii", "replace")
    except OSError:
        return ""
