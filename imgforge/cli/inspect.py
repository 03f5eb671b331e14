"""``imgforge inspect``: what an image is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import imgforge
from imgforge.cli import options, rendering

SHOWN = 8
"""Packages of a layer that are shown to people unless they ask for all."""

EXAMPLES = """\
Each layer is shown with the packages that it brought, the largest first; their sizes are what they take unpacked, as
they say of themselves. An image from elsewhere is read for it, once.

examples:
  imgforge inspect hello
  imgforge inspect hello --packages                every package of every layer
  imgforge inspect docker://registry.example.org/apps/hello:1
  imgforge inspect hello --scripts                 which maintainer scripts ran, and how long they took
  imgforge inspect oci:out:hello --json            anybody's image, for a program
"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the verb's own arguments."""
    options.image(parser)
    parser.add_argument("--scripts", action="store_true", help="which maintainer scripts ran, and how long they took")
    parser.add_argument("--packages", action="store_true", help="every package of every layer, not the largest only")
    options.platform(parser)
    options.places(parser)
    options.registry(parser)


def perform(arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
    """Print the image."""
    seen = imgforge.inspect(arguments.image, settings=settings, platform=arguments.platform)
    if arguments.json:
        rendering.say_json(seen)
    elif arguments.scripts:
        rows = ((script.label, rendering.duration(script.seconds)) for script in seen.scripts)
        rendering.say(rendering.table((("SCRIPT", "TIME"), *rows)))
    else:
        rendering.say(_described(seen, count=None if arguments.packages else SHOWN))
    return 0


def _described(seen: imgforge.Inspection, *, count: int | None) -> str:
    execution = seen.image.config.execution
    facts = (
        ("name", seen.name),
        ("digest", str(seen.digest)),
        ("platform", str(seen.image.config.platform)),
        ("created", seen.image.config.created),
        ("user", execution.user or "root"),
        ("workdir", execution.workdir or "/"),
        ("command", " ".join((*(execution.entrypoint or ()), *(execution.cmd or ())))),
        ("ports", " ".join(execution.ports)),
        ("env", " ".join(f"{name}={value}" for name, value in execution.env)),
    )
    rows = [("LAYER", "SIZE", "FILES", "UNPACKED", "MADE BY")]
    for layer in seen.layers:
        sizes = rendering.size(layer.size), str(layer.files), rendering.size(layer.content)
        rows.append((layer.digest.short, *sizes, rendering.shortened(" ".join(layer.created_by.split()))))
    head, *lines = rendering.table(rows).split("\n")
    blocks = ("\n".join((line, *_packages(layer, count=count))) for line, layer in zip(lines, seen.layers, strict=True))
    return "\n".join((rendering.table(fact for fact in facts if fact[1]), "", head, *blocks))


def _packages(layer: Any, *, count: int | None) -> Iterator[str]:
    """Yield the packages of a layer, the largest first, indented."""
    largest = sorted(layer.packages, key=lambda package: (-(package.size or 0), package.name))
    rows = [(f"  {one.name}", one.version, _size(one.size)) for one in largest[:count]]
    yield from rendering.table(rows).split("\n") if rows else ()
    rest = largest[len(rows) :]
    if rest:
        known = [one.size for one in rest if one.size is not None]
        yield f"  and {len(rest)} more ({_size(sum(known) if known else None)})"
    if layer.removed:
        yield rendering.shortened(f"  without {', '.join(layer.removed)}")


def _size(count: int | None) -> str:
    return "unknown" if count is None else rendering.size(count)
