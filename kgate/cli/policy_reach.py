"""``kgate policy who-can`` and ``what-can``: a policy read from either end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from kgate.audit.read import Past, Rebuilding, parsed
from kgate.audit.show import text_of
from kgate.cli.audit_reading import asked_for
from kgate.cli.described import Described, described
from kgate.cli.output import OUTPUT, as_json, bar, table
from kgate.cli.places import AUDIT_OPTION, CONFIG_OPTION, audit_directory, cluster_labels, policy_file, settings_of
from kgate.documents.reading import decode
from kgate.identity.robots import load_tokens
from kgate.kube.status import describe_action
from kgate.model import Action, Cluster, Context, Decision, Identity
from kgate.net import trail
from kgate.policy.evaluate import evaluate, is_discovery
from kgate.policy.reach import Reach, Standing, what_can, who_can
from kgate.settings import Settings

_POLICY = click.option("-p", "--policy", "file", type=click.Path(path_type=Path), help="The policy, instead of the configuration's.")
_ANYONE = "anyone"


@click.command("who-can")
@click.argument("words", nargs=-1, required=True)
@described
@_POLICY
@click.option("--seen", metavar="TIME", help="Judge the people on record since then (30d), beside those of the tokens file.")
@CONFIG_OPTION
@AUDIT_OPTION
@OUTPUT
def who_may(
    words: tuple[str, ...], file: Path | None, seen: str | None, config: Path | None, directory: Path | None, output: str, **given: Any
) -> None:
    """Who may do something: by which rules, and which of the people that are known.

    \b
        kgate policy who-can delete pods -n payments --cluster prod-eu
        kgate policy who-can exec -n payments --cluster prod-eu --seen 30d

    Groups come with people's tokens, so a policy names them and not their members; --seen takes the people that the audit knows. Exits with 1 where
    no rule allows it.
    """
    settings = settings_of(config)
    policy = policy_file(file, settings)
    _, action, context = Described(**given).question(words, cluster_labels(settings), _ANYONE)
    rules = who_can(policy, action, context)
    people = [(person, evaluate(policy, person, action, context)) for person in _known(settings, seen, config, directory)]
    if output == "json":
        as_json(
            {"request": describe_action(action), "rules": [_fields(rule) for rule in rules], "people": [_person(*each) for each in people]}
        )
    else:
        _tell(rules, people, action)
    allowed = is_discovery(action) or any(not rule.denies and rule.standing is not Standing.NOT_NOW for rule in rules)
    click.get_current_context().exit(0 if allowed and not _to_all(rules) else 1)


@click.command("what-can")
@click.argument("user")
@click.option("--group", "groups", multiple=True, help="A group of theirs; may be repeated. Those of the tokens file where it is left out.")
@click.option("--issuer", default="", help="Where they signed in.")
@click.option("--robot", default="", help="The name of the static token, where a program asks.")
@click.option("--cluster", default="", help="On this cluster only.")
@_POLICY
@CONFIG_OPTION
@OUTPUT
def what_may(
    user: str, groups: tuple[str, ...], issuer: str, robot: str, cluster: str, file: Path | None, config: Path | None, output: str
) -> None:
    """What USER may do, where, and under which conditions. Exits with 1 where no rule allows them anything."""
    settings = settings_of(config)
    policy = policy_file(file, settings)
    identity = Identity(user, groups, issuer=issuer, robot=robot)
    if not groups:
        identity = next((each for each in _tokens(settings) if each.user == user), identity)
    place = Cluster(cluster, tuple(sorted(cluster_labels(settings).get(cluster, {}).items()))) if cluster else None
    found = what_can(policy, identity, place, Context(time.time(), ""))
    if output == "json":
        as_json({"user": identity.user, "groups": list(identity.groups), "rules": [_fields(rule) for rule in found]})
    else:
        who = f"{text_of(identity.user)} (groups: {text_of(', '.join(identity.groups) or 'none')})"
        click.echo(f"{who}: {len(found)} entries of rules concern them" if found else f"{who}: no rule is for them")
        if found:
            table(("rule", "effect", "clusters", "what", "asks", "now"), [_what_row(rule) for rule in found])
    click.get_current_context().exit(0 if any(not rule.denies for rule in found) else 1)


def _known(settings: Settings | None, seen: str | None, config: Path | None, directory: Path | None) -> list[Identity]:
    """People by name and issuer, each as last seen; what was true of one session only (its end, its device) left out."""
    people = {(each.user, each.issuer): each for each in _tokens(settings)}
    if seen is not None:
        place, asked = audit_directory(config, directory), asked_for((), seen, "")
        rebuilding = Rebuilding()
        with bar("reading", trail.size(place, asked)) as progress:
            for line in trail.lines(place, asked):
                progress.advance(progress.task_ids[0], len(line))
                past = rebuilding.read(parsed(line) or {})
                if isinstance(past, Past):
                    people[past.identity.user, past.identity.issuer] = past.identity
    plain = (each.but(expires=None, session="", device=None, networks=()) for each in people.values())
    return sorted(plain, key=lambda each: each.user)


def _tokens(settings: Settings | None) -> Iterable[Identity]:
    tokens = settings.identity.tokens if settings is not None else None
    if tokens is None or not tokens.file.is_file():
        return ()
    return load_tokens(decode(tokens.file.read_bytes(), str(tokens.file)), str(tokens.file)).identities.values()


def _tell(rules: tuple[Reach, ...], people: list[tuple[Identity, Decision]], action: Action) -> None:
    click.echo(f"To {text_of(describe_action(action))}:")
    if is_discovery(action):
        click.echo("discovery is open to whoever signed in")
    if rules:
        table(("rule", "effect", "who", "asks", "now"), [_who_row(rule) for rule in rules])
    elif not is_discovery(action):
        click.echo("no rule is about this, so nobody may")
    for rule in _to_all(rules):
        click.echo(f'rule "{rule.rule}" denies it to everyone')
    if people:
        may = [(person, decision) for person, decision in people if decision.allowed]
        known = "1 person who is" if len(people) == 1 else f"{len(people):,} people who are"
        click.echo(f"\nOf {known} known, {len(may):,} may{':' if may else ''}")
    if people and may:
        table(("who", "groups", "rule"), [(text_of(who.user), text_of(", ".join(who.groups)), decision.rule) for who, decision in may])


def _to_all(rules: tuple[Reach, ...]) -> list[Reach]:
    return [rule for rule in rules if rule.denies and rule.everyone and rule.standing is Standing.NOW]


def _who_row(rule: Reach) -> tuple[str, ...]:
    return rule.rule, _effect(rule), rule.who, rule.when or "-", _now(rule)


def _what_row(rule: Reach) -> tuple[str, ...]:
    return rule.rule, _effect(rule), rule.clusters, rule.what, rule.when or "-", _now(rule)


def _effect(rule: Reach) -> str:
    return "deny" if rule.denies else "allow"


def _now(rule: Reach) -> str:
    said = {Standing.NOW: "yes", Standing.NOT_NOW: "no", Standing.DEPENDS: "depends"}[rule.standing]
    return text_of(f"{said}: {' and '.join(rule.why)}") if rule.why else said


def _fields(rule: Reach) -> Mapping[str, object]:
    return {
        "name": rule.rule,
        "effect": _effect(rule),
        "who": rule.who,
        "clusters": rule.clusters,
        "what": rule.what,
        "asks": rule.when,
        "now": rule.standing.value,
        "because": list(rule.why),
    }


def _person(who: Identity, decision: Decision) -> Mapping[str, object]:
    return {
        "user": who.user,
        "groups": list(who.groups),
        "issuer": who.issuer,
        "allowed": decision.allowed,
        "rule": decision.rule,
        "reasons": [reason.text for reason in decision.reasons],
    }
