"""A gate that asks others: a webhook, the cluster itself, a real OPA and a third party's. What they take back ends what lives."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from arena import HEAD, Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import LiveGate, free_port
from recording_cluster import OK, Connection, RecordingCluster

WATCH = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n" + HEAD + b"\r\n"
PODS = b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + HEAD + b"\r\n"


class Reviewer:
    """Answers reviews as a test says, and remembers them. ``respond`` gives the status part; it may wait."""

    def __init__(self) -> None:
        self.reviews: list[dict[str, Any]] = []
        self.heads: list[bytes] = []
        self.respond: Callable[[], Mapping[str, Any]] = lambda: {"allowed": True}

    def __call__(self, connection: Connection, head: bytes) -> None:
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        if b"accessreviews" not in head.split(b"\r\n")[0] and b"/authorize" not in head.split(b"\r\n")[0]:
            self.request(connection, head)
            return
        self.heads.append(head)
        self.reviews.append(json.loads(connection.body(length)))
        body = json.dumps({"status": self.respond()}).encode()
        connection.send(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def request(self, connection: Connection, head: bytes) -> None:
        """What is no review: a watch stays open."""
        if b"watch=true" in head:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            connection.send(OK)


Beside = Callable[..., Arena]


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A gate with ``authorizers`` before a cluster that a test scripts."""
    authority = Authority("authorizer tests")
    folder = tmp_path / "gate"
    folder.mkdir()
    cluster = RecordingCluster(folder, authority)
    (folder / "cluster-ca.crt").write_bytes(authority.certificate)
    (folder / "cluster-token").write_text("the-gates-own-token")
    lab = {"server": f"https://127.0.0.1:{cluster.port}", "certificate_authority": "cluster-ca.crt", "token_file": "cluster-token"}
    made: list[LiveGate] = []

    def start(*authorizers: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> Arena:
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        made.append(LiveGate(folder, authority, {"lab": lab}, settings={"authorizers": list(authorizers)}))
        return Arena(made[-1].start(), cluster)

    yield start
    for each in made:
        each.stop()
    cluster.stop()


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[tuple[Reviewer, bytes]]:
    """A webhook and the kubeconfig that names it."""
    authority, reviewer = Authority("webhook tests"), Reviewer()
    server = RecordingCluster(tmp_path, authority)
    server.answer = reviewer
    (tmp_path / "hook-ca.crt").write_bytes(authority.certificate)
    kubeconfig = {
        "kind": "Config",
        "current-context": "hook",
        "clusters": [
            {
                "name": "hook",
                "cluster": {"server": f"https://127.0.0.1:{server.port}/authorize", "certificate-authority": str(tmp_path / "hook-ca.crt")},
            }
        ],
        "users": [{"name": "gate", "user": {"token": "of-the-gate"}}],
        "contexts": [{"name": "hook", "context": {"cluster": "hook", "user": "gate"}}],
    }
    yield reviewer, yaml.safe_dump(kubeconfig).encode()
    server.stop()


WEBHOOK = {"name": "hook", "webhook": {"kubeconfig": "hook.kubeconfig"}, "timeout": "1s", "keep": {"allowed": "2s", "denied": "1s"}}


def denied(arena: Arena) -> str:
    with arena.client() as client:
        client.send(PODS)
        assert client.status() == 403
        return str(json.loads(client.last_body)["message"])


def test_a_webhook_is_asked_once_and_its_answer_kept(beside: Beside, hook: tuple[Reviewer, bytes]) -> None:
    reviewer, kubeconfig = hook
    arena = beside(WEBHOOK, files={"hook.kubeconfig": kubeconfig})
    assert [arena.ask(PODS) for _ in range(3)] == [200, 200, 200]
    assert len(reviewer.reviews) == 1
    assert reviewer.reviews[0]["kind"] == "SubjectAccessReview" and reviewer.reviews[0]["spec"]["user"] == "alice"
    assert reviewer.reviews[0]["spec"]["extra"] == {"kgate.io/cluster": ["lab"]}
    assert b"authorization: Bearer of-the-gate" in reviewer.heads[0] and b"POST /authorize HTTP/1.1" in reviewer.heads[0]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"allowed": False, "denied": True, "reason": "frozen"}, 'authorizer "hook" does not allow it: frozen'),
        ({"allowed": False}, 'authorizer "hook" does not allow it: it has no opinion'),
    ],
)
def test_a_webhook_that_does_not_allow_denies(beside: Beside, hook: tuple[Reviewer, bytes], status: dict[str, Any], words: str) -> None:
    reviewer, kubeconfig = hook
    reviewer.respond = lambda: status
    arena = beside(WEBHOOK, files={"hook.kubeconfig": kubeconfig})
    assert words in denied(arena)
    record = eventually("the record", lambda: next((each for each in arena.gate.records() if each["event"] == "request"), None))
    assert not record["allowed"] and record["reasons"] == [f"authorizer: {words}"]


@pytest.mark.threat("13")
def test_threat_13_an_authorizer_that_does_not_answer_in_time_denies(beside: Beside, hook: tuple[Reviewer, bytes]) -> None:
    reviewer, kubeconfig = hook
    over = threading.Event()
    reviewer.respond = lambda: {"allowed": over.wait(20)}
    arena = beside(WEBHOOK, files={"hook.kubeconfig": kubeconfig})
    began = time.monotonic()
    assert "it did not answer within 1 s" in denied(arena)
    assert time.monotonic() - began < 10
    over.set()


@pytest.mark.threat("13")
def test_threat_13_an_authorizer_that_cannot_be_reached_denies(beside: Beside, hook: tuple[Reviewer, bytes]) -> None:
    _, kubeconfig = hook
    document = yaml.safe_load(kubeconfig)
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1/authorize"
    arena = beside(WEBHOOK, files={"hook.kubeconfig": yaml.safe_dump(document).encode()})
    assert "it cannot be reached" in denied(arena)


def test_a_webhook_that_changes_its_mind_ends_a_live_watch(beside: Beside, hook: tuple[Reviewer, bytes]) -> None:
    reviewer, kubeconfig = hook
    gated = beside(WEBHOOK, files={"hook.kubeconfig": kubeconfig})
    gated.cluster.answer = reviewer
    with gated.client() as client:
        client.send(WATCH)
        assert client.status() == 200
        reviewer.respond = lambda: {"allowed": False, "denied": True, "reason": "frozen"}
        assert b"closed by policy" in client.until(b'authorizer \\"hook\\" does not allow it: frozen')
    assert len(reviewer.reviews) >= 2


def test_the_cluster_is_asked_as_whom_it_will_see(beside: Beside) -> None:
    reviewer = Reviewer()
    gated = beside({"name": "rbac", "cluster_rbac": True})
    gated.cluster.answer = reviewer
    assert gated.ask(PODS) == 200
    assert reviewer.reviews[0]["kind"] == "SelfSubjectAccessReview"
    assert reviewer.reviews[0]["spec"] == {"resourceAttributes": {"verb": "list", "version": "v1", "resource": "pods"}}
    assert b"impersonate-user: alice" in reviewer.heads[0] and b"impersonate-group: developers" in reviewer.heads[0]


# --- OPA


REGO = """
package kgate
import rego.v1

default access := {"allow": false, "reason": "no rule of OPA's allows it"}
access := {"allow": true, "ttl": 2} if { input.identity.user == "alice"; input.action.resource == "pods"; not data.frozen }
access := {"allow": false, "reason": "there is a freeze"} if data.frozen
"""


@pytest.fixture
def opa(tmp_path: Path) -> Iterator[str]:
    """A real OPA; gives its URL."""
    program = shutil.which("opa") or shutil.which("opa", path=str(Path.home() / "go" / "bin"))
    if program is None:
        pytest.skip("OPA is not installed (go install github.com/open-policy-agent/opa@latest)")
    (tmp_path / "kgate.rego").write_text(REGO)
    port = free_port()
    command = [program, "run", "--server", f"--addr=127.0.0.1:{port}", "--disable-telemetry", str(tmp_path / "kgate.rego")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_healthy(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    raise AssertionError("OPA did not start")


def freeze(url: str, frozen: bool) -> None:
    request = urllib.request.Request(f"{url}/v1/data/frozen", json.dumps(frozen).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=5):
        pass


def test_a_real_opa_allows_denies_and_ends_a_live_watch(beside: Beside, opa: str) -> None:
    gated = beside({"name": "opa", "opa": {"url": f"{opa}/v1/data/kgate/access"}})
    gated.cluster.answer = Reviewer()
    assert gated.get(b"/api/v1/pods") == 200
    assert gated.get(b"/api/v1/secrets") == 403
    with gated.client() as client:
        client.send(WATCH)
        assert client.status() == 200
        freeze(opa, True)
        assert b"closed by policy" in client.until(b'authorizer \\"opa\\" does not allow it: there is a freeze')
    eventually("the end of what OPA said of lists before", lambda: gated.get(b"/api/v1/pods") == 403)
    assert "there is a freeze" in denied(gated)


def test_an_opa_without_the_document_has_no_opinion(beside: Beside, opa: str) -> None:
    gated = beside({"name": "opa", "opa": {"url": f"{opa}/v1/data/nothing/here"}})
    assert "it has no result; check the path of its URL" in denied(gated)


# --- third parties


PLUGIN = """
from kgate.authorizers.interface import Answer, Opinion, Question
from kgate.errors import KgateError


class Odd:
    def __init__(self, name, options, reactor):
        if "word" not in options:
            raise KgateError("odd: needs the option word")
        self.name, self.word = name, options["word"]

    def question(self, identity, action, context, decision):
        return Question(self.name, (identity.user, action.resource))

    async def ask(self, question):
        if question.body[1] == "secrets":
            raise RuntimeError("a bug")
        return Answer(Opinion.ALLOWED if question.body[1] == "pods" else Opinion.DENIED, self.word)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's package, as pip would have put it there."""
    folder = tmp_path / "site"
    (folder / "odd-1.0.dist-info").mkdir(parents=True)
    (folder / "odd-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (folder / "odd-1.0.dist-info" / "entry_points.txt").write_text("[kgate.authorizers]\nodd = odd_authorizer:Odd\n")
    (folder / "odd_authorizer.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("installed")
def test_a_third_party_s_authorizer_takes_part_and_its_bug_lets_nobody_in(beside: Beside) -> None:
    gated = beside({"name": "third", "plugin": {"name": "odd", "options": {"word": "odd"}}})
    assert gated.get(b"/api/v1/pods") == 200
    assert gated.get(b"/api/v1/services") == 403
    assert gated.get(b"/api/v1/secrets") == 403
    assert "RuntimeError: a bug" in gated.gate.log.read_text()


@pytest.mark.usefixtures("installed")
def test_a_third_party_s_wrong_options_stop_the_start_with_its_words(beside: Beside) -> None:
    with pytest.raises(AssertionError, match="odd: needs the option word"):
        beside({"name": "third", "plugin": {"name": "odd"}})
