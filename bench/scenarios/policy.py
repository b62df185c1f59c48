"""What a decision costs by itself, without a proxy around it: see ``bench.micro_policy`` for the whole table."""

from __future__ import annotations

from bench.ground import Ground
from bench.micro_policy import action, measure, policy
from bench.process import Server
from bench.rounds import Goal, Measures, Pace, Scenario
from bench.scenarios import subjects as of
from kgate.model import Identity
from kgate.service.running import settle_memory

ASKED = 2_000


def _decisions(ground: Ground, server: Server, subject: object, pace: Pace) -> Measures:
    found: Measures = {}
    for rules in (50, 1_000):
        strangers = [
            (Identity(f"stranger-{number}", (f"group-{rules // 2}",)), action("team-1", f"pod-{number}")) for number in range(ASKED)
        ]
        made = policy(rules, lambda number: f"groups: [group-{number}]", lambda _: '"*"')
        settle_memory()
        found[f"µs, {rules} rules"] = measure(made, [strangers])
    found["1,000 / 50"] = found["µs, 1000 rules"] / found["µs, 50 rules"]
    return found


DECISIONS = Scenario(
    "policy",
    "one decision for a person and a name never seen before, the first rule that matches in the middle",
    (of.KGATE,),
    _decisions,
    (
        Goal("decision by 50 rules, nothing remembered, µs", "µs, 50 rules", of.KGATE, None, 6.0),
        Goal("decision by 1,000 rules / by 50", "1,000 / 50", of.KGATE, None, 3.0),
    ),
)
