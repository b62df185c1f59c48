"""What a replay costs: ``python bench/micro_replay.py [records]`` writes that many audit records (1,000,000) and replays them on one core.

200 people, 500 pods each under names of their own, 50 rules with a time window in every fifth; one record in ten is a stream, which has an end too.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from kgate.audit.chain import Chain
from kgate.audit.record import Record, decision_record, end_record
from kgate.audit.search import Search
from kgate.model import Action, Cluster, Context, Identity
from kgate.net import trail
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import load_policy
from kgate.review.replay import Replay, Report

BEGIN = 1_795_600_800.0
CLUSTER = Cluster("prod-eu", (("env", "prod"),))
RULE = """  - name: rule-{number}
    who: {{groups: [group-{number}]}}
    clusters: {{names: [prod-*]}}
    allow: [{{verbs: [get, list, watch], resources: [pods, pods/log, deployments.apps], namespaces: ["team-{number}*"]}}]
"""
WINDOW = '    when: {time: {hours: "08:00-20:00", zone: Europe/Berlin}}\n'


def policy(rules: int = 50) -> Policy:
    """The policy of the records."""
    text = "".join(RULE.format(number=number) + (WINDOW if number % 5 == 0 else "") for number in range(rules))
    return load_policy(f"rules:\n{text}", "bench.yaml")


def records(count: int, used: Policy) -> Iterator[Record]:
    """What the gate would have written, over a week."""
    people = [Identity(f"user-{number}", (f"group-{number % 50}", "everyone"), issuer="https://idp.example.com") for number in range(200)]
    for number in range(count):
        person = people[number % len(people)]
        team, pod = f"team-{number % 50}", f"pod-{number // 50 % 500}"
        path = f"/api/v1/namespaces/{team}/pods/{pod}"
        action = Action(CLUSTER, "GET", "get" if number % 7 else "delete", path, path, "", "v1", "pods", "", team, pod)
        context = Context(BEGIN + number * 0.6, "10.1.2.3", "kubectl/v1.32.0 (linux/amd64) kubernetes/abcdef0")
        watching = number % 10 == 9
        if watching:
            action = evolve(action, verb="watch", name="", follows=True)
        decision = evaluate(used, person, action, context)
        id_ = f"01KAXW3Z0Q5N3B1V9R{number:08d}"
        yield decision_record("stream-start" if watching else "request", id_, "gate", person, action, context, decision)
        if watching:
            yield end_record("stream-end", id_, "gate", context.now + 1, "prod-eu", person.user, 200, 1.0, 0, 1000)


def replayed(folder: Path, used: Policy, other: Policy | None) -> tuple[float, Report]:
    """Seconds of CPU, and what was found."""
    begin = time.process_time()
    running = Replay({used.revision: used}.get, other)
    for line in trail.lines(folder, Search()):
        running.line(line)
    report = running.finish(BEGIN + 7 * 86400)
    return time.process_time() - begin, report


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    used = policy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Chain()
        with (folder / "audit-20261125-0001.jsonl").open("wb") as file:
            file.writelines(map(chain.seal, records(count, used)))
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{count:,} decisions, {size / 1e6:,.0f} MB")
        for title, other in (("the policy of each moment", None), ("another policy", policy(40))):
            seconds, report = replayed(folder, used, other)
            print(f"{title:28}{seconds:8.1f} s of one core{report.changed:12,} changes in {len(report.groups)} groups")


if __name__ == "__main__":
    main()
