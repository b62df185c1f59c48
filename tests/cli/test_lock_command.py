"""``kgate lock`` against a running gate: whoever may shuts somebody out, what lives is cut with the lock's name, and they are let in again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commanded_gate import Command, commanded_gate, commands, gets, posts, watching
from lab.waiting import eventually
from live_gate import LiveGate

POLICY = {
    "rules": [
        {"name": "reads", "who": {"users": ["*"]}, "clusters": {"names": ["*"]}, "allow": [{"verbs": ["*"], "resources": ["*"]}]},
        {"name": "on-call", "who": {"groups": ["sre"]}, "clusters": {"names": ["*"]}, "allow": [{"actions": ["lock"]}]},
        {
            "name": "break-glass",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["lab"]},
            "allow": [{"actions": ["exec"]}],
            "request": {"approvers": {"users": ["mallory", "alice"]}, "duration": "2h"},
        },
        {"name": "leads", "who": {"groups": ["developers"]}, "clusters": {"names": ["lab"]}, "allow": [{"actions": ["lock"]}]},
    ]
}
MISS = 'rule "reads" would allow it, but lock is granted only by name, under actions'


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    with commanded_gate(tmp_path_factory.mktemp("locks"), POLICY) as running:
        yield running


@pytest.fixture
def kgate(gate: LiveGate, tmp_path: Path) -> Iterator[Command]:
    """What bob locked is unlocked behind each test."""
    run = commands(gate, tmp_path)
    yield run
    for each in json.loads(run("bob", "lock", "list", "-o", "json").out):
        assert run("bob", "lock", "remove", each["name"]).code == 0


def asks(gate: LiveGate, user: str, cluster: str = "lab") -> tuple[int, str]:
    return gets(gate, user, f"/clusters/{cluster}/api/v1/pods")


def asks_the_gate(gate: LiveGate, user: str) -> tuple[int, str]:
    return gets(gate, user, "/kgate/v1/whoami")


def test_a_lock_cuts_what_lives_and_nothing_gets_through_until_it_is_removed(gate: LiveGate, kgate: Command) -> None:
    with watching(gate, "alice") as hers, watching(gate, "mallory"):
        told = kgate("bob", "lock", "add", "incident-42", "--user", "alice", "--reason", "INC-42")
        counts = "counts until it is removed: kgate lock remove incident-42; what it is about and lives is cut"
        assert (told.code, told.out) == (0, f'lock "incident-42" on user alice, by bob, {counts}\n')
        said = hers.until(b"0\r\n\r\n")
        assert b'kgate: closed by policy: lock \\"incident-42\\" on user alice, by bob (request ' in said
        status, body = asks(gate, "alice")
        assert status == 403 and 'of cluster lab: lock "incident-42" on user alice, by bob (request ' in json.loads(body)["message"]
        status, body = asks_the_gate(gate, "alice")
        assert status == 401 and 'kgate: lock "incident-42" on user alice, by bob; only whoever' in json.loads(body)["message"]
        assert asks(gate, "mallory")[0] == 200
        assert "\nkgate_live_streams 1" in gate.admin("/metrics")[1]

    assert "incident-42  user alice  bob" in kgate("bob", "lock", "list").out
    assert "\nkgate_locks 1" in gate.admin("/metrics")[1]
    (denied,) = [each["id"] for each in gate.records() if each["event"] == "request" and not each.get("allowed", True)]
    explained = kgate("bob", "policy", "explain", denied, "-d", str(gate.folder / "audit"))
    assert explained.code == 1 and f"no policy decided request {denied}, but a lock; kgate audit show {denied}" in explained.error
    assert kgate("bob", "lock", "remove", "incident-42").out == 'lock "incident-42" on user alice, by bob, counts no longer\n'
    assert asks(gate, "alice")[0] == 200
    ends = [each for each in gate.records() if each.get("closed_by") == "lock"]
    assert [each["user"] for each in ends] == ["alice"] and ends[0]["revocation_ms"] < 1000
    events = [each for each in gate.records() if each["event"] in ("lock", "lock-removed")]
    assert [(each["event"], each["user"], each["allowed"], each["lock"]["name"], each["lock"]["reason"]) for each in events[-2:]] == [
        ("lock", "bob", True, "incident-42", "INC-42"),
        ("lock-removed", "bob", True, "incident-42", "INC-42"),
    ]


def test_a_lock_in_one_cluster_is_none_elsewhere_and_alone_closes_it_to_everybody(gate: LiveGate, kgate: Command) -> None:
    assert kgate("bob", "lock", "add", "there", "--user", "Alice", "--cluster", "prod").code == 0
    assert (asks(gate, "alice", "prod")[0], asks(gate, "alice")[0], asks(gate, "mallory", "prod")[0]) == (403, 200, 200)
    assert asks_the_gate(gate, "alice")[0] == 200
    assert kgate("bob", "lock", "add", "freeze", "--cluster", "prod", "--for", "30m").code == 0
    assert [asks(gate, user, "prod")[0] for user in ("alice", "bob", "mallory")] == [403, 403, 403]
    assert [asks(gate, user)[0] for user in ("alice", "bob", "mallory")] == [200, 200, 200]


def test_whoever_is_locked_out_of_a_cluster_asks_for_nothing_and_answers_nobody_there(kgate: Command) -> None:
    ask = ("request", "create", "--cluster", "lab", "--rule", "break-glass", "--reason", "INC-7")
    id_ = json.loads(kgate("alice", *ask, "-o", "json").out)["id"]
    kgate("bob", "lock", "add", "mallory-out", "--user", "mallory", "--cluster", "lab")
    approving = kgate("mallory", "request", "approve", id_)
    assert approving.code == 1 and 'lock "mallory-out" on user mallory in cluster lab, by bob' in approving.error
    kgate("bob", "lock", "add", "alice-out", "--user", "alice", "--cluster", "lab")
    asking = kgate("alice", *ask)
    assert asking.code == 1 and 'lock "alice-out" on user alice in cluster lab, by bob' in asking.error


def test_whoever_may_lock_in_one_cluster_locks_there_only(gate: LiveGate, kgate: Command) -> None:
    assert kgate("alice", "lock", "add", "mine", "--user", "mallory", "--cluster", "lab").code == 0
    everywhere = kgate("alice", "lock", "add", "all", "--user", "mallory")
    assert everywhere.code == 1 and f"alice may not lock anybody out of cluster prod: {MISS}" in everywhere.error
    assert kgate("bob", "lock", "add", "theirs", "--user", "mallory", "--cluster", "prod").code == 0
    assert [each["name"] for each in json.loads(kgate("alice", "lock", "list", "-o", "json").out)] == ["mine"]
    refused = kgate("alice", "lock", "remove", "theirs")
    assert refused.code == 1 and "alice may not lock anybody out of cluster prod" in refused.error

    def denied() -> list[tuple[str, str]]:
        return [
            (each["event"], each["lock"]["name"]) for each in gate.records() if each["event"].startswith("lock") and not each["allowed"]
        ]

    eventually("both are on record", lambda: denied()[-2:] == [("lock", "all"), ("lock-removed", "theirs")])


def test_nobody_else_locks_sees_or_unlocks_anything(gate: LiveGate, kgate: Command) -> None:
    kgate("bob", "lock", "add", "incident-42", "--user", "alice")
    for arguments in (("add", "x", "--user", "bob"), ("list",), ("remove", "incident-42")):
        refused = kgate("mallory", "lock", *arguments)
        assert refused.code == 1 and f"mallory may not lock anybody out of cluster lab: {MISS}" in refused.error, arguments
    own = kgate("alice", "lock", "remove", "incident-42")  # who may lock, but is locked out
    assert own.code != 0 and 'lock "incident-42" on user alice, by bob' in own.error and asks(gate, "alice")[0] == 403


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("x",), "say whom it shuts out"),
        (("x y", "--user", "alice"), "a lock's name is letters, digits, dots and dashes"),
        (("x", "--user", "team-*"), "a lock names one of each, without *"),
        (("x", "--user", "alice", "--for", "soon"), "write the duration as 30m or 2h"),
        (("x", "--user", "alice", "--cluster", "nowhere"), "this gate has no cluster of that name, only lab, prod"),
        (("x", "--user", "alice", "--reason", "two\nlines"), "each value is one line"),
        (("x", "--user", "BOB"), "it would shut you out too"),
        (("x", "--group", "sre"), "it would shut you out too"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lock_that_makes_no_sense_is_refused_with_what_to_do(kgate: Command, arguments: tuple[str, ...], why: str) -> None:
    refused = kgate("bob", "lock", "add", *arguments)
    assert refused.code == 1 and why in refused.error


@pytest.mark.parametrize("option", ["--user", "--group", "--robot", "--device", "--cluster"])
def test_a_variable_that_is_not_set_locks_out_nobody_else(gate: LiveGate, kgate: Command, option: str) -> None:
    """``kgate lock add x --cluster prod --user "$WHO"`` closed prod to everybody."""
    other = ("--cluster", "prod") if option != "--cluster" else ("--user", "alice")
    refused = kgate("bob", "lock", "add", "x", option, "", *other)
    assert refused.code == 2 and f"{option} is empty" in refused.error
    status, said = posts(gate, "bob", "/kgate/v1/locks", {"name": "x", option[2:]: "", other[0][2:]: other[1]})
    assert status == 400 and f"{option[2:]} is empty" in said
    assert "nobody is locked out" in kgate("bob", "lock", "list").out


def test_a_name_that_is_taken_is_said(kgate: Command) -> None:
    assert "nobody is locked out" in kgate("bob", "lock", "list").out
    kgate("bob", "lock", "add", "incident-42", "--user", "alice")
    again = kgate("bob", "lock", "add", "incident-42", "--user", "mallory")
    assert again.code == 1 and "kgate lock remove incident-42" in again.error
    missing = kgate("bob", "lock", "remove", "incident-43")
    assert missing.code == 1 and "there is no such lock" in missing.error


def test_a_gate_that_starts_knows_the_locks_before_it_admits_anybody(gate: LiveGate, kgate: Command) -> None:
    kgate("bob", "lock", "add", "incident-42", "--user", "alice")
    gate.stop()
    gate.start()
    assert asks(gate, "alice")[0] == 403 and asks(gate, "mallory")[0] == 200
