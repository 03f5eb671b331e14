"""What scripts make at random when they configure a package, for the one machine that they take the image to be.

Each container would share it, two builds of one lock would differ by it, and most of it is a private key. What a
program or one command makes anew is removed (`REMOVED`); what is data of a service stays, and the build names it
(`VARYING`). Each row says what to do instead. Only what the build made is looked at (docs/decisions/0040).
"""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Callable, Iterator

import attrs

from imgforge.rootfs.inroot import ImageRoot


@attrs.frozen
class Identity:
    """One row.

    Attributes:
        package: whose script makes it.
        paths: patterns of paths; a star does not stand for a slash.
        what: what it is.
        instead: what to do about it.
    """

    package: str
    paths: tuple[str, ...]
    what: str
    instead: str


REMOVED = (
    Identity(
        "openssh-server",
        ("etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_*_key.pub"),
        "a host key",
        "`ssh-keygen -A` makes new ones before sshd starts",
    ),
    Identity(
        "dropbear",
        ("etc/dropbear/dropbear_*_host_key",),
        "a host key",
        "`dropbear -R` makes new ones when they are needed",
    ),
    Identity(
        "ssl-cert",
        ("etc/ssl/private/ssl-cert-snakeoil.key", "etc/ssl/certs/ssl-cert-snakeoil.pem"),
        "a key of this build and its certificate",
        "`make-ssl-cert generate-default-snakeoil` makes new ones before a server starts that uses them",
    ),
    Identity(
        "rabbitmq-server",
        ("var/lib/rabbitmq/.erlang.cookie",),
        "the password of an Erlang cluster",
        "Erlang makes a new one when it starts, or mount the cluster's",
    ),
    Identity(
        "bind9",
        ("etc/bind/rndc.key",),
        "the key of rndc",
        "`rndc-confgen -a` makes a new one before named starts",
    ),
    Identity(
        "munge",
        ("etc/munge/munge.key",),
        "the key of a cluster",
        "mount the cluster's, or `mungekey --create` makes a new one",
    ),
)

VARYING = (
    Identity(
        "postgresql-common",
        ("var/lib/postgresql/*/*/PG_VERSION",),
        "a database cluster, with an identifier and times of its own",
        "`createcluster.conf` with `create_main_cluster = false` in a lower image, and `pg_createcluster` at the start",
    ),
    Identity(
        "mariadb-server",
        ("var/lib/mysql/ibdata1",),
        "a database, with an identifier and times of its own",
        "make it in a volume at the start: `mariadb-install-db`",
    ),
    Identity(
        "slapd",
        ("var/lib/ldap/data.mdb",),
        "a directory, with identifiers, times and a password of its own",
        "make it in a volume at the start: `slapadd`",
    ),
)


def settle(root: ImageRoot, *, is_new: Callable[[str], bool], before: Callable[[str], bytes]) -> tuple[str, ...]:
    """Remove what `REMOVED` names, and return what to tell of both tables.

    Args:
        root: the image.
        is_new: tells whether a path (relative) was made or changed in this build.
        before: returns what a file held before, nothing where there was none. A new owner or mode makes no new key.

    Raises:
        OSError: the disk fails.
    """
    notes = []
    for row in REMOVED:
        new = [path for pattern in row.paths for path in _matching(root, pattern) if is_new(path)]
        found = [path for path in new if root.read(path) != before(path)]
        for path in found:
            root.remove(path)
            _remove_links(root, path, is_new=is_new)
        if found:
            notes.append(f"{row.package}: {_listed(found)}: {row.what}, made at random: removed; {row.instead}")
    for row in VARYING:
        found = [path for pattern in row.paths for path in _matching(root, pattern) if is_new(path)]
        if found:
            notes.append(f"{row.package}: {_listed(found)}: {row.what}: no two builds are the same; {row.instead}")
    return tuple(notes)


def _listed(paths: list[str]) -> str:
    return ", ".join(f"/{path}" for path in paths)


def _remove_links(root: ImageRoot, path: str, *, is_new: Callable[[str], bool]) -> None:
    """Remove new links to a file that was removed, in its own directory, as `c_rehash` makes them."""
    directory, _, name = path.rpartition("/")
    for other in root.names(directory):
        link = f"{directory}/{other}"
        if root.target(link) in (name, f"/{path}") and is_new(link):
            root.remove(link)


def _matching(root: ImageRoot, pattern: str, below: str = "") -> Iterator[str]:
    """Yield the files that a pattern names; no link is followed."""
    part, _, rest = pattern.partition("/")
    names = root.names(below) if "*" in part else [part]
    for name in names:
        path = f"{below}/{name}" if below else name
        if not fnmatch.fnmatchcase(name, part):
            continue
        status = root.status(path)
        if status is None:
            continue
        if rest and stat.S_ISDIR(status.st_mode):
            yield from _matching(root, rest, path)
        elif not rest and stat.S_ISREG(status.st_mode):
            yield path
