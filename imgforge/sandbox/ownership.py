"""Recording of ownership where only one user id exists; being written."""

from __future__ import annotations
