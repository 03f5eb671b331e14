"""What a policy demands of an image, at the end of real builds: a rule refuses one and lets its good sibling pass."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from builders import policies, secrets
from builders.debs import Content, build_deb
from builders.policies import OWN, Searches, refused, under
from builders.worlds import World

from imgforge.pipeline.policy import governing
from imgforge.privacy import scan
from imgforge.tree import Entry, Kind

Keys = dict[str, Any]


def program(mode: int) -> Content:
    return Entry("", Kind.FILE, mode=mode), b"#!/bin/sh\n"


NOISE = random.Random(1).randbytes(3_000_000)
PACKAGES: dict[str, dict[str, Content]] = {
    "plain": {"usr/bin/plain": program(0o755)},
    "privileged": {"usr/bin/privileged": program(0o4755)},
    "open": {"srv/open": program(0o666)},
    "large": {"srv/noise": NOISE},
}
CASES: dict[str, tuple[Keys, Keys, Keys]] = {
    "image.non-root": ({"non-root": True}, {"config": {"user": "root"}}, {"config": {"user": "1000:1000"}}),
    "image.setuid": ({"setuid": ["/usr/bin/su*"]}, {"packages": ["privileged"]}, {"packages": ["plain"]}),
    "image.world-writable": ({"world-writable": []}, {"packages": ["open"]}, {"packages": ["plain"]}),
    "image.labels": (
        {"labels": ["org.example.team"]},
        {"config": {"labels": {"org.example.team": " "}}},
        {"config": {"labels": {"org.example.team": "web"}}},
    ),
    "image.forbidden": ({"forbidden": ["pl*"]}, {"packages": ["plain"]}, {"packages": ["privileged"]}),
}


@pytest.fixture
def offered(world: World) -> World:
    """A world with a few packages."""
    world.offer(*(build_deb(name, "1.0", files=files, compression="gzip") for name, files in PACKAGES.items()))
    return world


@pytest.mark.parametrize("rule", CASES)
def test_an_image_against_a_rule_gets_no_name_and_its_good_sibling_does(offered: World, rule: str) -> None:
    asked, bad, good = CASES[rule]
    ruled = under(offered, image=[{"names": [OWN], **asked}])
    offered.manifest(**bad)
    told = refused(ruled)
    assert list(told) == [rule]
    assert told[rule].startswith(str(offered.path_of()))
    assert str(ruled.settings.policy) in told[rule]
    offered.manifest(**good)
    assert str(ruled.build().digest) == policies.names(ruled)[OWN]


def test_an_image_has_a_size_that_it_must_keep(offered: World) -> None:
    offered.manifest(packages=["plain"])
    size = sum(layer.size for layer in offered.build().image.manifest.layers)
    ruled = under(offered, image=[{"names": [OWN], "max-size": f"{size // 1_000_000 + 1} MB"}])
    ruled.build()
    offered.manifest(packages=["plain", "large"])
    assert list(refused(ruled)) == ["image.max-size"]


def test_files_of_a_manifest_are_named_by_their_own_line(offered: World) -> None:
    (offered.manifests / "tool").write_text("x")
    offered.manifest(files=[{"from": "tool", "to": "/srv/tool", "mode": "4755"}])
    line = offered.path_of().read_text().split("\n").index('   "from": "tool",')
    told = refused(under(offered, image=[{"names": [OWN], "setuid": []}]))
    assert told["image.setuid"].startswith(f"{offered.path_of()}:{line}:"), told
    assert "/srv/tool (4755 0:0): runs with elevated privileges" in told["image.setuid"]


def test_a_name_keeps_its_image_when_the_next_one_is_refused(offered: World) -> None:
    ruled = under(offered, image=[{"names": [OWN], "forbidden": ["privileged"]}])
    offered.manifest(packages=["plain"])
    before = str(ruled.build().digest)
    offered.manifest(packages=["plain", "privileged"])
    refused(ruled)
    assert policies.names(ruled)[OWN] == before


def keyed(name: str = "srv/key.pem") -> dict[str, Content]:
    return {name: secrets.pem("ed25519")}


def test_a_key_is_found_in_a_package_in_a_package_and_in_a_label(world: World) -> None:
    inner = build_deb("inner", "1.0", files=keyed(), compression="xz")
    world.package("outer", files={"srv/inner.deb": inner})
    world.package("plain", files=keyed("srv/shop/id_ed25519"))
    token = secrets.token("github")
    ruled = under(world)
    for keys, words in (
        ({"packages": ["plain"]}, "/srv/shop/id_ed25519:1: private-key"),
        ({"packages": ["outer"]}, "/srv/inner.deb: "),
        (
            {"config": {"labels": {"org.example.built": token.decode()}}},
            "config: label org.example.built:1: github-token",
        ),
        ({"config": {"env": {"TOKEN": token.decode()}}}, "config: env TOKEN"),
    ):
        world.manifest(**keys)
        told = refused(ruled)
        assert list(told) == ["privacy.scan"]
        assert words in told["privacy.scan"]
        assert token.decode() not in told["privacy.scan"]


def test_a_key_in_a_package_is_said_at_the_line_that_asks_for_it(world: World) -> None:
    world.package("keyed", files=keyed())
    world.manifest(packages=["keyed"])
    line = world.path_of().read_text().split("\n").index('  "keyed"') + 1
    assert refused(under(world))["privacy.scan"].startswith(f"{world.path_of()}:{line}:")


def test_a_key_that_an_upper_layer_deletes_is_found_in_the_layer_below(world: World) -> None:
    world.package("keyed", files=keyed())
    world.package("cleaner", scripts={"postinst": "rm /srv/key.pem"})
    world.build(world.manifest("below", packages=["keyed"]))
    world.path_of("below").unlink()  # from now on it is an image of the store that no manifest describes
    world.manifest(base="below", packages=["cleaner"])
    world.build()
    assert "srv/key.pem" not in world.image().paths
    told = refused(under(world))
    assert "/srv/key.pem:1: private-key" in told["privacy.scan"]
    assert told["privacy.scan"].startswith(f"{world.path_of()}:")


def test_what_is_no_secret_is_allowed_with_a_reason(world: World) -> None:
    world.package("keyed", files=keyed("srv/tests/key.pem"))
    world.manifest(packages=["keyed"])
    allowed = {"finding": "private-key", "path": "/srv/tests/**", "reason": "published with the tests"}
    refused(under(world, privacy={"allow": [{**allowed, "path": "/srv/other/**"}]}))
    under(world, privacy={"allow": [allowed]}).build()
    under(world, privacy={"scan": False}).build()


def test_host_names_that_the_policy_names_are_found(world: World) -> None:
    world.package("conf", files={"etc/conf": b"server db7.internal.example.net\n"})
    world.manifest(packages=["conf"])
    told = refused(under(world, privacy={"hosts": ["*.internal.example.net"]}))
    assert "build-host" in told["privacy.scan"]
    under(world).build()


def test_without_a_policy_a_build_searches_nothing(world: World) -> None:
    world.package("keyed", files=keyed())
    heard = Searches()
    world.manifest(packages=["keyed"])
    world.heard(heard).build()
    assert heard.count() == 0


def test_a_layer_is_searched_once_and_a_rebuild_searches_what_changed(cold_world: World) -> None:
    cold_world.package("hello", files={"usr/bin/hello": b"#!/bin/sh\n"})
    (cold_world.manifests / "text").write_text("one")
    cold_world.manifest(packages=["hello"], files=[{"from": "text", "to": "/srv/text"}])
    heard = Searches()
    ruled = under(cold_world, image=[{"names": [OWN], "setuid": []}]).heard(heard)
    layers = len(ruled.build().image.layers)
    assert heard.count() == layers
    assert ruled.build().reused
    assert heard.count() == 0
    (cold_world.manifests / "text").write_text("two")
    ruled.build()
    assert heard.count() == 1
    under(ruled, image=[{"names": [OWN], "world-writable": []}]).build()
    assert heard.count() == 0, "another policy asks the same of the layers"
    under(ruled, privacy={"hosts": ["*.internal.example.net"]}).build()
    assert heard.count() == layers, "and looks for other names"


def test_a_refusal_is_said_again_without_another_search(cold_world: World) -> None:
    cold_world.package("keyed", files=keyed())
    cold_world.manifest(packages=["keyed"])
    heard = Searches()
    ruled = under(cold_world).heard(heard)
    first = refused(ruled)
    assert heard.count() > 0
    assert refused(ruled) == first
    assert heard.count() == 0


def test_an_archive_that_cannot_be_searched_is_refused(world: World) -> None:
    world.package("broken", files={"srv/broken.gz": b"\x1f\x8b\x08\0" + bytes(range(200))})
    world.manifest(packages=["broken"])
    with pytest.raises(Exception, match=r"/srv/broken\.gz: unsearchable: damaged"):
        under(world).build()
    allowed = {"finding": "unsearchable", "path": "/srv/broken.gz", "reason": "an example of damage"}
    under(world, privacy={"allow": [allowed]}).build()


def test_a_build_in_which_nothing_changed_imports_no_room_of_the_policy(offered: World) -> None:
    ruled = under(offered, image=[{"names": [OWN], "setuid": []}])
    offered.manifest(packages=["plain"])
    ruled.build()
    code = (
        "import sys, imgforge; from pathlib import Path; s = imgforge.Settings("
        f"store=Path({str(ruled.settings.store)!r}), cache=Path({str(ruled.settings.cache)!r}), manifests=(), "
        f"policy=Path({str(ruled.settings.policy)!r})); "
        f"assert imgforge.build({str(ruled.path_of())!r}, settings=s).reused; "
        "print([name for name in ('imgforge.policy', 'imgforge.privacy', 'imgforge.pipeline.forge', "
        "'imgforge.pipeline.policy.judging') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_verdicts_are_forgotten_when_the_search_changes() -> None:
    assert governing.FORMATS[1] == scan.VERSION


def test_a_policy_that_is_not_there_is_said(world: World) -> None:
    world.manifest()
    with pytest.raises(Exception, match=r"none\.yaml") as caught:
        world.with_settings(policy=world.path / "none.yaml").build()
    assert getattr(caught.value, "exit_code", 0) == 2
