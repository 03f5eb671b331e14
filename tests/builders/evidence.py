"""What a small build knows, for tests of the evidence that is made of it."""

from __future__ import annotations

from imgforge.attest import dpkg
from imgforge.attest.knowledge import (
    BaseImage,
    Distribution,
    Effects,
    Knowledge,
    Layer,
    LockedDeb,
    Measurements,
    Origin,
    Proof,
    ScriptRun,
    Timing,
    Tool,
)
from imgforge.attest.slsa import InputFile, Invocation
from imgforge.digest import Digest

STATUS = """\
Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 13000
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Description: GNU C Library
 Contains the standard libraries.
Homepage: https://www.gnu.org/software/libc/libc.html

Package: busybox-static
Status: install ok installed
Section: shells
Installed-Size: 1900
Maintainer: Jane (Janet) Doe <jane@example.org>
Architecture: amd64
Source: busybox (1:1.35.0-4)
Version: 1:1.35.0-4+b3
Built-Using: glibc (= 2.36-8)
Static-Built-Using: libxcrypt (= 1:4.4.33-2), glibc (= 2.36-8), odd
Description: standalone rescue shell

Package: libdb5.3
Status: deinstall ok config-files
Maintainer: nobody
Architecture: amd64
Version: 5.3.28+dfsg2-1

Package: never
Status: purge ok not-installed
Architecture: amd64
"""

LISTED = (
    ("busybox-static", "1:1.35.0-4+b3", "amd64"),
    ("libc6", "2.36-9+deb12u10", "amd64"),
    ("libdb5.3", "5.3.28+dfsg2-1", "amd64"),
)
"""What ``dpkg-query -W`` prints for `STATUS`."""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 1999 Somebody
License: GPL-2+ or Artistic

Files: lib/*
Copyright: 2000 Somebody
License: Expat

Files: debian/*
Copyright: 2001 Somebody
License: Odd-Licence
 Do as you like.
"""

_ORIGIN = Origin("debian", "bookworm main 1F89983E", "pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb")
_PROOF = Proof(("4cb50190207b4758a3f73a796ed0e7b82643e131",), "bookworm", "main", 1_699_000_000)
VOUCHED = {LISTED[1]: LockedDeb(2_750_000, Digest.of(b"libc6"), _ORIGIN, _PROOF)}


def know(digest: Digest) -> Knowledge:
    """Return what is known of an image with the packages of `STATUS`."""
    return Knowledge(
        name="team/app",
        digest=digest,
        platform="linux/amd64",
        created=1_700_000_000,
        distribution=Distribution("debian", "12"),
        tool=Tool("imgforge", "0.1.0"),
        packages=dpkg.packages(STATUS, locked=VOUCHED, copyrights={"busybox-static": COPYRIGHT, "libc6": "In words."}),
        sources=(("debian", _ORIGIN.identity),),
        base=(
            BaseImage("docker://registry.example/Base/bookworm:12", Digest.of(b"base")),
            BaseImage("scratchpad", Digest.of(b"ground")),
        ),
        layers=(
            Layer(Digest.of(b"l0"), Digest.of(b"d0"), 100, "base", is_base=True),
            Layer(Digest.of(b"l1"), Digest.of(b"d1"), 50, "imgforge: glibc", ("libc6",)),
        ),
    )


MEASURED = Measurements(
    started=1_750_000_000,
    finished=1_750_000_010,
    timings=(Timing("fetch", "3 packages", 1.23456), Timing("configure", "3 packages", 2.0)),
    runs=(ScriptRun("libc6 postinst", 0.1234, ("etc/ld.so.cache",)),),
    cached=("fragment libc6",),
    made=("state",),
    effects=Effects(("etc/ld.so.cache",), ("var/lib/dpkg/status",), ("etc/gone",)),
)

INVOCATION = Invocation(
    builder="https://ci.example.org/builders/1",
    manifest=InputFile("manifests/app.yaml", Digest.of(b"manifest")),
    lock=InputFile("manifests/app.lock.json", Digest.of(b"lock")),
    inputs=(InputFile("src/main.js", Digest.of(b"main")),),
    parameters=(("locked", "true"),),
    internal=(("sandbox", "subids"),),
    id="https://ci.example.org/runs/42",
)
