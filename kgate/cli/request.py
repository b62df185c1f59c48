"""``kgate request``: ask for what a rule offers, and answer those who ask.

It talks to the gate that you signed in to, or else to the one that kubectl talks to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import click

from kgate.cli import Listing
from kgate.cli.output import OUTPUT, as_json, table
from kgate.cli.the_gate import the_gate
from kgate.errors import UsageError

PATH = "/kgate/v1/requests"
CONTEXT = click.option("--context", default="", help="A context of your kubeconfig, whose gate and credential are meant.")
GATE = click.option("--gate", default="", help="The gate's URL; default: the one that you signed in to last, or the kubeconfig's.")
COLUMNS = ("id", "state", "user", "rule", "cluster", "namespace", "approvals", "until", "reason")
FINISHED = frozenset({"denied", "withdrawn", "revoked", "lapsed", "over"})


def named(_ctx: click.Context, option: click.Parameter, value: str | None) -> str:
    """The callback of an option that says who or what is meant: one that is empty, as a shell's variable that is not set makes it, would mean all."""
    if value == "":
        raise UsageError(f"{option.opts[0]} is empty, which would mean all of them; name one, or leave it out")
    return value or ""


@click.group(cls=Listing)
def request() -> None:
    """Ask for access that a rule offers, approve or deny what others ask for, revoke what was given."""


@request.command()
@click.option("--cluster", required=True, callback=named, help="The cluster, by its name at the gate.")
@click.option("--rule", required=True, help="The rule that offers it; the denial names it.")
@click.option("--namespace", "-n", callback=named, help="For one namespace only; by default for all that the rule is about.")
@click.option("--duration", default="", help="How long, such as 30m or 2h; by default as long as the rule offers.")
@click.option("--reason", default="", help="Why; whoever approves reads it, and it goes on record.")
@CONTEXT
@GATE
@OUTPUT
def create(cluster: str, rule: str, namespace: str, duration: str, reason: str, context: str, gate: str, output: str) -> None:
    """Ask for what RULE offers in CLUSTER."""
    asked = {"cluster": cluster, "rule": rule, "namespace": namespace, "duration": duration, "reason": reason}
    made = the_gate(context, gate).post(PATH, {key: value for key, value in asked.items() if value})
    if output == "json":
        as_json(made)
        return
    waits = f"it waits for {_people(int(made['needed']))}: kgate request approve {made['id']}"
    click.echo(f"request {made['id']} is open; {waits}")


@request.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is over.")
@CONTEXT
@GATE
@OUTPUT
def list_(everything: bool, context: str, gate: str, output: str) -> None:
    """List your own requests and those that you may answer, the newest first."""
    found = the_gate(context, gate).get(PATH)["requests"]
    shown = [each for each in found if everything or each["state"] not in FINISHED]
    if output == "json":
        as_json(shown)
        return
    if not shown:
        click.echo("there is nothing" + ("" if everything else "; --all shows also what is over"))
        return
    table(COLUMNS, [_row(each) for each in shown])


def _answering(verb: str, said: Callable[[Mapping[str, Any]], str], about: str) -> click.Command:
    """``approve``, ``deny`` and ``revoke`` are alike."""

    @click.command(verb, help=about)
    @click.argument("id_", metavar="ID")
    @click.option("--reason", default="", help="Goes on record beside your name.")
    @CONTEXT
    @GATE
    @OUTPUT
    def answer(id_: str, reason: str, context: str, gate: str, output: str) -> None:
        made = the_gate(context, gate).post(f"{PATH}/{quote(id_, safe='')}/{verb}", {"reason": reason} if reason else {})
        as_json(made) if output == "json" else click.echo(said(made))

    return answer


def _approved(made: Mapping[str, Any]) -> str:
    if made["state"] == "granted":
        return f"request {made['id']} is granted: {made['user']} has {made['rule']} in {made['cluster']} until {made['until']}"
    return f"request {made['id']} is approved by you; it takes {_people(int(made['needed']) - len(made['approvals']))} more"


request.add_command(_answering("approve", _approved, "Say yes to request ID; the last approval that it takes begins the grant."))
request.add_command(_answering("deny", lambda made: f"request {made['id']} is denied", "Say no to request ID."))
request.add_command(
    _answering(
        "revoke",
        lambda made: f"request {made['id']} is {made['state']}",
        "Take back what request ID gave; live streams under it end at once. Your own request is withdrawn.",
    )
)


def _row(each: Mapping[str, Any]) -> list[str]:
    approvals = f"{len(each['approvals'])}/{each['needed']} {', '.join(each['approvals'])}".strip()
    cells = {**each, "approvals": approvals, "until": str(each.get("until", ""))[:19]}
    return [str(cells.get(column, "")) for column in COLUMNS]


def _people(number: int) -> str:
    return "one approver" if number == 1 else f"{number} approvers"
