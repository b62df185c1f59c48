"""``kgate audit``: who did what, where, under which rule."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from kgate.audit.read import parsed
from kgate.audit.show import COLUMNS, lines, row
from kgate.audit.text import encode
from kgate.cli import Listing
from kgate.cli.audit_files import export, verify
from kgate.cli.audit_reading import SINCE, TERMS, UNTIL, Fields, asked_for, latest_found, records_found
from kgate.cli.output import OUTPUT, ROOM, table, terminal_width
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, audit_directory
from kgate.errors import KgateError, UsageError, printable
from kgate.net import trail


@click.group(cls=Listing)
def audit() -> None:
    """Search and verify the gate's audit files.

    TERMS are field=value, field!=value (* is a glob, commas are alternatives) or words that must occur; all must hold:

    \b
        kgate audit search --since 7d user=alice namespace=payments,billing action=exec
        kgate audit search allowed=false cluster=prod-* secrets
        kgate audit search --since 1d closed_by!=       what was cut: all that has the field
    """


@audit.command("search")
@TERMS
@SINCE
@UNTIL
@click.option("-n", "--limit", type=click.IntRange(1), default=1000, show_default=True, help="Only so many, the latest.")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
@click.pass_context
def find(
    ctx: click.Context, terms: tuple[str, ...], since: str, until: str, limit: int, config: Path | None, directory: Path | None, output: str
) -> None:
    """List the records that fit. Exits with 1 where none does. How to write TERMS: kgate audit --help."""
    asked = asked_for(terms, since, until)
    count, found = 0, deque[Fields](maxlen=limit)
    for fields in records_found(audit_directory(config, directory), asked):
        count += 1
        found.append(fields)
    if output == "json":
        _json(found)
    elif found:
        if terminal_width() < ROOM:
            _stacked(found)
        else:
            table(COLUMNS, map(row, found))
    if count > limit:
        click.echo(f"the latest {limit:,} of {count:,} records; --limit shows more", err=True)
    if not found and (doubt := asked.doubt()):
        raise UsageError(doubt)
    if not found:
        click.echo("no record fits", err=True)
    ctx.exit(0 if found else 1)


@audit.command()
@TERMS
@click.option("-n", "--number", type=click.IntRange(0), default=10, show_default=True, help="How many of the latest to begin with.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
def tail(terms: tuple[str, ...], number: int, follow: bool, config: Path | None, directory: Path | None, output: str) -> None:
    """Show the latest records, and with -f those to come. How to write TERMS: kgate audit --help."""
    asked, place = asked_for(terms, "", ""), audit_directory(config, directory)
    write = _json_lines if output == "json" else _plain_lines
    places = trail.ends(place)
    write(latest_found(place, asked, places, number))
    if follow:
        with suppress(KeyboardInterrupt):  # which is how it ends
            for line in trail.follow(place, places):
                fields = parsed(line)
                if fields is not None and asked.holds(fields):
                    write([fields])


@audit.command()
@click.argument("id_", metavar="ID")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
def show(id_: str, config: Path | None, directory: Path | None, output: str) -> None:
    """Everything on record of one request: its decision, each change of it, its end."""
    found = list(records_found(audit_directory(config, directory), asked_for((f"id={id_}",), "", "")))
    if not found:
        raise KgateError(f"there is no request {printable(id_)} in these files; look at another gate's, or at a backup")
    if output == "json":
        _json(found)
        return
    for fields in found:
        for name, value in lines(fields):
            click.echo(f"{name:>18}  {value}")
        click.echo()


def _stacked(found: Iterable[Fields]) -> None:
    """Two lines for each, where a table would be all line breaks."""
    for fields in found:
        when, who, said, came_out, id_ = row(fields)
        click.echo(f"{when}  {who or '-'}  {said}\n  {id_}  {came_out}")


def _json(found: Iterable[Fields]) -> None:
    click.echo(b"[" + b",\n ".join(b"{%b}" % encode(fields) for fields in found) + b"]")


def _json_lines(found: Iterable[Fields]) -> None:
    for fields in found:
        click.echo(b"{%b}" % encode(fields))


def _plain_lines(found: Iterable[Fields]) -> None:
    for fields in found:
        when, who, said, came_out, id_ = row(fields)
        click.echo(f"{when}  {who or '-'}  {said}  {came_out}  {id_}")


audit.add_command(verify)
audit.add_command(export)
