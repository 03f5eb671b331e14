"""Rules for images: user, privileged and world-writable files, labels, size and packages."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator

from imgforge.errors import Position
from imgforge.policy.model import Policy
from imgforge.policy.parts import ImageRule
from imgforge.policy.pattern import matches_any
from imgforge.policy.quantity import megabytes
from imgforge.policy.refusal import Refusal, listed
from imgforge.policy.subject import ImageUse, Places
from imgforge.tree import Entry, Kind

_CAPABILITIES = "security.capability"
_SET_ID = 0o6000
_STICKY = 0o1000
_OTHERS_WRITE = 0o002


def rules_for(policy: Policy, name: str) -> tuple[ImageRule, ...]:
    """Return the rules that apply to an image name."""
    return tuple(rule for rule in policy.image if matches_any(rule.names, name))


def refusals(policy: Policy, image: ImageUse, *, places: Places) -> tuple[Refusal, ...]:
    """Return an image's violations of all rules that apply to its name.

    Before the build, only the properties known from its manifest, lock and base are checked.

    Args:
        policy: the policy.
        image: the image.
        places: positions in its manifest.
    """
    return tuple(itertools.chain.from_iterable(_of_rule(rule, image, places) for rule in rules_for(policy, image.name)))


def _of_rule(rule: ImageRule, image: ImageUse, places: Places) -> Iterator[Refusal]:
    yield from _user(rule, image, places)
    yield from _labels(rule, image, places)
    yield from _size(rule, image, places)
    yield from _packages(rule, image, places)
    if rule.setuid is not None:
        privileged = {path: _privilege(entry) for path, entry in image.entries.items()}
        yield from _paths("image.setuid", rule, rule.setuid, privileged, places)
    if rule.world_writable is not None:
        writable = {path: _openness(entry) for path, entry in image.entries.items()}
        yield from _paths("image.world-writable", rule, rule.world_writable, writable, places)


def _user(rule: ImageRule, image: ImageUse, places: Places) -> Iterator[Refusal]:
    user = image.execution.user
    if rule.non_root and not _is_plain(user):
        got = repr(user) if user else "none, which is root"
        text = f"image {image.name!r}: user: expected a number that is not 0, got {got}"
        hint = "a name is looked up in the image's own /etc/passwd, which an orchestrator cannot check"
        where = places.at("config.user", "config", "name")
        yield Refusal("image.non-root", where, text, rule.position, hint if user and not user[0].isdecimal() else "")


def _is_plain(user: str) -> bool:
    """Return whether a user, with or without a group, is numeric and not root."""
    uid, colon, gid = user.partition(":")
    return user.isascii() and uid.isdecimal() and int(uid) != 0 and (gid.isdecimal() if colon else not gid)


def _labels(rule: ImageRule, image: ImageUse, places: Places) -> Iterator[Refusal]:
    labels = dict(image.execution.labels)
    lacking = [label for label in rule.labels if not labels.get(label, "").strip()]
    if lacking:
        text = f"image {image.name!r}: expected the labels {listed(lacking)}, got none or empty ones"
        yield Refusal("image.labels", places.at("config.labels", "config", "name"), text, rule.position)


def _size(rule: ImageRule, image: ImageUse, places: Places) -> Iterator[Refusal]:
    if rule.max_size is not None and image.size is not None and image.size > rule.max_size.bytes:
        text = f"image {image.name!r}: layers: expected at most {rule.max_size}, got {megabytes(image.size)}"
        words = ("plan", places.file_name) if places.file_name else ("inspect", image.name)
        hint = f"`{shlex.join(('imgforge', *words))}` shows what takes the space"
        yield Refusal("image.max-size", places.at("name"), text, rule.position, hint)


def _packages(rule: ImageRule, image: ImageUse, places: Places) -> Iterator[Refusal]:
    for package in image.packages:
        if matches_any(rule.forbidden, package.name):
            text = f"image {image.name!r}: package {package.name!r} ({package.version}) is forbidden"
            command = shlex.join(("imgforge", "why", places.file_name, package.name))
            hint = f"`{command}` shows what brings it in" if places.file_name else ""
            where = places.package(package.name, package.source)
            yield Refusal("image.forbidden", where, text, rule.position, hint)


def _privilege(entry: Entry) -> str:
    """Return which privileges a file grants to the user who runs it; empty if none."""
    if entry.kind not in (Kind.FILE, Kind.HARDLINK):
        return ""
    if any(name == _CAPABILITIES for name, _ in entry.xattrs):
        return "capabilities"
    return f"{entry.mode:04o} {entry.uid}:{entry.gid}" if entry.mode & _SET_ID else ""


def _openness(entry: Entry) -> str:
    """Return the mode of a world-writable entry; empty for others.

    The mode of a symlink has no meaning (symlink(7)). In a directory with the sticky bit, users cannot delete or rename
    each other's files.
    """
    if entry.kind is Kind.SYMLINK or not entry.mode & _OTHERS_WRITE:
        return ""
    return "" if entry.kind is Kind.DIRECTORY and entry.mode & _STICKY else f"{entry.mode:04o}"


def _paths(
    name: str, rule: ImageRule, allowed: tuple[str, ...], found: dict[str, str], places: Places
) -> Iterator[Refusal]:
    """Yield one refusal for each manifest position that adds disallowed paths."""
    problems = {
        "image.setuid": "runs with elevated privileges",
        "image.world-writable": "world-writable",
    }
    by_place: dict[Position | None, list[str]] = {}
    for path, why in found.items():
        if why and not matches_any(allowed, f"/{path}"):
            by_place.setdefault(places.file(path), []).append(f"/{path} ({why})")
    for where, paths in sorted(by_place.items(), key=_order):
        yield Refusal(name, where, f"{listed(sorted(paths))}: {problems[name]}", rule.position)


def _order(item: tuple[Position | None, Iterable[str]]) -> tuple[str, int, int]:
    where = item[0]
    return (where.file, where.line, where.column) if where else ("", 0, 0)
