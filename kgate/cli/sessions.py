"""``kgate sessions``: what is live at the gate and every other one that shares its store, and ending it.

It talks to the gate that you signed in to, or else to the one that kubectl talks to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click

from kgate.audit.show import lines, text_of, what
from kgate.cli import Listing
from kgate.cli.output import OUTPUT, as_json, counted, table
from kgate.cli.request import CONTEXT, GATE, named
from kgate.cli.the_gate import GateApi, the_gate
from kgate.errors import KgateError, UnreachableError, UsageError

PATH = "/kgate/v1/sessions"
COLUMNS = ("id", "user", "what", "age", "idle", "bytes")
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@click.group(cls=Listing)
def sessions() -> None:
    """List, show and cut what is live: exec, attach, port-forward, logs -f, watches, and with --all requests that take their time."""


@sessions.command("list")
@click.option("--user", callback=named, help="Of this person only, by the name that kgate whoami shows them.")
@click.option("--cluster", callback=named, help="In this cluster only.")
@click.option("--all", "everything", is_flag=True, help="Plain requests that are under way, too.")
@CONTEXT
@GATE
@OUTPUT
def list_(user: str, cluster: str, everything: bool, context: str, gate: str, output: str) -> None:
    """List your own, and everybody's in clusters that you may lock people out of, the newest first."""
    asked = {name: value for name, value in (("user", user), ("cluster", cluster), ("all", "yes" if everything else "")) if value}
    found = the_gate(context, gate).get(f"{PATH}?{urlencode(asked)}" if asked else PATH)
    if output == "json":
        as_json(found["sessions"])
    elif found["sessions"]:
        table(COLUMNS, [_row(each) for each in found["sessions"]])
    else:
        click.echo("nothing is live" + ("" if everything else " but, perhaps, plain requests: --all"))
    _warn(found)


@sessions.command()
@click.argument("id_", metavar="ID")
@CONTEXT
@GATE
@OUTPUT
def show(id_: str, context: str, gate: str, output: str) -> None:
    """Show all that is known of session ID."""
    found = the_gate(context, gate).get(f"{PATH}/{quote(id_, safe='')}")
    if output == "json":
        as_json(found)
        return
    known = list(lines(found))
    width = max(len(name) for name, _ in known)
    for name, value in known:
        click.echo(f"{name:<{width}}  {value}")


@sessions.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--user", callback=named, help="All of this person's, and with --cluster those there.")
@click.option("--cluster", callback=named, help="All in this cluster.")
@click.option("--reason", default="", help="Why; whoever holds it reads it, and it goes on record.")
@CONTEXT
@GATE
@OUTPUT
def cut(ids: tuple[str, ...], user: str, cluster: str, reason: str, context: str, gate: str, output: str) -> None:
    """End sessions; their holders may begin new ones, unless kgate lock keeps them out."""
    if bool(ids) == bool(user or cluster):
        raise UsageError("name sessions by their ids, or all of a --user or a --cluster; kgate sessions list shows them")
    api = the_gate(context, gate)
    asked = [{"id": each} for each in dict.fromkeys(ids)] or [
        {name: value for name, value in (("user", user), ("cluster", cluster)) if value}
    ]
    ended = list(_cuts(api, [{**each, "reason": reason} if reason else each for each in asked]))
    missed = [each for each in ended if isinstance(each, KgateError)]
    cut_ = [each for each in ended if not isinstance(each, KgateError)]
    if output == "json":
        as_json([session for each in cut_ for session in each["sessions"]])
    elif cut_:
        click.echo(_told(cut_))
    for error in missed[:-1]:
        click.echo(f"kgate: {error}", err=True)
    if len(ended) < len(asked):
        click.echo(f"kgate: {counted(len(asked) - len(ended), 'session')} more not asked for: it would not answer to that either", err=True)
    if missed:
        raise missed[-1]
    if not ids:
        _hold_to_all(cut_[0])


def _cuts(api: GateApi, asked: list[dict[str, str]]) -> Iterator[Any]:
    """The gate's answers; why one is none, so that a session that is over does not keep the others alive. A gate that does not answer is asked once."""
    for each in asked:
        try:
            yield api.post(f"{PATH}/cut", each)
        except UnreachableError as error:
            yield error
            return
        except KgateError as error:
            yield error


def _hold_to_all(ended: Mapping[str, Any]) -> None:
    """All of somebody's or of a cluster is more than what is live at the gates that answered: raises UnreachableError where one did not."""
    if unnamed := _unnamed(ended):
        click.echo(f"kgate: {unnamed:,} of them, older ones, are not named here", err=True)
    if "problem" in ended:
        raise UnreachableError(f"only this gate was asked, and nothing cut at others: {text_of(ended['problem'])}")
    if silent := _silent(ended):
        raise UnreachableError(f"no answer from {silent}: what is live there was not cut; see whether it runs")


def _told(ended: list[Any]) -> str:
    people = sorted({text_of(session["user"]) for each in ended for session in each["sessions"]})
    told = f"{counted(sum(each['found'] for each in ended), 'session')} of {', '.join(people)} cut"
    others = [each for each in people if each != ended[0]["by"]]
    return (
        f"{told}; to keep them out: kgate lock add incident-1 --user {shlex.quote(others[0]) if len(others) == 1 else 'NAME'}"
        if others
        else told
    )


def _warn(found: Mapping[str, Any]) -> None:
    """What is not in the answer, on stderr."""
    if "problem" in found:
        click.echo(f"kgate: only this gate was asked: {text_of(found['problem'])}", err=True)
    if silent := _silent(found):
        click.echo(f"kgate: no answer from {silent}: what is live there is not shown; see whether it runs", err=True)
    if more := _unnamed(found):
        click.echo(f"kgate: {more:,} more, older ones, are not shown: name a --user or a --cluster", err=True)


def _silent(found: Mapping[str, Any]) -> str:
    """The gates that did not answer."""
    return ", ".join(map(text_of, found.get("silent", ())))


def _unnamed(found: Mapping[str, Any]) -> int:
    """How many there are beside those in the answer, which are the newest."""
    return max(0, int(found["found"]) - len(found["sessions"]))


def _row(each: Mapping[str, Any]) -> list[str]:
    said = f"{each['cluster']}: {what(each)}"
    return [each["id"], each["user"], said, _span(each["duration_ms"]), _span(each["idle_ms"]), f"{each['bytes']:,}"]


def _span(milliseconds: float) -> str:
    """``3m12s``, ``2h5m``: the two largest units, as kubectl writes ages."""
    seconds = int(milliseconds / 1000)
    parts = []
    for size, unit in _UNITS:
        if seconds >= size:
            parts.append(f"{seconds // size}{unit}")
            seconds %= size
        elif parts:
            break
    return "".join(parts[:2]) or "0s"
