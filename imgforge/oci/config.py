"""An image's config: its platform, how it is run, the diff_ids of its layers and its history.

Sources: OCI image-spec v1.1, config.md; Docker Image Specification v1.2, whose configs have the same members. The bytes
that a config came in are kept. Members that only Docker knows (Healthcheck, OnBuild, Shell) stay in them and are
not read: an image that imgforge makes has the specification's members and no others.
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


@attrs.frozen
class History:
    """One step of how an image came to be; a step that is no layer is marked so.

    Attributes:
        created: RFC 3339; empty when unknown.
        created_by: what made the step.
        comment: what a person may want to know.
        author: who made it.
        is_empty: whether the step made no layer.
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
            DocumentError: a member is not what its format says.
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
        """Return the entry as a JSON object; members that say nothing are left out."""
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
    """What an image changes about how its base is run; None or empty changes nothing."""

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
        """Return one line for each thing that changes, for the history."""
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
    """How a container of the image is run.

    Attributes:
        user: name or uid, with ``:group`` or not; empty for root.
        env: in order.
        entrypoint: what is run; None when there is none.
        cmd: its arguments, or what is run when there is no entrypoint; None when there are none.
        workdir: absolute; empty for ``/``.
        ports: ``8080/tcp``, sorted.
        labels: sorted by key.
        stop_signal: a name or number; empty for SIGTERM.
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
        """Read a config's ``config``.

        Raises:
            DocumentError: a member is not what its format says.
        """
        env = node.find("Env")
        labels = node.find("Labels")
        return cls(
            user=_text(node, "User"),
            env=tuple(_variable(entry) for entry in env.items()) if env else (),
            entrypoint=_argv(node, "Entrypoint"),
            cmd=_argv(node, "Cmd"),
            workdir=_text(node, "WorkingDir"),
            ports=_set(node, "ExposedPorts"),
            labels=labels.pairs() if labels else (),
            stop_signal=_text(node, "StopSignal"),
            volumes=_set(node, "Volumes"),
        )

    def override(self, changes: Overrides) -> Self:
        """Return the execution with changes on top, by the rules of Dockerfiles, which people know.

        A variable or label replaces the one of its name; ports and volumes add up; an entrypoint without a cmd
        drops the base's cmd, which would otherwise become arguments of something that it was not written for.
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
        """Return the ``config`` member; members that say nothing are left out."""
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
    """What an image is, layer by layer, and how it is run.

    Attributes:
        raw: the bytes; everything else was read from them.
        platform: what it runs on.
        diff_ids: digests of the layers' tars, lowest first.
        history: oldest first.
        execution: how it is run.
        created: RFC 3339; empty when unknown.
    """

    raw: bytes = attrs.field(repr=False)
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...] = ()
    execution: Execution = attrs.field(factory=Execution)
    created: str = ""

    @classmethod
    def parse(cls, raw: bytes, *, what: str) -> Self:
        """Read a config.

        Raises:
            DocumentError: it is not what its format says.
        """
        node = parse(raw, what=what)
        rootfs = node.need("rootfs")
        kind = rootfs.need("type")
        if kind.text() != "layers":
            raise kind.wrong("'layers'")  # config.md: implementations must refuse another value
        history, execution = node.find("history"), node.find("config")
        return cls(
            raw,
            Platform.read(node),
            tuple(read_digest(entry) for entry in rootfs.need("diff_ids").items()),
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
        """Return a config in canonical bytes.

        Raises:
            DocumentError: the history names another number of layers than there are.
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
        """The digest of the bytes, which Docker calls the image ID."""
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """The config's descriptor, with OCI's media type."""
        return Descriptor(media.CONFIG, self.digest, len(self.raw))

    @property
    def full_history(self) -> tuple[History, ...]:
        """The history with exactly one step for each layer, as an image on top of this one must have it.

        The specification lets a config leave history out, and flattening tools leave the old one in: what is missing
        is filled in, and a history of more layers than there are says nothing about these ones.
        """
        steps = sum(not entry.is_empty for entry in self.history)
        kept = self.history if steps <= len(self.diff_ids) else ()
        missing = len(self.diff_ids) - (steps if kept else 0)
        return (*kept, *(History(comment="the base says nothing about this layer"),) * missing)


def _text(node: Node, key: str) -> str:
    found = node.find(key)
    return found.text() if found else ""


def _argv(node: Node, key: str) -> tuple[str, ...] | None:
    found = node.find(key)
    return found.texts() or None if found else None


def _set(node: Node, key: str) -> tuple[str, ...]:
    found = node.find(key)
    return found.keys() if found else ()


def _variable(node: Node) -> tuple[str, str]:
    name, _, value = node.text().partition("=")
    return name, value
