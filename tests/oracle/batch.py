"""Ask libapt many requests in one process, as apt-get would mark them; run by the system's Python with python3-apt.

Reads lines of JSON, lists of names, and writes one line for each:
``{"result": ["+name:arch=version", "-name"]}`` or ``{"error": "…"}``. The calls are those of apt-get install
(apt-private/private-install.cc); `run.py` has every disagreement confirmed by apt-get itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import apt_pkg  # type: ignore[import-not-found]  # of the system, not of a virtual environment


def answer(
    depcache: apt_pkg.DepCache, cache: apt_pkg.Cache, packages: Sequence[apt_pkg.Package], names: list[str]
) -> dict[str, object]:
    """Mark as apt-get does and list the changes to `packages`, which are all that the cache has."""
    with apt_pkg.ActionGroup(depcache):
        problem = mark(depcache, cache, names)
    if problem:
        return {"error": problem}
    # What a failed alternative left behind, and nothing leads to (private-install.cc, DoAutomaticRemove).
    for package in packages:
        if depcache.marked_install(package) and depcache.is_garbage(package):
            depcache.mark_keep(package)
    return {"result": changes(depcache, packages)}


def mark(depcache: apt_pkg.DepCache, cache: apt_pkg.Cache, names: list[str]) -> str:
    """Mark what is asked for and all that it needs; return what stands against it."""
    resolver = apt_pkg.ProblemResolver(depcache)
    packages = []
    for name in names:
        package = cache[name]
        candidate = depcache.get_candidate_ver(package)
        if candidate is None:
            return f"Package '{name}' has no installation candidate"
        resolver.clear(package)
        resolver.protect(package)
        depcache.mark_install(package, False, True)
        packages.append(package)
    for package in packages:
        depcache.mark_install(package, True, True)
    try:
        resolver.resolve(True)
    except apt_pkg.Error as error:
        return str(error)
    return "broken packages" if depcache.broken_count else ""


def changes(depcache: apt_pkg.DepCache, packages: Sequence[apt_pkg.Package]) -> list[str]:
    """List what would be installed or removed."""
    found = []
    for package in packages:
        if depcache.marked_delete(package):
            found.append("-" + package.name)
        elif depcache.marked_install(package) or depcache.marked_upgrade(package) or depcache.marked_downgrade(package):
            version = depcache.get_candidate_ver(package)
            found.append(f"+{package.name}:{version.arch}={version.ver_str}")
    return sorted(found)


def main() -> None:
    """Answer every line."""
    apt_pkg.init_config()
    apt_pkg.config.set("APT::Install-Recommends", sys.argv[1])
    apt_pkg.init_system()
    cache = apt_pkg.Cache(None)
    depcache = apt_pkg.DepCache(cache)
    packages = [package for package in cache.packages if package.has_versions]
    for line in sys.stdin:
        # A child's marks are gone with it; init() would compute anew what has not changed.
        child = os.fork()
        if not child:
            print(json.dumps(answer(depcache, cache, packages, json.loads(line))), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


main()
