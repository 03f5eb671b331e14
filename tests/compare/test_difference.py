"""Two images, as people and programs are told of them."""

from __future__ import annotations

import json

import attrs
from builders.golden import Golden
from builders.images import build_image
from compare.test_packages import CHANGELOG, NEWER, OTHER, SSL, holding

from imgforge.compare import config, packages
from imgforge.compare.difference import Difference, lines, size
from imgforge.compare.files import FileChange
from imgforge.compare.packages import Held
from imgforge.oci.config import Overrides

BASE = build_image({"etc/os": b"x"}, changes=Overrides(user="1", env=(("A", "1"), ("B", "1")), labels=(("x", "y"),)))
ONE = build_image({"srv/a": b"a"}, base=BASE, changes=Overrides(cmd=("run",)))
OTHER_IMAGE = build_image(
    {"srv/a": b"b" * 5000},
    base=BASE,
    changes=Overrides(
        user="2", env=(("A", "2"),), entrypoint=("sh", "-c"), ports=("80/tcp",), volumes=("/v",), workdir="/srv"
    ),
)
CHANGES = packages.compare(
    holding(SSL, OTHER, Held("gone", "amd64", "1", size=2_000_000)),
    holding(NEWER, OTHER, Held("new", "amd64", "1")),
    read=lambda _held, _is_after: CHANGELOG,
)
FILES = (
    FileChange("etc/a", "added", (), (0, 1200)),
    FileChange("srv/b", "changed", (("mode", "0644", "0755"), ("owner", "0:0", "1:1")), (5, 5)),
)


def whole() -> Difference:
    before, after = ONE.image, OTHER_IMAGE.image
    return Difference(
        "web:1",
        "web:2",
        CHANGES,
        FILES,
        config.compare(before.config, after.config),
        config.layers(before.manifest, after.manifest),
    )


def test_a_difference_is_told_to_people(golden_file: Golden) -> None:
    golden_file.check("compare/images.txt", "".join(f"{line}\n" for line in lines(whole())))


def test_a_difference_is_told_to_programs(golden_file: Golden) -> None:
    text = json.dumps(whole().to_json(), indent=1, ensure_ascii=False)
    golden_file.check("compare/images.json", text + "\n")


def test_no_difference_is_said_too() -> None:
    same = Difference("a", "b", layers=config.layers(ONE.image.manifest, ONE.image.manifest))
    assert not same
    assert list(lines(same))[:2] == ["a and b: no difference", "layers: 2 kept, 0 dropped, 0 added"]


def test_many_files_are_counted() -> None:
    many = attrs.evolve(whole(), files=tuple(FileChange(f"srv/{number:03}", "added") for number in range(50)))
    assert "  and 10 more" in list(lines(many))
    assert sum(line.startswith("  + /srv/") for line in lines(many, every_file=True)) == 50
    assert not any("Change 13" in line for line in lines(many, changelogs=False))


def test_layers_that_both_have_are_not_transferred() -> None:
    change = config.layers(ONE.image.manifest, OTHER_IMAGE.image.manifest)
    own = OTHER_IMAGE.image.manifest.layers[-1].size
    assert (change.kept, change.dropped, change.added, change.download) == (1, 1, 1, own)


def test_sizes_have_three_digits() -> None:
    assert [size(count) for count in (0, 999, 1000, 27_400_000, 999_600, 123_456_789_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "27.4 MB",
        "1.0 MB",
        "123 GB",
    ]
