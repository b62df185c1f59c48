"""Afterwards: is everything on record that was sent, has every stream its end, does the chain hold, and what went on growing?"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from kgate.audit.search import Search
from kgate.net import trail
from soak.ledger import Ledger

SLACK = {"rss": 0.03, "descriptors": 0.25, "threads": 0.0}
"""By how much the last quarter may have more than the third before that is said to grow."""


def on_record(directory: Path, ledger: Ledger) -> list[str]:
    """What is wrong with the records; nothing where nothing is."""
    begun, ended, agents, refused = dict[str, str](), Counter[str](), Counter[str](), 0
    for line in trail.lines(directory, Search()):
        fields = orjson.loads(line)
        event, id_ = fields["event"], fields["id"]
        if event in ("request", "stream-start"):
            refused += "status" in fields
            agents[fields.get("user_agent", "")] += 1
            if fields.get("allowed") and "status" not in fields:
                begun[id_] = event
        elif event in ("request-end", "stream-end"):
            ended[id_] += 1
    missing = [each for each in begun if ended[each] != 1]
    stray = [each for each in ended if each not in begun]
    decided = {agent for agent, status in ledger.answered.items() if status not in (400, 401, 404, 421, 429, 431, 503)}
    lost = [agent for agent in decided if agents[agent] != 1]
    print(
        f"on record: {len(begun)} begun, {sum(ended.values())} ended, {refused} refused; {len(decided)} of the soak's own were decided on"
    )
    return [
        *([f"{len(missing)} requests or streams have not one end: {missing[:5]}"] if missing else []),
        *([f"{len(stray)} ends are of nothing that began: {stray[:5]}"] if stray else []),
        *(
            [f"{len(lost)} requests are not on record once: {[(each, ledger.answered[each], agents[each]) for each in lost[:5]]}"]
            if lost
            else []
        ),
    ]


def chain(directory: Path) -> list[str]:
    """What ``kgate audit verify`` says, where it says no."""
    command = [str(Path(sys.executable).with_name("kgate")), "audit", "verify", "--directory", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout.strip())
    return [f"kgate audit verify: {done.returncode} {done.stderr[-500:]}"] if done.returncode else []


def growth(rows: list[dict[str, Any]]) -> list[str]:
    """What has more at the end than in the middle: the third quarter beside the last, each by its middle value."""
    half = rows[len(rows) // 2 :]
    if len(half) < 4:
        return []
    third, last = half[: len(half) // 2], half[len(half) // 2 :]
    return [text for name in half[0]["processes"] for text in _grown(name, third, last)]


def _grown(name: str, third: list[dict[str, Any]], last: list[dict[str, Any]]) -> list[str]:
    found = []
    for what, slack in SLACK.items():
        before, after = (median(row["processes"][name][what] for row in rows) for rows in (third, last))
        if after > before * (1 + slack):
            found.append(f"{name}: {what} went from {before:g} to {after:g} in the second half")
    return found


def types(first: Mapping[str, Any], last: Mapping[str, Any], most: int = 12) -> list[str]:
    """The types of which there are the most more."""
    more = Counter({kind: count - first["types"].get(kind, 0) for kind, count in last["types"].items()})
    return [f"{kind} {count:+}" for kind, count in more.most_common(most) if count > 0]
