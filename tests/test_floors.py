"""The shape of the code, read from its syntax trees: floors, pure modules, no hidden imports, sizes.

A room is a module or a package directly below imgforge. It imports rooms of lower floors and itself. The figure for
people is in docs/flow.md; a test keeps it equal to `FLOORS`.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

REPOSITORY = Path(__file__).parents[1]

FLOORS = (
    ("errors", "report", "late", "interruption", "printable"),
    ("access", "digest", "tree", "limits"),
    ("record", "tar", "codec", "oci", "document"),
    ("deb", "store", "fetch", "sandbox"),
    ("manifest", "lock", "privacy", "apt", "rootfs", "layer", "registry", "configuration"),
    ("policy", "solver", "plan", "image", "families", "workshop", "settings"),
    ("signing", "attest", "compare"),
    ("transport",),
    ("pipeline",),
    ("__init__",),
    ("cli",),
    ("__main__",),
)

PIPELINE = (
    ("image",),
    ("lock",),
    ("layer", "registry"),
    ("attest", "policy"),
    ("",),
)
"""The floors inside the pipeline, the largest room: its packages, and on top the modules that put them together."""

PURE = re.compile(
    r"""imgforge\.(
        access | errors | digest | tree | limits | record | lock | plan | image
        | (codec | compare | deb | layer | oci | privacy | solver | tar)(\..+)?
        | document(?!\.disk)(\..+)?
        | (manifest | policy)(?!\.files)(\..+)?
        | apt\.(
            index | mentions | openpgp | package | pins | release | sources | stanzas | status | tagfile | universe
            | values | wanted | weak | words
        )
        | rootfs\.(accounts | facts | folding | ini)
        | workshop\.(configure | order | steps | triggers)
        | signing(?!\.(keygen|opening))(\..+)?
        | attest(\..+)?
    )""",
    re.VERBOSE,
)
IMPURE_MODULES = {"os", "subprocess", "socket", "requests", "time", "random", "tempfile", "shutil"}
VERBS = {"lock", "build", "plan", "why", "run", "inspect", "images", "gc"}

LONGEST_FILE = 350
LONGEST_FUNCTION = 40
DEEPEST_NESTING = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def _files(*tops: str) -> list[Path]:
    return sorted(path for top in tops for path in (REPOSITORY / top).rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _floor(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of each import, late ones too; `from imgforge.a import b` is imgforge.a.b if that exists."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from ((node.lineno, _deepest(f"{base}.{alias.name}", base)) for alias in node.names)
        elif _is_late(node):
            yield node.lineno, ast.literal_eval(node.args[0])


def _deepest(name: str, base: str) -> str:
    path = REPOSITORY / name.replace(".", "/")
    return name if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else base


def _is_late(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "late.module"


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _where(path: Path, line: int) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line}"


def test_every_room_has_a_floor() -> None:
    rooms = {_room(_name(path)) for path in _files("imgforge")}
    assert sorted(room for room in rooms if _floor(room) is None) == []


def test_a_room_imports_only_lower_floors() -> None:
    wrong = []
    for path in _files("imgforge"):
        own = _room(_name(path))
        for line, module in _imported(path):
            other = _room(module)
            if module.split(".")[0] != "imgforge" or other == own:
                continue
            if (_floor(other) or 0) >= (_floor(own) or 0):
                wrong.append(
                    f"{_where(path, line)}: {own} (floor {_floor(own)}) imports {other} (floor {_floor(other)})"
                )
    assert wrong == []


def _part(module: str) -> str:
    """Return the package of the pipeline that a module is in; empty text for what stands above them."""
    path = REPOSITORY / "imgforge/pipeline" / module.split(".")[2] if module.count(".") > 1 else REPOSITORY
    return path.name if path.is_dir() and path != REPOSITORY else ""


def test_parts_of_the_pipeline_import_only_lower_floors() -> None:
    floor = {part: number for number, parts in enumerate(PIPELINE) for part in parts}
    wrong = [
        f"{_where(path, line)}: {own or 'pipeline'} imports {other or 'pipeline'}: {module}"
        for path in _files("imgforge/pipeline")
        for own in [_part(_name(path))]
        for line, module in _imported(path)
        if module.startswith("imgforge.pipeline.")
        for other in [_part(module)]
        if other != own and floor[other] >= floor[own]
    ]
    assert wrong == []


def test_modules_of_one_room_import_each_other_in_one_direction() -> None:
    graph = {
        _name(path): {module for _, module in _imported(path) if module.startswith("imgforge.")}
        for path in _files("imgforge")
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"a circle: {' -> '.join((*trail, module))}"
        for target in sorted(graph.get(module, set()) - done):
            visit(target, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_the_command_line_sees_the_facade_only() -> None:
    allowed = {"imgforge", "imgforge.cli", "imgforge.interruption", "imgforge.late", "imgforge.printable"}
    wrong = [
        f"{_where(path, line)}: {module}"
        for path in _files("imgforge/cli")
        for line, module in _imported(path)
        if module.startswith("imgforge") and module not in allowed and _room(module) != "cli"
    ]
    assert wrong == []


def test_no_room_reaches_a_module_through_a_name_that_the_facade_shadows() -> None:
    """`imgforge.lock` is the façade's verb once the package is imported; use `from imgforge.lock import`."""
    wrong = [
        f"{_where(path, node.lineno)}: from imgforge import {alias.name}"
        for path in _files("imgforge", "tests")
        if _room(_name(path)) != "cli"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "imgforge"
        for alias in node.names
        if alias.name in VERBS
    ]
    assert wrong == []


def test_pure_modules_touch_nothing_outside() -> None:
    wrong = []
    for path in _files("imgforge"):
        if not PURE.fullmatch(_name(path)):
            continue
        wrong += [
            f"{_where(path, line)}: imports {module}"
            for line, module in _imported(path)
            if module.split(".")[0] in IMPURE_MODULES
        ]
        wrong += [
            f"{_where(path, node.lineno)}: calls open"
            for node in ast.walk(_tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        ]
    assert wrong == []


def test_no_import_hides_in_a_function() -> None:
    hidden = {
        _where(path, node.lineno)
        for path in _files("imgforge", "tests")
        for function in _functions(_tree(path))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_late(node)
    }
    assert sorted(hidden) == []


def test_no_import_is_for_the_type_checker_only() -> None:
    named = [
        _where(path, node.lineno)
        for path in _files("imgforge", "tests")
        for node in ast.walk(_tree(path))
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
    ]
    assert named == []


def test_modules_are_imported_by_name_only_where_that_is_the_job() -> None:
    allowed = {"imgforge.late", "imgforge.cli.verbs"}
    dynamic = [
        _where(path, node.lineno)
        for path in _files("imgforge")
        if _name(path) not in allowed
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    ]
    assert dynamic == []


def test_a_late_module_is_a_room_only_where_rooms_are_put_together() -> None:
    rooms = [
        _where(path, node.lineno)
        for path in _files("imgforge")
        if not _name(path).startswith(("imgforge.pipeline.", "imgforge.transport."))
        for node in ast.walk(_tree(path))
        if _is_late(node) and "imgforge" in ast.unparse(node)
    ]
    assert rooms == []


def test_only_main_exits() -> None:
    exits = [
        _where(path, node.lineno)
        for path in _files("imgforge")
        if _name(path) != "imgforge.__main__"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node) in {"sys.exit", "exit", "quit", "SystemExit"}
    ]
    assert exits == []


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in _files("imgforge", "tests")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = {
        f"{_where(path, function.lineno)} {function.name}": lines
        for path in _files("imgforge", "tests")
        for function in _functions(_tree(path))
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def _depth(node: ast.AST) -> int:
    """Return how deep compound statements stand in each other; `elif` is no step, and inner functions count alone."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        step = int(isinstance(child, _COMPOUND) and not chained)
        deepest = max(deepest, step + _depth(child))
    return deepest


def test_nesting_is_shallow() -> None:
    deep = {
        f"{_where(path, function.lineno)} {function.name}": depth
        for path in _files("imgforge")
        for function in _functions(_tree(path))
        if (depth := _depth(function)) > DEEPEST_NESTING
    }
    assert deep == {}


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "handler", "context"])
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    assert [str(path) for path in _files("imgforge", "tests") if name in path.stem] == []


def test_the_figure_of_floors_in_the_docs_is_this_one() -> None:
    figure = (REPOSITORY / "docs" / "flow.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ *(\d+) +│ +(.+?) +│", figure, re.MULTILINE)
    drawn = {int(number): set(re.findall(r"[a-z_]+", rooms)) for number, rooms in rows}
    assert drawn == {number: set(rooms) for number, rooms in enumerate(FLOORS)}
