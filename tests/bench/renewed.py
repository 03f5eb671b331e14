"""The next version of a real `.deb`: the same files, another version number, a later time."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

from builders.debs import build_ar

from bench.desk import Place

SUFFIX = "+bench1"
_DAY = 86_400
_VERSION = re.compile(rb"^(Version: \S+)$", re.MULTILINE)


def renew(place: Place, image: str, package: str) -> None:
    """Do to a lock and its cache what an update of one package does: a newer `.deb`, and its line in the lock.

    Args:
        place: where; its lock is written anew, its cache gets the `.deb`.
        image: whose lock.
        package: the name of one of its packages.
    """
    path = place.lock(image)
    document = json.loads(path.read_text())
    rows = next(iter(document["platforms"].values()))["packages"]
    debs = {row["name"]: _deb(place.cache, row["digest"]) for row in rows}
    newest = max(_times(deb.read_bytes()[:256]) for deb in debs.values())
    data = next_version(debs[package].read_bytes(), mtime=newest + _DAY)
    digest = hashlib.sha256(data).hexdigest()
    row = next(row for row in rows if row["name"] == package)
    row |= {"version": row["version"] + SUFFIX, "size": len(data), "digest": f"sha256:{digest}"}
    deb = _deb(place.cache, row["digest"])
    deb.parent.mkdir(exist_ok=True)
    deb.write_bytes(data)
    path.unlink()  # it may be a hard link
    path.write_text(json.dumps(document))


def next_version(deb: bytes, *, mtime: int) -> bytes:
    """Return a `.deb` whose version is one further.

    Args:
        deb: the old one.
        mtime: of the new one's members, in seconds since the epoch.
    """
    members = [
        ("control.tar", _with_next_version(body)) if name.startswith("control.tar") else (name, body)
        for name, body in _members(deb)
    ]
    return build_ar(members, mtime=mtime)


def _deb(cache: Path, digest: str) -> Path:
    key = digest.removeprefix("sha256:")
    return cache / "debs" / key[:2] / key


def _times(head: bytes) -> int:
    """Return the time of a `.deb`'s first member."""
    return int(head[8 + 16 : 8 + 28])


def _members(deb: bytes) -> list[tuple[str, bytes]]:
    members, position = [], 8
    while position < len(deb):
        name = deb[position : position + 16].decode().strip(" /")
        size = int(deb[position + 48 : position + 58])
        members.append((name, deb[position + 60 : position + 60 + size]))
        position += 60 + size + (size & 1)
    return members


def _with_next_version(packed: bytes) -> bytes:
    """Return control.tar, not packed, with another version in its control file."""
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(packed)) as old, tarfile.open(fileobj=target, mode="w") as new:
        for member in old:
            content = old.extractfile(member)
            data = content.read() if content else b""
            if member.name.lstrip("./") == "control":
                data = _VERSION.sub(rb"\1" + SUFFIX.encode(), data)
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target.getvalue()
