"""The forms that archives have, each as a real archive of which APT and imgforge are asked for the same packages.

A form is read by both, with the same candidates, or by neither. Where they differ it is said which, and why.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from apt.forms import FORMS, Form
from builders.archives import NOW, Archive
from builders.debs import build_deb
from builders.desks import Desk
from oracle.root import Root

from imgforge.apt import sources
from imgforge.apt.opening import open_index
from imgforge.apt.universe import Universe
from imgforge.digest import check
from imgforge.errors import ImgforgeError, ResolveError
from imgforge.solver.solve import solve
from imgforge.solver.values import Request

pytestmark = [pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is the judge"), pytest.mark.attack]

NAMES = ("hello", "other", "needs")


def publish(form: Form, path: Path) -> Archive:
    """Return an archive of three packages in a form."""
    archive = Archive(path)
    archive.suites.clear()
    suite = archive.suite("./" if form.suite == "/" else form.suite)
    for name, version, fields in (("hello", "1.0", {}), ("other", "2.0", {}), ("needs", "1.0", {"Depends": "hello"})):
        archive.add(build_deb(name, version, architecture="all", fields=fields), suite=suite.name)
    form.change(suite)
    archive.publish()
    form.spoil(archive)
    return archive


def stanza_of(archive: Archive, form: Form, keyring: Path) -> str:
    """Return the source as a .sources file has it."""
    components = "" if form.suite.endswith("/") else "Components: main\n"
    head = f"Types: deb\nURIs: {archive.url}\nSuites: {form.suite}\n{components}"
    return f"{head}{form.consents}Signed-By: {keyring}\n"


def apts(archive: Archive, form: Form, keyring: Path) -> dict[str, str] | None:
    """Return what APT would install and fetches, by name; None where it refuses the archive."""
    components = "" if form.suite.endswith("/") else "main"
    line = f"deb [signed-by={keyring}] {archive.url} {form.suite} {components}\n"
    try:
        root = Root(keyring.with_name("root"), sources=[line], status="")
    except subprocess.CalledProcessError:
        return None
    found: dict[str, str] = {}
    for name in NAMES:
        done = root.run("apt-get", "-y", "--download-only", "install", name)
        if done.returncode == 0:
            shown = root.run("apt-cache", "policy", name).stdout
            found[name] = shown.partition("Candidate: ")[2].partition("\n")[0]
    return found


def ours(stanza: str, archive: Archive, path: Path) -> tuple[dict[str, str] | None, str]:
    """Return what imgforge would install, by name, with what it says; None where it refuses the archive."""
    desk = Desk(path)
    (source,) = sources.parse(stanza, file="x.sources")
    told = desk.listener.warnings
    try:
        files = desk.get(sources.with_keys(source, lambda name: Path(name).read_bytes()), now=NOW)
        opened = [open_index(file, cache=desk.cache, warn=told.append) for file in files]
    except ImgforgeError as error:
        return None, str(error)
    universe = Universe(opened, architecture="amd64")
    found: dict[str, str] = {}
    for name in NAMES:
        try:
            solution = solve((Request(name),), universe=universe, recommends=False)
        except ResolveError:
            continue
        for package in solution.install:
            assert package.digest is not None
            data = (archive.path / package.filename).read_bytes()
            assert len(check(data, package.digest, what=name)) == package.size
            found |= {name: package.version} if package.name == name else {}
    return found, "\n".join(told)


@pytest.mark.parametrize("name", FORMS)
def test_apt_and_imgforge_read_the_same_in_a_form(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    archive = publish(form, tmp_path / "archive")
    (tmp_path / "key.gpg").write_bytes(archive.keyring)
    found, told = ours(stanza_of(archive, form, tmp_path / "key.gpg"), archive, tmp_path / "cache")
    assert found == form.ours, told
    assert apts(archive, form, tmp_path / "key.gpg") == (form.ours if form.apts == "same" else form.apts), told
    assert (form.apts in ("same", form.ours)) == (not form.why)
