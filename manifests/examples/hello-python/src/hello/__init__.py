"""A greeting, as a module that is small enough to read and large enough to run."""

from __future__ import annotations

import os
import platform


def greeting(name: str = "world") -> str:
    """Return a greeting that tells who says it."""
    return f"Hello, {name}! This is Python {platform.python_version()}, user {os.getuid()}."
