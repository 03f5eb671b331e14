"""Trying the sandbox before anything is fetched or resolved for a build that will need it.

A build in which nothing changed needs none, and starts no process for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from imgforge import late
from imgforge.manifest.files import ManifestFile
from imgforge.oci.reference import DOCKER
from imgforge.pipeline.chain import Chain
from imgforge.pipeline.lock import locking
from imgforge.pipeline.lock.locking import Question
from imgforge.store.cache import Cache

grounds = late.module("imgforge.pipeline.registry.ground")


@attrs.frozen
class Probe:
    """Tries the sandbox of a build.

    Attributes:
        cache: knows the bases that were built on.
        workshop: returns the build's `workshop.client.Workshop`.
    """

    cache: Cache
    workshop: Callable[[], Any]

    def before_pulling(self, chain: Chain, *, platform: str, upgrade: tuple[str, ...] | None) -> None:
        """Try it if the base of a chain with packages must come from a registry.

        Args:
            chain: the manifests of the build.
            platform: whose part of a lock counts.
            upgrade: as `builder.Mode` has it.

        Raises:
            SandboxError: no sandbox works; its notes say what to change here.
        """
        if not chain.ground or not any(map(_has_packages, chain.files)):
            return
        is_free = len(chain.files) == 1 and upgrade == ()
        reference = grounds.wanted(chain.files[0], platform=platform, is_free=is_free)
        if reference.transport == DOCKER and grounds.recall(reference, name=str(reference), cache=self.cache) is None:
            _ = self.workshop().rung

    def before_resolving(self, question: Question, *, upgrade: tuple[str, ...] | None) -> None:
        """Try it if the packages of a manifest must be resolved.

        Args:
            question: what a lock has to answer.
            upgrade: as `builder.Mode` has it.

        Raises:
            SandboxError: as `before_pulling`.
        """
        if not _has_packages(question.file):
            return
        if upgrade is not None or locking.fitting(locking.read(question.file), question) is None:
            _ = self.workshop().rung


def _has_packages(file: ManifestFile) -> bool:
    return bool(file.manifest.packages or file.manifest.alternatives)
