"""``kgate lock``: shut somebody out at once, whatever the policy says; what lives of theirs is cut.

It talks to the gate that you signed in to, or else to the one that kubectl talks to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from kgate.cli import Listing
from kgate.cli.output import OUTPUT, as_json, table
from kgate.cli.request import CONTEXT, GATE, named
from kgate.cli.the_gate import the_gate

PATH = "/kgate/v1/locks"
COLUMNS = ("name", "on", "by", "begins", "until", "reason")


@click.group(cls=Listing)
def lock() -> None:
    """Shut a person, a group, a program or a device out at once, or close a cluster, whatever the policy says; list and remove such locks."""


@lock.command()
@click.argument("name")
@click.option("--user", callback=named, help="The person, by the name that kgate whoami shows them.")
@click.option("--group", callback=named, help="Everybody in this group.")
@click.option("--robot", callback=named, help="The program, by the name of its token.")
@click.option("--device", callback=named, help="Whoever comes from this device.")
@click.option("--cluster", callback=named, help="Only there; by default everywhere. Alone it closes the cluster to everybody.")
@click.option("--for", "duration", default="", help="How long, such as 30m or 2h; by default until it is removed.")
@click.option("--reason", default="", help="Why; it goes on record, and whoever is shut out does not read it.")
@CONTEXT
@GATE
@OUTPUT
def add(context: str, gate: str, output: str, **asked: str) -> None:
    """Shut out whom the options name, all of them together; whoever it is reads NAME, such as incident-42."""
    made = the_gate(context, gate).post(PATH, {key: value for key, value in asked.items() if value})
    if output == "json":
        as_json(made)
        return
    until = f"until {made['until'][:19]}Z" if "until" in made else f"until it is removed: kgate lock remove {made['name']}"
    click.echo(f"{made['text']}, counts {until}; what it is about and lives is cut")


@lock.command("list")
@CONTEXT
@GATE
@OUTPUT
def list_(context: str, gate: str, output: str) -> None:
    """List the locks that you may remove."""
    found = the_gate(context, gate).get(PATH)["locks"]
    if output == "json":
        as_json(found)
        return
    if not found:
        click.echo("nobody is locked out")
        return
    table(COLUMNS, [_row(each) for each in found])


@lock.command()
@click.argument("name")
@CONTEXT
@GATE
@OUTPUT
def remove(name: str, context: str, gate: str, output: str) -> None:
    """Let in again whom lock NAME shut out."""
    made = the_gate(context, gate).post(f"{PATH}/{quote(name, safe='')}/remove", {})
    as_json(made) if output == "json" else click.echo(f"{made['text']}, counts no longer")


def _row(each: Mapping[str, Any]) -> list[str]:
    on = ", ".join(f"{kind} {each[kind]}" for kind in ("user", "robot", "device", "group", "cluster") if kind in each)
    cells = {**each, "on": on, "begins": each["begins"][:19], "until": str(each.get("until", ""))[:19]}
    return [str(cells.get(column, "")) for column in COLUMNS]
