"""A build on a full disk names the command that makes room, and that command works there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from builders.worlds import World

from imgforge.errors import StoreError

pytestmark = pytest.mark.root

_SMALL = r"""
mkdir -p "$PLACE" && mount -t tmpfs -o size=1m,mode=0700 tmpfs "$PLACE" || exit 99
imgforge() { "$PYTHON" -m imgforge "$@"; }
"$@" 2>"$OUT"; echo "build $?"
command=$(sed -n 's/^hint: `\(imgforge gc[^`]*\)`.*/\1/p' "$OUT")
cd / && eval "$command"; echo "gc $?"
cat "$OUT" >&2
"""


@pytest.mark.parametrize("full", ["store", "cache"])
def test_a_full_disk_hints_at_the_collection_which_works_there(cold_world: World, tmp_path: Path, full: str) -> None:
    cold_world.manifest()
    place = getattr(cold_world.settings, full)
    environment = [f"PLACE={place}", f"PYTHON={sys.executable}", f"OUT={tmp_path}/out"]
    done = cold_world.command("build", under=("env", *environment, "unshare", "-m", "sh", "-c", _SMALL, "sh"))
    said, *collected, last = done.stdout.splitlines()
    assert said == f"build {StoreError.exit_code}", done.stderr
    assert "No space left on device" in done.stderr or "disk full" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"--store={cold_world.settings.store} --cache={cold_world.settings.cache}` removes" in done.stderr
    assert (len(collected), last) == (2, "gc 0"), done.stdout
