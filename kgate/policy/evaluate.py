"""The decision: nothing is allowed unless a rule allows it, any matching deny wins, the first allow that matches says what it grants.

One pass over the entries that the index leaves standing, the denying ones first. Most requests meet one entry that asks nothing more, and get a
decision that this identity got from this rule before. Discovery is open to whoever signed in, after the denies; so is asking about oneself, after all rules.

A pure function of its arguments: explain, tests, replay and the re-evaluation of live streams all ask this one.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from kgate.errors import Mistake
from kgate.model import Action, Context, Decision, Ground, Identity, Reason
from kgate.policy.cases import Placed
from kgate.policy.impersonation import impersonation
from kgate.policy.index import Clause, Index, Person
from kgate.policy.misses import nearest_miss
from kgate.policy.offers import Granted
from kgate.policy.parties import NamedCluster
from kgate.policy.question import Question
from kgate.policy.rules import Rule
from kgate.policy.scope import beyond_scope

DISCOVERY: Final = re.compile(r"/api|/apis|/version|/api/[^/]+|/apis/[^/]+(/[^/]+)?|/openapi(/.*)?")
_DISCOVERY_VERBS: Final = frozenset({"get", "head"})
_OWN_REVIEWS: Final = frozenset(
    {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }
)


@frozen(eq=False)
class Policy:
    """A policy in force. ``revision`` is the beginning of its text's SHA-256, in hex."""

    file: str
    revision: str
    rules: tuple[Rule, ...]
    index: Index
    warnings: tuple[Mistake, ...] = ()
    source: str = ""
    """The text itself, which is kept beside the audit."""
    tests: tuple[Placed, ...] = ()
    """What the file expects of itself."""
    named: tuple[NamedCluster, ...] = ()


def evaluate(policy: Policy, identity: Identity, action: Action, context: Context) -> Decision:
    """Whether ``identity`` may do ``action`` in ``context``, why, as whom, and until when that holds by itself.

    A denial's reasons are the nearest miss: ``rule`` with each text reads ``rule "R" would allow it, but TEXT and TEXT``.
    """
    refusal = refused(identity, action, context)
    if refusal is not None:
        return Decision(False, policy.revision, reasons=(refusal,), until=identity.expires)
    index = policy.index
    person = index.person(identity)
    standing = index.standing(person, action)
    discovery = not action.resource and is_discovery(action)
    if discovery:
        standing &= index.denying
    until = identity.expires
    asked: Question | None = None
    while standing:
        lowest = standing & -standing
        clause = index.clauses[lowest.bit_length() - 1]
        if clause.plain:
            return _answer(policy, clause, person, identity, until)
        asked = asked or Question(identity, action, context)
        holds = details_hold(clause, asked)
        if holds is not False and clause.conditions:
            until = sooner(until, clause.conditions.edge(asked))
            holds = both(holds, clause.conditions.holds(asked))
        if decides(clause, holds):
            if clause.rule.request is not None:
                return _by_grant(policy, clause, asked, until)
            return _answer(policy, clause, person, identity, until)
        standing ^= lowest
    if discovery or asks_of_oneself(action):
        return _open(policy, identity, until)
    return Decision(False, policy.revision, reasons=nearest_miss(index, identity, action, context), until=until)


def is_discovery(action: Action) -> bool:
    """Whether the request asks what the API server offers, which every client does before anything else."""
    return not action.resource and action.verb in _DISCOVERY_VERBS and DISCOVERY.fullmatch(action.path) is not None


def asks_of_oneself(action: Action) -> bool:
    """Whether the request asks who its sender is or what they may do: Kubernetes lets everybody (``system:basic-user``)."""
    return action.verb == "create" and (action.api_group, action.resource) in _OWN_REVIEWS and not action.subresource


def sooner(one: float | None, other: float | None) -> float | None:
    """The earlier of two instants, where None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def refused(identity: Identity, action: Action, context: Context) -> Reason | None:
    """What no rule can allow, and why."""
    if identity.expires is not None and identity.expires <= context.now:
        return Reason(Ground.EXPIRED, text="the credential has expired; sign in again")
    if not action.verb:
        return Reason(Ground.UNKNOWN_VERB, text="kgate cannot tell what the request does")
    if identity.networks or identity.clusters:
        return beyond_scope(identity, action, context)
    return None


def details_hold(clause: Clause, asked: Question) -> bool | None:
    """What the entry asks beyond the index; None where the request does not tell."""
    result: bool | None = True
    for detail in clause.details:
        result = both(result, detail.holds(asked))
        if result is False:
            break
    return result


def both(one: bool | None, other: bool | None) -> bool | None:
    """Kleene's conjunction."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def decides(clause: Clause, holds: bool | None) -> bool:
    """Whether the entry gives the answer: an allow needs a certain yes, a deny is stopped only by a certain no."""
    return holds is True or (holds is None and clause.denies)


def _answer(policy: Policy, clause: Clause, person: Person, identity: Identity, until: float | None) -> Decision:
    """What this rule gives this identity; kept, because it depends on nothing else but ``until``."""
    known = person.grants.get(clause.number)
    if known is None or known.until != until:
        known = person.grants[clause.number] = _decide(policy, clause, identity, until)
    return known


def _decide(policy: Policy, clause: Clause, identity: Identity, until: float | None) -> Decision:
    rule = clause.rule
    if clause.denies:
        return Decision(False, policy.revision, rule.name, clause.says, until=until)
    seen = impersonation(rule.as_, identity)
    if isinstance(seen, Reason):
        return Decision(False, policy.revision, rule.name, (Reason(seen.ground, rule.name, seen.text),), until=until)
    return Decision(True, policy.revision, rule.name, clause.says, seen, clause.limits, rule.record, until)


def _by_grant(policy: Policy, clause: Clause, asked: Question, until: float | None) -> Decision:
    """What the rule gives for as long as the grant lasts, with the grant named."""
    decision = _decide(policy, clause, asked.identity, until)
    if not decision.allowed:
        return decision
    name = clause.rule.name
    return decision.but(reasons=(Reason(Ground.ALLOWED, name, f'rule "{name}" allows it: {Granted(name).hit(asked)}'),))


def _open(policy: Policy, identity: Identity, until: float | None) -> Decision:
    """What everybody may ask, until a deny's window opens."""
    seen = impersonation(None, identity)
    if isinstance(seen, Reason):
        return Decision(False, policy.revision, reasons=(seen,), until=until)
    reasons = (Reason(Ground.ALLOWED, text="discovery and questions about oneself are open to whoever signed in"),)
    return Decision(True, policy.revision, "", reasons, seen, until=until)
