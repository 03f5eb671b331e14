"""Put the facts of an image's layers together, as a runtime puts the layers together. Pure.

Source: OCI image-spec, layer.md, "Applying Changesets". Where runtimes differ, the result is what the least careful one
makes, since it is what the policy judges:

- A hard link is another name of one inode. imgforge and umoci leave the inode as it is; containerd and
  containers/storage then set the mode and the attributes of the link's own header (``handleLChmod`` and
  ``Lsetxattr`` in their ``createTarFile``), and dpkg the mode. So every name has the target's owner, and the
  set-user-ID, set-group-ID and world-writable bits and the attributes of each header that names the inode.
- A symlink in the middle of a path is followed inside the root (`imgforge.rootfs.directories`), so an entry is what
  it is at the path where it ends up.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from imgforge.errors import IntegrityError
from imgforge.rootfs.facts import OPAQUE, Facts, is_wanted
from imgforge.tree import ROOT, WHITEOUT, Entry, Kind

_LINKS_MAX = 40
"""Linux's limit of symlinks in one path (path_resolution(7))."""

_PRIVILEGES = 0o6002
"""Mode bits that give others more rights: set-user-ID, set-group-ID, writable by everybody (inode(7))."""


class FoldError(IntegrityError):
    """The entries of a layer do not fit on those below."""


def fold(layers: Iterable[Facts]) -> Facts:
    """Return the facts of the image that these layers, lowest first, make.

    Raises:
        FoldError: a layer does not fit on those below.
    """
    folding = Folding()
    for layer in layers:
        folding.add(layer)
    return folding.facts()


class Folding:
    """The tree of an image while its layers are put on each other, the lowest first."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._contents: dict[str, bytes] = {}
        self._children: dict[str, dict[str, None]] = {}  # also of directories that no layer has an entry for
        self._names: dict[str, dict[str, None]] = {}  # of an inode with several: all of them, by each of them

    def facts(self) -> Facts:
        """Return the image so far."""
        return Facts(self._entries, self._contents)

    def add(self, layer: Facts) -> None:
        """Put a layer on top.

        Raises:
            FoldError: a hard link does not lead to a file, or symlinks lead in a circle.
        """
        for path in layer.entries:
            self._hide(path)
        for entry in layer.sequence:
            if entry.path != ROOT and not entry.path.rpartition("/")[2].startswith(WHITEOUT):
                self._put(entry, layer)

    def _hide(self, whiteout: str) -> None:
        directory, _, name = whiteout.rpartition("/")
        if name == OPAQUE:
            self._forget_below(self._resolved(directory))
        elif name.startswith(WHITEOUT):
            self._forget(self._place(f"{directory}/{name.removeprefix(WHITEOUT)}".lstrip("/")))

    def _put(self, entry: Entry, layer: Facts) -> None:
        path = self._place(entry.path)
        if entry.kind is Kind.HARDLINK:
            self._link(entry, path)
            return
        if entry.kind is not Kind.DIRECTORY:
            self._forget_below(path)
        self._set(path, entry if path == entry.path else attrs.evolve(entry, path=path))
        if entry.path in layer.contents and entry == layer.entries[entry.path]:
            self._contents[path] = layer.contents[entry.path]

    def _link(self, entry: Entry, path: str) -> None:
        target = self._place(entry.target)
        found = self._entries.get(target)
        if f"{target}/".startswith(f"{path}/"):
            raise FoldError(f"{entry.path!r}: a hard link to itself, or to what it would replace")
        if found is None or found.kind is Kind.DIRECTORY:
            raise FoldError(f"{entry.path!r}: a hard link to {entry.target!r}, which is no file")
        content = self._contents.get(target)
        self._forget_below(path)
        if found.kind not in (Kind.FILE, Kind.HARDLINK):  # another name of a symlink or a device
            self._set(path, attrs.evolve(found, path=path))
            return
        self._set(path, attrs.evolve(entry, path=path, target=target, uid=found.uid, gid=found.gid))
        names = self._names.setdefault(target, {target: None})
        names[path] = None
        self._names[path] = names
        self._merge(entry, found, names)
        if content is not None and is_wanted(path):
            self._contents[path] = content

    def _merge(self, link: Entry, found: Entry, names: dict[str, None]) -> None:
        """Give every name of an inode what its headers say together."""
        mode = found.mode | (link.mode & _PRIVILEGES)
        known = dict(found.xattrs)
        xattrs = found.xattrs
        if any(name not in known for name, _ in link.xattrs):
            xattrs = tuple(sorted((dict(link.xattrs) | known).items()))
        is_new = (mode, xattrs) != (found.mode, found.xattrs)
        for name in names if is_new else (next(reversed(names)),):
            self._entries[name] = attrs.evolve(self._entries[name], mode=mode, xattrs=xattrs)

    def _set(self, path: str, entry: Entry) -> None:
        self._detach(path)
        self._contents.pop(path, None)
        self._entries[path] = entry
        while path:
            parent = path.rpartition("/")[0]
            siblings = self._children.setdefault(parent, {})
            if path in siblings:
                return
            siblings[path] = None
            path = parent

    def _detach(self, path: str) -> None:
        """Take a path off the names of the inode that it was."""
        names = self._names.pop(path, None)
        if names is not None:
            del names[path]

    def _forget(self, path: str) -> None:
        """Remove a path and everything below it."""
        self._forget_below(path)
        self._remove(path)
        self._children.get(path.rpartition("/")[0], {}).pop(path, None)

    def _forget_below(self, directory: str) -> None:
        pending = [directory]
        while pending:
            for child in self._children.pop(pending.pop(), ()):
                self._remove(child)
                pending.append(child)

    def _remove(self, path: str) -> None:
        self._detach(path)
        self._entries.pop(path, None)
        self._contents.pop(path, None)

    def _place(self, path: str) -> str:
        """Return a path with the symlinks above its last part followed."""
        parent, slash, name = path.rpartition("/")
        real = self._resolved(parent) if slash else ""
        return f"{real}/{name}" if real else name

    def _resolved(self, directory: str) -> str:
        """Return a directory's path with all its symlinks followed, none out of the root.

        Raises:
            FoldError: they lead in a circle.
        """
        rest, done, links = directory.split("/")[::-1], "", 0
        while rest:
            part = rest.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{part}" if done else part
            entry = self._entries.get(here)
            if entry is None or entry.kind is not Kind.SYMLINK:
                done = here
                continue
            links += 1
            if links > _LINKS_MAX:
                raise FoldError(f"{directory!r}: too many levels of symbolic links")
            done = "" if entry.target.startswith("/") else done
            rest.extend(entry.target.split("/")[::-1])
        return done
