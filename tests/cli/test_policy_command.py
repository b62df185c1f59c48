"""``kgate policy test`` and ``explain``: what an operator asks of a policy, and of what it did."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kgate.audit.chain import Chain
from kgate.audit.ids import RequestIds, instant_of
from kgate.audit.record import Record, decision_record, facts_record
from kgate.cli import main
from kgate.model import Action, Cluster, Context, Decision, Fact, Ground, Identity, Operation, Reason
from kgate.net.archive import keep_policy
from kgate.policy.evaluate import evaluate
from kgate.policy.load import load_policy

POLICY = """\
rules:
  - name: readers
    who: {groups: [developers]}
    clusters: {labels: {env: dev}}
    allow: [{verbs: [get, list], resources: [pods, pods/log, deployments.apps], namespaces: [team-*]}]
  - name: shell
    who: {groups: [developers]}
    clusters: {names: ["*"]}
    allow: [{actions: [exec], containers: ["!proxy"], commands: [["sh", "**"]]}, {actions: [port-forward], ports: [8080]}]
    when: {time: {hours: "08:00-20:00", zone: UTC}}
"""
TESTS = """\
tests:
  - {who: {user: alice, groups: [developers]}, does: {cluster: dev, verb: get, resource: pods, namespace: team-a}, expect: allow}
  - {who: {user: alice, groups: [developers]}, does: {cluster: dev, verb: get, resource: pods, namespace: payments}, expect: allow}
"""
CONFIG = """\
listen: [{address: 127.0.0.1:8443, tls: {certificate: tls.crt, key: tls.key}}]
public_url: https://localhost:8443
clusters: {dev: {server: "https://10.0.0.5:6443", token_file: token, labels: {env: dev}}}
identity: {client_certificates: {authority: ca.crt}}
policy: policy.yaml
audit: {directory: audit/}
"""
ALICE = ("--user", "alice", "--group", "developers", "--cluster", "dev")
DAY, NIGHT = "2026-11-25T10:00:00Z", "2026-11-25T21:00:00Z"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an operator stands: beside the configuration."""
    (tmp_path / "policy.yaml").write_text(POLICY + TESTS)
    (tmp_path / "kgate.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kgate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["policy", *arguments])


def answer(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kgate("explain", "-o", "json", *arguments).stdout)
    return found


def test_tests_run_with_the_labels_of_the_configuration(folder: Path) -> None:
    result = kgate("test")
    assert result.exit_code == 1
    assert re.search(
        r"policy.yaml:13 +failed +alice get pods -n payments on dev +expected allow, but it is denied: namespace is payments", result.stdout
    )
    assert result.stdout.endswith("policy.yaml: 2 tests, 1 failed\n")
    assert [case["passed"] for case in json.loads(kgate("test", "-o", "json").stdout)] == [True, False]


def test_a_policy_that_fails_its_tests_is_refused(folder: Path) -> None:
    said = CliRunner().invoke(main, ["check", "kgate.yaml"]).output
    assert "policy.yaml:13: the test fails: expected allow, but it is denied: namespace is payments, not team-* (mend the rule" in said


def test_tests_that_pass_are_good_and_none_is_said(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY + "".join(TESTS.splitlines(keepends=True)[:2]))
    assert (kgate("test").exit_code, kgate("test").stdout) == (0, f"{folder / 'policy.yaml'}: 1 test, 0 failed\n")
    (folder / "other.yaml").write_text(POLICY)
    assert "there are no tests in it" in kgate("test", "other.yaml").stdout


def test_a_test_of_an_action_is_named_as_kubectl_names_it(folder: Path) -> None:
    does = "{cluster: dev, action: exec, namespace: shop, name: web-0, command: [sh]}"
    (folder / "policy.yaml").write_text(POLICY + f"tests: [{{who: {{user: mallory}}, does: {does}, expect: deny}}]\n")
    assert re.search(r"passed +mallory exec web-0 -n shop on dev ", kgate("test", "-v").stdout)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["get", "pods", "-n", "team-a"], True),
        (["get", "po/web-0", "-n", "team-a"], True),
        (["get", "deploy", "web", "-n", "team-a"], True),
        (["list", "deployments.apps", "-n", "team-a"], True),
        (["logs", "web-0", "-n", "team-a"], True),
        (["get", "pods/log", "web-0", "-n", "team-a"], True),
        (["get", "pods"], False),
        (["get", "secrets", "-n", "team-a"], False),
        (["get", "/metrics"], False),
        (["get", "/version"], True),
        (["exec", "web-0", "--container", "app", "--", "sh", "-c", "ls"], True),
        (["exec", "web-0", "--container", "app", "--", "psql"], False),
        (["exec", "web-0", "--container", "app", "--at", NIGHT, "--", "sh"], False),
        (["port-forward", "web-0", "9000:8080"], True),
        (["port-forward", "svc/web", "22"], False),
        (["impersonate", "users", "bob"], False),
    ],
)
def test_a_request_that_is_only_spoken_of(folder: Path, words: list[str], allowed: bool) -> None:
    result = kgate("explain", *ALICE, "--at", DAY, *words)
    assert result.exit_code == (0 if allowed else 1), result.output
    assert result.stdout.startswith("alice may " if allowed else "alice may not ")


STRICT = """\
rules:
  - name: break-glass
    who: {groups: [developers]}
    clusters: {names: ["*"]}
    allow: [{verbs: [delete], resources: [pods]}]
    when: {facts: {incident: {open: true}}, device: {compliant: true}, authentication: {amr: [hwk], max_age: 1h}}
    request: {approvers: {groups: [sre]}, duration: 2h}
"""


def test_what_is_known_of_the_moment_can_be_described(folder: Path) -> None:
    (folder / "strict.yaml").write_text(STRICT)
    asked = ["delete", "pods", "web-0", "-n", "a", *ALICE, "-p", "strict.yaml", "--at", DAY]
    known = [
        "--compliant",
        "--amr",
        "hwk",
        "--signed-in",
        "2026-11-25T09:30:00Z",
        "--fact",
        'incident={"open": true}',
        "--granted",
        "break-glass",
    ]
    assert kgate("explain", *asked, *known).exit_code == 0
    for missing in ("--compliant", "--amr", "--signed-in", "--fact", "--granted"):
        place = known.index(missing)
        rest = known[:place] + known[place + (1 if missing == "--compliant" else 2) :]
        assert kgate("explain", *asked, *rest).exit_code == 1, missing


def test_explain_shows_each_rule_and_what_would_have_to_change(folder: Path) -> None:
    text = kgate("explain", *ALICE, "--at", NIGHT, "exec", "web-0", "-n", "team-a", "--container", "app", "--", "sh").stdout
    assert 'rule "shell" would allow it, but time is outside 08:00-20:00 UTC\n' in text
    assert re.search(r"^readers +allow +does not match +exec is granted only by name, under actions *$", text, re.M)
    assert '  - nothing but time: rule "shell" allows it from Thu 2026-11-26 08:00:00 UTC on\n' in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get"], "a verb needs a resource or a path"),
        (["get", "pods", "web-0", "web-1"], "what is 'web-1'?"),
        (["port-forward", "web-0", "http"], "http are not ports"),
        (["get", "pods", "--at", "noon"], "write it as 2027-01-01T00:00:00Z"),
        (["get", "pods", "--at", "9999-12-31T23:59:59Z"], "the year is out of range (write one from 1970 to 9000)"),
        (["get", "pods", "-p", "none.yaml"], "none.yaml does not exist"),
        (["get", "pods", "--label", "env"], "write it as KEY=VALUE"),
        (["get", "pods"], "who asks? Name them with --user, their groups with --group"),
        (["01KAXW3Z0Q5N3B1V9R6T2YJ8HC", "pods"], "who asks?"),
        (["get", "pods", "-c", "two.yaml"], "on which cluster? Name it with --cluster: dev, prod"),
    ],
)
def test_a_slip_is_a_usage_error(folder: Path, arguments: list[str], said: str) -> None:
    two = CONFIG.replace("labels: {env: dev}}", 'labels: {env: dev}}, prod: {server: "https://10.0.0.6:6443", token_file: token}')
    (folder / "two.yaml").write_text(two)
    result = kgate("explain", *arguments)
    assert result.exit_code == 2 and said in result.stderr


# --- requests of the past

FREEZE = (Fact("freeze", "true"),)
PODS = Action(Cluster("dev", (("env", "dev"),)), "", "get", "", "/api/v1/pods", resource="pods", namespace="team-a")
SHELL = Action(
    Cluster("dev"), "", "create", "", "/x", "", "", "pods", "exec", "team-a", "web-0", Operation.EXEC, "app", ("sh",), follows=True
)  # fmt: skip


class History:
    """An audit directory in the making."""

    def __init__(self, directory: Path, now: float) -> None:
        self.directory, self.now = directory, now
        self._ids, self._chain = RequestIds(lambda: self.now, lambda count: b"r" * count), Chain()
        directory.mkdir()

    def write(self, record: Record) -> None:
        with (self.directory / "audit-20261125-0001.jsonl").open("ab") as file:
            file.write(self._chain.seal(record))

    def decided(self, text: str, action: Action, event: str = "request", id_: str = "", user: str = "alice") -> str:
        """Somebody asked, and the policy of ``text`` answered."""
        policy = load_policy(text, "policy.yaml")
        keep_policy(self.directory, policy)
        id_ = id_ or self._ids.next()
        context, alice = Context(self.now, "10.0.0.1", facts=FREEZE), Identity(user, ("developers",), issuer="tokens")
        self.write(facts_record(self._ids.next(), "gate", self.now, FREEZE))
        self.write(decision_record(event, id_, "gate", alice, action, context, evaluate(policy, alice, action, context)))
        return id_


@pytest.fixture
def history(folder: Path) -> History:
    return History(folder / "audit", 1_795_600_800.25)  # 2026-11-25T10:00:00Z


def test_a_request_of_the_past_is_explained_by_the_policy_and_the_time_of_its_moment(folder: Path, history: History) -> None:
    id_ = history.decided(POLICY, SHELL, "stream-start")
    (folder / "policy.yaml").write_text("rules: []")
    found = answer(id_)
    assert (found["allowed"], found["rule"], found["time"]) == (True, "shell", DAY)
    assert found["recorded"] == {"id": id_, "allowed": True, "rule": "shell", "policy_revision": found["policy_revision"]}
    assert abs(instant_of(id_) - history.now) < 0.001


def test_the_last_decision_on_a_stream_is_the_one_that_ended_it(history: History) -> None:
    id_ = history.decided(POLICY, SHELL, "stream-start")
    history.now += 11 * 3600
    history.decided(POLICY, SHELL, "decision-change", id_)
    result = kgate("explain", id_)
    assert result.exit_code == 1
    assert "time is outside 08:00-20:00 UTC" in result.stdout and "at 2026-11-25T21:00:00Z" in result.stdout
    assert "on record: denied\n" in result.stdout


def test_another_policy_on_the_same_moment(folder: Path, history: History) -> None:
    id_ = history.decided(POLICY, PODS)
    (folder / "new.yaml").write_text(POLICY.replace("namespaces: [team-*]", "namespaces: [team-b]"))
    result = kgate("explain", id_, "--policy", "new.yaml")
    assert result.exit_code == 1 and 'on record: allowed by rule "readers", by revision' in result.stdout


def test_what_another_authorizer_said_is_not_the_policys(history: History) -> None:
    id_ = history.decided(POLICY, PODS)
    denied = Decision(False, load_policy(POLICY, "").revision, "", (Reason(Ground.AUTHORIZER, text="opa says no"),))
    history.write(
        decision_record(
            "decision-change", id_, "gate", Identity("alice", ("developers",)), PODS, Context(history.now, "", facts=FREEZE), denied
        )
    )
    assert "on record: denied, which another authorizer said" in kgate("explain", id_).stdout


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_policy_that_is_not_what_it_was_explains_nothing(history: History, change: str) -> None:
    id_ = history.decided(POLICY, PODS)
    (kept,) = (history.directory / "policies").iterdir()
    kept.unlink() if change == "gone" else kept.write_text(POLICY + "# changed")
    result = kgate("explain", id_)
    assert result.exit_code == 1 and "look at a backup" in result.stderr


def test_an_id_that_is_not_there(history: History) -> None:
    history.decided(POLICY, PODS)
    result = kgate("explain", "01KAXW3Z0Q5N3B1V9R6T2YJ8HC")
    assert result.exit_code == 1 and "there is no decision on request 01KAXW3Z0Q5N3B1V9R6T2YJ8HC" in result.stderr


@pytest.mark.threat("27")
@pytest.mark.parametrize(
    "command",
    [
        ["explain"],
        ["replay", "--since", "2026-11-25", "--with", "new.yaml"],
        ["who-can", "get", "pods", "-n", "team-a", "--seen", "2026-11-25"],
    ],
)
def test_threat_27_nothing_of_a_name_on_record_reaches_the_terminal_but_characters(
    folder: Path, history: History, command: list[str]
) -> None:
    evil = "evil\x1b]52;c;aGk=\x07\u202e"
    own = POLICY.replace("namespaces: [team-*]", 'namespaces: ["team-{identity.user}"]')
    (folder / "new.yaml").write_text(own)
    action = PODS.but(name=evil, namespace="team-a", path=evil, label_selector=evil)
    id_ = history.decided(POLICY, action, user=evil)
    output = kgate(*command, *([id_, "-p", "new.yaml"] if command == ["explain"] else [])).output
    assert "evil" in output
    assert all(character.isprintable() or character == "\n" for character in output), output


# --- replay


def test_replay_of_the_same_policies_changes_nothing(history: History) -> None:
    history.decided(POLICY, PODS)
    history.decided(POLICY + "# edited\n", PODS)
    result = kgate("replay", "--since", "2026-11-25")
    assert (result.exit_code, result.stdout) == (0, "2 requests and 0 streams, 0 would change\n")


GARBAGE = (
    b"\0" * 40,  # of a power cut
    b'{"time":"2026-11-25T10:00:00.300000Z","id":"%b","gate":"gate","event":"stream-end","clu',
    b'{"time":"2026-11-25T10:00:00.300000Z","id":"%b","gate":"gate","event":"stream-end"}',
    b'{"time":"2026-11-25T10:00:00.300000Z","id":["%b"],"gate":"gate","event":"stream-end"}',
    b'{"time":"x","id":"%b","gate":"gate","event":"facts","facts":[],"values":3}',
    b'{"time":7,"id":"%b","gate":"gate","event":"stream-end"}',
    b'["%b","\xff"]',
    b'["%b"]',
    b'"%b"',
)


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize(
    "command", [["replay"], ["replay", "--with", "policy.yaml"], ["explain"], ["who-can", "get", "pods", "--seen", "2026-11-25"]]
)
def test_lines_that_are_no_records_end_nothing(history: History, command: list[str], garbage: bytes) -> None:
    id_ = history.decided(POLICY, SHELL, "stream-start")
    with (history.directory / "audit-20261125-0001.jsonl").open("ab") as file:
        file.write(garbage.replace(b"%b", id_.encode()) + b"\n")
    history.decided(POLICY, PODS)
    span = ["--since", "2026-11-25"] if command[0] == "replay" else [id_] if command == ["explain"] else []
    result = kgate(*command, *span)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1)


def test_replay_by_another_policy_says_what_would_change_by_rule_and_person(folder: Path, history: History) -> None:
    ids = [history.decided(POLICY, PODS) for _ in range(2)]
    history.decided(POLICY, SHELL, "stream-start")
    (folder / "new.yaml").write_text(POLICY.replace("[sh", "[bash").replace('"sh"', '"bash"').replace("team-*", "team-b"))
    result = kgate("replay", "--since", "2026-11-25", "--with", "new.yaml")
    assert result.exit_code == 1
    _, one, other, summary = result.stdout.splitlines()
    assert one.split()[:8] == ["would", "be", "denied", "readers", "readers", "alice", "2", "0"] and one.split()[-1] == ids[0]
    assert other.split()[:8] == ["would", "be", "denied", "shell", "shell", "alice", "0", "1"]
    assert summary == "2 requests and 1 stream, 3 would change"
    found = json.loads(kgate("replay", "--since", "2026-11-25", "--with", "new.yaml", "-o", "json").stdout)
    assert found["changes"][0]["reasons"] == ["namespace is team-a, not team-b"]


def test_a_replay_that_begins_in_mid_hour_knows_the_facts_of_before(history: History) -> None:
    history.decided(POLICY, PODS)
    history.now += 600
    history.write(decision_record("request", "X", "gate", Identity("alice"), PODS, Context(history.now, "", facts=FREEZE), NOBODY))
    assert "1 request and 0 streams, 0 would change" in kgate("replay", "--since", "2026-11-25T10:05:00Z").stdout


NOBODY = evaluate(load_policy(POLICY, "p"), Identity("alice"), PODS, Context(0.0, ""))


# --- who-can, what-can, diff

SECRETS = """\
  - name: no-secrets
    who: {groups: ["*"]}
    clusters: {names: ["*"]}
    deny: [{verbs: ["*"], resources: [secrets]}]
  - name: all
    who: {groups: [sre]}
    clusters: {names: ["*"]}
    allow: [{verbs: ["*"], resources: ["*"]}]
"""


def test_who_can_names_the_rules_and_what_they_ask(folder: Path) -> None:
    result = kgate("who-can", "exec", "web-0", "--container", "app", "--cluster", "dev", "--at", NIGHT, "--", "sh")
    assert result.exit_code == 1
    assert re.search(
        r"^shell +allow +groups: developers +when time 08:00-20:00 UTC +no: time is outside 08:00-20:00 UTC", result.stdout, re.M
    )
    day = kgate("who-can", "exec", "web-0", "--cluster", "dev", "--at", DAY, "--", "sh")
    assert day.exit_code == 0 and "depends: the request names no container" in day.stdout


def test_what_everyone_is_denied_nobody_may(folder: Path) -> None:
    (folder / "secrets.yaml").write_text(POLICY + SECRETS)
    result = kgate("who-can", "get", "secrets", "-n", "a", "--cluster", "dev", "-p", "secrets.yaml")
    assert result.exit_code == 1 and 'rule "no-secrets" denies it to everyone' in result.stdout
    assert kgate("who-can", "get", "pods", "-n", "a", "--cluster", "dev", "-p", "secrets.yaml").exit_code == 0
    assert "nobody may" in kgate("who-can", "get", "secrets", "--cluster", "dev").stdout


def test_people_on_record_are_judged(history: History) -> None:
    history.decided(POLICY, PODS)
    found = json.loads(kgate("who-can", "get", "pods", "-n", "team-a", "--cluster", "dev", "--seen", "2026-11-25", "-o", "json").stdout)
    assert [(person["user"], person["allowed"], person["rule"]) for person in found["people"]] == [("alice", True, "readers")]


def test_what_can_is_the_other_way_round(folder: Path) -> None:
    result = kgate("what-can", "alice", "--group", "developers")
    assert result.exit_code == 0 and result.stdout.startswith("alice (groups: developers): 3 entries of rules concern them\n")
    assert re.search(
        r"^readers +allow +labels: env=dev +verbs: get, list; resources: pods, pods/log, deployments.apps", result.stdout, re.M
    )
    nobody = kgate("what-can", "mallory")
    assert (nobody.exit_code, nobody.stdout) == (1, "mallory (groups: none): no rule is for them\n")
    elsewhere = json.loads(kgate("what-can", "alice", "--group", "developers", "--cluster", "prod", "-o", "json").stdout)
    assert {rule["name"] for rule in elsewhere["rules"]} == {"shell"}


def test_diff_shows_rules_and_decisions(folder: Path) -> None:
    (folder / "old.yaml").write_text(POLICY)
    changed = POLICY.replace("namespaces: [team-*]", "namespaces: [team-*, '!team-x']").replace("08:00-20:00", "08:00-18:00")
    (folder / "new.yaml").write_text(changed + SECRETS)
    result = kgate("diff", "old.yaml", "new.yaml")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line[:1] in "~+->" and line] == [
        "~ rule readers", "~ rule shell", "+ rule no-secrets", "+ rule all",
    ]  # fmt: skip
    assert '    - when: {"time": {"hours": "08:00-20:00", "zone": "UTC"}}\n' in result.stdout
    found = json.loads(kgate("diff", "old.yaml", "new.yaml", "-o", "json").stdout)
    turned = {(each["before"]["rule"], each["after"]["rule"]): each["example"]["request"] for each in found["decisions"]}
    assert turned["readers", ""] == "get pods in namespace team-x of cluster x"  # the exclusion is a sample of its own
    assert ("", "all") in turned
    same = kgate("diff", "old.yaml", "old.yaml")
    assert (same.exit_code, same.stdout) == (0, "the rules are the same\n")


def test_diff_tells_a_rule_that_only_moved(folder: Path) -> None:
    head, first, second = "rules:\n", *(f"  - name:{each}" for each in POLICY.split("  - name:")[1:])
    (folder / "old.yaml").write_text(head + first + second)
    (folder / "new.yaml").write_text(head + second + first)
    assert re.search(r"^> rule (readers|shell): comes at another place$", kgate("diff", "old.yaml", "new.yaml").stdout, re.M)


@pytest.mark.parametrize("rubbish", ['"event":"facts","facts":"', '"event":"request","id":"ID', '"event":"stream-end","id":"ID'])
def test_a_line_that_was_torn_is_passed_over(history: History, rubbish: str) -> None:
    id_ = history.decided(POLICY, PODS)
    with (history.directory / "audit-20261125-0001.jsonl").open("ab") as file:
        file.write(f'{{"time":"2026-11-25T10:00:00.500000Z",{rubbish.replace("ID", id_)}\n'.encode())
    assert kgate("explain", id_).exit_code == 0
    seen = kgate("who-can", "get", "pods", "-n", "team-a", "--cluster", "dev", "--seen", "2026-11-25")
    assert (seen.exit_code, seen.exception) == (0, None) and "Of 1 person who is known, 1 may" in seen.stdout
    assert "1 decision not asked again: each is not as kgate writes it" in kgate("replay", "--since", "2026-11-25").stderr


@pytest.mark.threat("27")
@pytest.mark.parametrize(
    "command", [["test", "evil.yaml"], ["who-can", "get", "pods", "--cluster", "dev", "--policy", "evil.yaml"]], ids=lambda words: words[0]
)
def test_threat_27_nor_of_a_policy_that_somebody_proposes(folder: Path, command: list[str]) -> None:
    test = '{name: "\\e]52;c;aGk=\\a", who: {user: a}, does: {cluster: dev, verb: get, resource: nodes}, expect: allow}'
    rule = '{name: r, who: {users: ["\\e]52;c;aGk=\\a"]}, clusters: {names: [dev]}, allow: [{verbs: [get], resources: [pods]}]}'
    (folder / "evil.yaml").write_text(f"rules: [{rule}]\ntests: [{test}]\n")
    shown = CliRunner().invoke(main, ["policy", *command], color=True).output
    assert "\x1b" not in shown and "\\x1b]52;c;aGk=\\x07" in shown
