"""asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): a header, then an event a line, so that asciinema's own player can play it.

    {"version":2,"width":80,"height":24,"timestamp":…,"title":…,"command":…,"kgate":{…}}
    [0.1,"o","$ "]      o  what the person saw (stdout and stderr), i  what they typed, r  the size of their terminal, m  why the gate ended it

The format is text, and a command's bytes need not be: UTF-8 that was cut between two pieces is put together, each channel's by itself, and what is none
becomes U+FFFD. Otherwise the text is what passed, to the character: where there was no terminal its lines end with LF only, and the header says ``tty``.

The size at the beginning is not known before the first bytes pass, and the header is durable before that: it says 80x24, and the client's first word
is an ``r``. Whatever was written is a valid cast: one that was cut off loses its last line at most.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

import orjson

from kgate.audit.text import compact
from kgate.errors import KgateError

WIDTH: Final = 80
HEIGHT: Final = 24
MOST_OF_A_TERMINAL: Final = 9999
"""Columns or rows. A client says what it likes: 65,535 of both would have a player draw four thousand million characters."""
_SIZE_MOST: Final = 1024
"""Bytes of one message about a size."""
_SIZE: Final = re.compile(rb"\{[^{}]*\}")
_DECODER: Final = codecs.getincrementaldecoder("utf-8")


class Kind(Enum):
    """What an event is. The values are the format's."""

    OUTPUT = "o"
    INPUT = "i"
    RESIZE = "r"
    MARK = "m"


class Event(NamedTuple):
    """``at`` is seconds from the beginning."""

    at: float
    kind: Kind
    text: str


def header(title: str, command: str, began: float, facts: Mapping[str, object]) -> bytes:
    """The first line. ``began`` is Unix seconds; ``facts`` is what the gate knows of it."""
    fields = {"version": 2, "width": WIDTH, "height": HEIGHT, "timestamp": int(began), "title": title, "command": command}
    return compact({**fields, "kgate": dict(facts)}) + b"\n"


class Cast:
    """The events of one cast, from the pieces of bytes that pass. Each call gives the lines that there are to write now; ``at`` never goes back."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[Kind, str], codecs.IncrementalDecoder] = {}
        self._sizes = Sizes()

    def piece(self, at: float, kind: Kind, channel: str, data: bytes) -> bytes:
        """Bytes of a channel."""
        decoder = self._decoders.get((kind, channel))
        if decoder is None:
            decoder = self._decoders[kind, channel] = _DECODER("replace")
        return _line(at, kind, decoder.decode(data))

    def resized(self, at: float, data: bytes) -> bytes:
        """Bytes of the channel on which the client tells its terminal's size."""
        return b"".join(_line(at, Kind.RESIZE, f"{width}x{height}") for width, height in self._sizes.feed(data))

    def marked(self, at: float, text: str) -> bytes:
        """Something that is neither seen nor typed."""
        return _line(at, Kind.MARK, text)

    def ended(self, at: float) -> bytes:
        """Nothing more passes: what was begun of a character stays begun."""
        return b"".join(_line(at, kind, decoder.decode(b"", final=True)) for (kind, _), decoder in self._decoders.items())


def _line(at: float, kind: Kind, text: str) -> bytes:
    return compact([round(at, 6), kind.value, text]) + b"\n" if text else b""


class Sizes:
    """``{"Width":80,"Height":24}``, as remotecommand sends it, however it is cut. What is no size is passed over: nothing depends on it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Those that are complete now."""
        self._rest += data
        end = 0
        for match in _SIZE.finditer(self._rest):
            end = match.end()
            size = _size(match[0])
            if size is not None:
                yield size
        self._rest = self._rest[end:][-_SIZE_MOST:]


def _size(text: bytes) -> tuple[int, int] | None:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    width, height = said.get("Width"), said.get("Height")
    if type(width) is not int or type(height) is not int or not (0 < width <= MOST_OF_A_TERMINAL and 0 < height <= MOST_OF_A_TERMINAL):
        return None
    return width, height


# --- the way back

_LATEST: Final = 253_402_300_800.0
"""Seconds to the year 10000: what is written beyond that is no time, nor a span of it."""


class Header(NamedTuple):
    """What of the first line is of use. ``facts`` is empty for a cast that is not the gate's."""

    width: int
    height: int
    began: float
    title: str
    facts: Mapping[str, Any]

    @property
    def tty(self) -> bool:
        """Whether it was a terminal's; asciinema's own are."""
        return self.facts.get("tty", True) is True


def read_header(line: bytes, name: str) -> Header:
    """The first line; ``name`` is what to call the file. Raises KgateError where it is none."""
    try:
        fields = orjson.loads(line)
        if not isinstance(fields, dict) or fields.get("version") != 2:
            raise ValueError
        width, height, began, facts = (fields.get(key) for key in ("width", "height", "timestamp", "kgate"))
        return Header(_number(width, WIDTH), _number(height, HEIGHT), _moment(began), str(fields.get("title") or ""), _facts(facts))
    except ValueError as error:
        raise KgateError(f"{name}: this is no recording: its first line is not the header of an asciicast v2") from error


def _number(value: object, otherwise: int) -> int:
    return value if type(value) is int and 0 < value <= MOST_OF_A_TERMINAL else otherwise


def _moment(value: object) -> float:
    """Unix seconds; 0 where there are none, or so many that no calendar has them. Raises ValueError for what is none."""
    if value is not None and type(value) not in (int, float):
        raise ValueError(value)
    return float(value) if isinstance(value, (int, float)) and 0 < value < _LATEST else 0.0


def _facts(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def read_events(lines: Iterable[bytes], name: str) -> Iterator[Event]:
    """What the lines behind the header say. One without its end at the end was being written, and is left out. Events of kinds that are not known here,
    and empty lines, are passed over. Raises KgateError for what is no event."""
    for number, line in enumerate(lines, 2):
        if not line.endswith(b"\n"):
            return
        if line.strip():
            event = _event(line)
            if event is None:
                raise KgateError(
                    f"{name}:{number}: this line is no event of an asciicast; kgate audit verify says whether somebody changed the file"
                )
            if event.text:
                yield event


_KINDS: Final = {kind.value: kind for kind in Kind}


def _event(line: bytes) -> Event | None:
    """None: it is none."""
    try:
        at, code, text = orjson.loads(line)
        if not isinstance(text, str) or not isinstance(code, str) or type(at) not in (int, float):
            return None
        kind = _KINDS.get(code)
        return Event(min(max(0.0, float(at)), _LATEST), kind, text) if kind is not None else Event(0.0, Kind.MARK, "")
    except (ValueError, TypeError, OverflowError):
        return None
