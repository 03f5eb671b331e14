"""Owners by name: a file belongs to the user that the image knows by the name in the package, else to the number.

dpkg looks names up in the image when it unpacks (`tar_entry_update_from_system`, lib/dpkg/tarfn.c). A fragment is the
same for every image, so it keeps the numbers, and the names where they may mean something else. Here the names are
looked up in the base. An image from scratch has no accounts yet: there those count that base-passwd makes first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import attrs

from imgforge.layer.fragment import Fragment
from imgforge.rootfs import accounts
from imgforge.rootfs.accounts import GROUP, PASSWD
from imgforge.rootfs.facts import Facts
from imgforge.tree import Entry


@attrs.frozen
class Accounts:
    """The numbers of users and groups, by name."""

    users: Mapping[str, int]
    groups: Mapping[str, int]

    @classmethod
    def of(cls, facts: Facts, fragments: Iterable[Fragment]) -> Accounts:
        """Return the accounts of a base, or those of base-passwd if the base has none."""
        files = {path: facts.text(path) for path in (PASSWD, GROUP)}
        if not any(files.values()):
            brought = (fragment.accounts for fragment in fragments if any(fragment.accounts))
            files = dict(zip((PASSWD, GROUP), next(brought, ("", "")), strict=True))
        users, groups = accounts.ids(files, PASSWD), accounts.ids(files, GROUP)
        return cls({name: ids[0] for name, ids in users.items()}, {name: ids[0] for name, ids in groups.items()})


def resolved(fragment: Fragment, known: Accounts) -> Fragment:
    """Return a fragment with the owners that its files have in an image; the same one if those are its numbers."""
    names = {path: (user, group) for path, user, group in fragment.owners}
    changed = {
        entry.path: owner
        for entry in (*fragment.directories, *fragment.entries)
        if entry.path in names and (owner := _owner(entry, *names[entry.path], known)) != (entry.uid, entry.gid)
    }
    if not changed:
        return fragment

    def owned(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        return tuple(
            attrs.evolve(entry, uid=changed[entry.path][0], gid=changed[entry.path][1])
            if entry.path in changed
            else entry
            for entry in entries
        )

    return attrs.evolve(fragment, directories=owned(fragment.directories), entries=owned(fragment.entries))


def key_of(key: str, fragment: Fragment) -> str:
    """Return the name of a fragment that `resolved` changed.

    Args:
        key: of the fragment as the package has it.
        fragment: the changed one.
    """
    paths = {path for path, _, _ in fragment.owners}
    ids = [(e.path, e.uid, e.gid) for e in (*fragment.directories, *fragment.entries) if e.path in paths]
    return hashlib.sha256(repr((key, ids)).encode("utf-8", "surrogateescape")).hexdigest()


def undecided(fragment: Fragment, known: Accounts) -> str:
    """Return the name of an owner that only dpkg can look up, at its time; empty when there is none.

    A name that the base does not know may be known when dpkg unpacks the package: its preinst may make the account.

    Args:
        fragment: a package.
        known: the accounts of the base.
    """
    if not fragment.preinst:
        return ""
    unknown = (
        name
        for _, user, group in fragment.owners
        for name, names in ((user, known.users), (group, known.groups))
        if name and name not in names
    )
    return next(unknown, "")


def _owner(entry: Entry, user: str, group: str, known: Accounts) -> tuple[int, int]:
    return known.users.get(user, entry.uid), known.groups.get(group, entry.gid)
