"""A push that is killed leaves the tag where it was, or on a whole image; the next one sends only what is missing."""

from __future__ import annotations

import collections
import os
import random
from collections.abc import Iterator

import pytest
from builders import proxies, pusher, registries
from builders.pushes import MADE, OTHER, Place, has, push, stands_for, uploaded

from imgforge.registry.client import Client

MOMENTS = int(os.environ.get("IMGFORGE_KILLS", "50"))
NAMES = {None: "nothing", OTHER.image.digest: "old", MADE.image.digest: "new"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.serve(tmp_path_factory.mktemp("killed")) as running:
        yield running.host


def test_a_killed_push_leaves_no_half_image_and_is_finished_by_the_next(host: str) -> None:
    choose = random.Random(4)
    states: collections.Counter[tuple[str, int]] = collections.Counter()
    blobs = {blob.digest: blob.size for blob in MADE.image.manifest.blobs}
    with proxies.serve(host) as proxy, pusher.running() as process:
        proxy.pause = 0.003
        process.push(proxy.host, "killed/first")
        longest = process.push(proxy.host, "killed/second") * 1.1
        for turn in range(MOMENTS):
            name = f"killed/{turn}"
            before = choose.choice(["nothing", "old"])
            if before == "old":
                with Client() as client:
                    push(client, Place(host).at(name), made=OTHER)
            process.push(proxy.host, name, moment=choose.uniform(0, longest))
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
        assert {len_missing for _state, len_missing in states} >= {0, 4}
        assert len(states) > 4
