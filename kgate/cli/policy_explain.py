"""``kgate policy explain``: a request of the past by its id, or one that is only spoken of, rule by rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kgate.audit.ids import instant_of
from kgate.audit.read import Past, Rebuilding, Unusable, parsed
from kgate.audit.search import Search
from kgate.cli.described import Described, described
from kgate.cli.output import OUTPUT, as_json, table
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, audit_directory, cluster_labels, policy_file, settings_of
from kgate.errors import KgateError, printable
from kgate.kube.status import describe_action, describe_reasons, one_line
from kgate.model import Action, Ground, Identity
from kgate.net import trail
from kgate.net.archive import archived, kept_policy
from kgate.policy.evaluate import Policy
from kgate.policy.explain import Explanation, RuleView, Verdict
from kgate.policy.explain import explain as explain_request
from kgate.policy.load import load_policy
from kgate.review.past import explain_past

ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
FEW = 12
"""Rules that are shown where not all are asked for."""
_HOUR = 3600.0


@click.command()
@click.argument("words", nargs=-1, required=True)
@described
@click.option(
    "-p", "--policy", "file", type=click.Path(path_type=Path), help="The policy, instead of the one of the moment or the configuration's."
)
@click.option("--all", "everything", is_flag=True, help="Show every rule, not only those that come near.")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
def explain(
    words: tuple[str, ...],
    file: Path | None,
    everything: bool,
    config: Path | None,
    directory: Path | None,
    output: str,
    **given: Any,
) -> None:
    """Why a request is allowed or denied, and what would have to change.

    WORDS are the id of a request on record, which is decided again by the policy and in the context of its moment, or the request itself:

    \b
        kgate policy explain 01KAXW3Z0Q5N3B1V9R6T2YJ8HC
        kgate policy explain exec web-0 -n payments --user alice --group developers --cluster prod -- sh
        kgate policy explain get /metrics --user bob --cluster dev

    Exits with 0 where it is allowed, with 1 where it is denied.
    """
    if len(words) == 1 and ID.fullmatch(words[0]):
        past = recorded(audit_directory(config, directory), words[0])
        policy = policy_file(file, None) if file is not None else _policy_then(audit_directory(config, directory), past)
        identity, action, found = explain_past(policy, past)
        now = past.context.now
    else:
        past = None
        settings = settings_of(config)
        policy = policy_file(file, settings)
        identity, action, context = Described(**given).question(words, cluster_labels(settings))
        found, now = explain_request(policy, identity, action, context), context.now
    if output == "json":
        as_json(_fields(policy, identity, action, now, found, past))
    else:
        _show(policy, identity, action, now, found, past, everything)
    click.get_current_context().exit(0 if found.decision.allowed else 1)


def recorded(directory: Path, id_: str) -> Past:
    """The last decision on record of a request. Raises KgateError where there is none."""
    rebuilding, found = Rebuilding(), None
    wanted = id_.encode()
    since = instant_of(id_) // _HOUR * _HOUR  # facts are told in each hour anew
    for line in trail.lines(directory, Search(since=since)):
        if wanted in line or b'"event":"facts"' in line:
            fields = parsed(line) or {}
            past = rebuilding.read(fields)
            if fields.get("id") == id_ and past is not Unusable.NO_DECISION:
                found = past
    if found is None:
        raise KgateError(f"there is no decision on request {id_} in {directory}; look at another gate's, or at a backup")
    if isinstance(found, Unusable):
        raise KgateError(f"request {id_} cannot be decided again: its record {found.value}; kgate audit show {id_} has what there is")
    return found


def _policy_then(directory: Path, past: Past) -> Policy:
    if not past.revision:
        who = "a lock" if past.ground is Ground.LOCK else "its credential"
        raise KgateError(f"no policy decided request {past.id}, but {who}; kgate audit show {past.id} says more")
    return load_policy(kept_policy(directory, past.revision), str(archived(directory, past.revision)))


def _show(policy: Policy, identity: Identity, action: Action, now: float, found: Explanation, past: Past | None, everything: bool) -> None:
    decision = found.decision
    can = "may" if decision.allowed else "may not"
    click.echo(f"{one_line(identity.user)} {can} {describe_action(action)}")
    said = decision.reasons[0].text if decision.allowed else describe_reasons(decision.reasons)
    click.echo(f"  {printable(said)}")
    if decision.impersonate is not None and decision.allowed:
        seen = decision.impersonate
        click.echo(f"  the cluster sees {one_line(seen.user)}" + (f", groups {one_line(', '.join(seen.groups))}" if seen.groups else ""))
    if decision.until is not None:
        click.echo(f"  it holds until {_instant(decision.until)}")
    click.echo(f"  by {policy.file}, revision {decision.revision or policy.revision}, at {_instant(now)}")
    if past is not None:
        click.echo(f"  {_on_record(past, found)}")
    click.echo()
    shown = list(found.rules) if everything else _near(found)
    table(("rule", "effect", "verdict", "because"), [_row(view) for view in shown])
    if len(shown) < len(found.rules):
        click.echo(f"{len(found.rules) - len(shown)} more rules do not match; --all shows them")
    if found.changes:
        click.echo("\nWhat would have to change, each by itself:")
        for change in found.changes:
            click.echo(f"  - {printable(change)}")


def _on_record(past: Past, found: Explanation) -> str:
    answer = "allowed" if past.allowed else "denied"
    by = f' by rule "{one_line(past.rule)}"' if past.rule else ""
    if not past.by_policy:
        return f"on record: {answer}{by}, which another authorizer said and not the policy"
    same = past.allowed is found.decision.allowed and past.rule == found.decision.rule
    return f"on record: {answer}{by}" + ("" if same else f", by revision {past.revision}")


def _near(found: Explanation) -> list[RuleView]:
    """What matches, then what lacks least, in the order in which rules count."""
    ranked = sorted(found.rules, key=lambda view: (view.verdict is Verdict.MISSED, view.nearest.apart))
    kept = {view.name for view in ranked[:FEW]}
    return [view for view in found.rules if view.name in kept]


def _row(view: RuleView) -> tuple[str, str, str, str]:
    nearest = view.nearest
    because = nearest.text if nearest.matches else " and ".join(reason.text for reason in nearest.missing)
    return view.name, "deny" if view.denies else "allow", view.verdict.value, printable(because)


def _fields(policy: Policy, identity: Identity, action: Action, now: float, found: Explanation, past: Past | None) -> dict[str, object]:
    decision = found.decision
    answer: dict[str, object] = {
        "user": identity.user,
        "request": describe_action(action),
        "time": _instant(now),
        "allowed": decision.allowed,
        "rule": decision.rule,
        "reasons": [{"ground": reason.ground.value, "rule": reason.rule, "text": reason.text} for reason in decision.reasons],
        "until": _instant(decision.until) if decision.until is not None else None,
        "policy": policy.file,
        "policy_revision": policy.revision,
        "rules": [_rule_fields(view) for view in found.rules],
        "changes": list(found.changes),
    }
    if past is not None:
        answer["recorded"] = {"id": past.id, "allowed": past.allowed, "rule": past.rule, "policy_revision": past.revision}
    return answer


def _rule_fields(view: RuleView) -> dict[str, object]:
    entries = [
        {
            "entry": entry.text,
            "matches": entry.matches,
            "missing": [{"ground": why.ground.value, "text": why.text} for why in entry.missing],
        }
        for entry in view.entries
    ]
    return {"name": view.name, "effect": "deny" if view.denies else "allow", "verdict": view.verdict.value, "entries": entries}


def _instant(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
