"""What a replay costs: ``python bench/micro_replay.py [records]`` writes that many audit records (1,000,000) and runs ``kgate policy
replay`` on them, which takes one core. Its progress shows on a terminal.

200 people, 500 pods each under names of their own, 50 rules with a time window in every fifth; one record in ten is a stream, which has an end too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kgate.audit.chain import Chain
from kgate.audit.record import Record, decision_record, end_record
from kgate.model import Action, Cluster, Context, Identity
from kgate.net.archive import keep_policy
from kgate.policy.evaluate import Policy, evaluate
from kgate.policy.load import load_policy

BEGIN = 1_795_600_800.0
SPAN = ("--since", "2026-11-20", "--until", "2026-12-20")
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
            action = action.but(verb="watch", name="", follows=True)
        decision = evaluate(used, person, action, context)
        id_ = f"01KAXW3Z0Q5N3B1V9R{number:08d}"
        yield decision_record("stream-start" if watching else "request", id_, "gate", person, action, context, decision)
        if watching:
            yield end_record("stream-end", id_, "gate", context.now + 1, "prod-eu", person.user, 200, 1.0, 0, 1000)


def replayed(folder: Path, *options: str) -> tuple[float, float, int]:
    """The user's command: seconds by the clock, of CPU, and how many answers would change."""
    command = [
        sys.executable,
        "-c",
        "from kgate.cli import main; main()",
        "policy",
        "replay",
        "-d",
        str(folder),
        "-o",
        "json",
        *SPAN,
        *options,
    ]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    clock, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(json.loads(done.stdout)["changed"])


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    used, other = policy(), policy(40)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keep_policy(folder, used)
        (folder / "other.yaml").write_text(other.source)
        chain = Chain()
        with (folder / "audit-20261125-0001.jsonl").open("wb") as file:
            file.writelines(map(chain.seal, records(count, used)))
        size = sum(path.stat().st_size for path in folder.glob("audit-*"))
        print(f"{count:,} decisions, {size / 1e6:,.0f} MB")
        for title, options in (("the policy of each moment", ()), ("another policy", ("--with", str(folder / "other.yaml")))):
            clock, cpu, changed = replayed(folder, *options)
            print(f"{title:28}{clock:8.1f} s by the clock{cpu:8.1f} s of CPU{changed:12,} changes")


if __name__ == "__main__":
    main()
