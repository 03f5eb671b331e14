"""A simulated registry on the loopback interface, with its storage on another port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from builders.listeners import listening
from builders.simulator.answering import Answering, Elsewhere
from builders.simulator.profile import Profile
from builders.simulator.registry import CONFORMING, Simulator


@contextlib.contextmanager
def serve(profile: Profile = CONFORMING) -> Iterator[Simulator]:
    """Run a registry during a block."""
    made = Simulator(profile)
    with listening(Answering, made) as server, listening(Elsewhere, made) as other:
        made.host, made.elsewhere = server.host, other.host
        yield made
