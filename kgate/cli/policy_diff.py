"""``kgate policy diff OLD NEW``: what changes, in rules and in decisions."""

from __future__ import annotations

import time
from pathlib import Path

import click

from kgate.audit.show import text_of
from kgate.cli.output import OUTPUT, as_json, table
from kgate.cli.places import policy_file
from kgate.kube.status import describe_action
from kgate.model import Decision
from kgate.policy.difference import Edit, RuleEdit, Shift, edits, shifts

_SIGNS = {Edit.ADDED: "+", Edit.REMOVED: "-", Edit.CHANGED: "~", Edit.MOVED: ">"}


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@OUTPUT
@click.pass_context
def diff(ctx: click.Context, old: Path, new: Path, output: str) -> None:
    """What changes from the policy OLD to NEW: the rules, and decisions on requests that both policies' rules and tests suggest.

    What people really asked for is what kgate policy replay goes by. Exits with 0 where nothing changes, with 1 where something does.
    """
    before, after = policy_file(old, None), policy_file(new, None)
    rules, decisions = edits(before, after), shifts(before, after, time.time())
    if output == "json":
        as_json({"rules": [_edit_fields(each) for each in rules], "decisions": [_shift_fields(each) for each in decisions]})
    else:
        for edit in rules:
            _tell(edit)
        if decisions:
            click.echo()
            table(("before", "after", "samples", "who", "example"), [_row(each) for each in decisions])
        if not rules:
            click.echo("the rules are the same")
        elif not decisions:
            click.echo("no sample comes out otherwise")
    ctx.exit(1 if rules or decisions else 0)


def _tell(edit: RuleEdit) -> None:
    click.echo(f"{_SIGNS[edit.edit]} {edit.what} {edit.name}" + (": comes at another place" if edit.edit is Edit.MOVED else ""))
    for key, before, after in edit.keys:
        if before:
            click.echo(f"    - {key}: {text_of(before)}")
        if after:
            click.echo(f"    + {key}: {text_of(after)}")


def _said(decision: Decision) -> str:
    if decision.allowed:
        seen = decision.impersonate
        groups = f" as {seen.user}, {', '.join(seen.groups) or 'no group'}" if seen is not None else ""
        return text_of(f"allowed: {decision.rule or 'discovery'}{groups}")
    return text_of(f"denied: {decision.rule}" if decision.rule else "denied")


def _row(shift: Shift) -> tuple[str, ...]:
    who = shift.example.identity
    named = f"{who.user} ({', '.join(who.groups)})" if who.groups else who.user
    return _said(shift.before), _said(shift.after), f"{shift.count:,}", text_of(named), text_of(describe_action(shift.example.action))


def _edit_fields(edit: RuleEdit) -> dict[str, object]:
    keys = [{"key": key, "before": before, "after": after} for key, before, after in edit.keys]
    return {"edit": edit.edit.value, "what": edit.what, "name": edit.name, "keys": keys}


def _shift_fields(shift: Shift) -> dict[str, object]:
    asked = shift.example
    return {
        "before": {"allowed": shift.before.allowed, "rule": shift.before.rule},
        "after": {"allowed": shift.after.allowed, "rule": shift.after.rule},
        "samples": shift.count,
        "example": {"user": asked.identity.user, "groups": list(asked.identity.groups), "request": describe_action(asked.action)},
        "reasons": [reason.text for reason in shift.after.reasons],
    }
