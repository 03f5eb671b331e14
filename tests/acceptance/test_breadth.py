"""`make breadth` on a handful: packages that are small, with files of every kind that scripts touch."""

from __future__ import annotations

from pathlib import Path

import pytest
from breadth import kinds, lists, results
from breadth.examine import Examiner
from breadth.peer import AptGet

from acceptance.images import Images
from acceptance.replica import Replica

pytestmark = [pytest.mark.archive, pytest.mark.root, pytest.mark.slow]

RELEASE = "bookworm"
PACKAGES = ("cron", "jq", "libpq-dev", "memcached", "openssh-client", "sqlite3")


@pytest.fixture
def examiner(images: Images, replica: Replica, room: Path) -> Examiner:
    images.build(RELEASE)
    base = images.unpack(RELEASE, room / "base")
    return Examiner(images.settings, release=RELEASE, peer=AptGet(base, replica=replica, room=room), room=room)


def test_packages_are_what_apt_get_installs(examiner: Examiner) -> None:
    found = [examiner.examine(name, is_compared=True) for name in PACKAGES]
    assert [(result.package, result.kind, result.text) for result in found] == [
        (name, kinds.BUILT, "") for name in PACKAGES
    ]


def test_the_handful_is_of_the_list() -> None:
    assert set(PACKAGES) <= set(lists.read(lists.path_of(RELEASE).read_text()))


def test_what_apt_get_does_not_find_either_is_no_failure_of_ours(examiner: Examiner) -> None:
    result = examiner.examine("no-such-package", is_compared=False)
    assert (result.kind, result.apt) == ("no answer", results.FAILS)
