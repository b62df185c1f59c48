"""Which clusters are there for somebody: what kubeconfigs and listings show."""

from __future__ import annotations

from kgate.model import Cluster, Identity
from kgate.policy.load import load_policy
from kgate.policy.visible import may_see

POLICY = load_policy(
    """\
rules:
  - {name: dev, who: {groups: [developers]}, clusters: {labels: {env: [dev]}}, allow: [{verbs: [get], resources: [pods]}]}
  - name: office
    who: {users: [bob]}
    clusters: {names: [prod]}
    when: {time: {hours: "08:00-20:00", zone: UTC}}
    allow: [{verbs: [get], resources: [pods]}]
  - {name: never, who: {groups: ["*"]}, clusters: {names: ["*"]}, deny: [{verbs: ["*"], resources: [secrets]}]}
""",
    "policy.yaml",
)
DEV, PROD = Cluster("dev-1", (("env", "dev"),)), Cluster("prod", (("env", "prod"),))


def seen(identity: Identity) -> list[str]:
    return [cluster.name for cluster in (DEV, PROD) if may_see(POLICY, identity, cluster)]


def test_a_cluster_is_seen_by_those_whom_some_rule_could_allow_something_there() -> None:
    assert seen(Identity("alice", ("developers",))) == ["dev-1"]
    assert seen(Identity("bob")) == ["prod"]
    assert seen(Identity("mallory", ("guests",))) == []


def test_a_credential_for_some_clusters_sees_only_those() -> None:
    assert seen(Identity("bob", ("developers",), clusters=("dev-*",))) == ["dev-1"]
