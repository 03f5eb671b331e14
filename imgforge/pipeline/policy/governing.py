"""The policy, as a build meets it: whether there is one, what it has said before, and what to ask it.

Light: a build in which nothing changed reads the policy's bytes, finds what came of them in the cache and imports no
room of the policy's. Only what was allowed is remembered: a refusal is said anew, with the places of today's manifest.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from imgforge import late
from imgforge.image import TITLE
from imgforge.lock import Lock, PlatformLock
from imgforge.manifest.files import ManifestFile
from imgforge.manifest.parts import CopyFiles
from imgforge.pipeline.image.base import Base
from imgforge.pipeline.lock import signers
from imgforge.pipeline.policy import marks
from imgforge.pipeline.policy.marks import Marks
from imgforge.settings import Settings
from imgforge.store.cache import Cache

judging = late.module("imgforge.pipeline.policy.judging")
policies = late.module("imgforge.policy.files")
refusals = late.module("imgforge.policy.refusal")

FORMATS = (2, "4.274a5d0049d3")
"""Of the rules, and `privacy.scan.VERSION`; raise the first when a rule of the same policy judges otherwise."""

_KIND = "verdicts"
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Governor:
    """Holds what one caller makes, takes or publishes against the policy, if there is one.

    Args:
        settings: name the policy, or leave it to the environment and the machine.
        cache: remembers what was allowed, and what was found in layers.
    """

    def __init__(self, settings: Settings, *, cache: Cache) -> None:
        self._settings = settings
        self._cache = cache

    @functools.cached_property
    def is_there(self) -> bool:
        """Whether a policy counts."""
        named = os.environ.get("IMGFORGE_POLICY")
        return self._settings.policy is not None or (
            os.path.lexists("/etc/imgforge/policy.yaml") if named is None else bool(named)
        )

    @functools.cached_property
    def found(self) -> Any:
        """The policy, a `policy.files.PolicyFile`; one that forbids nothing where there is none."""
        return policies.find(self._settings.policy)

    def sources(self, file: ManifestFile, *, facts: Callable[[], Any]) -> None:
        """Judge from where a lock would draw, before any of that is asked.

        Args:
            file: the manifest.
            facts: returns those of the base, when they are needed.

        Raises:
            RefusedError: the policy does not allow it.
        """
        if self.is_there or _has_own_sources(file):
            refusals.refuse(judging.drawn(self.found, file, facts=facts()))

    def withhold(self, drawn: tuple[Any, ...]) -> Any:
        """Return what of sources a resolve may not see, an `apt.universe.Withhold`; None for nothing."""
        return judging.withhold(self.found, drawn) if self.is_there else None

    def manifest(
        self, file: ManifestFile, *, lock: Lock, locked: PlatformLock, base: Base | None, forge: Callable[[], Any]
    ) -> Marks:
        """Judge a manifest and its lock, and return what its image has to say of private inputs.

        Args:
            file: the manifest.
            lock: the whole lock.
            locked: the part of it that is built.
            base: what it stands on; None from scratch.
            forge: returns what knows the base and reads indices, when that is needed.

        Raises:
            RefusedError: the policy does not allow it.
        """
        if not (self.is_there or _asks(file) or (base and marks.is_marked(base.image))):
            return Marks()
        keyrings = (
            hashlib.sha256(file.keys(PurePosixPath(spec.signed_by), position=spec.position)).hexdigest()
            for spec in file.manifest.sources
        )
        signed = (repr(lock), *self._signature(file)) if self.is_there else ()
        about = (repr(file.manifest), *keyrings, str(base.digest if base else ""), repr(locked), *signed)
        key = self._key("manifest", *about)
        known = self._cache.read(_KIND, key)
        remembered = marks.load(known, now=self._settings.now) if known is not None else None
        if remembered is not None:
            return remembered
        facts, seek, now = forge().facts(base), forge().seek, self._settings.now
        asked = judging.Locking(file=file, lock=lock, locked=locked, facts=facts, base=base, seek=seek, now=now)
        made: Marks
        made, held = judging.manifest(self.found, asked)
        self._cache.put(_KIND, key, marks.dump(made, until=held.until))
        if held.signer is not None:
            signers.remember(lock, held.signer.fingerprint, cache=self._cache)
        return made

    def _signature(self, file: ManifestFile) -> tuple[str, ...]:
        """Return what names the signature of a manifest's lock and the keys that it may be by; nothing without one."""
        raw = signers.read(file)
        if raw is None:
            return ()
        keys = (self.found.key(name) for name in self.found.policy.locks.names)
        return tuple(hashlib.sha256(part).hexdigest() for part in (raw, *keys))

    def image(self, image: Base, *, name: str, file: ManifestFile | None = None) -> None:
        """Judge an image before it gets a name or leaves: what it is like, and what is found in its layers.

        Args:
            image: the image.
            name: by which the policy's rules mean it.
            file: the manifest that it was built from, if that is known.

        Raises:
            RefusedError: the policy does not allow it.
        """
        if self.is_there and self._cache.get(_KIND, self._image_key(image, name)) is None:
            refusals.refuse(self.faults(image, name=name, file=file))
            self._cache.put(_KIND, self._image_key(image, name), b"{}")

    def faults(self, image: Base, *, name: str, file: ManifestFile | None = None) -> tuple[Any, ...]:
        """Return why an image is refused, as `image` would; nothing when it is not."""
        found: tuple[Any, ...] = judging.image(
            self.found,
            image,
            name=name,
            manifest=file.manifest if file else None,
            cache=self._cache,
            reporter=self._settings.reporter,
        )
        return found

    def _image_key(self, image: Base, name: str) -> str:
        machine = (os.uname().nodename, *(os.environ.get(variable, "") for variable in _PROXIES))
        return self._key("image", str(image.digest), name, *machine)

    def _key(self, *parts: str) -> str:
        return hashlib.sha256(json.dumps((FORMATS, self._digest, parts)).encode()).hexdigest()

    @functools.cached_property
    def _digest(self) -> str:
        """What names the policy: what it says."""
        if not self.is_there:
            return ""
        path = self._settings.policy or Path(os.environ.get("IMGFORGE_POLICY") or "/etc/imgforge/policy.yaml")
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return str(self.found.path)  # which says what is wrong


def _has_own_sources(file: ManifestFile) -> bool:
    """Tell whether a manifest names sources beside those of its base."""
    return bool(file.manifest.sources) and not file.manifest.is_from_scratch


def _asks(file: ManifestFile) -> bool:
    """Tell whether a manifest has what only a policy can allow, or what is private."""
    manifest = file.manifest
    return (
        _has_own_sources(file)
        or any(spec.private for spec in manifest.sources)
        or any(isinstance(item, CopyFiles) and item.private for item in manifest.files)
    )


def name_of(image: Base, *, otherwise: str) -> str:
    """Return the name by which rules mean an image: that of the manifest it says it was built from, else another."""
    return dict(image.image.manifest.annotations).get(TITLE) or otherwise
