from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgforge.errors import SandboxError
from imgforge.sandbox.rung import Rung
from imgforge.tar import writer
from imgforge.tree import Entry, Kind
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
