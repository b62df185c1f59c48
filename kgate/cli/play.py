"""``kgate play``: what somebody saw and typed in an exec or attach, as it was or as text; and which recordings have certain words in them.

Nothing of a recording reaches the terminal but what draws (``kgate.audit.recording.escapes``), and the terminal is put back in the end, also after Ctrl-C.
"""

from __future__ import annotations

import shutil
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import click

from kgate.audit.ids import instant_of
from kgate.audit.record import timestamp
from kgate.audit.recording.cast import Event, Header, Kind
from kgate.audit.recording.escapes import Filter
from kgate.audit.recording.names import SUFFIX
from kgate.audit.recording.playing import Line, lines, steps
from kgate.audit.search import Search
from kgate.cli.audit_reading import SINCE, UNTIL, asked_for
from kgate.cli.output import OUTPUT, as_json, bar, counted, table
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, RECORDINGS_OPTION, recordings_directory
from kgate.errors import KgateError, UsageError, printable
from kgate.net.recordings import every, find, reading, refused

_MOST_AT_ONCE = 1000
_MOST_OF_ONE = 100
"""Lines of one recording that are found: whoever is recorded can write very many."""
_MOST_SHOWN = 200
"""Characters of a line that is found."""


@click.command()
@click.argument("recording", required=False)
@click.option("--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="How many times as fast.")
@click.option("--idle", type=click.FloatRange(0), default=2.0, show_default=True, help="Seconds that nothing may happen for, at most.")
@click.option("--text", is_flag=True, help="Print the text at once, without colours and movements.")
@click.option("--input", "typed", is_flag=True, help='Show what was typed, too (rules with "record: full"): passwords are among it.')
@click.option(
    "--search", "words", multiple=True, help="Which recordings have a line with these words (of several, all); instead of RECORDING."
)
@SINCE
@UNTIL
@RECORDINGS_OPTION
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
@click.pass_context
def play(
    ctx: click.Context,
    recording: str | None,
    speed: float,
    idle: float,
    text: bool,
    typed: bool,
    words: tuple[str, ...],
    since: str,
    until: str,
    recordings: Path | None,
    config: Path | None,
    directory: Path | None,
    output: str,
) -> None:
    """Play a RECORDING: the id of a request or a part of it, or a file.

    kgate audit search recording!= lists what is recorded. Where the output is no terminal, the text is printed at once. asciinema plays the files, too, but
    lets everything through that they do to a terminal.
    """
    if (recording is None) is not bool(words):
        raise UsageError("name a recording to play, or --search WORDS")
    if recording is None:
        ctx.exit(0 if _search(recordings_directory(config, directory, recordings), words, since, until, output) else 1)
    with reading(_path(recording, config, directory, recordings)) as (header, events):
        if output == "json":
            as_json({"header": _described(header), "events": [_as_fields(event) for event in events]})
        elif text or not sys.stdout.isatty():
            _print(events, typed)
        else:
            _play(header, events, speed, idle, typed)


def _path(recording: str, config: Path | None, directory: Path | None, recordings: Path | None) -> Path:
    path = Path(recording)
    if path.suffix == SUFFIX and _is_there(path):
        return path
    return find(recordings_directory(config, directory, recordings), recording)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError as error:
        raise refused(path, error) from error
    except OSError:  # no file can be called so, but a part of an id
        return False


def _play(
    header: Header, events: Iterable[Event], speed: float, idle: float, typed: bool, sleep: Callable[[float], object] = time.sleep
) -> None:
    header, events = _as_large_as_it_was(header, iter(events))
    click.echo(_introduced(header), err=True)
    shown = Filter(lines=not header.tty)
    with _ended_in_order(), _as_it_comes(header):
        try:
            for step in steps(events, shown, speed=speed, idle=idle, typed=typed):
                sleep(step.after)
                _write(step.text)
        finally:
            _write(shown.restored())


@contextmanager
def _as_it_comes(header: Header) -> Iterator[None]:
    """What was a terminal's output is one already: a line feed that an editor wrote only goes down. Without one lines end with that alone."""
    if not header.tty:
        yield
        return
    descriptor = sys.stdout.fileno()
    before = termios.tcgetattr(descriptor)
    bare = [before[0], before[1] & ~termios.OPOST, *before[2:]]
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, bare)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Whoever ends it by a signal (timeout 60 kgate play) has the terminal put back, too."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_large_as_it_was(header: Header, events: Iterator[Event]) -> tuple[Header, Iterator[Event]]:
    """With the size that the client told before anything else: the header is written before that is known."""
    first: list[Event] = []
    for event in events:
        first.append(event)
        if event.kind is not Kind.RESIZE:
            break
        width, _, height = event.text.partition("x")
        if width.isdecimal() and height.isdecimal():
            header = header._replace(width=int(width), height=int(height))
    return header, chain(first, events)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _introduced(header: Header) -> str:
    """What is played, and whether it fits."""
    columns, rows = shutil.get_terminal_size()
    when = _began(header)[:19].replace("T", " ") + "Z" if header.began else ""
    small = columns < header.width or rows < header.height
    fits = f"; it was {header.width}x{header.height}, which this terminal is too small for" if small else ""
    return printable(f"{header.title}, {when}{fits}")


def _print(events: Iterable[Event], typed: bool) -> None:
    shown = (f"{'> ' if line.typed else ''}{printable(line.text)}" for line in lines(events) if typed or not line.typed)
    while some := list(islice(shown, _MOST_AT_ONCE)):
        click.echo("\n".join(some))


def _described(header: Header) -> dict[str, object]:
    return {"width": header.width, "height": header.height, "began": _began(header), "title": header.title, **header.facts}


def _began(header: Header) -> str:
    return timestamp(header.began) if header.began else ""


def _as_fields(event: Event) -> dict[str, object]:
    return {"at": event.at, "kind": event.kind.name.lower(), "text": event.text}


# --- searching


def _search(directory: Path, words: tuple[str, ...], since: str, until: str, output: str) -> bool:
    """Whether any recording has a line with all of ``words``; each such line is printed."""
    found = [(header, path, line) for header, path, line in _those_with(directory, words, since, until)]
    if output == "json":
        as_json(
            [
                {**_described(header), "file": str(path), "at": line.at, "typed": line.typed, "line": line.text}
                for header, path, line in found
            ]
        )
    elif found:
        rows = [
            (path.name.removesuffix(SUFFIX), str(header.facts.get("user", "")), _time(line.at), _shown(line))
            for header, path, line in found
        ]
        table(("id", "who", "at", "line"), rows)
    else:
        click.echo("no recording has that", err=True)
    return bool(found)


def _those_with(directory: Path, words: tuple[str, ...], since: str, until: str) -> Iterator[tuple[Header, Path, Line]]:
    asked, wanted = asked_for((), since, until), [word.casefold() for word in words]
    paths = [path for path in every(directory) if _is_within(asked, _made(path))]
    with bar("searching", len(paths)) as progress:
        for path in paths:
            try:
                with reading(path) as (header, events):
                    fitting = (line for line in lines(events) if _has(line, wanted))
                    yield from ((header, path, line) for line in islice(fitting, _MOST_OF_ONE))
                    more = sum(1 for _ in fitting)
                if more:
                    id_ = printable(path.name.removesuffix(SUFFIX))
                    click.echo(f"kgate: {counted(more, 'line')} more of {id_} have that; kgate play {id_} --text shows all of it", err=True)
            except KgateError as error:  # what it says is not left out in silence, and the others are looked at
                click.echo(f"kgate: {error}", err=True)
            progress.advance(progress.task_ids[0])


def _has(line: Line, words: list[str]) -> bool:
    text = line.text.casefold()
    return all(word in text for word in words)


def _is_within(asked: Search, made: float) -> bool:
    return (asked.since is None or made >= asked.since) and (asked.until is None or made < asked.until)


def _made(path: Path) -> float:
    try:
        return instant_of(path.name.removesuffix(SUFFIX))
    except ValueError:
        return path.stat().st_mtime


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def _shown(line: Line) -> str:
    text = line.text.strip()
    return f"{'> ' if line.typed else ''}{text[:_MOST_SHOWN]}{'…' if len(text) > _MOST_SHOWN else ''}"
