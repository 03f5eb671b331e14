"""The packages of the evidence are those that dpkg lists, with what the lock and the copyright files add."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders import evidence

from imgforge.attest import dpkg
from imgforge.attest.knowledge import SourcePackage
from imgforge.deb.control import DebControlError
from imgforge.digest import Digest

KNOWN = evidence.know(Digest.of(b"image"))
BY_NAME = {package.name: package for package in KNOWN.packages}


def _query(*words: str) -> list[tuple[str, ...]]:
    form = "${Package}\\t${Version}\\t${Architecture}\\n"
    done = subprocess.run(["dpkg-query", *words, "-W", "-f", form], capture_output=True, text=True, check=True)
    return sorted(tuple(line.split("\t")) for line in done.stdout.splitlines())


def test_the_list_is_what_dpkg_query_prints(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(evidence.STATUS)
    listed = sorted((one.name, one.version, one.architecture) for one in KNOWN.packages)
    assert listed == list(evidence.LISTED) == _query(f"--admindir={tmp_path}")


def test_the_list_of_this_machine_is_what_dpkg_query_prints() -> None:
    status = Path("/var/lib/dpkg/status")
    if not status.exists():
        pytest.skip("this machine has no dpkg")
    found = dpkg.packages(status.read_text(encoding="utf-8"), locked={}, copyrights={})
    assert sorted((one.name, one.version, one.architecture) for one in found) == _query()


def test_sources_of_a_binary_are_told() -> None:
    busybox = BY_NAME["busybox-static"]
    assert busybox.source == SourcePackage("busybox", "1:1.35.0-4")
    assert busybox.built_using == (SourcePackage("glibc", "2.36-8"), SourcePackage("libxcrypt", "1:4.4.33-2"))
    assert BY_NAME["libc6"].source == SourcePackage("glibc", "2.36-9+deb12u10")
    assert BY_NAME["libdb5.3"].source == SourcePackage("libdb5.3", "5.3.28+dfsg2-1")


def test_the_lock_vouches_for_the_version_that_it_names_only() -> None:
    assert BY_NAME["libc6"].locked == evidence.VOUCHED[evidence.LISTED[1]]
    upgraded = evidence.STATUS.replace("deb12u10", "deb12u11")
    found = dpkg.packages(upgraded, locked=evidence.VOUCHED, copyrights={})
    assert [package.locked for package in found] == [None] * 3


def test_states_and_sizes_are_told() -> None:
    assert (BY_NAME["libdb5.3"].state, BY_NAME["libc6"].state) == ("config-files", "installed")
    assert (BY_NAME["libdb5.3"].installed_size, BY_NAME["libc6"].installed_size) == (0, 13000 * 1024)


def test_licences_come_from_machine_readable_files_only() -> None:
    licence = BY_NAME["busybox-static"].licence
    assert licence is not None
    assert licence.expression == "(Artistic-1.0-Perl OR GPL-2.0-or-later) AND LicenseRef-Odd-Licence AND MIT"
    assert licence.unknown == (("LicenseRef-Odd-Licence", "Odd-Licence"),)
    assert BY_NAME["libc6"].licence is None


@pytest.mark.parametrize(
    "status",
    [
        "Package: a\nVersion: 1\nStatus: install ok installed\n",
        "Version: 1\nArchitecture: all\nStatus: install ok installed\n",
        "Package: a\nVersion: 1\nArchitecture: all\n",
        "Package: a\nPackage: b\n",
    ],
)
def test_a_malformed_status_is_refused(status: str) -> None:
    with pytest.raises(DebControlError, match="dpkg/status"):
        dpkg.packages(status, locked={}, copyrights={})
