"""Groups of arguments, declared once and shared by the verbs; and the settings that they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import attrs

import imgforge

VERBOSE = ("-v", "--verbose")
"""The flags for all words; `run` has a volume as its ``-v``, as elsewhere."""

_RUNGS = ("root", "subids", "single", "chroot")


def manifest(parser: argparse.ArgumentParser) -> None:
    """Add the manifest that a verb reads."""
    parser.add_argument(
        "manifest",
        metavar="MANIFEST",
        help="a manifest's file, or its name when it is found in the manifests' directories",
    )


def manifests(parser: argparse.ArgumentParser) -> None:
    """Add the manifests that a verb reads, at least one."""
    parser.add_argument(
        "manifest",
        nargs="+",
        metavar="MANIFEST",
        help="manifests' files, or their names when they are found in the manifests' directories",
    )


def image(parser: argparse.ArgumentParser) -> None:
    """Add the image that a verb reads."""
    parser.add_argument("image", metavar="IMAGE", help="a name in the store, a digest, or oci:DIR[:TAG]")


def argv(parser: argparse.ArgumentParser) -> None:
    """Add a program's own command line, which stands after ``--`` and is not parsed."""
    parser.usage = f"{parser.prog} [OPTION ...] IMAGE [-- ARGV ...]"
    parser.set_defaults(argv=())


def pass_on(arguments: argparse.Namespace, argv: Sequence[str], *, parser: argparse.ArgumentParser) -> None:
    """Give what stands after ``--`` to a verb that takes it.

    Raises:
        UsageError: the verb does not.
    """
    if argv and "argv" not in arguments:
        parser.error(f"unrecognized arguments: -- {' '.join(argv)}")
    arguments.argv = tuple(argv)


def upgrade(parser: argparse._ActionsContainer) -> None:
    """Add the choice of what an existing lock may change."""
    parser.add_argument(
        "--upgrade",
        nargs="*",
        metavar="PACKAGE",
        help="take the newest versions, of these packages only if any are named; write it after MANIFEST",
    )


def upgraded(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    """Return what `upgrade` added: None to keep the lock, nothing named for all packages."""
    return None if arguments.upgrade is None else tuple(arguments.upgrade)


def places(parser: argparse.ArgumentParser) -> None:
    """Add where images, the cache and manifests are."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--store", type=Path, metavar="DIR", help="the images ($IMGFORGE_STORE, else below $XDG_DATA_HOME)"
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="what may be deleted at no loss ($IMGFORGE_CACHE, else below $XDG_CACHE_HOME)",
    )


def sources(parser: argparse.ArgumentParser) -> None:
    """Add where manifests and packages come from."""
    group = parser.add_argument_group("sources")
    manifests_directories(group)
    group.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="SUITE=URI",
        help="fetch a suite from here, or what begins with one URI from another (FROM=TO); repeatable; "
        "signatures decide what is trusted, never the mirror",
    )
    group.add_argument(
        "--snapshot",
        action="append",
        default=[],
        metavar="URI",
        help="a dated copy of the archive, for packages that it has no more; repeatable",
    )
    group.add_argument("--offline", action="store_true", help="open no connection; say what the cache lacks")


def manifests_directories(parser: argparse._ActionsContainer) -> None:
    """Add where manifests are found by their names."""
    parser.add_argument(
        "--manifests",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="look a base's manifest up here too, before the shipped ones; repeatable",
    )


def policy(parser: argparse.ArgumentParser) -> None:
    """Add what may enter an image, and where it may go."""
    group = parser.add_argument_group("policy")
    group.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="what may enter an image, and where it may go ($IMGFORGE_POLICY, else the machine's)",
    )


def work(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add how the machine is used, and return its group."""
    group = parser.add_argument_group("work")
    group.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="threads that work on bytes at once (the processors)"
    )
    sandbox(group)
    return group


def timeout(parser: argparse._ActionsContainer, of: str) -> None:
    """Add a time limit."""
    parser.add_argument("--timeout", type=_seconds, metavar="TIME", help=f"time limit {of}: 90s, 15m, 2h")


def _seconds(text: str) -> int:
    found = imgforge.Limits.seconds(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 15m or 2h, got {text!r}")
    return found


def timed(settings: imgforge.Settings, arguments: argparse.Namespace) -> imgforge.Settings:
    """Return settings with the time limit that `timeout` added."""
    if arguments.timeout is None:
        return settings
    return attrs.evolve(settings, limits=attrs.evolve(settings.limits, time=arguments.timeout))


def sandbox(parser: argparse._ActionsContainer) -> None:
    """Add the choice of a sandbox."""
    parser.add_argument(
        "--sandbox",
        choices=_RUNGS,
        metavar="RUNG",
        help=f"{', '.join(_RUNGS)}: take this one, not the best that works; chroot must be asked for",
    )


def registry(parser: argparse.ArgumentParser) -> None:
    """Add how registries are reached."""
    group = parser.add_argument_group("registries")
    group.add_argument(
        "--plain-http",
        action="append",
        default=[],
        metavar="HOST",
        help="speak to this registry, HOST[:PORT], without TLS; repeatable; this machine needs no asking",
    )


def by_tag(parser: argparse.ArgumentParser) -> None:
    """Add how manifests are put into registries."""
    parser.add_argument(
        "--tags-only",
        action="store_true",
        help="put manifests under tags alone, for a registry that refuses them under their digests",
    )


def docker(parser: argparse.ArgumentParser) -> None:
    """Add the choice of Docker's media types."""
    parser.add_argument(
        "--docker-media-types",
        action="store_true",
        help="with Docker's manifest, for what knows no OCI one: the same layers, another digest",
    )


def platform(parser: argparse.ArgumentParser) -> None:
    """Add the choice of an image of several."""
    parser.add_argument("--platform", default="", metavar="OS/ARCH", help="which image of an index: linux/amd64")


def signer(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add the key that signs."""
    parser.add_argument(
        "--key",
        default="",
        required=required,
        metavar="URI",
        help="sign with this key: file:PATH, env:NAME or a path; its passphrase is $COSIGN_PASSWORD",
    )


def statement(parser: argparse.ArgumentParser) -> None:
    """Add the image of which something is told, and who must have said it."""
    parser.add_argument(
        "image", metavar="IMAGE", help="a name in the store, or docker://… for what is attached to the image there"
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="URI",
        help="a public key that must have signed what is attached: a path, file:PATH or env:NAME; repeatable",
    )
    places(parser)
    registry(parser)


def output(parser: argparse.ArgumentParser) -> None:
    """Add what is said on standard error, and how."""
    group = parser.add_argument_group("output")
    told = group.add_mutually_exclusive_group()
    told.add_argument("-q", "--quiet", action="store_true", help="say only warnings and errors")
    told.add_argument(
        *(flag for flag in VERBOSE if flag not in parser._option_string_actions),  # noqa: SLF001 - argparse has no other way
        action="store_true",
        help="say every step and what the library logs",
    )
    group.add_argument(
        "--json", action="store_true", help="events as lines of JSON; results, too, where they are a table"
    )
    group.add_argument("--debug", action="store_true", help="show where an error came from, with a traceback")


def settings(arguments: argparse.Namespace, reporter: imgforge.Reporter) -> imgforge.Settings:
    """Return the settings that the arguments of any verb ask for.

    Raises:
        UsageError: a value has not the form that it needs.
    """
    given = vars(arguments)
    chosen = {
        name: given[name] for name in ("store", "cache", "jobs", "sandbox", "policy") if given.get(name) is not None
    }
    return imgforge.Settings.default(
        mirrors=tuple(imgforge.Settings.mirror(text) for text in given.get("mirror", ())),
        manifests=tuple(given.get("manifests", ())),
        snapshots=tuple(given.get("snapshot", ())),
        plain=tuple(given.get("plain_http", ())),
        offline=given.get("offline", False),
        by_tag=given.get("tags_only", False),
        reporter=reporter,
        **chosen,
    )
