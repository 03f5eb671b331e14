"""The caller's terminal, lent to a command."""

from __future__ import annotations

import contextlib
import os
import signal

KEYBOARD_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN)
"""What a terminal sends to its foreground group, and to others that use it."""


def foreground() -> int | None:
    """Return the foreground process group of the terminal on standard input, when there is one."""
    with contextlib.suppress(OSError):
        return os.tcgetpgrp(0)
    return None


def give_to(group: int | None) -> None:
    """Make a process group the foreground of the terminal on standard input, when there is one.

    The caller ignores SIGTTOU, or it would be stopped when it is in the background itself.
    """
    with contextlib.suppress(OSError):
        if group is not None:
            os.tcsetpgrp(0, group)
