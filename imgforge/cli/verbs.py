"""The table of verbs. Only the module of the verb that was asked for is imported."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from types import MappingProxyType
from typing import Protocol, cast

import imgforge

SUMMARIES = MappingProxyType(
    {
        "build": "build the image that a manifest describes",
        "lock": "write down exactly what a manifest installs",
        "check": "say what the policy forbids about a manifest or an image",
        "outdated": "say which locks have fallen behind their sources",
        "manifests": "list the manifests that can be built by name",
        "plan": "say what a build would install and make, and do nothing",
        "why": "say which chain of dependencies brings a package in",
        "run": "run an image in the sandbox, as its configuration says",
        "inspect": "show an image: layers, packages, configuration, scripts",
        "diff": "say what is different between two images or locks",
        "images": "list the images in the store",
        "rm": "remove images from the store",
        "push": "send an image to a registry, and sign it there",
        "pull": "fetch an image from a registry into the store",
        "copy": "copy an image from one place to another",
        "index": "join images for several platforms under one name",
        "tag": "give an image of the store one more name",
        "list": "list the tags of a repository",
        "keygen": "make a key pair for signing",
        "sign": "sign an image in a registry",
        "verify": "say whether somebody whom you trust signed an image",
        "sbom": "tell the packages of an image, as SPDX or CycloneDX",
        "provenance": "tell how an image was built, and of what",
        "report": "tell what is in an image and what building it took, for programs or as a page",
        "gc": "delete what no image needs",
        "completion": "print a completion script for a shell",
    }
)
"""Each verb's name and its line in ``imgforge --help``, in the order of a first day's work."""


class Verb(Protocol):
    """What a verb's module has."""

    EXAMPLES: str
    """Text below the options in the verb's help."""

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's own arguments."""

    def perform(self, arguments: argparse.Namespace, settings: imgforge.Settings) -> int:
        """Do it and return the exit code."""


Loader = Callable[[str], Verb]


def load(name: str) -> Verb:
    """Return the module of a verb named in `SUMMARIES`."""
    return cast("Verb", importlib.import_module(f"imgforge.cli.{name}"))
