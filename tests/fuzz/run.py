"""Fuzz one target or all, with coverage feedback: ``make fuzz [TARGET=tar] [SECONDS=600]``.

An input that breaks a target is written below ``tests/data/fuzz/TARGET/``, where `test_targets.py` replays it; what
was found on the way stays in ``.fuzz/TARGET/`` and is where the next run starts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

with atheris.instrument_imports(include=["imgforge"]):
    from fuzz.targets import BY_NAME

_MEGABYTES_MOST = 2_048
_SECONDS_AN_INPUT = 20
_LONGEST = 1 << 16


def _fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    target = BY_NAME[name]
    kept, broken = ROOT / ".fuzz" / name, ROOT / "tests" / "data" / "fuzz" / name
    for directory in (kept, broken):
        directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (kept / f"seed-{number}").write_bytes(seed)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-timeout={_SECONDS_AN_INPUT}",
        f"-rss_limit_mb={_MEGABYTES_MOST}",
        f"-artifact_prefix={broken}/",
        "-print_final_stats=1",
        "-verbosity=0",
    )
    atheris.Setup([sys.argv[0], *options, str(kept)], target.run)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(BY_NAME)}; all by default")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: %(default)s)")
    arguments = parser.parse_args()
    names = arguments.targets or list(BY_NAME)
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        parser.error(f"no target {unknown[0]!r}: expected one of {', '.join(BY_NAME)}")
    if len(names) == 1:
        _fuzz(names[0], arguments.seconds)
        return 0
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        command = [sys.executable, __file__, name, "--seconds", str(arguments.seconds)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    print("broken:", ", ".join(failed) or "none")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
