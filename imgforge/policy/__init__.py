"""The policy: rules of operations for images, and the checks of images and manifests against them.

Each module with a ``refusals`` function checks one group of rules. These functions are pure: verified signatures and
found secrets are passed in as facts. `files` locates and reads policies.
"""

from __future__ import annotations

from imgforge.document import yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.errors import ManifestError
from imgforge.policy.model import NONE, VERSION, VERSION_KEY, Policy

__all__ = ["NONE", "Policy", "load"]


def load(text: str, *, file: str) -> Policy:
    """Parse a policy in YAML.

    Args:
        text: the YAML document.
        file: file name for positions in errors.

    Raises:
        ManifestError: with all problems found.
    """
    reading = yaml.read_versioned(text, file=file, key=VERSION_KEY)
    if reading.root is None:
        raise ManifestError(reading.problems)
    binder = Binder(reading.problems)
    found: Policy | None = bind_versioned(binder, reading.root, Policy, key=VERSION_KEY, version=VERSION)
    if found is None or binder.problems:
        raise ManifestError(tuple(binder.problems))
    return found
