"""Values of every kind that goes into a record, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from kgate.model import Action, Cluster, Context, Device, Fact, Grant, Identity, Impersonation, Operation

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.lists(TEXT, max_size=3).map(tuple)
NETWORKS = st.lists(st.sampled_from(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]), max_size=2).map(tuple)
SECONDS = st.integers(1_700_000_000, 1_900_000_000).map(float)
LABELS = st.dictionaries(TEXT, TEXT, max_size=2).map(lambda found: tuple(sorted(found.items())))
EXTRA = st.dictionaries(TEXT, NAMES, max_size=2).map(lambda found: tuple(found.items()))
IDENTITIES = st.builds(
    Identity,
    TEXT,
    NAMES,
    TEXT,
    EXTRA,
    TEXT,
    TEXT,
    st.none() | SECONDS,
    st.none() | SECONDS,
    TEXT,
    NAMES,
    st.none() | st.builds(Device, TEXT, st.sampled_from([None, True, False]), LABELS),
    TEXT,
    NETWORKS,
    NAMES,
)
ACTIONS = st.builds(
    Action,
    cluster=st.builds(Cluster, TEXT, LABELS),
    method=st.just(""),
    verb=TEXT,
    target=st.just(""),
    path=TEXT,
    api_group=TEXT,
    resource=TEXT,
    subresource=TEXT,
    namespace=TEXT,
    name=TEXT,
    operation=st.none() | st.sampled_from(Operation),
    container=TEXT,
    command=NAMES,
    ports=st.lists(st.integers(1, 65535), max_size=2).map(tuple),
    field_selector=TEXT,
    label_selector=TEXT,
    follows=st.booleans(),
)
GRANTS = st.lists(st.builds(Grant, TEXT, TEXT, TEXT, TEXT, TEXT, SECONDS, SECONDS, TEXT, NAMES, TEXT), max_size=2).map(tuple)
FACTS = st.dictionaries(TEXT, st.tuples(TEXT, st.none() | SECONDS), max_size=2).map(
    lambda found: tuple(Fact(name, *rest) for name, rest in sorted(found.items()))
)
CONTEXTS = st.builds(Context, SECONDS, TEXT, TEXT, TEXT, st.none() | st.integers(1, 2**32), FACTS, GRANTS)
AS = st.none() | st.builds(Impersonation, TEXT.filter(bool), NAMES, TEXT, EXTRA)
