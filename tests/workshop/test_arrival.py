from __future__ import annotations

from pathlib import Path

import pytest

from imgforge.errors import LostFileError
from imgforge.rootfs.inroot import ImageRoot
from imgforge.rootfs.owners import owners_for
from imgforge.workshop.arrival import Arrival
from imgforge.workshop.steps import Mount

OWNERS = owners_for("ROOT")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "usr/share/pear").mkdir(parents=True)
    (made / "usr/share/pear/leaf").write_text("leaf")
    return made


def settled(root: Path, tree: Path) -> None:
    with ImageRoot(root) as image:
        Arrival(Mount((str(tree),), arrived=((str(tree), "pear"),)), image, owners=OWNERS).settle(
            image, (), after="preinst apple"
        )


def test_a_file_that_is_not_there_is_an_error_with_package_and_script(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(LostFileError, match=r"/usr: not as pear ships it, after preinst apple") as caught:
        settled(tmp_path / "root", tree)
    assert caught.value.exit_code == 8


def test_what_is_there_is_right(tree: Path) -> None:
    settled(tree, tree)
