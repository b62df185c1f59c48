"""What the gate counts, for Prometheus. Labels come from closed sets and the configuration only, never from a request (security.md class 26).

``prometheus-client`` looks a child up by its labels through a lock; on the hot path that is a microsecond, so children are kept here.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from kgate.model import Action, Ending, Operation

VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "head", "post", "put", "proxy"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Metrics:
    """One process' figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "kgate_requests", "Requests that ended, by what they were and how they ended", ["cluster", "verb", "code"], registry=registry
        )
        self._denied = Counter("kgate_denied", "Requests that were denied or refused, by the status given", ["code"], registry=registry)
        self._duration = Histogram(
            "kgate_request_duration_seconds",
            "From a unary request's head to its answer's end",
            ["cluster"],
            buckets=SECONDS,
            registry=registry,
        )
        self._cuts = Counter("kgate_cuts", "Live streams that the gate ended, by why", ["ending"], registry=registry)
        self._revocation = Histogram(
            "kgate_revocation_seconds", "From a change to the cut of a stream that it ended", buckets=FAST, registry=registry
        )
        self._bytes = Counter("kgate_bytes", "Body and tunnel bytes carried", ["direction"], registry=registry)
        self._in, self._out = self._bytes.labels("in"), self._bytes.labels("out")
        self._shadow = Counter(
            "kgate_shadow_decisions",
            "Decisions of the shadow policy, by how they differ from the one in force",
            ["answer"],
            registry=registry,
        )
        self._ended: dict[tuple[str, str, int], Counter] = {}
        self._took: dict[str, Histogram] = {}

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when somebody looks."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def ended(self, action: Action, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """A request or stream ended."""
        cluster = action.cluster.name
        key = (cluster, _what(action), status)
        child = self._ended.get(key)
        if child is None:
            child = self._ended[key] = self._requests.labels(cluster, key[1], f"{status}")
        child.inc()
        if not action.follows:
            took = self._took.get(cluster)
            if took is None:
                took = self._took[cluster] = self._duration.labels(cluster)
            took.observe(seconds)
        if bytes_in:
            self._in.inc(bytes_in)
        if bytes_out:
            self._out.inc(bytes_out)

    def turned_away(self, status: int) -> None:
        """A request got no further than the gate."""
        self._denied.labels(f"{status}").inc()

    def cut(self, ending: Ending, revocation: float | None) -> None:
        """A live stream was ended."""
        self._cuts.labels(ending.value).inc()
        if revocation is not None:
            self._revocation.observe(revocation)

    def shadowed(self, answer: str) -> None:
        """The shadow policy was asked: ``same``, or in which way it differs."""
        self._shadow.labels(answer).inc()

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)


def _what(action: Action) -> str:
    """A word of a closed set."""
    if isinstance(action.operation, Operation):
        return action.operation.value
    return action.verb if action.verb in VERBS else "other"
