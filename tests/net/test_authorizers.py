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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from arena import HEAD, Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import LiveGate
from ports import free_port
from recording_cluster import OK, Connection, RecordingCluster

WATCH = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n" + HEAD + b"\r\n"


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
PATIENT: Mapping[str, object] = {"timeout": "8s", "keep": {"allowed": "1m", "denied": "1s"}}
"""What no test is about, on a machine that has something else to do."""


@contextmanager
def started(folder: Path) -> Iterator[Beside]:
    """Starts gates with ``authorizers`` before a cluster that a test scripts."""
    authority = Authority("authorizer tests")
    folder.mkdir()
    cluster = RecordingCluster(folder, authority)
    made: list[LiveGate] = []

    def start(*authorizers: Mapping[str, Any]) -> Arena:
        made.append(LiveGate(folder, authority, {"lab": cluster.access(folder)}, settings={"authorizers": list(authorizers)}))
        return Arena(made[-1].start(), cluster)

    yield start
    for each in made:
        each.stop()
    cluster.stop()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A gate of the test's own."""
    with started(tmp_path / "gate") as start:
        yield start


def kubeconfig(folder: Path, name: str, port: int, **settings: object) -> Mapping[str, Any]:
    """An authorizer whose kubeconfig is written into ``folder``."""
    server = {"server": f"https://127.0.0.1:{port}/authorize", "certificate-authority": str(folder / "hook-ca.crt")}
    document = {
        "kind": "Config",
        "current-context": "hook",
        "clusters": [{"name": "hook", "cluster": server}],
        "users": [{"name": "gate", "user": {"token": "of-the-gate"}}],
        "contexts": [{"name": "hook", "context": {"cluster": "hook", "user": "gate"}}],
    }
    (folder / f"{name}.kubeconfig").write_text(yaml.safe_dump(document))
    return {"name": name, "webhook": {"kubeconfig": str(folder / f"{name}.kubeconfig")}, **PATIENT, **settings}


class Hooked(NamedTuple):
    """A gate that asks a webhook, and what answers there. Each test asks about a namespace of its own."""

    arena: Arena
    reviewer: Reviewer

    def ask(self, namespace: str, query: str = "") -> bytes:
        """A list in that namespace."""
        return f"GET /clusters/lab/api/v1/namespaces/{namespace}/pods{query} HTTP/1.1\r\n".encode() + HEAD + b"\r\n"

    def denied(self, namespace: str) -> str:
        """The message of a denial."""
        with self.arena.client() as client:
            client.send(self.ask(namespace))
            assert client.status() == 403
            return str(json.loads(client.last_body)["message"])

    def says(self, **status: object) -> None:
        """From now on."""
        self.reviewer.respond = lambda: status


@contextmanager
def webhook(folder: Path, **settings: object) -> Iterator[Hooked]:
    """A gate that asks one, with these settings of it."""
    authority, reviewer = Authority("webhook tests"), Reviewer()
    server = RecordingCluster(folder, authority)
    server.answer = reviewer
    (folder / "hook-ca.crt").write_bytes(authority.certificate)
    with started(folder / "gate") as start:
        gated = start(kubeconfig(folder, "hook", server.port, **settings))
        gated.cluster.answer = reviewer
        yield Hooked(gated, reviewer)
    server.stop()


@pytest.fixture(scope="module")
def _hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with webhook(tmp_path_factory.mktemp("hook")) as made:
        yield made


@pytest.fixture
def hooked(_hooked: Hooked) -> Hooked:
    """It allows, and nobody asked yet."""
    _hooked.reviewer.reviews.clear()
    _hooked.reviewer.heads.clear()
    _hooked.says(allowed=True)
    _hooked.arena.cluster.answer = _hooked.reviewer
    return _hooked


def test_a_webhook_is_asked_once_and_its_answer_kept(hooked: Hooked) -> None:
    assert [hooked.arena.ask(hooked.ask("kept")) for _ in range(2)] == [200, 200]
    (review,), (head,) = hooked.reviewer.reviews, hooked.reviewer.heads
    assert review["kind"] == "SubjectAccessReview" and review["spec"]["user"] == "alice"
    assert review["spec"]["extra"] == {"kgate.io/cluster": ["lab"]}
    assert b"authorization: Bearer of-the-gate" in head and b"POST /authorize HTTP/1.1" in head


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"allowed": False, "denied": True, "reason": "frozen"}, 'authorizer "hook" does not allow it: frozen'),
        ({"allowed": False}, 'authorizer "hook" does not allow it: it has no opinion'),
    ],
    ids=["denied", "none"],
)
def test_a_webhook_that_does_not_allow_denies(hooked: Hooked, request: pytest.FixtureRequest, status: dict[str, Any], words: str) -> None:
    namespace = request.node.callspec.id
    hooked.says(**status)
    assert words in hooked.denied(namespace)

    def recorded() -> dict[str, Any] | None:
        return next((each for each in hooked.arena.gate.records() if each.get("namespace") == namespace), None)

    record = eventually("the record", recorded)
    assert not record["allowed"] and record["reasons"] == [f"authorizer: {words}"]


@pytest.mark.threat("13")
def test_threat_13_an_authorizer_that_does_not_answer_in_time_denies(tmp_path: Path) -> None:
    over = threading.Event()
    with webhook(tmp_path, timeout="1s") as hooked:
        hooked.reviewer.respond = lambda: {"allowed": over.wait(120)}
        assert "it did not answer within 1 s" in hooked.denied("slow")
        over.set()


@pytest.mark.threat("13")
def test_threat_13_an_authorizer_that_cannot_be_reached_denies(beside: Beside, tmp_path: Path) -> None:
    (tmp_path / "hook-ca.crt").write_bytes(Authority("nobody").certificate)
    gated = Hooked(beside(kubeconfig(tmp_path, "hook", 1)), Reviewer())
    assert "it cannot be reached" in gated.denied("a")
    assert "warning: authorizer hook: cannot be reached" in gated.arena.gate.admin("/readyz")[1]
    assert 'kgate_authorizer_answers_total{answer="nothing",authorizer="hook"}' in gated.arena.gate.admin("/metrics")[1]


def test_a_webhook_that_changes_its_mind_ends_a_live_watch(tmp_path: Path) -> None:
    with webhook(tmp_path, keep={"allowed": "3s", "denied": "1s"}) as hooked, hooked.arena.client() as client:
        client.send(hooked.ask("changing", "?watch=true"))
        assert client.status() == 200
        hooked.says(allowed=False, denied=True, reason="frozen")
        assert b"closed by policy" in client.until(b'authorizer \\"hook\\" does not allow it: frozen')
        assert len(hooked.reviewer.reviews) >= 2


def test_the_cluster_is_asked_as_whom_it_will_see(beside: Beside) -> None:
    reviewer = Reviewer()
    gated = beside({"name": "rbac", "cluster_rbac": True, **PATIENT})
    gated.cluster.answer = reviewer
    assert gated.get(b"/api/v1/pods") == 200
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
        pytest.skip("OPA is not installed: scripts/test does that")
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
    deadline = time.monotonic() + 60
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
    with urllib.request.urlopen(request, timeout=60):
        pass


def test_a_real_opa_allows_denies_and_ends_a_live_watch(beside: Beside, opa: str) -> None:
    gated = beside({"name": "opa", "opa": {"url": f"{opa}/v1/data/kgate/access"}, "timeout": "8s"})
    gated.cluster.answer = Reviewer()
    assert gated.get(b"/api/v1/pods") == 200
    assert gated.get(b"/api/v1/secrets") == 403
    with gated.client() as client:
        client.send(WATCH)
        assert client.status() == 200
        freeze(opa, True)
        assert b"closed by policy" in client.until(b'authorizer \\"opa\\" does not allow it: there is a freeze')
    eventually("the end of what OPA said of lists before", lambda: gated.get(b"/api/v1/pods") == 403)


def test_an_opa_without_the_document_has_no_opinion(beside: Beside, opa: str) -> None:
    gated = beside({"name": "opa", "opa": {"url": f"{opa}/v1/data/nothing/here"}, "timeout": "8s"})
    assert "it has no result; check the path of its URL" in Hooked(gated, Reviewer()).denied("a")


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
