"""Ratios first, then absolute figures with the machine; and all of it as JSON."""

from __future__ import annotations

import json
import os
import platform
import ssl
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.rounds import Goal, Outcome, spread

GOAL_WIDTH = 74
CELL_WIDTH = 24


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return {
        "cpu": f"{cpu} × {os.cpu_count()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip(),
    }


def goals_table(outcomes: Iterable[Outcome]) -> str:
    """One line for each goal."""
    lines = [f"{'goal':{GOAL_WIDTH}}{'measured':>10}{'of rounds':>16}{'goal':>9}"]
    for outcome in outcomes:
        for goal in outcome.scenario.goals:
            ratios = outcome.ratios(goal)
            if not ratios:
                lines.append(f"{goal.text:{GOAL_WIDTH}}{'not measured':>10}")
                continue
            middle, least, most = spread(ratios)
            sign = "≥" if goal.at_least else "≤"
            mark = "met" if goal.met(middle) else "NOT MET"
            lines.append(f"{goal.text:{GOAL_WIDTH}}{middle:>10.2f}{f'{least:.2f}–{most:.2f}':>16}{f'{sign} {goal.limit:g}':>9}  {mark}")
    return "\n".join(lines)


def figures_table(outcome: Outcome) -> str:
    """The absolute figures of one scenario: medians, and the spread of the first."""
    lines = [f"{outcome.scenario.name}: {outcome.scenario.title}"]
    metrics = list(dict.fromkeys(metric for rounds in outcome.rounds.values() for measures in rounds for metric in measures))
    if metrics:
        lines.append(f"  {'':26}" + "".join(f"{metric:>{CELL_WIDTH}}" for metric in metrics))
    for subject in outcome.rounds:
        cells = []
        for metric in metrics:
            values = outcome.values(subject, metric)
            middle, least, most = spread(values) if values else (0.0, 0.0, 0.0)
            cells.append(f"{figure(middle)} ({figure(least)}–{figure(most)})" if values else "")
        lines.append(f"  {subject.title:26}" + "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells))
    return "\n".join([*lines, *(f"  left out: {text}" for text in outcome.skipped)])


def figure(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def as_json(outcomes: Iterable[Outcome], about: Mapping[str, str]) -> str:
    """Everything, every round."""
    scenarios = {
        outcome.scenario.name: {
            "title": outcome.scenario.title,
            "goals": [_goal(outcome, goal) for goal in outcome.scenario.goals],
            "rounds": {subject.title: rounds for subject, rounds in outcome.rounds.items()},
            "left_out": outcome.skipped,
        }
        for outcome in outcomes
    }
    return json.dumps({"machine": about, "scenarios": scenarios}, indent=1)


def _goal(outcome: Outcome, goal: Goal) -> dict[str, object]:
    ratios = outcome.ratios(goal)
    middle = spread(ratios)[0] if ratios else None
    return {"text": goal.text, "limit": goal.limit, "ratios": ratios, "median": middle, "met": middle is not None and goal.met(middle)}
