"""YAML as configuration needs it: plain data that knows its lines, from a subset of the language that holds no surprises.

We build from the parser's *events* and not through a PyYAML loader, for four reasons. Lines: each mapping and sequence keeps the line of each of
its entries, so that a mistake found much later still has its place. Safety: depth, size and number of values are counted while reading, so that
a hostile file costs no more than its first megabytes; tags, anchors and aliases (the "billion laughs") are refused where they stand; nothing
recurses. Strictness: a key that occurs twice is a mistake, not a silent winner. Meaning: scalars are read by YAML 1.2's core schema, so ``no`` is
Norway and not ``false``, ``12:30`` is a time of day and not 750, and a date stays the text that the person wrote.
"""

from __future__ import annotations

import re
from io import StringIO
from itertools import islice
from typing import Any, cast

import yaml
from attrs import define, field

from kgate.errors import InvalidFileError, Mistake

MAX_DEPTH = 32
MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 2_000_000

Plain = Any
"""None, bool, int, float, str, ``Mapping`` or ``Sequence``."""

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS: dict[str, Plain] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class Mapping(dict[str, Plain]):
    """A mapping; ``lines`` has each key's line, ``line`` its own."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Sequence(list[Plain]):
    """A sequence; ``lines`` has each item's line, ``line`` its own."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def line_of(data: Plain, path: tuple[str | int, ...]) -> int:
    """The line on which the value at ``path`` below ``data`` begins, or of the nearest thing above it that has one. 0: nothing has."""
    line: int = getattr(data, "line", 0)
    for step in path:
        try:
            line, data = data.lines[step], data[step]
        except (AttributeError, LookupError, TypeError):
            break
    return line


def decode(raw: bytes, file: str) -> str:
    """The text of a file. Raises InvalidFileError where it is too large or not UTF-8."""
    if len(raw) > MAX_BYTES:
        raise InvalidFileError([Mistake(file, 0, f"the file has more than {MAX_BYTES // 1024**2} MiB", "split it, or check the path")])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidFileError([Mistake(file, line, "the file is not UTF-8 text", "save it as UTF-8")]) from error


def read_mapping(text: str, file: str, mistakes: list[Mistake]) -> Mapping:
    """The one document in ``text``, a mapping. Keys that occur twice are added to ``mistakes``; the first one counts.

    Raises InvalidFileError where it cannot be read at all; ``mistakes`` so far are in it.
    """
    if len(text) > MAX_BYTES:
        raise InvalidFileError([Mistake(file, 0, f"the file has more than {MAX_BYTES // 1024**2} MiB", "split it, or check the path")])
    builder = _Builder(file, mistakes)
    try:
        builder.read(text)
    except yaml.MarkedYAMLError as error:
        builder.refuse(*_explained(error, text))
    except yaml.reader.ReaderError as error:
        line, character = text.encode().count(b"\n", 0, error.position) + 1, f"{error.character:04x}"
        hint = f'take it out, or write "\\u{character}" in double quotes'
        builder.refuse(line, f"this is not YAML: it has the character U+{character.upper()}", hint)
    except yaml.YAMLError as error:
        builder.refuse(0, f"this is not YAML: {str(error).splitlines()[0]}", "look for control characters")
    if not isinstance(builder.root, Mapping):
        if builder.root is None:
            builder.refuse(1, "the file is empty", "write what belongs there, or check the path")
        builder.refuse(1, "the file must be a mapping, lines of the form key: value")
    return cast("Mapping", builder.root)


def _explained(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str, str]:
    """Where, what and what to do, for somebody who may never have heard of the parser's words: the slips that are made most often have their own."""
    mark, begins = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    if mark is None or begins is None:
        return 0, f"this is not YAML: {error.problem}", "check the indentation and the quotes"
    line, rest = _from(text, mark.line, mark.column)
    if "\t" in line[: len(line) - len(line.lstrip())] or rest.startswith("\t"):
        return mark.line + 1, "this is not YAML: it is indented with a tab", "use spaces"
    if error.context in _BEGINNINGS or rest[:1] in ("@", "`", "%"):
        begun = _from(text, begins.line, begins.column)[1][:1]
        return begins.line + 1, f"this is not YAML: a value that begins with {begun} means something else", "put it in quotes"
    if error.context == _IN_QUOTES and not rest:
        return (
            begins.line + 1,
            "this is not YAML: the quote that opens here is never closed",
            "close it",
        )
    said = " ".join(filter(None, (error.problem, error.context)))
    return mark.line + 1, f"this is not YAML: {said}", "check the indentation and the quotes just above"


def _from(text: str, line: int, column: int) -> tuple[str, str]:
    """The line of this number, and what stands there from ``column`` on."""
    found = next(islice(StringIO(text), line, None), "").rstrip("\n")
    return found, found[column:]


_BEGINNINGS = ("while scanning an alias", "while scanning an anchor")
_IN_QUOTES = "while scanning a quoted scalar"


@define
class _Builder:
    """Turns events into data, with an explicit stack instead of recursion."""

    file: str
    mistakes: list[Mistake]
    root: Plain = None
    _stack: list[Mapping | Sequence] = field(factory=list)
    _keys: list[tuple[str, int] | None] = field(factory=list)
    _values: int = 0
    _documents: int = 0

    def refuse(self, line: int, text: str, hint: str = "") -> None:
        """Stop here: what follows cannot be told."""
        raise InvalidFileError(sorted([*self.mistakes, Mistake(self.file, line, text, hint)], key=lambda mistake: mistake.line))

    def read(self, text: str) -> None:
        """Take every event."""
        for event in yaml.parse(text, Loader=_LOADER):
            step = _STEPS.get(type(event))
            if step is not None:
                step(self, event, event.start_mark.line + 1)  # type: ignore[union-attr]

    def document(self, event: yaml.DocumentStartEvent, line: int) -> None:
        """One is enough."""
        self._documents += 1
        if self._documents > 1:
            self.refuse(line, "a second document begins here", "put it into a file of its own")

    def alias(self, event: yaml.AliasEvent, line: int) -> None:
        """Aliases make small files large."""
        self.refuse(line, f"the alias *{event.anchor} is not allowed", "write the value out")

    def scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        """A value, or a key."""
        self._plain(event, line)
        if self._stack and isinstance(self._stack[-1], Mapping) and self._keys[-1] is None:
            self._key(event, line)
        else:
            self._put(scalar_value(event.value) if event.implicit[0] else event.value, line)

    def _key(self, event: yaml.ScalarEvent, line: int) -> None:
        if event.implicit[0] and event.value == "<<":
            self.refuse(line, "merge keys (<<) are not allowed", "write the values out where they are needed")
        if event.implicit[0] and event.value[:1].isspace():  # YAML's own spaces are not part of it
            self.refuse(line, f"the key begins with U+{ord(event.value[0]):04X}, which only looks like a space", "write plain spaces")
        self._keys[-1] = (event.value, line)

    def open_mapping(self, event: yaml.MappingStartEvent, line: int) -> None:
        """A mapping begins."""
        self._open(event, Mapping(line), line)

    def open_sequence(self, event: yaml.SequenceStartEvent, line: int) -> None:
        """A sequence begins."""
        self._open(event, Sequence(line), line)

    def close(self, event: yaml.Event, line: int) -> None:
        """A collection ends."""
        self._stack.pop()
        self._keys.pop()

    def _open(self, event: yaml.CollectionStartEvent, value: Mapping | Sequence, line: int) -> None:
        self._plain(event, line)
        if self._stack and isinstance(self._stack[-1], Mapping) and self._keys[-1] is None:
            self.refuse(line, "a key must be a word, not a list or a mapping")
        if len(self._stack) >= MAX_DEPTH:
            self.refuse(line, f"this is nested more than {MAX_DEPTH} levels deep")
        self._put(value, line)
        self._stack.append(value)
        self._keys.append(None)

    def _plain(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self.refuse(line, f"the file has more than {MAX_VALUES:,} values", "split it")
        if event.anchor is not None:
            self.refuse(line, f"the anchor &{event.anchor} is not allowed", "write the value out where it is needed")
        if event.tag is not None:
            self.refuse(line, f"the tag {event.tag} is not allowed", "write a plain value; quote it where it must be text")

    def _put(self, value: Plain, line: int) -> None:
        if not self._stack:
            self.root = value
            return
        parent = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.append(value)
            parent.lines.append(line)
            return
        key, key_line = self._keys[-1] or ("", line)
        self._keys[-1] = None
        if key in parent:
            self.mistakes.append(Mistake(self.file, key_line, f'"{key}" stands here twice, first on line {parent.lines[key]}', "keep one"))
        else:
            parent[key] = value
            parent.lines[key] = key_line


_STEPS: dict[type, Any] = {
    yaml.DocumentStartEvent: _Builder.document,
    yaml.AliasEvent: _Builder.alias,
    yaml.ScalarEvent: _Builder.scalar,
    yaml.MappingStartEvent: _Builder.open_mapping,
    yaml.SequenceStartEvent: _Builder.open_sequence,
    yaml.MappingEndEvent: _Builder.close,
    yaml.SequenceEndEvent: _Builder.close,
}


def scalar_value(text: str) -> Plain:
    """What an unquoted scalar means: null, a boolean, a decimal number, otherwise its text (YAML 1.2 section 10.3, less octal and exponents)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
