from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgforge.errors import SandboxError
from imgforge.sandbox.rung import Rung
from imgforge.store.usage import last_use
from imgforge.tar import writer
from imgforge.tree import ROOT, Entry, Kind
from imgforge.workshop.client import Workshop

pytestmark = pytest.mark.root


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with Workshop("root") as opened:
        yield opened


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    content = io.BytesIO()
    output = writer.Writer(content)
    output.add(Entry("file", Kind.FILE, size=5), b"hello")
    output.close()
    (tmp_path / "a.tar").write_bytes(content.getvalue())
    return tmp_path / "a.tar"


def test_threads_that_ask_at_once_take_turns(workshop: Workshop, tar: Path, tmp_path: Path) -> None:
    def ask(number: int) -> Rung:
        workshop.extract((tar,), tmp_path / f"tree-{number}")
        return workshop.rung

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(16))) == {Rung.ROOT}
    assert {(tmp_path / f"tree-{number}/file").read_bytes() for number in range(16)} == {b"hello"}


def test_a_tree_was_used_when_it_was_made_whatever_its_archive_says(workshop: Workshop, tmp_path: Path) -> None:
    """A collection would take it from under the build that made it."""
    start = time.time_ns() - 10**9
    with (tmp_path / "old.tar").open("wb") as stream:
        output = writer.Writer(stream)
        output.add(Entry(ROOT, Kind.DIRECTORY, mode=0o755, mtime=1_000_000_000), None)
        output.close()
    workshop.extract((tmp_path / "old.tar",), tmp_path / "tree")
    assert (tmp_path / "tree").lstat().st_mtime == 1_000_000_000
    assert (last_use(tmp_path / "tree") or 0) >= start


def test_a_workshop_that_was_closed_opens_again(workshop: Workshop, tar: Path, tmp_path: Path) -> None:
    workshop.extract((tar,), tmp_path / "first")
    workshop.close()
    workshop.extract((tar,), tmp_path / "second")
    assert (tmp_path / "second/file").read_bytes() == b"hello"


def test_a_rung_that_the_machine_refuses_is_an_error_each_time(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("imgforge.workshop.client._START", _WITHOUT_SYS_ADMIN)
    for _ in range(2):
        with pytest.raises(SandboxError, match=r"no mode works on this machine \(root: unshare"):
            workshop.remove((tmp_path / "nothing",))


_WITHOUT_SYS_ADMIN = (
    "import sys; from imgforge.sandbox import syscalls; "
    "syscalls.limit_capabilities(frozenset(range(41)) - {{21}}); "
    "from imgforge.workshop.{} import main; sys.exit(main())"
)
