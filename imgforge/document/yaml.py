"""Parse YAML (and so JSON) into nodes, with limits against hostile input.

It uses libyaml's events, not its composed tree: an event loop cannot overflow the stack on deeply nested input, sees
aliases before they are expanded, and can stop at a limit before memory is used.
Not supported: tags, merge keys, keys that are not text, and multiple documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import yaml

from imgforge.document.node import Mapping, Node, Scalar, Sequence, quoted, shown
from imgforge.errors import Position, Problem

# Characters that YAML forbids, and those that make text look different from how it is parsed: line breaks that
# editors do not show (NEL, LS, PS), byte order marks inside the text, and the bidirectional controls of
# CVE-2021-42574. All of them can be written as escapes in a double-quoted scalar.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028-\u202e\u2066-\u2069\ufeff]"
_FORBIDDEN_IN_ASCII = "[^\t\n\r\x20-\x7e]"  # for most documents; the full pattern takes milliseconds to compile
_BREAK = re.compile("\r\n|\r|\n")

PROBLEMS_MAX = 100
"""Maximum number of problems reported per document. Hostile input could cause any number."""

TOO_MANY = f"more than {PROBLEMS_MAX} problems: the rest is not checked"

NOT_YAML = "not valid YAML"
"""Prefix of syntax errors. The rest comes from the parser and depends on its version."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@attrs.frozen
class Limits:
    """Limits for a document, with aliases expanded.

    Attributes:
        characters: length of the text.
        nodes: number of scalars, lists and mappings; an alias counts as its whole content.
        depth: nesting of lists and mappings.
    """

    characters: int = 1 << 20
    nodes: int = 50_000
    depth: int = 32


@attrs.frozen
class Reading:
    """The result of parsing: the root node, or None, and the problems."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


def read_versioned(text: str, *, file: str, key: str, limits: Limits = Limits()) -> Reading:
    """Parse the single document of a text that starts with its format version; see `read`.

    If the version key is missing, problems show nothing of the text: it may be a link to a file of another user.

    Args:
        text: a leading byte order mark is ignored.
        file: file name for positions.
        key: the version key.
        limits: see `Limits`.
    """
    reading = read(text, file=file, limits=limits)
    if re.search(rf"""^[\s{{"']*{key}["']?[ \t]*:""", text, re.MULTILINE):
        return reading
    showing = [problem for problem in reading.problems if "'" in problem.text or problem.text.startswith(NOT_YAML)]
    if not showing:
        return reading
    missing = f"{NOT_YAML} of this format: the key {key!r} is missing"
    return Reading(None, (Problem(showing[0].position, missing),))


def read(text: str, *, file: str, limits: Limits = Limits()) -> Reading:
    """Parse the single document of a text.

    Parsing stops at a syntax error or an exceeded limit. Duplicate keys, tags and keys that are not text are collected,
    to be reported together with the problems of the values.

    Args:
        text: a leading byte order mark is ignored.
        file: file name for positions.
        limits: see `Limits`.
    """
    if len(text) > limits.characters:
        problem = Problem(Position(file, 1, 1), f"expected at most {limits.characters} characters, got {len(text)}")
        return Reading(None, (problem,))
    text = text.removeprefix("\ufeff")
    if odd := re.search(_FORBIDDEN_IN_ASCII if text.isascii() else _FORBIDDEN, text):
        message = f"the character U+{ord(odd[0]):04X} is not allowed here (in a quoted text it may be an escape)"
        return Reading(None, (Problem(_position(text, odd.start(), file), message),))
    builder = _Builder(file, limits)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        problem = _first_over_limit(text, error, file=file, limits=limits) or _syntax(error, text, file)
        return Reading(None, (*builder.problems, problem))
    except _RefusedError as error:
        return Reading(None, (*builder.problems, error.problem))
    if builder.root is None:
        builder.problems.append(Problem(Position(file, 1, 1), "is empty"))
    return Reading(builder.root, tuple(builder.problems))


def _events(text: str) -> Iterator[yaml.Event]:
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
    return events


def _first_over_limit(text: str, error: yaml.MarkedYAMLError, *, file: str, limits: Limits) -> Problem | None:
    """Return the limit exceeded before a parser error, or None.

    libyaml reads ahead of the events that it returns. Since 0.2.5 it also has a depth limit of its own, which depends
    on how PyYAML was built. Parsing again without the text after the error lets our limits apply first.
    """
    if error.problem_mark is None:
        return None
    builder = _Builder(file, limits)
    try:
        for event in _events(text[: _index(error.problem_mark, text)]):
            builder.take(event)
    except _RefusedError as refused:
        return refused.problem
    except yaml.MarkedYAMLError:
        pass
    return None


def _index(mark: yaml.Mark, text: str) -> int:
    starts = [0, *(found.end() for found in _BREAK.finditer(text))]
    return starts[min(mark.line, len(starts) - 1)] + int(mark.column)


def _position(text: str, index: int, file: str) -> Position:
    breaks = [found.end() for found in _BREAK.finditer(text, 0, index)]
    return Position(file, len(breaks) + 1, index - (breaks[-1] if breaks else 0) + 1)


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = _BREAK.split(text)
    if mark and line < len(lines) and lines[line][column : column + 1] == "\t":
        return Problem(Position(file, line + 1, column + 1), "a tab is not allowed here: YAML indents with spaces")
    detail = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(Position(file, line + 1, column + 1), f"{NOT_YAML}: {detail}" if detail else NOT_YAML)


class _RefusedError(Exception):
    """A limit is exceeded; parsing stops."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@attrs.define
class _Open:
    """A list or mapping that is not closed yet."""

    start: yaml.CollectionStartEvent
    position: Position
    items: list[Node] = attrs.Factory(list)
    pairs: dict[str, tuple[Scalar, Node]] = attrs.Factory(dict)
    key: Scalar | None = None
    is_key_next: bool = True
    weight: int = 1
    height: int = 1


class _Builder:
    """Builds nodes from events, with an explicit stack."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._limits = limits
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Process the next event."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                self._close()
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refuse(event, "expected one document, a second one starts here")
            case _:
                pass

    def _at(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        return Position(self._file, mark.line + 1, mark.column + 1) if mark else Position(self._file, 1, 1)

    def _refuse(self, event: yaml.Event, text: str) -> _RefusedError:
        return _RefusedError(Problem(self._at(event), text))

    def _report(self, position: Position, text: str) -> None:
        self.problems.append(Problem(position, text))
        if len(self.problems) >= PROBLEMS_MAX:
            raise _RefusedError(Problem(position, TOO_MANY))

    def _count(self, event: yaml.Event, *, weight: int, height: int) -> None:
        self._nodes += weight
        if self._nodes > self._limits.nodes:
            raise self._refuse(event, f"expected at most {self._limits.nodes} values, aliases expanded, got more")
        if len(self._stack) + height > self._limits.depth:
            raise self._refuse(event, f"expected at most {self._limits.depth} levels of lists and mappings, got more")

    def _tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in (None, "!"):
            written = event.tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._report(self._at(event), f"the tag {quoted(written)} is not understood: leave it out")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, weight=1, height=0)
        self._tag(event)
        scalar = Scalar(event.value, plain=not event.style and event.tag is None, position=self._at(event))
        self._add(scalar, event.anchor, weight=1, height=0)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise self._refuse(event, f"the alias '*{event.anchor}' is inside its own anchor or before it")
        node, weight, height = self._anchors[event.anchor]
        self._count(event, weight=weight, height=height)
        self._add(node, None, weight=weight, height=height)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        self._count(event, weight=1, height=1)
        self._tag(event)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Open(event, self._at(event)))

    def _close(self) -> None:
        done = self._stack.pop()
        node: Node = Sequence(tuple(done.items), done.position)
        if isinstance(done.start, yaml.MappingStartEvent):
            node = Mapping(tuple(done.pairs.values()), done.position)
        self._add(node, done.start.anchor, weight=done.weight, height=done.height)

    def _add(self, node: Node, anchor: str | None, *, weight: int, height: int) -> None:
        """Add a finished node to its mapping or list, or make it the root."""
        if anchor:
            self._anchors[anchor] = (node, weight, height)
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.weight += weight
        parent.height = max(parent.height, height + 1)
        if isinstance(parent.start, yaml.SequenceStartEvent):
            parent.items.append(node)
        elif parent.is_key_next:
            parent.key = self._key(node, parent)
            parent.is_key_next = False
        else:
            if parent.key is not None:
                parent.pairs[parent.key.text] = (parent.key, node)
            parent.is_key_next = True

    def _key(self, node: Node, parent: _Open) -> Scalar | None:
        """Return a valid key; report any other and drop it with its value."""
        if not isinstance(node, Scalar) or node.kind != "text":
            hint = ": quote it" if isinstance(node, Scalar) and node.kind != "nothing" else ""
            self._report(node.position, f"a key must be text, got {shown(node)}{hint}")
            return None
        if node.plain and node.text == "<<":
            self._report(node.position, "merge keys ('<<') are not supported: write the keys out")
            return None
        if node.text in parent.pairs:
            first = f"first on line {parent.pairs[node.text][0].position.line}"
            self._report(node.position, f"duplicate key {quoted(node.text)} ({first})")
            return None
        return node
