"""An image's config: platform, execution parameters, diff_ids of the layers, and history.

Sources: OCI image-spec v1.1, config.md; Docker Image Specification v1.2, whose configs have the same members. A parsed
config keeps its original bytes. Docker's own members (Healthcheck, OnBuild, Shell) are kept in those bytes but not
parsed; configs made by imgforge have only the members of the OCI specification.
"""

from __future__ import annotations

from typing import Any, Self

import attrs

from imgforge.digest import Digest
from imgforge.oci import media
from imgforge.oci.descriptor import Descriptor, read_digest
from imgforge.oci.document import DocumentError, Node, dump, parse
from imgforge.oci.platform import Platform

Pairs = tuple[tuple[str, str], ...]

_LINUX = Platform("linux", "")


@attrs.frozen
class History:
    """An entry of the image's history.

    Attributes:
        created: RFC 3339; empty if unknown.
        created_by: the command that created the layer.
        comment: free text.
        author: who created the layer.
        is_empty: whether the entry has no layer.
    """

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    is_empty: bool = False

    @classmethod
    def read(cls, node: Node) -> Self:
        """Read an entry of ``history``.

        Raises:
            DocumentError: malformed member.
        """
        empty = node.find("empty_layer")
        return cls(
            created=_text(node, "created"),
            created_by=_text(node, "created_by"),
            comment=_text(node, "comment"),
            author=_text(node, "author"),
            is_empty=empty.flag() if empty else False,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON object, without empty members."""
        members = {
            "created": self.created,
            "created_by": self.created_by,
            "comment": self.comment,
            "author": self.author,
            "empty_layer": self.is_empty,
        }
        return {key: value for key, value in members.items() if value}


@attrs.frozen
class Overrides:
    """Changes to the execution parameters of the base. None or empty means unchanged."""

    user: str | None = None
    workdir: str | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    stop_signal: str | None = None
    env: Pairs = ()
    labels: Pairs = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    def describe(self) -> tuple[str, ...]:
        """Return one line per change, for the history."""
        words = (
            ("user", self.user),
            ("workdir", self.workdir),
            ("entrypoint", None if self.entrypoint is None else " ".join(self.entrypoint)),
            ("cmd", None if self.cmd is None else " ".join(self.cmd)),
            ("stop-signal", self.stop_signal),
        )
        return (
            *(f"{key} {value}".rstrip() for key, value in words if value is not None),
            *(f"env {key}={value}" for key, value in self.env),
            *(f"label {key}={value}" for key, value in sorted(self.labels)),
            *(f"port {port}" for port in sorted(self.ports)),
            *(f"volume {volume}" for volume in sorted(self.volumes)),
        )


@attrs.frozen
class Execution:
    """The execution parameters of a container.

    Attributes:
        user: name or uid, optionally with ``:group``; empty for root.
        env: in order.
        entrypoint: the command; None if not set.
        cmd: arguments of the entrypoint, or the command if there is no entrypoint; None if not set.
        workdir: absolute path; empty for ``/``.
        ports: such as ``8080/tcp``, sorted.
        labels: sorted by key.
        stop_signal: name or number; empty for SIGTERM.
        volumes: absolute paths, sorted.
    """

    user: str = ""
    env: Pairs = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str = ""
    ports: tuple[str, ...] = ()
    labels: Pairs = ()
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()

    @classmethod
    def read(cls, node: Node) -> Self:
        """Read the ``config`` member.

        Raises:
            DocumentError: malformed member.
        """
        env = node.find("Env")
        variables = env.texts() if env else ()
        labels = node.find("Labels")
        return cls(
            user=_text(node, "User"),
            env=tuple(pair for text in variables for pair in _variable(text)),
            entrypoint=_argv(node, "Entrypoint"),
            cmd=_argv(node, "Cmd"),
            workdir=_text(node, "WorkingDir"),
            ports=_set(node, "ExposedPorts"),
            labels=labels.pairs() if labels else (),
            stop_signal=_text(node, "StopSignal"),
            volumes=_set(node, "Volumes"),
        )

    def override(self, changes: Overrides) -> Self:
        """Return the parameters with changes applied, by the rules of Dockerfiles.

        Variables and labels replace those of the same name; ports and volumes are added. Setting an entrypoint without
        a cmd drops the base's cmd, which was not meant as arguments of that entrypoint.
        """
        cmd = self.cmd if changes.entrypoint is None else None
        return attrs.evolve(
            self,
            user=self.user if changes.user is None else changes.user,
            env=tuple((dict(self.env) | dict(changes.env)).items()),
            entrypoint=self.entrypoint if changes.entrypoint is None else changes.entrypoint,
            cmd=cmd if changes.cmd is None else changes.cmd,
            workdir=self.workdir if changes.workdir is None else changes.workdir,
            ports=tuple(sorted({*self.ports, *changes.ports})),
            labels=tuple(sorted((dict(self.labels) | dict(changes.labels)).items())),
            stop_signal=self.stop_signal if changes.stop_signal is None else changes.stop_signal,
            volumes=tuple(sorted({*self.volumes, *changes.volumes})),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the ``config`` member, without empty members."""
        members: dict[str, Any] = {
            "User": self.user,
            "Env": [f"{key}={value}" for key, value in self.env],
            "Entrypoint": self.entrypoint,
            "Cmd": self.cmd,
            "WorkingDir": self.workdir,
            "ExposedPorts": {port: {} for port in self.ports},
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Volumes": {volume: {} for volume in self.volumes},
        }
        return {key: value for key, value in members.items() if value}


@attrs.frozen
class ImageConfig:
    """An image config.

    Attributes:
        raw: the original bytes.
        platform: the platform that it runs on.
        diff_ids: digests of the uncompressed layers, lowest first.
        history: oldest first.
        execution: the execution parameters.
        created: RFC 3339; empty if unknown.
    """

    raw: bytes = attrs.field(repr=False)
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...] = ()
    execution: Execution = attrs.field(factory=Execution)
    created: str = ""

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Self:
        """Parse a config; without a platform, which config.md forbids and Docker accepts, it is one for Linux.

        Raises:
            DocumentError: not an image config.
        """
        node = parse(raw, what=what)
        rootfs = node.need("rootfs")
        kind = rootfs.need("type")
        if kind.text() != "layers":
            raise kind.wrong("'layers'")  # config.md: implementations must refuse another value
        history, execution = node.find("history"), node.find("config")
        return cls(
            raw,
            Platform.read(node, default=_LINUX),
            tuple(read_digest(entry) for entry in rootfs.listed("diff_ids")),
            history=tuple(History.read(entry) for entry in history.items()) if history else (),
            execution=Execution.read(execution) if execution else Execution(),
            created=_text(node, "created"),
        )

    @classmethod
    def make(
        cls,
        platform: Platform,
        diff_ids: tuple[Digest, ...],
        *,
        history: tuple[History, ...],
        execution: Execution,
        created: str,
    ) -> Self:
        """Return a new config, serialized canonically.

        Raises:
            DocumentError: the history does not match the number of layers.
        """
        steps = sum(not entry.is_empty for entry in history)
        if steps != len(diff_ids):
            raise DocumentError(f"new config: expected history of {len(diff_ids)} layers, got {steps}")
        members = {
            **platform.to_json(),
            "created": created,
            "config": execution.to_json(),
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
            "history": [entry.to_json() for entry in history],
        }
        return cls.parse(dump(members), what="new config")

    @property
    def digest(self) -> Digest:
        """The digest of the bytes. Docker calls it the image ID."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The config's descriptor, with OCI's media type."""
        return Descriptor(media.CONFIG, self.digest, len(self.raw))

    @property
    def full_history(self) -> tuple[History, ...]:
        """The history with exactly one non-empty entry per layer, as needed to add layers on top.

        The specification makes history optional, and tools that flatten images may leave the old one in place. Missing
        entries are added; a history with more entries than layers is dropped, because it describes other layers.
        """
        steps = sum(not entry.is_empty for entry in self.history)
        kept = self.history if steps <= len(self.diff_ids) else ()
        missing = len(self.diff_ids) - (steps if kept else 0)
        return (*kept, *(History(comment="the base says nothing about this layer"),) * missing)


def _text(node: Node, key: str) -> str:
    found = node.find(key)
    return found.text() if found else ""


def _argv(node: Node, key: str) -> tuple[str, ...] | None:
    """Return a command; a string is its only word, as Docker reads it (``strslice.StrSlice``)."""
    found = node.find(key)
    if found and isinstance(found.value, str):
        return (found.value,)
    return found.texts() or None if found else None


def _set(node: Node, key: str) -> tuple[str, ...]:
    found = node.find(key)
    return found.keys() if found else ()


def _variable(text: str) -> Pairs:
    """Return a variable; empty for an entry without a name or ``=``, which defines none.

    Docker treats a bare name as unset (``ReplaceOrAppendEnvValues``); a variable without a name is not portable
    (POSIX.1-2017, Base Definitions, 8.1).
    """
    name, equals, value = text.partition("=")
    return ((name, value),) if name and equals else ()
