"""The façade is a promise: its names and signatures are a golden file, and importing it is cheap."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator

import attrs
import pytest
from builders.golden import Golden

import imgforge
from imgforge.cli.verbs import SUMMARIES

HEAVY = (
    "requests",
    "urllib3",
    "cryptography",
    "debian",
    "nacl",
    "pysequoia",
    "zstandard",
    "deflate",
    "lzma_mt",
    "rich",
)


def _described(name: str) -> Iterator[str]:
    value = getattr(imgforge, name)
    if inspect.isfunction(value):
        yield f"{name}{inspect.signature(value)}"
        return
    bases = ", ".join(base.__name__ for base in value.__bases__)
    yield f"class {name}({bases})"
    if attrs.has(value):
        yield from (f"    {field.name}: {field.type}" for field in attrs.fields(value))
    for attribute, member in sorted(vars(value).items()):
        if attribute.startswith("_") or (attrs.has(value) and attribute in attrs.fields_dict(value)):
            continue
        if inspect.isfunction(member):
            yield f"    {attribute}{inspect.signature(member)}"
        elif isinstance(member, classmethod | staticmethod):
            yield f"    {type(member).__name__} {attribute}{inspect.signature(member.__func__)}"
        elif isinstance(member, property):
            yield f"    property {attribute}"


def test_names_and_signatures_are_the_promised_ones(golden_file: Golden) -> None:
    lines = [line for name in imgforge.__all__ for line in _described(name)]
    golden_file.check("facade.txt", "\n".join(lines).replace("'", "") + "\n")


def test_the_facade_has_every_verb_of_the_command_line_that_is_not_about_the_command_line() -> None:
    further = {"freshness", "freshness_each", "lock_each", "tags"}
    verbs = {name for name in SUMMARIES if name not in {"completion", "list"}} | further
    assert {name for name in imgforge.__all__ if name.islower()} == verbs


def test_a_verb_stays_a_verb_after_every_room_was_imported() -> None:
    code = (
        "import imgforge, pkgutil, importlib; "
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(imgforge.__path__, 'imgforge.') "
        "if not m.name.endswith('__main__')]; "
        "print([name for name in imgforge.__all__ if name.islower() and not callable(getattr(imgforge, name))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("code", ["import imgforge", "from imgforge.cli.main import main; main(['build', '--help'])"])
def test_no_heavy_library_is_loaded_before_it_is_used(code: str) -> None:
    code = f"import sys; {code}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
