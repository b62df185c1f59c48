"""Scenarios, and how they are run: rounds in which each subject is measured once, so that what drifts drifts for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from attrs import Factory, define, frozen

from bench.ground import Ground
from bench.process import Server

Measures = dict[str, float]


@frozen
class Pace:
    """How long things are measured: ``quick`` is for a look, not for a claim."""

    quick: bool
    wanted: int = 0
    """Rounds that were asked for, whatever the scenario would have; 0: nobody did."""

    def rounds(self, usual: int | None) -> int:
        """Of a scenario whose full run has ``usual`` ones (None: as all)."""
        if self.wanted:
            return self.wanted
        return (1 if usual else 2) if self.quick else usual or 5

    def seconds(self, full: float) -> float:
        """A window that takes ``full`` seconds in a full run."""
        return max(1.0, full * 0.4) if self.quick else full


@frozen
class Subject:
    """A proxy (a name of ``PEERS``) with the protocol of each side: ``client`` h2 or h1, ``cluster`` the name of the upstream."""

    peer: str
    client: str = "h2"
    cluster: str = "h2"

    @property
    def title(self) -> str:
        """``envoy h2>h1``."""
        return f"{self.peer} {self.client}>{self.cluster.removeprefix('streams-')}"


@frozen
class Goal:
    """``metric`` of ``subject`` divided by that of ``against`` (by itself where None; less it with ``difference``) is at most ``limit``, or at least."""

    text: str
    metric: str
    subject: Subject
    against: Subject | None
    limit: float
    at_least: bool = False
    difference: bool = False

    def met(self, value: float) -> bool:
        """Whether ``value`` is as it should be."""
        return value >= self.limit if self.at_least else value <= self.limit


Measure = Callable[[Ground, Server, Subject, Pace], Measures]


@frozen
class Scenario:
    """``title`` says what is done and what is counted. ``quick`` are the subjects of a quick run: those that goals speak of."""

    name: str
    title: str
    subjects: tuple[Subject, ...]
    measure: Measure
    goals: tuple[Goal, ...] = ()
    rounds: int | None = None

    def chosen(self, pace: Pace) -> tuple[Subject, ...]:
        """The subjects of this run."""
        if not pace.quick or not self.goals:
            return self.subjects
        spoken_of = {goal.subject for goal in self.goals} | {goal.against for goal in self.goals}
        return tuple(subject for subject in self.subjects if subject in spoken_of)


@define
class Outcome:
    """What a scenario gave: by subject, one set of figures for each round; and what was left out, with why."""

    scenario: Scenario
    rounds: dict[Subject, list[Measures]] = Factory(dict)
    skipped: list[str] = Factory(list)

    def values(self, subject: Subject, metric: str) -> list[float]:
        """One for each round."""
        return [measures[metric] for measures in self.rounds.get(subject, []) if metric in measures]

    def ratios(self, goal: Goal) -> list[float]:
        """One for each round; empty where a side was not measured."""
        if goal.against is None:
            return self.values(goal.subject, goal.metric)
        rounds = zip(self.rounds.get(goal.subject, []), self.rounds.get(goal.against, []), strict=False)
        pairs = [(one[goal.metric], other[goal.metric]) for one, other in rounds if one.get(goal.metric) and other.get(goal.metric)]
        return [value - other if goal.difference else value / other for value, other in pairs]


def run(scenario: Scenario, ground: Ground, servers: Mapping[str, Server | None], pace: Pace, say: Callable[[str], None]) -> Outcome:
    """All rounds of a scenario. ``servers``: those that were asked for, None where this machine has none."""
    outcome = Outcome(scenario)
    subjects = []
    for subject in scenario.chosen(pace):
        if subject.peer not in servers:
            continue  # nobody asked for it
        if servers[subject.peer] is None:
            outcome.skipped.append(f"{subject.title}: {subject.peer} is not on this machine")
        else:
            subjects.append(subject)
    count = pace.rounds(scenario.rounds)
    for number in range(count):
        for subject in subjects:
            say(f"{scenario.name}: round {number + 1} of {count}, {subject.title}")
            server = servers[subject.peer]
            assert server is not None
            measures: Measures = {}
            try:
                measures = scenario.measure(ground, server, subject, pace)
            except (RuntimeError, OSError) as error:
                outcome.skipped.append(f"{subject.title}, round {number + 1}: {str(error).splitlines()[0]}")
            outcome.rounds.setdefault(subject, []).append(measures)
    return outcome


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, the least and the greatest."""
    return median(values), min(values), max(values)
