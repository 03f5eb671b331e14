"""A push that is killed leaves the tag where it was, or on a whole image; the next one sends only what is missing."""

from __future__ import annotations

import collections
import os
import random
import time
from collections.abc import Iterator

import pytest
from builders import proxies, pusher, registries
from builders.proxies import Proxy
from builders.pushes import MADE, OTHER, Place, has, push, stands_for, uploaded

from imgforge.registry.client import Client

MOMENTS = int(os.environ.get("IMGFORGE_KILLS", "50"))
PAUSE = 0.003
REQUESTS = 1 + 4 * 3 + 5
"""Of a whole push: one to find out about TLS, three for each blob, then manifest and tag."""

NAMES = {None: "nothing", OTHER.image.digest: "old", MADE.image.digest: "new"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.serve(tmp_path_factory.mktemp("killed")) as running:
        yield running.host


def reached(proxy: Proxy, count: int) -> None:
    """Wait until a push has begun so many requests."""
    end = time.monotonic() + 30
    while proxy.begun < count and time.monotonic() < end:
        time.sleep(0.0005)
    assert proxy.begun >= count


@pytest.mark.slow
def test_a_killed_push_leaves_no_half_image_and_is_finished_by_the_next(host: str) -> None:
    choose = random.Random(4)
    states: collections.Counter[tuple[str, int]] = collections.Counter()
    blobs = {blob.digest: blob.size for blob in MADE.image.manifest.blobs}
    with proxies.serve(host) as proxy, pusher.running() as process:
        proxy.pause = PAUSE
        for turn in range(MOMENTS):
            name = f"killed/{turn}"
            before = choose.choice(["nothing", "old"])
            if before == "old":
                with Client() as client:
                    push(client, Place(host).at(name), made=OTHER)
            proxy.reset()
            process.start(proxy.host, name)
            reached(proxy, choose.randint(0, REQUESTS))
            time.sleep(choose.uniform(0, 2 * PAUSE))
            process.kill()
            proxy.wait()
            after = NAMES[stands_for(host, name, tag="v1")]
            assert after in {before, "new"}
            missing = {digest for digest in blobs if not has(host, name, digest)}
            states[after, len(missing)] += 1
            proxy.reset()
            with Client() as client:
                pushed = push(client, Place(proxy.host).at(name))
            assert NAMES[stands_for(host, name, tag="v1")] == "new"
            assert proxy.sent() == pushed.sent == sum(blobs[digest] for digest in missing)
            assert len(uploaded([asked.path for asked in proxy.asked])) == len(missing)
    print(dict(states))
    if MOMENTS >= 50:
        assert {missing for _state, missing in states} >= {0, 3, 4}
        assert {state for state, _missing in states} == {"nothing", "old", "new"}
