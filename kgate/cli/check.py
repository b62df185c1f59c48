"""``kgate check FILE``: every mistake in a configuration and in what it names, offline."""

from __future__ import annotations

import time
from pathlib import Path

import click

from kgate.cli.output import as_json, counted
from kgate.errors import Mistake
from kgate.settings import report


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to write the result.")
@click.pass_context
def check(ctx: click.Context, file: Path, output: str) -> None:
    """Validate the configuration FILE and every file that it names, without connecting to anything.

    Exits with 0 where the gate would start, with 1 where it would not, with 2 where FILE cannot be read.
    """
    found = report.check(file, time.time())
    (_as_json if output == "json" else _as_text)(file, found)
    ctx.exit(0 if found.good else 1)


def _as_text(file: Path, found: report.Report) -> None:
    for mistake in found.mistakes:
        click.echo(mistake)
    for warning in found.warnings:
        click.echo(f"warning: {warning}")
    if found.good:
        click.echo(f"{file}: good: {found.summary}")
    else:
        click.echo(f"{file}: {counted(len(found.mistakes), 'mistake')}; the gate does not start like this", err=True)


def _as_json(file: Path, found: report.Report) -> None:
    def plain(each: Mistake) -> dict[str, object]:
        return {"file": each.file, "line": each.line, "text": each.text, "hint": each.hint}

    answer = {
        "file": str(file),
        "good": found.good,
        "mistakes": [plain(each) for each in found.mistakes],
        "warnings": [plain(each) for each in found.warnings],
    }
    as_json(answer)
