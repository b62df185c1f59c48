"""``kgate audit verify`` and ``export``: is the file what the gate wrote, and how to hand it on."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
from attrs import frozen

from kgate.audit.chain import GENESIS, Broken, sealed_hash
from kgate.audit.chain import verify as verify_chain
from kgate.audit.show import text_of
from kgate.cli.audit_reading import SINCE, TERMS, UNTIL, Fields, asked_for, lines_found, warn_of_packed
from kgate.cli.audit_recordings import Recorded
from kgate.cli.output import OUTPUT, as_json, bar, counted
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, RECORDINGS_OPTION, audit_directory, recordings_directory
from kgate.errors import KgateError, printable
from kgate.net import trail
from kgate.net.archive import altered

_POLICIES = re.compile(r'"(?:policy|shadow)_revision":"([0-9a-f]{1,64})","(?:policy|shadow)_sha256":"([0-9a-f]{64})"')
"""In the record of a start or a reload."""
MOST_SAID = 20
"""Recordings that are named one by one: of a copy without them each is missing."""
_HEADS = re.compile(r"audit head ([0-9a-f]{64})")


@frozen
class Verdict:
    """One chain: whole, or broken at a line of the last of ``files`` that was looked at."""

    directory: Path
    files: int
    records: int
    first: str
    head: str
    broken: Broken | None = None
    at: Path | None = None

    def __str__(self) -> str:
        if self.broken is not None:
            return f"{self.at}:{self.broken.line}: {self.broken.flaw.value}"
        older = "" if self.first == GENESIS else "; what came before its first line is not here"
        found = f"{counted(self.records, 'record')} in {counted(self.files, 'file')}"
        return f"{self.directory}: {found}, the chain holds; its head is {self.head}{older}"

    def fields(self) -> dict[str, object]:
        """The same for a program."""
        found: dict[str, object] = {"directory": str(self.directory), "files": self.files, "records": self.records}
        if self.broken is not None:
            return found | {"holds": False, "file": str(self.at), "line": self.broken.line, "flaw": self.broken.flaw.value}
        return found | {"holds": True, "first": self.first, "head": self.head}


@click.command()
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A log of the gate, kept elsewhere, that names heads of the chain.",
)
@click.option("--without-recordings", is_flag=True, help="Leave the recordings out: of a copy that has none.")
@RECORDINGS_OPTION
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
@click.pass_context
def verify(
    ctx: click.Context,
    anchors: tuple[Path, ...],
    without_recordings: bool,
    recordings: Path | None,
    config: Path | None,
    directory: Path | None,
    output: str,
) -> None:
    """Whether no line was changed, dropped, inserted or moved since the gate wrote it.

    A chain that was cut off at its end still holds. Only an anchor can tell: the gate writes the head of its chain to its log every few minutes
    ("audit head ..."), and a log that is kept elsewhere is given here with --anchors. The policies that are kept beside the audit and the recordings of
    streams that ended are held against the chain, too. Exits with 1 where a chain is broken, an anchor is not in it, a policy is not what was in force,
    or a recording is missing or not what was recorded.
    """
    place = audit_directory(config, directory)
    warn_of_packed(place)
    chains, told, recorded = trail.chains(place), dict[str, str](), Recorded()
    wanted = {head: path for path in anchors for head in _HEADS.findall(path.read_text("utf-8", "replace"))}
    with bar("verifying", sum(trail.file_size(path) for files in chains for path in files)) as progress:

        def watched(path: Path) -> Iterator[bytes]:
            for line in trail.whole_lines(path):
                progress.advance(progress.task_ids[0], len(line))
                if wanted:
                    wanted.pop(sealed_hash(line) or "", None)
                told.update(_POLICIES.findall(line.decode("utf-8", "replace")) if b'_sha256"' in line else ())
                recorded.read(line)
                yield line

        verdicts = [_verify(files, watched) for files in chains]
    policies = altered(place, told)
    casts = [] if without_recordings else recorded.flaws(recordings_directory(config, directory, recordings))
    good = all(verdict.broken is None for verdict in verdicts) and not wanted and not policies and not casts
    if output == "json":
        chains_found = [verdict.fields() for verdict in verdicts]
        found = {"good": good, "chains": chains_found, "missing_anchors": sorted(wanted), "altered_policies": policies}
        as_json(found if without_recordings else found | {"recordings": len(recorded), "altered_recordings": casts})
    else:
        for verdict in (*verdicts, *policies, *casts[:MOST_SAID]):
            click.echo(verdict)
        if len(casts) > MOST_SAID:
            click.echo(f"and {counted(len(casts) - MOST_SAID, 'recording')} more; -o json names all")
        if recorded and not casts and not without_recordings:
            click.echo(f"{counted(len(recorded), 'recording')} as they were recorded")
        for head, path in wanted.items():
            click.echo(f"{path}: no line has the head {head}: the end was cut off, older files are not here, or these are another gate's")
    ctx.exit(0 if good else 1)


def _verify(files: list[Path], read: Callable[[Path], Iterator[bytes]]) -> Verdict:
    """A chain goes on from file to file."""
    first, head, records = "", None, 0
    for path in files:
        found = verify_chain(read(path), head)
        if isinstance(found, Broken):
            return Verdict(files[0].parent, len(files), records, first, head or GENESIS, found, path)
        if found.lines:
            first, head, records = first or found.first, found.head, records + found.lines
    return Verdict(files[0].parent, len(files), records, first or GENESIS, head or GENESIS)


@click.command()
@TERMS
@SINCE
@UNTIL
@click.option("--format", "format_", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("-O", "--to", type=click.Path(path_type=Path), help="The file to write, which must not be there yet; stdout otherwise.")
@CONFIG_OPTION
@AUDIT_OPTION
def export(
    terms: tuple[str, ...], since: str, until: str, format_: str, to: Path | None, config: Path | None, directory: Path | None
) -> None:
    """Write the records that fit to a file, as they stand (jsonl) or for a spreadsheet (csv). How to write TERMS: kgate audit --help.

    Says how many there were and the hash of the last, which is worth keeping: with it anybody can see later whether the file's end was cut off.
    """
    asked, place = asked_for(terms, since, until), audit_directory(config, directory)
    write = _raw if format_ == "jsonl" else _csv
    with _new(to) if to is not None else _stdout() as file:
        count, last = write(file, lines_found(place, asked))
    click.echo(f"{counted(count, 'record')}; the last one's hash is {last or 'none'}", err=True)


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole, or not at all."""
    try:
        file = open(path, "xb", opener=partial(os.open, mode=0o600))  # noqa: SIM115  closed below; nobody else reads the audit either
    except FileExistsError as error:
        raise KgateError(f"{path} is there already, and nothing is written over; name another file, or remove it") from error
    except OSError as error:
        raise KgateError(f"{path} cannot be written: {error.strerror}; name a file in a folder where you may write") from error
    try:
        with file:
            yield file
    except OSError as error:
        path.unlink()
        raise KgateError(f"{path} cannot be written: {error.strerror}; make room, or name a file elsewhere") from error
    except BaseException:
        path.unlink()
        raise


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    """stdout for bytes, closed by nobody. Lines for a terminal are made safe for it."""
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _raw(file: BinaryIO, found: Iterator[tuple[bytes, Fields]]) -> tuple[int, str]:
    count, last = 0, ""
    safe: Callable[[bytes], bytes] = (
        (lambda line: printable(line.decode("utf-8", "replace")[:-1]).encode() + b"\n") if file.isatty() else bytes
    )
    for line, _ in found:
        count += 1
        file.write(safe(line))
        last = sealed_hash(line) or last
    return count, last


_CSV = (
    *(
        "time",
        "id",
        "event",
        "cluster",
        "user",
        "groups",
        "source_ip",
        "verb",
        "action",
        "api_group",
        "resource",
        "subresource",
        "namespace",
    ),
    *("name", "container", "command", "path", "allowed", "rule", "reasons", "policy_revision", "status", "duration_ms", "bytes_in"),
    *("bytes_out", "closed_by", "recording"),
)


def _csv(file: BinaryIO, found: Iterator[tuple[bytes, Fields]]) -> tuple[int, str]:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe (CWE-1236)."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(_CSV)
    count, last = 0, ""
    for line, fields in found:
        count += 1
        writer.writerow([_cell(fields.get(name, "")) for name in _CSV])
        last = sealed_hash(line) or last
    text.detach()
    return count, last


def _cell(value: Any) -> str:
    text = " ".join(map(text_of, value)) if isinstance(value, list) else text_of(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
