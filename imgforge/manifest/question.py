"""What a manifest asks of the resolver, as lines: the part of it that a lock answers.

A lock keeps these lines and their digest. When the manifest changes, comparing lines says what changed; what the
lines leave out (files, edits, config, layers) never makes a lock stale.
"""

from __future__ import annotations

from collections.abc import Iterable

from imgforge.manifest.model import Manifest


def question(manifest: Manifest, *, identities: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the lines of what is asked, sorted: the order of packages and sources does not count, that of pins does.

    Args:
        manifest: the manifest.
        identities: of the sources that may answer (`apt.sources.Source.identity`): those of the manifest, and of the
            base when they are known before the base is there.
    """
    lines = [f"base {manifest.base}"]
    lines += [f"package {request}" for request in manifest.packages]
    lines += [f"without {name}" for name in manifest.without]
    lines += [f"pin {number} {pin}" for number, pin in enumerate(manifest.pins, 1)]
    lines += [f"source {' '.join(identity.split())}" for identity in identities]
    if manifest.sources and manifest.base_sources and not manifest.is_from_scratch:
        lines.append("sources of the base")
    if manifest.recommends:
        lines.append("recommends")
    return tuple(sorted(lines))
