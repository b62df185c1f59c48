"""What the subcommands have in common on their way to the terminal: tables that fit it, JSON, a bar for what takes long.

Cells are text, never markup: names in them are a stranger's. Colours and bars are for terminals only, and bars go to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kgate.audit.text import document
from kgate.errors import printable

OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write the result.")
ROOM = 120
"""Columns that a table of records needs to be easy to read."""
WHOLE = 26
"""Columns up to the width of a request's id are never broken."""
NARROW = 12
_BETWEEN = 2
_WIDE = 4096
"""Columns where nobody looks: a pipe gets whole cells."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], style: str = "") -> None:
    """Rows under headings. Where they are too wide for the terminal, columns of words go on in the next line; names, times and ids stay whole. Where there
    is no room for that either, a row is a sentence: what a table leaves out to fit is left out in silence."""
    console, rows = _console(), [tuple(map(printable, row)) for row in rows]
    widths = [max((cell_len(row[number]) for row in rows), default=0) for number in range(len(columns))]
    wholes = [max(width, len(column)) if width <= WHOLE else None for column, width in zip(columns, widths, strict=True)]
    if sum(whole or NARROW for whole in wholes) + _BETWEEN * (len(columns) - 1) > console.width:
        for row in rows:
            click.echo(_sentence(columns, row))
        return
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", style=style)
    for column, whole in zip(columns, wholes, strict=True):
        made.add_column(column.upper(), no_wrap=whole is not None, min_width=whole or NARROW, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    console.print(made)


def _sentence(columns: Sequence[str], row: Sequence[str]) -> str:
    first, *rest = row
    return f"{first}: {'; '.join(f'{column} {cell}' for column, cell in zip(columns[1:], rest, strict=True) if cell)}"


def terminal_width() -> int:
    """How many columns there are; a pipe has as many as it takes."""
    return _console().width


def counted(count: int, what: str) -> str:
    """``1 file``, ``2,000 files``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def as_json(value: object) -> None:
    """Indented JSON, in which nothing of a stranger's name reaches a terminal but letters."""
    click.echo(document(value))


@contextmanager
def bar(title: str, total: float) -> Iterator[Progress]:
    """A bar on stderr, if that is a terminal; ``advance(task_ids[0], n)`` moves it."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f}%"), TimeRemainingColumn(), console=console,
        disable=not console.is_terminal, transient=True,
    ) as progress:  # fmt: skip
        progress.add_task(title, total=total)
        yield progress


def _console() -> Console:
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_WIDE, no_color=True)
