"""What the gate counts, for Prometheus. Labels come from closed sets and the configuration only, never from a request (security.md class 26).

What is counted for each request is kept in plain dictionaries and becomes Prometheus' terms when somebody looks: a child of ``prometheus-client`` takes a
lock and several calls each time, four of them a request. What is rare uses the library's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from kgate.model import Action, Ending

VERBS: Final = frozenset(
    {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "head", "post", "put", "proxy"}
)
SECONDS: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BOUNDS: Final = len(SECONDS)
FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class _Count:
    """How many; one that is found once need not be put back."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class _Took:
    """Durations of one cluster: how many fell into each of ``SECONDS``, the last being all that took longer."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one. Most are short, so a search from the first on is over soon."""
        place = 0
        while place < _BOUNDS and SECONDS[place] < seconds:
            place += 1
        self.buckets[place] += 1
        self.seconds += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """As Prometheus wants them."""
        bounds = [*(f"{bound:g}" if bound % 1 else f"{bound:.1f}" for bound in SECONDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.buckets)), strict=True))


class _Requests:
    """What is counted for each request."""

    def __init__(self) -> None:
        self.ended: dict[tuple[str, str, int], _Count] = {}
        self.took: dict[str, _Took] = {}
        self.bytes_in = self.bytes_out = 0

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        ended = CounterMetricFamily(
            "kgate_requests", "Requests that ended, by what they were and how they ended", labels=["cluster", "verb", "code"]
        )
        for (cluster, what, status), count in self.ended.items():
            ended.add_metric([cluster, what, f"{status}"], count.number)
        took = HistogramMetricFamily(
            "kgate_request_duration_seconds", "From a unary request's head to its answer's end", labels=["cluster"]
        )
        for cluster, durations in self.took.items():
            took.add_metric([cluster], durations.cumulated(), durations.seconds)
        carried = CounterMetricFamily("kgate_bytes", "Body and tunnel bytes carried", labels=["direction"])
        carried.add_metric(["in"], self.bytes_in)
        carried.add_metric(["out"], self.bytes_out)
        yield from (ended, took, carried)


class _Asked:
    """A counter that somebody else keeps."""

    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        family = CounterMetricFamily(self._name, self._text)
        family.add_metric([], self._value())
        yield family


class Metrics:
    """One process' figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = _Requests()
        registry.register(self._requests)
        self._clusters: frozenset[str] | None = None
        """Those that there are, once that was said."""
        self._authorizers: frozenset[str] | None = None
        self._answered: set[tuple[str, str]] = set()
        """Which authorizers said what."""
        self._denied = Counter("kgate_denied", "Requests that were denied or refused, by the status given", ["code"], registry=registry)
        self._over_quota = Counter(
            "kgate_over_quota",
            "Requests refused because a person, or an address in nobody's name, made too many",
            ["of"],
            registry=registry,
        )
        self._cuts = Counter("kgate_cuts", "Live streams that the gate ended, by why", ["ending"], registry=registry)
        self._revocation = Histogram(
            "kgate_revocation_seconds", "From a change to the cut of a stream that it ended", buckets=FAST, registry=registry
        )
        self._shadow = Counter(
            "kgate_shadow_decisions",
            "Decisions of the shadow policy, by how they differ from the one in force",
            ["answer"],
            registry=registry,
        )

        self._answers = Counter(
            "kgate_authorizer_answers",
            "What the other authorizers said: allowed, denied, no opinion, or nothing in time",
            ["authorizer", "answer"],
            registry=registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when somebody looks."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def count(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A counter that is asked when somebody looks."""
        self.registry.register(_Asked(name, text, value))

    def ended(self, action: Action, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """A request or stream ended."""
        requests, cluster = self._requests, action.cluster.name
        requests.bytes_in += bytes_in
        requests.bytes_out += bytes_out
        key = (cluster, _what(action), status)
        count = requests.ended.get(key)
        if count is None:
            if self._clusters is not None and cluster not in self._clusters:
                return  # what is still under way ends, or is ended, after its cluster is gone
            count = requests.ended[key] = _Count()
        count.number += 1
        if not action.follows:
            took = requests.took.get(cluster)
            if took is None:
                took = requests.took[cluster] = _Took()
            took.add(seconds)

    def only_of(self, clusters: Iterable[str]) -> None:
        """Other clusters are no more: what was counted of them would be told, and kept, for ever."""
        requests, self._clusters = self._requests, frozenset(clusters)
        requests.ended = {key: count for key, count in requests.ended.items() if key[0] in self._clusters}
        requests.took = {name: took for name, took in requests.took.items() if name in self._clusters}

    def only_authorizers(self, names: Iterable[str]) -> None:
        """The same of authorizers; an answer may still come of one that is no more."""
        self._authorizers = frozenset(names)
        for told in [each for each in self._answered if each[0] not in self._authorizers]:
            self._answered.discard(told)
            self._answers.remove(*told)

    def turned_away(self, status: int) -> None:
        """A request got no further than the gate."""
        self._denied.labels(f"{status}").inc()

    def over_quota(self, of: str) -> None:
        """A request was refused because there were too many before it: a ``person``'s, or an ``address``'."""
        self._over_quota.labels(of).inc()

    def cut(self, ending: Ending, revocation: float | None) -> None:
        """A live stream was ended."""
        self._cuts.labels(ending.value).inc()
        if revocation is not None:
            self._revocation.observe(revocation)

    def shadowed(self, answer: str) -> None:
        """The shadow policy was asked: ``same``, or in which way it differs."""
        self._shadow.labels(answer).inc()

    def answered(self, authorizer: str, answer: str) -> None:
        """Another authorizer was asked."""
        if self._authorizers is None or authorizer in self._authorizers:
            self._answered.add((authorizer, answer))
            self._answers.labels(authorizer, answer).inc()

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)


def _what(action: Action) -> str:
    """A word of a closed set."""
    if action.operation is not None:
        return str(action.operation.value)
    return action.verb if action.verb in VERBS else "other"


class _Families:
    """Metric families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        return self._families


def by_worker(pages: Mapping[int, bytes], restarts: Mapping[int, int]) -> bytes:
    """One page of several processes': every sample with the ``worker`` that it is of, and how often each was started again."""
    families: dict[str, Metric] = {}
    for worker, page in sorted(pages.items()):
        for family in text_string_to_metric_families(page.decode()):
            merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                merged.add_sample(sample.name, {**sample.labels, "worker": f"{worker}"}, sample.value)
    again = CounterMetricFamily("kgate_worker_restarts", "Workers that ended unasked and were started again", labels=["worker"])
    for worker, count in restarts.items():
        again.add_metric([f"{worker}"], count)
    registry = CollectorRegistry()
    registry.register(_Families([*families.values(), again]))
    return generate_latest(registry)
