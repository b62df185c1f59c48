"""``kgate sessions`` against a running gate: what is live is listed, shown and cut, to whoever may and to its holder, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from commanded_gate import Command, as_, commanded_gate, commands, watching
from lab.waiting import eventually
from live_exec import live_exec
from live_gate import TOKENS, LiveGate
from raw_client import RawClient

from kgate.cli import main
from kgate.cli.sessions import _told

POLICY = {
    "rules": [
        {
            "name": "reads",
            "who": {"users": ["*"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
            "limits": {"idle": "1h"},
        },
        {"name": "shell", "who": {"groups": ["developers"]}, "clusters": {"names": ["*"]}, "allow": [{"actions": ["exec"]}]},
        {"name": "on-call", "who": {"groups": ["sre"]}, "clusters": {"names": ["*"]}, "allow": [{"actions": ["lock"]}]},
        {"name": "leads", "who": {"users": ["alice"]}, "clusters": {"names": ["lab"]}, "allow": [{"actions": ["lock"]}]},
    ]
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    with commanded_gate(tmp_path_factory.mktemp("sessions"), POLICY) as running:
        yield running


@pytest.fixture
def kgate(gate: LiveGate, tmp_path: Path) -> Iterator[Command]:
    """Nothing is live before and after each test."""
    run = commands(gate, tmp_path)
    yield run
    eventually("nothing is live", lambda: "\nkgate_live_streams 0" in gate.admin("/metrics")[1])


def live(kgate: Command, user: str, *arguments: str) -> list[tuple[str, str]]:
    """Whose, and where."""
    found = json.loads(kgate(user, "sessions", "list", "-o", "json", *arguments).out)
    return [(each["user"], each["cluster"]) for each in found]


def ended(gate: LiveGate) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in gate.records() if each.get("closed_by") == "cut"}


def cuts_of(gate: LiveGate) -> list[dict[str, Any]]:
    return [each for each in gate.records() if each["event"] == "cut"]


def test_what_is_live_is_listed_to_whoever_may_lock_there_and_to_its_holder(gate: LiveGate, kgate: Command) -> None:
    assert kgate("bob", "sessions", "list").out == "nothing is live but, perhaps, plain requests: --all\n"
    with watching(gate, "mallory"), watching(gate, "alice", "prod"), watching(gate, "bob", "prod"):
        assert live(kgate, "bob") == [("bob", "prod"), ("alice", "prod"), ("mallory", "lab")]
        assert live(kgate, "alice") == [("alice", "prod"), ("mallory", "lab")]
        assert live(kgate, "mallory") == [("mallory", "lab")]
        assert live(kgate, "bob", "--user", "ALICE") == [("alice", "prod")]
        assert live(kgate, "bob", "--cluster", "prod") == [("bob", "prod"), ("alice", "prod")]
        assert live(kgate, "mallory", "--user", "bob") == live(kgate, "bob", "--cluster", "nowhere") == []
        table = kgate("bob", "sessions", "list").out.splitlines()
        assert table[0].split() == ["ID", "USER", "WHAT", "AGE", "IDLE", "BYTES"]
        assert " mallory  lab: watch pods" in table[3] and table[3].rstrip().endswith("  3")


def test_a_plain_request_that_takes_its_time_is_listed_where_all_is_asked_for(gate: LiveGate, kgate: Command) -> None:
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"GET /clusters/lab/api/v1/pods/slow HTTP/1.1\r\n%b\r\n" % as_("mallory"))
        eventually("it is under way", lambda: live(kgate, "bob", "--all") == [("mallory", "lab")])
        assert live(kgate, "bob") == []


def test_one_is_shown_with_all_that_its_record_has(gate: LiveGate, kgate: Command) -> None:
    with live_exec(gate, TOKENS["alice"]):
        (found,) = json.loads(kgate("bob", "sessions", "list", "-o", "json").out)
        (record,) = [each for each in gate.records() if each["id"] == found["id"]]
        for name in ("user", "groups", "cluster", "action", "namespace", "name", "command", "rule", "source_ip", "policy_revision", "time"):
            assert found[name] == record[name], name
        shown = kgate("alice", "sessions", "show", found["id"]).out
        assert "action           exec\n" in shown and "command          sh\n" in shown and "duration_ms" in shown
    with watching(gate, "mallory"):
        (found,) = json.loads(kgate("bob", "sessions", "list", "-o", "json").out)
        assert found["limits"] == {"idle": 3600.0} and json.loads(kgate("bob", "sessions", "show", found["id"], "-o", "json").out)["limits"]


def test_one_is_cut_its_holder_reads_why_and_it_is_on_record(gate: LiveGate, kgate: Command) -> None:
    with watching(gate, "alice") as hers, watching(gate, "mallory") as other:
        (id_, other_id) = [each["id"] for each in reversed(json.loads(kgate("bob", "sessions", "list", "-o", "json").out))]
        cut = kgate("bob", "sessions", "cut", id_, "--reason", "maintenance of lab")
        assert (cut.code, cut.out) == (0, "1 session of alice cut; to keep them out: kgate lock add incident-1 --user alice\n")
        assert f"kgate: closed by bob: maintenance of lab (request {id_})".encode() in hers.until(b"0\r\n\r\n")
        assert live(kgate, "bob") == [("mallory", "lab")]
        again = kgate("bob", "sessions", "cut", id_, other_id)
        assert again.code == 1 and again.out.startswith("1 session of mallory cut")
        assert again.error == "kgate: nothing that you may end fits; kgate sessions list shows what is live\n"
        assert f"kgate: closed by bob (request {other_id})".encode() in other.until(b"0\r\n\r\n")
    ends = eventually("both ends are on record", lambda: ends if len(ends := ended(gate)) == 2 else None)
    assert set(ends) == {id_, other_id} and all(each["revocation_ms"] < 1000 for each in ends.values())
    cuts = eventually("the cuts are, too", lambda: found[-3:] if len(found := cuts_of(gate)) >= 3 else None)
    assert [(each["user"], each["wanted"], each["ended"], each["allowed"], each.get("reasons")) for each in cuts] == [
        ("bob", {"id": id_}, [id_], True, ["maintenance of lab"]),
        ("bob", {"id": id_}, [], False, None),
        ("bob", {"id": other_id}, [other_id], True, None),
    ]


def test_all_of_somebody_or_of_a_cluster_are_cut_at_once(gate: LiveGate, kgate: Command) -> None:
    with watching(gate, "mallory") as first, watching(gate, "mallory", "prod") as second, watching(gate, "bob", "prod") as third:
        assert kgate("bob", "sessions", "cut", "--user", "Mallory", "--cluster", "prod").out.startswith("1 session of mallory cut")
        second.until(b"0\r\n\r\n")
        assert live(kgate, "bob") == [("bob", "prod"), ("mallory", "lab")]
        assert kgate("bob", "sessions", "cut", "--user", "mallory").code == 0
        first.until(b"0\r\n\r\n")
        assert json.loads(kgate("bob", "sessions", "cut", "--cluster", "prod", "-o", "json").out)[0]["user"] == "bob"
        third.until(b"0\r\n\r\n")


def test_what_somebody_may_not_see_they_cannot_end_and_their_own_they_can(gate: LiveGate, kgate: Command) -> None:
    with watching(gate, "alice", "prod"), watching(gate, "mallory") as own:
        (mine, hers) = [each["id"] for each in json.loads(kgate("bob", "sessions", "list", "-o", "json").out)]
        for asked in ((hers,), ("--user", "alice"), ("--cluster", "prod"), ("01ARZ3NDEKTSV4RRFFQ69G5FAV",)):
            refused = kgate("mallory", "sessions", "cut", *asked)
            assert refused.code == 1 and "nothing that you may end fits" in refused.error, asked
        unseen, absent = kgate("mallory", "sessions", "show", hers), kgate("mallory", "sessions", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        assert unseen.code == absent.code == 1 and unseen.error.replace(hers, "X") == absent.error.replace(
            "01ARZ3NDEKTSV4RRFFQ69G5FAV", "X"
        )
        assert kgate("mallory", "sessions", "cut", mine).out == "1 session of mallory cut\n"
        assert b"kgate: closed by mallory (request" in own.until(b"0\r\n\r\n")
        assert live(kgate, "bob") == [("alice", "prod")]


def test_a_gate_that_does_not_answer_is_asked_for_one_of_many(gate: LiveGate, kgate: Command) -> None:
    """Each took 20 s to be given up, and said the same."""
    gone = kgate("bob", "sessions", "cut", "--gate", "127.0.0.1:1", "ONE", "TWO", "TWO", "THREE")
    not_asked = "kgate: 2 sessions more not asked for: it would not answer to that either\n"
    assert (gone.code, gone.out) == (3, "")
    assert gone.error.startswith(f"{not_asked}kgate: the gate at https://127.0.0.1:1 does not answer") and gone.error.count("\n") == 2


class Fleet:
    """Two gates, of which one does not answer."""

    def __init__(self, **more: object) -> None:
        self._more = more

    def post(self, path: str, document: dict[str, str]) -> dict[str, object]:
        return {"found": 1, "by": "bob", "sessions": [{"id": "ONE", "user": "alice"}], **self._more}


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"silent": ["gate-2"]}, 3, "kgate: no answer from gate-2: what is live there was not cut; see whether it runs\n"),
        ({"problem": "the store is gone"}, 3, "kgate: only this gate was asked, and nothing cut at others: the store is gone\n"),
        ({"found": 5}, 0, "kgate: 4 of them, older ones, are not named here\n"),
        ({}, 0, ""),
    ],
    ids=str,
)
def test_a_cut_that_not_every_gate_heard_of_is_not_done(
    more: dict[str, object], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 0, and told of what is not shown."""
    monkeypatch.setattr("kgate.cli.sessions.the_gate", lambda context, gate: Fleet(**more))
    ran = CliRunner().invoke(main, ["sessions", "cut", "--user", "alice"])
    assert (ran.exit_code, ran.stderr) == (code, said) and "of alice cut" in ran.stdout


@pytest.mark.threat("27")
def test_threat_27_what_is_there_to_be_copied_runs_nothing_of_a_name() -> None:
    told = _told([{"found": 1, "by": "bob", "sessions": [{"user": "eve; rm -rf ~"}]}])
    assert told.endswith("kgate lock add incident-1 --user 'eve; rm -rf ~'")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((), 2, "name sessions by their ids, or all of a --user or a --cluster"),
        (("01ARZ3NDEKTSV4RRFFQ69G5FAV", "--user", "alice"), 2, "name sessions by their ids, or all of a --user"),
        (("--user", "alice", "--reason", "two\nlines"), 1, "each value is one line of at most 1000 characters"),
        (("--user", "a" * 1001), 1, "each value is one line of at most 1000 characters"),
        (("--user", "", "--cluster", "prod"), 2, "--user is empty, which would mean all of them; name one, or leave it out"),
        (("--user", "alice", "--cluster", ""), 2, "--cluster is empty, which would mean"),
    ],
)
def test_a_cut_that_says_too_little_or_too_much_is_refused(kgate: Command, arguments: tuple[str, ...], code: int, why: str) -> None:
    refused = kgate("bob", "sessions", "cut", *arguments)
    assert (refused.code, why in refused.error) == (code, True), refused.error


def test_nobody_whom_the_gate_does_not_know_sees_anything(gate: LiveGate) -> None:
    for request in (b"GET /kgate/v1/sessions", b"GET /kgate/v1/sessions/x", b"POST /kgate/v1/sessions/cut"):
        with RawClient(gate.port, gate.context()) as client:
            client.send(b"%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % request)
            assert client.status() == 401


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"id": "x", "user": "y"}, 400),
        ({}, 400),
        ({"everything": "yes"}, 400),
        ({"reason": "why"}, 400),
        ({"user": "nobody"}, 404),
        ({"user": "", "cluster": "prod"}, 400),
    ],
    ids=str,
)
def test_a_program_that_asks_for_nonsense_is_told(gate: LiveGate, document: dict[str, str], status: int) -> None:
    body = json.dumps(document).encode()
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"POST /kgate/v1/sessions/cut HTTP/1.1\r\n%bContent-Type: application/json\r\n" % as_("bob"))
        client.send(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        assert client.status() == status
    with RawClient(gate.port, gate.context()) as client:
        client.send(b"GET /kgate/v1/sessions?namespace=x HTTP/1.1\r\n%b\r\n" % as_("bob"))
        assert client.status() == 400
