"""``kgate clusters``: those that somebody who is signed in may see; and for operators, whether those of a gate are as they should be."""

from __future__ import annotations

import click

from kgate.cli import Commands
from kgate.cli.output import OUTPUT
from kgate.cli.signed_in import GATE, list_clusters
from kgate.errors import UsageError

TABLE = {"check": "kgate.cli.clusters_check:check"}
"""Subcommand → where its click command is. A new one adds its line here."""


@click.group(cls=Commands, table=TABLE, invoke_without_command=True)
@GATE
@OUTPUT
@click.pass_context
def clusters(ctx: click.Context, gate: str, output: str) -> None:
    """List the clusters that you may see. Operators: check those of a gate's configuration."""
    if ctx.invoked_subcommand is None:
        list_clusters(gate, output)
    elif gate or output != "table":
        raise UsageError(
            f"options of kgate clusters {ctx.invoked_subcommand} stand behind it: kgate clusters {ctx.invoked_subcommand} --help"
        )
