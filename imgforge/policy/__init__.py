"""The policy: what operations decide about every image, and whether an image or a manifest keeps to it.

Each module that has ``refusals`` judges one group of rules: values in, refusals out. Not where a policy lies on disk
(`files`), nor how signatures are verified or secrets are found: those come in as facts.
"""

from __future__ import annotations

from imgforge.document import yaml
from imgforge.document.bind import Binder, bind_versioned
from imgforge.errors import ManifestError
from imgforge.policy.model import NONE, VERSION, VERSION_KEY, Policy

__all__ = ["NONE", "Policy", "load"]


def load(text: str, *, file: str) -> Policy:
    """Return the policy that a text holds.

    Args:
        text: YAML.
        file: the text's name in positions.

    Raises:
        ManifestError: with every problem found.
    """
    reading = yaml.read_versioned(text, file=file, key=VERSION_KEY)
    if reading.root is None:
        raise ManifestError(reading.problems)
    binder = Binder(reading.problems)
    found: Policy | None = bind_versioned(binder, reading.root, Policy, key=VERSION_KEY, version=VERSION)
    if found is None or binder.problems:
        raise ManifestError(tuple(binder.problems))
    return found
