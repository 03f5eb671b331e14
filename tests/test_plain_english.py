"""Docstrings and comments are plain English: short, literal, in the field's words.

A room joins `DONE` when its prose has been rewritten. `AVOIDED` is the list of words, with what to write instead.
Names of arguments, and code in backquotes, are not prose.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

PACKAGE = Path(__file__).parents[1] / "imgforge"

DONE: Final = (
    "access", "attest", "codec", "compare", "configuration", "digest", "document", "errors", "image", "interruption",
    "late", "limits", "lock", "oci", "policy", "printable", "privacy", "record", "report", "settings", "signing",
    "solver", "tree",
)  # fmt: skip
"""The rooms whose prose is held to the list."""

AVOIDED: Final = {
    r"hears?|heard|hearing": "is called when, receives",
    r"stands?|stood|standing": "is, means, precedes",
    r"lies?|lying": "is",
    r"draws?|drawn|drew": "uses, random",
    r"asks?|asked|asking": "requests, calls, requires",
    r"answers?|answered|answering": "returns, satisfies, matches, response",
    r"wants?|wanted": "requires, expects, requested",
    r"wish(?:es|ed)?": "request",
    r"lets? out": "allow, publish",
    r"nobody": "none, unknown",
    r"somebody": "the user, another process",
    r"whoever|whom": "the caller, which",
    r"whereabouts": "location",
    r"(?:in|takes?|taking) the place of": "instead of, replaces",
    r"in (?:its|their) stead": "instead",
    r"at no loss": "it is rebuilt when needed",
    r"how often": "maximum number of",
    r"(?:it is|they are|which is|which are) none": "not a …",
    r"(?<!there )is no (?!longer\b|more\b)\w+": "is not a …",
    r"so that nothing": "to prevent",
    r"heeds?|heeded": "obeys, enforces",
}
"""Patterns of words that a reader stumbles over, with better ones."""

SAY: Final = re.compile(r"\b(?:says?|said|saying|tells?|told|telling)\b", re.IGNORECASE)
"""Programs and files do not say or tell: they return, give, list, declare."""

SAY_CEILING: Final = 1
"""How many times a room may use one of `SAY`: people may still say something."""

_PATTERN = re.compile(
    "|".join(rf"(?P<w{number}>\b(?:{words})\b)" for number, words in enumerate(AVOIDED)), re.IGNORECASE
)
_CODE = re.compile(r"``.*?``|`[^`]*`", re.DOTALL)
_ARGUMENT = re.compile(r"^\s+\*{0,2}\w+(?:, \w+)*:", re.MULTILINE)


@attrs.frozen
class Line:
    """One line of prose."""

    number: int
    text: str


def _blank(match: re.Match[str]) -> str:
    """Keep line breaks, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", match[0])


def _strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings that are statements: docstrings, including those of attributes and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def prose(source: str) -> list[Line]:
    """Return the lines of docstrings and comments in a module, in order."""
    lines = source.split("\n")
    found: list[Line] = []
    for node in _strings(ast.parse(source)):
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        text = _ARGUMENT.sub(_blank, _CODE.sub(_blank, text))
        found += [Line(node.lineno + index, line) for index, line in enumerate(text.split("\n"))]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found.append(Line(token.start[0], _CODE.sub(_blank, token.string)))
    return sorted(found, key=lambda line: line.number)


def hits(source: str, *, file: str) -> list[str]:
    """Return the position of each avoided word, with better words."""
    better = tuple(AVOIDED.values())
    return [
        f"{file}:{line.number}: {match[0]!r}: rather {better[int((match.lastgroup or 'w0')[1:])]}"
        for line in prose(source)
        for match in _PATTERN.finditer(line.text)
    ]


def modules(room: str) -> list[Path]:
    """Return the files of a room."""
    path = PACKAGE / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@pytest.mark.parametrize("room", DONE)
def test_prose_has_no_avoided_word(room: str) -> None:
    found = [
        hit
        for path in modules(room)
        for hit in hits(path.read_text(encoding="utf-8"), file=str(path.relative_to(PACKAGE.parent)))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("room", DONE)
def test_programs_and_files_say_nothing(room: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{line.number}: {line.text.strip()}"
        for path in modules(room)
        for line in prose(path.read_text(encoding="utf-8"))
        for _ in SAY.finditer(line.text)
    ]
    assert len(found) <= SAY_CEILING, "\n".join(found)


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("Hear that a step begins.", "Hear"),
        ("The manifest stands beside the lock.", "stands"),
        ("A file that lies below the directory.", "lies"),
        ("The sources that the image draws from.", "draws"),
        ("Ask the registry.", "Ask"),
        ("Packages that answer a request.", "answer"),
        ("The wanted bytes.", "wanted"),
        ("What nobody knows.", "nobody"),
        ("An image whom you trust.", "whom"),
        ("May be deleted at no loss but time.", "at no loss"),
        ("How often to go round.", "How often"),
        ("A reference, or an error if it is none.", "it is none"),
        ("Raise if it is no archive.", "is no archive"),
    ],
)
def test_an_avoided_word_is_found_in_docstrings_and_comments(sentence: str, word: str) -> None:
    source = textwrap.dedent(f'''\
        """A module."""

        LIMIT = 1
        """{sentence}"""


        def answer(wanted: int) -> int:
            """Return a number.

            Args:
                wanted: the number, as in ``ask(whom)`` or `stands`.
            """
            return wanted  # {sentence}
        ''')
    assert [hit.partition(": rather")[0] for hit in hits(source, file="x.py")] == [
        f"x.py:4: {word!r}",
        f"x.py:13: {word!r}",
    ]


def test_words_of_code_and_messages_are_not_prose() -> None:
    source = 'asked = {"answer": "nobody wants it"}\nraise ValueError("it is none")\n'
    assert hits(source, file="x.py") == []
    assert prose(source) == []


def test_every_room_that_is_done_exists() -> None:
    assert [room for room in DONE if not all(path.is_file() for path in modules(room)) or not modules(room)] == []
