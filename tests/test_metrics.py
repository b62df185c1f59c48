"""The page of figures says what happened, as the reference library would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kgate.metrics import SECONDS, Metrics
from kgate.model import Action, Cluster, Operation

CLUSTERS = [Cluster("prod-eu"), Cluster("dev")]
ACTIONS = [
    Action(cluster, "GET", verb, "/", "/", "", "v1", "pods", operation=operation, follows=operation is not None)
    for cluster in CLUSTERS
    for verb, operation in (("get", None), ("list", None), ("odd", None), ("create", Operation.EXEC))
]
ENDS = st.lists(
    st.tuples(
        st.sampled_from(ACTIONS),
        st.sampled_from([200, 404, 503]),
        st.one_of(st.sampled_from(SECONDS), st.floats(0, 60)),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    ),
    max_size=30,
)


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(ENDS)
def test_counts_kept_in_plain_dictionaries_read_like_the_library_s_own(ends: list[tuple[Action, int, float, int, int]]) -> None:
    metrics, registry = Metrics(), CollectorRegistry()
    requests = Counter("kgate_requests", "x", ["cluster", "verb", "code"], registry=registry)
    took = Histogram("kgate_request_duration_seconds", "x", ["cluster"], buckets=SECONDS, registry=registry)
    carried = Counter("kgate_bytes", "x", ["direction"], registry=registry)
    carried.labels("in"), carried.labels("out")
    for action, status, seconds, bytes_in, bytes_out in ends:
        metrics.ended(action, status, seconds, bytes_in, bytes_out)
        verb = action.operation.value if action.operation else "other" if action.verb == "odd" else action.verb
        requests.labels(action.cluster.name, verb, str(status)).inc()
        if not action.follows:
            took.labels(action.cluster.name).observe(seconds)
        carried.labels("in").inc(bytes_in)
        carried.labels("out").inc(bytes_out)
    ours, theirs = samples(metrics.render()), samples(generate_latest(registry))
    assert {key: ours.get(key) for key in theirs} == theirs


def test_clusters_that_are_gone_are_off_the_page() -> None:
    metrics = Metrics()
    for action in ACTIONS:
        metrics.ended(action, 200, 0.1, 1, 1)
    metrics.only_of({"dev"})
    page = metrics.render().decode()
    assert 'cluster="dev"' in page and 'cluster="prod-eu"' not in page
    assert 'kgate_bytes_total{direction="in"} 8.0' in page


def test_what_ends_in_a_cluster_because_that_is_gone_does_not_bring_it_back() -> None:
    metrics = Metrics()
    metrics.only_of({"dev"})
    for action in ACTIONS:
        metrics.ended(action, 200, 0.1, 1, 1)
    page = metrics.render().decode()
    assert 'cluster="dev"' in page and 'cluster="prod-eu"' not in page
    assert 'kgate_bytes_total{direction="in"} 8.0' in page
    metrics.only_of({"dev", "prod-eu"})
    metrics.ended(ACTIONS[-1], 200, 0.1, 1, 1)
    for action in ACTIONS:
        metrics.ended(action, 200, 0.1, 1, 1)
    assert 'cluster="prod-eu"' in metrics.render().decode()


def test_authorizers_that_are_gone_are_off_the_page_and_a_late_answer_does_not_bring_them_back() -> None:
    metrics = Metrics()
    metrics.answered("opa", "allowed")
    metrics.answered("opa", "nothing")
    metrics.answered("rbac", "denied")
    metrics.only_authorizers({"rbac"})
    metrics.answered("opa", "allowed")
    page = metrics.render().decode()
    assert 'authorizer="opa"' not in page and 'kgate_authorizer_answers_total{answer="denied",authorizer="rbac"} 1.0' in page
    metrics.only_authorizers({"rbac", "opa"})
    metrics.answered("opa", "allowed")
    assert 'kgate_authorizer_answers_total{answer="allowed",authorizer="opa"} 1.0' in metrics.render().decode()
