"""Maintainer scripts that attack the build that runs them: what they change is the image, and nothing else."""

from __future__ import annotations

import pytest
from builders import orphans
from builders.attacks import Arena
from builders.debs import build_deb

pytestmark = [pytest.mark.root, pytest.mark.attack]

BUILD, SANDBOX = 8, 9

DEEP = "cd /var/lib; i=0; while [ $i -lt {depth} ]; do mkdir d; cd d; i=$((i + 1)); done"

REFUSED = {
    "it fails": ("echo a last word >&2; exit 7", "a last word"),
    "it kills everything that it sees": ("kill -9 -1; sleep 5", "configure evil: dpkg --configure"),
    "it removes dpkg's database": ("rm -r /var/lib/dpkg", "configure evil: dpkg --configure"),
    "it removes the shell": ("rm /bin/dash /bin/sh; exec /bin/sh -c :", "exec: /bin/sh: not found"),
    "it makes a whiteout": (": > /etc/.wh.passwd", "/etc/.wh.passwd: no layer can hold it"),
    "it makes a directory named as a whiteout": ("mkdir -p /srv/.wh.x/y", "/srv/.wh.x: no layer can hold it"),
    "it digs deeper than a path can say": (DEEP.format(depth=3000), "cd to d"),
    "it digs deeper than an image may": (DEEP.format(depth=300), "deeper"),
    "it makes a pipe where the build writes": (
        "mkdir -p /var/lib/apt; mkfifo /var/lib/apt/extended_states",
        "/var/lib/apt/extended_states: no such device",
    ),
    "it makes a link where the build writes": (
        "mkdir -p /var/lib/apt; ln -s ../../../etc/passwd /var/lib/apt/extended_states",
        "/var/lib/apt/extended_states: too many levels",
    ),
}


def offer(arena: Arena, script: str, *, name: str, **scripts: str) -> None:
    """Offer a package with a script, and others that come after it."""
    arena.smuggle("evil", build_deb("evil", "1.0", architecture="all", scripts={"postinst": script, **scripts}))
    arena.smuggle(
        "victim",
        build_deb("victim", "1.0", architecture="all", depends="evil", scripts={"preinst": ":"}),
        Depends="evil",
    )
    arena.world.manifest(name, packages=["victim"])


@pytest.mark.parametrize("name", REFUSED)
def test_a_script_that_breaks_the_image_ends_the_build(arena: Arena, name: str) -> None:
    script, says = REFUSED[name]
    offer(arena, script, name="image")
    with orphans.expected_none():
        arena.refused(code=BUILD, says=says)


@pytest.mark.parametrize("rung", ["single", "chroot"])
@pytest.mark.parametrize("depth", [300, 1900])
def test_no_depth_is_too_much_for_what_cleans_up(arena: Arena, rung: str, depth: int) -> None:
    offer(arena, DEEP.format(depth=depth), name="image")
    arena.refused("image", f"--sandbox={rung}", code=BUILD, says="deeper")


CONTAINED = {
    "it replaces shadow by a link": "rm /etc/shadow; ln -s {canary}/home/secret /etc/shadow",
    "it replaces machine-id by a link": "rm -f /etc/machine-id; ln -s {canary}/home/secret /etc/machine-id",
    "it replaces machine-id by a directory": "rm -f /etc/machine-id; mkdir /etc/machine-id",
    "it replaces the place of logs by a link": "rm -r /var/log; ln -s {canary} /var/log",
    "it replaces the place of logs by a loop": "rm -r /var/log; ln -s log /var/log",
    "it replaces what is volatile by a link": "rm -rf /var/tmp; ln -s {canary} /var/tmp; ls /var/tmp/home || :",
    "it replaces policy-rc.d by a link": "rm /usr/sbin/policy-rc.d; ln -s {canary}/home/secret /usr/sbin/policy-rc.d",
    "it writes to what would be outside": "mkdir -p {canary}/home; echo croak > {canary}/home/secret",
    "it climbs": "cd /; cd ../../../../..; mkdir -p .{canary}/home; echo croak > .{canary}/home/secret",
    "it leaves a process behind": "(sleep 600 &) ; sleep 600 < /dev/null > /dev/null 2>&1 &",
    "it holds on to the output": "sleep 600 &",
    "it says a lot": "i=0; while [ $i -lt 20000 ]; do echo Setting up evil-$i \\(1\\) ...; i=$((i + 1)); done",
    "it says what is no text": "printf '\\377\\033[2J\\000\\n'",
    "it makes a pipe where a file was": "rm -f /etc/machine-id /etc/shadow-; mkfifo /etc/machine-id /etc/shadow-",
    "it forbids everything": "mkdir -p /srv; mkdir -m 0 /srv/closed; touch /srv/file; chmod 0 /srv/file; chmod 0 /srv",
    "it names what is not UTF-8": "mkdir -p /srv; touch \"/srv/$(printf 'caf\\351')\"",
}


@pytest.mark.parametrize("name", CONTAINED)
def test_what_a_script_does_is_done_to_the_image_alone(arena: Arena, name: str) -> None:
    before = arena.outside()
    offer(arena, CONTAINED[name].format(canary=arena.canary), name="contained")
    with orphans.expected_none():
        built = arena.world.build("contained", upgrade=())
    assert built.image.layers
    arena.is_untouched(before)
