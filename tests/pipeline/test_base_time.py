"""When a base was made: odd times of foreign tools neither stop a build nor let this machine's zone into a digest."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import attrs
import pytest
from builders.images import build_image

from imgforge.image import timestamp
from imgforge.oci.config import ImageConfig
from imgforge.oci.manifest import Manifest
from imgforge.pipeline.image import base as bases


@pytest.fixture
def _far_zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_far_zone")
@pytest.mark.parametrize(
    ("created", "epoch"),
    [
        ("2024-01-01T00:00:00Z", 1_704_067_200),
        ("2024-01-01T01:00:00+01:00", 1_704_067_200),
        ("2024-01-01T00:00:00", 1_704_067_200),
        ("0001-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("9999-12-31T23:59:59-14:00", 253_402_300_799),
        ("9999-12-31T23:59:59", 253_402_300_799),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_a_base_has_a_time_that_an_image_can_have(created: str, epoch: int) -> None:
    made = build_image({"etc/a": b"a"})
    image = made.image
    config = ImageConfig.parse(json.dumps({**json.loads(image.config.raw), "created": created}).encode(), what="config")
    manifest = Manifest.make(config.descriptor, image.manifest.layers)
    base = bases.Base("base", manifest.digest, attrs.evolve(image, config=config, manifest=manifest), made.open)
    assert bases.epoch(base) == epoch
    assert timestamp(epoch)
