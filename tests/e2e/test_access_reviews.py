"""``kubectl auth can-i`` and k9s' probes on the real cluster: the answer is the gate's and the cluster's, and what it says is what then happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from lab.cluster import RealCluster
from lab.gate import ALICE, BOB, MALLORY, Gate, Person, rule, running_gate
from lab.kubectl import Kubectl

POLICY = {
    "rules": [
        rule(
            "readers",
            ALICE,
            [
                {"verbs": ["get", "list"], "resources": ["pods", "nodes", "deployments.apps"]},
                {"verbs": ["get"], "paths": ["/metrics"]},
                {"actions": ["exec"], "containers": ["main"]},
                {"actions": ["logs"]},
            ],
        ),
        rule("all", BOB, [{"verbs": ["*"], "resources": ["*"]}, {"verbs": ["*"], "paths": ["*"]}, {"actions": ["*"]}]),
    ]
}


@pytest.fixture(scope="module")
def asking_gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    with running_gate(tmp_path_factory.mktemp("asking-gate"), cluster.gate) as gate:
        gate.adopt(POLICY)
        yield gate


@pytest.fixture
def people(asking_gate: Gate, cluster: RealCluster, direct: Kubectl, tmp_path: Path) -> dict[str, Kubectl]:
    def kubectl(person: Person) -> Kubectl:
        path = asking_gate.kubeconfig(person, cluster.namespace, tmp_path / f"{person.user}.kubeconfig")
        return evolve(direct, kubeconfig=path, home=tmp_path / person.user, name=person.user)

    return {person.user: kubectl(person) for person in (ALICE, BOB, MALLORY)}


@pytest.mark.parametrize(
    ("who", "question", "answer"),
    [
        ("alice", ("get", "pods"), "yes"),
        ("alice", ("get", "pods/web"), "yes"),
        ("alice", ("get", "deployments.apps"), "yes"),
        ("alice", ("get", "pods", "--subresource=log"), "yes"),
        ("alice", ("delete", "pods"), 'no - kgate: rule "readers" would allow it, but verb is delete, not get, list'),
        (
            "alice",
            ("get", "secrets"),
            'no - kgate: rule "readers" would allow it, but resource is secrets, not pods, nodes, deployments.apps',
        ),
        (
            "alice",
            ("create", "pods", "--subresource=exec"),
            'no - kgate: rule "readers" would allow it, but the request names no container',
        ),
        ("alice", ("get", "/metrics"), "no"),  # the gate would, the cluster's RBAC does not
        ("alice", ("get", "nodes"), "no"),
        ("alice", ("*", "*"), "no - kgate: "),
        ("alice", ("get", "/healthz"), "no - kgate: "),
        ("mallory", ("get", "pods"), "no - kgate: no rule is for mallory"),
        ("bob", ("create", "pods", "--subresource=exec"), "yes"),
        ("bob", ("delete", "pods", "--as=alice"), "no - "),
        ("bob", ("get", "pods", "--as=alice", "--as-group=" + ALICE.group), "yes"),
    ],
)
def test_can_i(people: dict[str, Kubectl], who: str, question: tuple[str, ...], answer: str) -> None:
    ran = people[who].run("auth", "can-i", *question)
    said = ran.out.decode().strip()
    assert said == answer if answer in ("yes", "no") else said.startswith(answer), ran.text
    assert ran.code == (0 if answer == "yes" else 1)


def test_as_is_only_for_whom_a_rule_grants_it(people: dict[str, Kubectl]) -> None:
    ran = people["alice"].run("auth", "can-i", "get", "pods", "--as=bob")
    assert ran.code == 1 and "action is impersonate (kubectl --as), not exec" in ran.text, ran.text


def test_what_can_i_says_is_what_happens(people: dict[str, Kubectl]) -> None:
    for who, question, command in (
        ("alice", ("list", "pods"), ("get", "pods")),
        ("alice", ("list", "services"), ("get", "services")),
        ("alice", ("list", "nodes"), ("get", "nodes")),
        ("bob", ("list", "services"), ("get", "services")),
        ("mallory", ("list", "pods"), ("get", "pods")),
    ):
        can = people[who].run("auth", "can-i", *question).code
        assert can == people[who].run(*command).code, (who, question)


def test_a_review_in_json_is_answered_alike(people: dict[str, Kubectl]) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}},
    }
    ran = people["alice"].run("create", "-f", "-", "--validate=false", "-o", "json", stdin=json.dumps(review).encode()).must()
    status = json.loads(ran.out)["status"]
    assert status == {"allowed": False, "reason": 'kgate: rule "readers" would allow it, but verb is delete, not get, list'}


def test_the_review_is_on_record_as_any_request(asking_gate: Gate, people: dict[str, Kubectl]) -> None:
    before = len(asking_gate.records("request"))
    people["mallory"].run("auth", "can-i", "get", "pods")
    asked = [record for record in asking_gate.records("request")[before:] if record.get("resource") == "selfsubjectaccessreviews"]
    assert [(record["user"], record["allowed"]) for record in asked] == [("mallory", True)]


def test_the_list_has_what_both_allow_and_says_that_it_is_not_all(people: dict[str, Kubectl]) -> None:
    ran = people["alice"].run("auth", "can-i", "--list").must()
    lines = [line.split() for line in ran.out.decode().splitlines()]
    verbs = {line[0]: line[-2:] for line in lines if line}
    assert verbs["pods"] == ["[get", "list]"] and verbs["deployments.apps"] == ["[get", "list]"]
    assert "secrets" not in verbs and "nodes" not in verbs and "*.*" not in verbs
    assert "a list cannot show all that kgate decides by; kubectl auth can-i VERB RESOURCE has a true answer" in ran.text
    assert "pods" not in people["mallory"].run("auth", "can-i", "--list").out.decode().split()


def test_whoami_is_answered_by_the_cluster(people: dict[str, Kubectl]) -> None:
    assert "mallory" in people["mallory"].run("auth", "whoami").must().text
