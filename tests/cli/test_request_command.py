"""``kgate request`` against a running gate: asked for, approved by two, in force, revoked; and who may do none of that."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from authority import Authority
from click.testing import CliRunner
from live_gate import TOKENS, LiveGate
from raw_client import RawClient

from kgate.cli import main, the_gate
from kgate.cli.wallet import Kept, Wallet, steady
from kgate.errors import UnreachableError

POLICY = {
    "rules": [
        {
            "name": "break-glass",
            "who": {"groups": ["developers"]},
            "clusters": {"names": ["lab"]},
            "allow": [{"verbs": ["get", "list", "watch"], "resources": ["secrets"]}],
            "request": {"approvers": {"users": ["bob", "alice", "carol"]}, "duration": "2h", "approvals": 2},
        }
    ]
}
CAROL = "carol-token-with-enough-entropy-0123456789"
CAROL_DIGEST = hashlib.sha256(CAROL.encode()).hexdigest()


class Ran(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    folder: Path = tmp_path_factory.mktemp("requests")
    (folder / "token").write_text("unused")
    nowhere = {"server": "https://127.0.0.1:1", "token_file": str(folder / "token")}
    gate = LiveGate(folder / "gate", Authority("request tests"), {"lab": nowhere}, POLICY)
    robots = yaml.safe_load((gate.folder / "tokens.yaml").read_text())["robots"]
    bob = next(each for each in robots if each["name"] == "bob")
    gate.write("tokens.yaml", {"robots": [*robots, {**bob, "name": "carol", "user": "carol", "sha256": CAROL_DIGEST, "groups": []}]})
    gate.start()
    yield gate
    gate.stop()


@pytest.fixture(autouse=True)
def _nobody_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGATE_HOME", str(tmp_path / "nobody"))


@pytest.fixture
def kgate(gate: LiveGate, tmp_path: Path) -> Command:
    """``kgate request …`` as somebody, with the kubeconfig that their kubectl has."""

    def run(user: str, *arguments: str) -> Ran:
        kubeconfig = tmp_path / f"{user}.kubeconfig"
        gate.write_kubeconfig(kubeconfig, "lab", {**TOKENS, "carol": CAROL}[user])
        ran = CliRunner().invoke(main, ["request", *arguments], env={"KUBECONFIG": str(kubeconfig)})
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return run


def asks(kgate: Command, user: str, *more: str) -> str:
    made = kgate(user, "create", "--cluster", "lab", "--rule", "break-glass", "--reason", "INC-7", *more)
    assert made.returncode == 0, made.stderr
    found = re.search(r"request (\w+) is open; it waits for 2 approvers: kgate request approve \1", made.stdout)
    assert found, made.stdout
    return found[1]


def secrets(gate: LiveGate, user: str = "alice") -> tuple[int, str]:
    with RawClient(gate.port, gate.context()) as client:
        client.send(
            b"GET /clusters/lab/api/v1/namespaces/payments/secrets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            + TOKENS[user].encode()
            + b"\r\n\r\n"
        )
        return client.status(), client.last_body.decode()


def test_from_the_denial_to_the_grant_and_back(gate: LiveGate, kgate: Command) -> None:
    status, body = secrets(gate)
    assert status == 403
    assert "kgate request create --cluster lab --rule break-glass --namespace payments --reason" in json.loads(body)["message"]

    id_ = asks(kgate, "alice", "-n", "payments", "--duration", "30m")
    listed = json.loads(kgate("bob", "list", "-o", "json").stdout)
    assert [(each["id"], each["user"], each["reason"], each["yours_to_answer"]) for each in listed] == [(id_, "alice", "INC-7", True)]

    own = kgate("alice", "approve", id_)
    assert own.returncode == 1 and "nobody approves their own request" in own.stderr
    assert f"request {id_} is approved by you; it takes one approver more" in kgate("bob", "approve", id_, "--reason", "seen").stdout
    again = kgate("bob", "approve", id_)
    assert again.returncode == 1 and "it takes another approver" in again.stderr
    assert secrets(gate)[0] == 403
    assert f"request {id_} is granted: alice has break-glass in lab until 20" in kgate("carol", "approve", id_).stdout

    assert secrets(gate)[0] == 503  # allowed; the cluster behind this gate does not exist
    assert f"{id_}  granted  alice" in re.sub(" +", "  ", kgate("alice", "list").stdout)
    assert f"request {id_} is revoked" in kgate("bob", "revoke", id_, "--reason", "incident over").stdout
    status, body = secrets(gate)
    assert status == 403 and f"grant {id_} was revoked by bob" in json.loads(body)["message"]

    events = [record for record in gate.records() if record["event"].startswith("request-") and record.get("request", {}).get("id") == id_]
    told = [(record["event"], record["user"], record["request"]["state"]) for record in events]
    assert told == [
        ("request-created", "alice", "open"),
        ("request-approved", "bob", "open"),
        ("request-approved", "carol", "granted"),
        ("request-revoked", "bob", "revoked"),
    ]
    allowed = next(
        record for record in gate.records() if record["event"] == "request" and record.get("allowed") and record["user"] == "alice"
    )
    assert f"grant {id_} is in force, approved by bob, carol" in allowed["reasons"][0]


def test_a_denied_request_and_a_withdrawn_one_grant_nothing(gate: LiveGate, kgate: Command) -> None:
    id_ = asks(kgate, "alice")
    assert f"request {id_} is denied" in kgate("bob", "deny", id_, "--reason", "not today").stdout
    late = kgate("carol", "approve", id_)
    assert late.returncode == 1 and f"request {id_} is denied already" in late.stderr
    id_ = asks(kgate, "alice")
    assert f"request {id_} is withdrawn" in kgate("alice", "revoke", id_).stdout
    assert id_ not in kgate("alice", "list").stdout
    assert id_ in kgate("alice", "list", "--all").stdout


def test_a_stranger_sees_and_answers_nothing(gate: LiveGate, kgate: Command) -> None:
    id_ = asks(kgate, "alice")
    assert "there is nothing" in kgate("mallory", "list").stdout
    for verb in ("approve", "deny", "revoke"):
        refused = kgate("mallory", verb, id_)
        assert refused.returncode == 1 and f"there is no request {id_} that you may answer" in refused.stderr
    asked = kgate("mallory", "create", "--cluster", "lab", "--rule", "break-glass", "--reason", "x")
    assert asked.returncode == 1 and "the policy offers you nothing there" in asked.stderr
    kgate("alice", "revoke", id_)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--rule", "break-glass"), "say why: the rule asks for a reason"),
        (("--rule", "break-glass", "--reason", "x", "--duration", "3h"), "offers at most 7200 s"),
        (("--rule", "break-glass", "--reason", "x", "--duration", "soon"), "write the duration as 30m or 2h"),
        (("--rule", "break-glass", "--reason", "x", "-n", "../etc"), "that is not the name of a namespace"),
        (("--rule", "break-glass", "--reason", "two\nlines"), "a reason is one line"),
        (("--rule", "another", "--reason", "x"), "the policy offers you break-glass there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_makes_no_sense_is_refused_with_what_to_do(kgate: Command, arguments: tuple[str, ...], why: str) -> None:
    refused = kgate("alice", "create", "--cluster", "lab", *arguments)
    assert refused.returncode == 1 and why in refused.stderr


def test_a_gate_that_is_not_there_is_exit_code_3(kgate: Command, gate: LiveGate, tmp_path: Path) -> None:
    kgate("alice", "list")
    path = tmp_path / "alice.kubeconfig"
    path.write_text(path.read_text().replace(f":{gate.port}/", ":1/"))
    command = [str(Path(sys.executable).with_name("kgate")), "request", "list"]
    ran = subprocess.run(command, env={**os.environ, "KUBECONFIG": str(path)}, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 3 and "does not answer" in ran.stderr


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (b"Content-Type: text/plain\r\n", b"{}", 415),
        (b"Content-Type: application/json\r\n", b"[" * 100_000, 400),
        (b"Content-Type: application/json\r\n", b'{"cluster": 1}', 400),
        (b"Content-Type: application/json\r\n", b"\xff\xfe", 400),
    ],
    ids=["a form of another site", "deep", "not texts", "not UTF-8"],
)
def test_a_body_that_is_no_json_object_is_refused(gate: LiveGate, lines: bytes, body: bytes, status: int) -> None:
    head = b"POST /kgate/v1/requests HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKENS["alice"].encode() + b"\r\n"
    with RawClient(gate.port, gate.context()) as client:
        client.send(head + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert client.status() == status


def test_with_an_exec_plugin_the_gate_is_the_one_that_it_was_given(gate: LiveGate, tmp_path: Path) -> None:
    """Where a cluster has a host name of its own, nothing but the cluster is there."""
    plugin = tmp_path / "credential"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": TOKENS["alice"]}}
    plugin.write_text(
        f"#!{sys.executable}\nimport json, os\njson.loads(os.environ['KUBERNETES_EXEC_INFO'])\nprint({json.dumps(credential)!r})\n"
    )
    plugin.chmod(0o700)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "IfAvailable"}
    authority = b64encode(gate.authority.certificate).decode()
    kubeconfig = {
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": "https://lab.example.com", "certificate-authority-data": authority}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "alice"}}],
        "users": [{"name": "alice", "user": {"exec": {**run, "args": ["--gate", f"https://127.0.0.1:{gate.port}"]}}}],
    }
    (tmp_path / "plugin.kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    ran = CliRunner().invoke(main, ["request", "list", "-o", "json"], env={"KUBECONFIG": str(tmp_path / "plugin.kubeconfig")})
    assert ran.exit_code == 0 and json.loads(ran.stdout) == [], ran.stderr


def test_a_gate_that_says_nothing_is_given_up_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process of it that hangs, and has the connection; OpenSSL's words for that name a line of its source."""
    monkeypatch.setattr(the_gate, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        kubeconfig = {
            "kind": "Config",
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": f"{url}/clusters/a", "insecure-skip-tls-verify": True}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
        ran = CliRunner().invoke(main, ["request", "list"], env={"KUBECONFIG": str(tmp_path / "config")})
    assert (ran.exit_code, ran.stderr) == (3, f"kgate: the gate at {url}/clusters/a does not answer within 0.2 s; is it running?\n")


def test_whose_kubeconfig_has_a_host_name_of_the_cluster_itself_is_told_to_name_the_gate() -> None:
    """What answers there is the API server; with a token or kubelogin nothing in the kubeconfig says where the gate is."""
    with pytest.raises(UnreachableError, match=r"\(404\) is not a gate; name it: --gate URL \(.* host name of a cluster"):
        the_gate._read(404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("kubeconfig", "arguments", "why"),
    [
        ("kind: Config\n", (), "no context is current"),
        ("kind: Config\ncontexts: [{name: a}]\n", ("--context", "b"), 'there is no context "b"'),
        ("kind: Config\n", ("--gate", "http://x"), "http://x is not the URL of a gate"),
    ],
)
def test_a_kubeconfig_that_does_not_say_where_is_exit_code_2(tmp_path: Path, kubeconfig: str, arguments: tuple[str, ...], why: str) -> None:
    (tmp_path / "config").write_text(kubeconfig)
    ran = CliRunner().invoke(main, ["request", "list", *arguments], env={"KUBECONFIG": str(tmp_path / "config")})
    assert ran.exit_code == 2 and why in ran.stderr


def test_whoever_signed_in_needs_no_kubeconfig(gate: LiveGate, tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{gate.port}"
    wallet = Wallet(tmp_path / "wallet")
    kept = Kept(url, "alice", "s1", time.time() + 3600, "secret", certificate_authority=gate.authority.certificate.decode())
    wallet.write(replace(kept, token=TOKENS["alice"], token_expires=time.time() + 600, token_until=steady() + 600))
    wallet.choose(url)
    environment = {"KGATE_HOME": str(wallet.path), "KUBECONFIG": str(tmp_path / "none")}
    ran = CliRunner().invoke(main, ["request", "list", "-o", "json"], env=environment)
    assert ran.exit_code == 0 and json.loads(ran.stdout) == [], ran.stderr
