"""The bases are what mmdebstrap makes of the same suites."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from acceptance import tools, trees
from acceptance.images import Images
from acceptance.replica import OPTIONS, Replica

pytestmark = [pytest.mark.archive, pytest.mark.root, pytest.mark.slow]

STATUS = "var/lib/dpkg/status"


def made_by_mmdebstrap(name: str, images: Images, replica: Replica, room: Path) -> Path:
    built = images.build(name)
    carried = images.unpack(name, room / "ours")
    replica.offer_suites(carried)
    replica.offer_packages(built.lock.lock)
    sources = room / "mm.sources"
    sources.write_text(re.sub("^Signed-By: ", f"Signed-By: {carried}", replica.sources_of(carried), flags=re.MULTILINE))
    tree = room / "theirs"
    options = ["--mode=root", "--variant=minbase", "--format=directory", *(f"--aptopt={option}" for option in OPTIONS)]
    tools.run(
        *("mmdebstrap", *options, name, str(tree), str(sources)),
        environment={
            "LC_ALL": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "SOURCE_DATE_EPOCH": str(built.installed.epoch),
            "TMPDIR": str(room),
            "TZ": "UTC",
        },
    )
    return tree


@pytest.mark.parametrize("name", ["bookworm", "trixie"])
def test_a_base_is_what_mmdebstrap_makes(name: str, images: Images, replica: Replica, room: Path) -> None:
    theirs = made_by_mmdebstrap(name, images, replica, room)
    ours = room / "ours"
    assert (ours / STATUS).read_bytes() == (theirs / STATUS).read_bytes()
    assert trees.findings(f"mmdebstrap/{name}", trees.read(ours), trees.read(theirs), trees.rules()) == ()
