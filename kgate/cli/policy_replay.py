"""``kgate policy replay``: what another policy would have said to everything on record."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

import click
from attrs import evolve

from kgate.audit.search import time_of
from kgate.audit.show import text_of
from kgate.cli.audit_reading import asked_for
from kgate.cli.output import OUTPUT, ROOM, as_json, bar, counted, table, terminal_width
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, audit_directory, policy_file
from kgate.errors import KgateError
from kgate.kube.status import describe_action
from kgate.net import trail
from kgate.net.archive import archived, kept_policy
from kgate.policy.evaluate import Policy
from kgate.policy.load import load_policy
from kgate.review.replay import Group, PolicyOf, Replay, Report, Tally
from kgate.review.turns import Turn

_ORDER = list(Turn)
_HOUR = 3600.0
"""The gate tells facts anew in each hour, so those that hold when the span begins stand in the hour before it."""
_BATCH = 1 << 20
"""Bytes between two moves of the bar."""


@click.command()
@click.option("--since", default="7d", show_default=True, help="From when on: 7d, 2026-11-24 or 2026-11-24T09:30:00Z (UTC).")
@click.option("--until", default="", help="Until when, likewise.")
@click.option("--with", "file", type=click.Path(path_type=Path), help="The other policy; the policy of each moment where it is left out.")
@click.option("-v", "--verbose", is_flag=True, help="Show what would come out the same by another rule, too.")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
@click.pass_context
def replay(
    ctx: click.Context,
    since: str,
    until: str,
    file: Path | None,
    verbose: bool,
    config: Path | None,
    directory: Path | None,
    output: str,
) -> None:
    """Ask every decision on record again, by another policy, and show what would change.

    Streams are followed for as long as they lived: an edge of time or a fact of the new policy would have ended them. Without --with nothing may
    change: that checks the records and the policies that are kept beside them. Exits with 0 where nothing changes, with 1 where something does.
    """
    place = audit_directory(config, directory)
    found = _run(place, since, until, policy_file(file, None) if file is not None else None)
    shown = [(group, tally) for group, tally in found.groups.items() if verbose or group.turn.matters]
    shown.sort(key=lambda each: (_ORDER.index(each[0].turn), each[0].before, each[0].after, -each[1].requests))
    if output == "json":
        as_json(_fields(found, shown))
    else:
        if terminal_width() < ROOM:
            for group, tally in shown:
                _stacked(group, tally)
        elif shown:
            table(("change", "rule", "becomes", "who", "requests", "streams", "example", "id"), [_row(*each) for each in shown])
        click.echo(f"{counted(found.requests, 'request')} and {counted(found.streams, 'stream')}, {found.changed:,} would change")
        for why, count in found.skipped.items():
            click.echo(f"{counted(count, 'decision')} not asked again: each {why.value}", err=True)
    ctx.exit(1 if found.changed else 0)


def _run(place: Path, since: str, until: str, policy: Policy | None) -> Report:
    asked = asked_for((), since, until)
    earlier = evolve(asked, since=asked.since - _HOUR) if asked.since is not None else asked
    running = Replay(_policies(place), policy)
    with bar("replaying", trail.size(place, earlier)) as progress:
        read = 0
        for line in trail.lines(place, earlier):
            if time_of(line) >= asked.first or b'"event":"facts"' in line:
                running.line(line)
            read += len(line)
            if read > _BATCH:
                progress.advance(progress.task_ids[0], read)
                read = 0
    return running.finish(asked.until or time.time())


def _policies(place: Path) -> PolicyOf:
    @lru_cache
    def policy_of(revision: str) -> Policy | None:
        try:
            return load_policy(kept_policy(place, revision), str(archived(place, revision)))
        except KgateError as error:
            click.echo(f"kgate: {error}", err=True)
            return None

    return policy_of


def _row(group: Group, tally: Tally) -> tuple[str, ...]:
    example = text_of(describe_action(tally.example.action))
    counts = f"{tally.requests:,}", f"{tally.streams:,}"
    return group.turn.value, group.before or "-", group.after or "-", text_of(group.user), *counts, example, tally.example.id


def _stacked(group: Group, tally: Tally) -> None:
    """Two lines, where a table would be all line breaks."""
    counts = " and ".join(counted(count, what) for count, what in ((tally.requests, "request"), (tally.streams, "stream")) if count)
    click.echo(f"{text_of(group.user)}: {counts} {group.turn.value}: {group.before or 'no rule'} -> {group.after or 'no rule'}")
    click.echo(f"  {tally.example.id}  {text_of(describe_action(tally.example.action))}")


def _fields(found: Report, shown: list[tuple[Group, Tally]]) -> dict[str, object]:
    return {
        "requests": found.requests,
        "streams": found.streams,
        "changed": found.changed,
        "changes": [
            {
                "change": group.turn.value,
                "rule": group.before,
                "becomes": group.after,
                "user": group.user,
                "requests": tally.requests,
                "streams": tally.streams,
                "example": {"id": tally.example.id, "request": describe_action(tally.example.action)},
                "reasons": [reason.text for reason in tally.decision.reasons],
            }
            for group, tally in shown
        ],
        "not_asked_again": {why.value: count for why, count in found.skipped.items()},
    }
