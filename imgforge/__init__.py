"""imgforge: Debian-based OCI images from a YAML manifest.

The façade: the verbs of the command line as functions with typed values. Everything else is a room of its own
(docs/layout.md) and may change between versions; what stands here is pinned by a test. Importing it is cheap,
because heavy libraries are late (docs/decisions/0001-late-imports.md).

`imgforge.lock` and `imgforge.report` are verbs, although modules have these names: rooms import ``from imgforge.lock``.
"""

from __future__ import annotations

from imgforge import interruption  # noqa: F401 - first: from here on the command heeds signals
from imgforge.digest import Digest
from imgforge.errors import ImgforgeError, ManifestError, UsageError
from imgforge.limits import Limits
from imgforge.pipeline.checks import Checked, Refusal, check
from imgforge.pipeline.execution import run
from imgforge.pipeline.layer.planning import Plan
from imgforge.pipeline.lock.freshness import Change, Freshness
from imgforge.pipeline.lock.locking import Locked
from imgforge.pipeline.outcome import Built
from imgforge.pipeline.publish import Published, Vouched, copy, index, keygen, pull, push, sign, tag, tags, verify
from imgforge.pipeline.removing import Removed, rm
from imgforge.pipeline.shipped import Named, manifests
from imgforge.pipeline.statements import provenance, report, sbom
from imgforge.pipeline.verbs import (
    Freed,
    Inspection,
    build,
    diff,
    freshness,
    freshness_each,
    gc,
    images,
    inspect,
    lock,
    lock_each,
    outdated,
    plan,
    why,
)
from imgforge.report import Reporter, Step
from imgforge.sandbox.volume import Volume
from imgforge.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "Built",
    "Change",
    "Checked",
    "Digest",
    "Freed",
    "Freshness",
    "ImgforgeError",
    "Inspection",
    "Limits",
    "Locked",
    "ManifestError",
    "Named",
    "Plan",
    "Published",
    "Refusal",
    "Removed",
    "Reporter",
    "Settings",
    "Step",
    "UsageError",
    "Volume",
    "Vouched",
    "build",
    "check",
    "copy",
    "diff",
    "freshness",
    "freshness_each",
    "gc",
    "images",
    "index",
    "inspect",
    "keygen",
    "lock",
    "lock_each",
    "manifests",
    "outdated",
    "plan",
    "provenance",
    "pull",
    "push",
    "report",
    "rm",
    "run",
    "sbom",
    "sign",
    "tag",
    "tags",
    "verify",
    "why",
]
