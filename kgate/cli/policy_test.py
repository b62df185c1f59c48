"""``kgate policy test FILE``: the tests that stand in a policy file."""

from __future__ import annotations

from pathlib import Path

import click

from kgate.cli.output import OUTPUT, as_json, counted, table
from kgate.cli.places import CONFIG_OPTION, cluster_labels, policy_file, settings_of
from kgate.policy.cases import Case
from kgate.policy.trial import Outcome, outcomes


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("-v", "--verbose", is_flag=True, help="Show the tests that pass, too.")
@CONFIG_OPTION
@OUTPUT
@click.pass_context
def test(ctx: click.Context, file: Path | None, verbose: bool, config: Path | None, output: str) -> None:
    """Try a policy on the tests in its file; FILE is the configuration's policy where it is left out.

    Clusters have the labels of the configuration where a test does not say. Exits with 1 where a test fails; the gate refuses such a policy.
    """
    settings = settings_of(config)
    policy = policy_file(file, settings)
    found = outcomes(policy, cluster_labels(settings))
    failed = [outcome for outcome in found if outcome.fault]
    if output == "json":
        as_json([_fields(outcome) for outcome in found])
    else:
        shown = found if verbose else failed
        if shown:
            table(("place", "result", "test", "why"), [_row(outcome) for outcome in shown])
        click.echo(
            f"{policy.file}: {counted(len(found), 'test')}, {len(failed)} failed" if found else f"{policy.file}: there are no tests in it"
        )
    ctx.exit(1 if failed else 0)


def summary(case: Case) -> str:
    """A test on one line."""
    does = case.does
    what = does.action.value if does.action is not None else does.verb
    thing = does.path or "/".join(filter(None, (does.resource, does.name)))
    where = f" -n {does.namespace}" if does.namespace else ""
    return case.name or f"{case.who.user} {what} {thing}".rstrip() + f"{where} on {does.cluster}"


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    why = outcome.fault or " and ".join(reason.text for reason in outcome.decision.reasons)
    place = f"{Path(outcome.placed.file).name}:{outcome.placed.line}" if outcome.placed.file else f"{outcome.placed.line}"
    return place, "failed" if outcome.fault else "passed", summary(outcome.placed.case), why


def _fields(outcome: Outcome) -> dict[str, object]:
    case, decision = outcome.placed.case, outcome.decision
    return {
        "file": outcome.placed.file,
        "line": outcome.placed.line,
        "test": summary(case),
        "expected": case.expect.value,
        "allowed": decision.allowed,
        "rule": decision.rule,
        "reasons": [reason.text for reason in decision.reasons],
        "passed": not outcome.fault,
        "fault": outcome.fault,
    }
