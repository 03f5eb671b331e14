"""The pages keep their word: links lead somewhere, examples run.

The language of a fenced block may be followed by words that say what to do with it:
`run` executes it (sh, python), `file=NAME` writes it to a file first, `config` reads it as a configuration file,
`archive` and `root` say what running needs. The blocks of one page share a directory and run from top to bottom.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from _pytest.mark import ParameterSet

from imgforge import configuration, manifest
from imgforge.cli import parser, verbs
from imgforge.errors import ImgforgeError

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w+)?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@attrs.frozen
class Block:
    language: str
    words: frozenset[str]
    text: str

    @property
    def target(self) -> str:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), "")


def _blocks(page: Path) -> Iterator[Block]:
    for language, words, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        yield Block(language, frozenset(words.split()), text)


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _anchors(page: Path) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _runnable() -> list[ParameterSet]:
    marks = {"archive": pytest.mark.archive, "root": pytest.mark.root}
    found = []
    for page in PAGES:
        words = {word for block in _blocks(page) if "run" in block.words for word in block.words}
        if words:
            found.append(pytest.param(page, id=_name(page), marks=[marks[word] for word in sorted(words & set(marks))]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", _runnable())
def test_marked_examples_run(page: Path, tmp_path: Path) -> None:
    interpreter = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{interpreter}:{os.environ['PATH']}",
        "IMGFORGE_STORE": str(tmp_path / "store"),
    }
    for block in _blocks(page):
        if block.target:
            (tmp_path / block.target).write_text(block.text, encoding="utf-8")
        if "run" in block.words:
            argv = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[block.language]
            done = subprocess.run(
                [*argv, block.text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def test_examples_of_the_configuration_file_are_read() -> None:
    examples = [block.text for page in PAGES for block in _blocks(page) if "config" in block.words]
    assert [len(configuration.parse(text, file="config.yaml").mirrors) for text in examples] == [2]


def test_the_manifest_on_the_first_screen_is_one() -> None:
    texts = [block.text for block in _blocks(REPOSITORY / "README.md") if block.language == "yaml"]
    assert [manifest.load(text, file="hello.yaml").name for text in texts] == ["hello"]


def test_the_page_of_commands_has_every_verb() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z]+)[^`]*` \| [a-z]+s ", page, re.MULTILINE) == list(verbs.SUMMARIES)


def test_the_page_of_commands_has_every_option() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    options = {
        flag for name in verbs.SUMMARIES for argument in parser.of_verb(name)[0].arguments() for flag in argument.flags
    }
    assert sorted(flag for flag in options - {"-h", "--help"} if f"`{flag}" not in page) == []


def test_the_page_of_commands_has_every_exit_code() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    kinds: list[type[ImgforgeError]] = [ImgforgeError, *ImgforgeError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} - listed == set()
