"""What the audit subcommands read: the terms of the command line, and the records that fit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from kgate.audit.read import parsed
from kgate.audit.search import Search, search
from kgate.cli.output import bar, counted
from kgate.documents.values import Unacceptable
from kgate.errors import UsageError, printable
from kgate.net import trail

Fields = dict[str, Any]
TERMS = click.argument("terms", nargs=-1)
SINCE = click.option("--since", default="", help="From when on: 7d, 2026-11-24 or 2026-11-24T09:30:00Z (UTC).")
UNTIL = click.option("--until", default="", help="Until when, likewise.")


def asked_for(terms: Iterable[str], since: str, until: str) -> Search:
    """What the command line asks for. Raises UsageError where it makes no sense."""
    try:
        return search(terms, since, until, time.time())
    except Unacceptable as error:
        raise UsageError(f"{error.text}" + (f" ({error.hint})" if error.hint else "")) from error


def warn_of_packed(place: Path) -> None:
    """An answer without them is not all of it."""
    packed = trail.packed(place)
    if packed:
        of_them = f"{counted(len(packed), 'compressed file')} of it ({printable(packed[-1])}) not read"
        click.echo(f"kgate: {printable(str(place))}: {of_them}; unpack a copy of the directory and name that", err=True)


def lines_found(place: Path, asked: Search) -> Iterator[tuple[bytes, Fields]]:
    """The lines that fit, and what they say; with a bar, for there may be millions."""
    warn_of_packed(place)
    return _those_that_fit(trail.lines(place, asked), asked, trail.size(place, asked))


def _those_that_fit(lines: Iterator[bytes], asked: Search, size: int) -> Iterator[tuple[bytes, Fields]]:
    with bar("reading", size) as progress:
        for line in lines:
            progress.advance(progress.task_ids[0], len(line))
            fields = parsed(line)
            if fields is not None and asked.holds(fields):
                yield line, fields


def records_found(place: Path, asked: Search) -> Iterator[Fields]:
    """What the lines that fit say."""
    return (fields for _, fields in lines_found(place, asked))


def latest_found(place: Path, asked: Search, places: trail.Places, number: int) -> list[Fields]:
    """What the last ``number`` of the lines say that fit and stand before ``places``, oldest first."""
    warn_of_packed(place)
    fitting = _those_that_fit(trail.latest(place, places), asked, sum(places.values()))
    return [fields for _, fields in islice(fitting, number)][::-1]
