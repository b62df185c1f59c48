"""A right that ends takes with it what runs on it: an edit of the policy file ends live kubectls on the real cluster, and each says why.

The gate here is one of its own, because everybody shares the run's. Each test takes one right from alice by a rule ``incident`` and waits for
her kubectl to end by itself.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from lab.cluster import RealCluster
from lab.gate import ALICE, BOB, Gate, rule, running_gate, usual_policy
from lab.kubectl import Kubectl, Live
from lab.terminal import terminal
from lab.waiting import eventually
from ports import free_port

PROMISE = 1.0
"""Seconds from the edit to the end of the person's kubectl."""
PLAYS = 5
"""A busy machine may be late once; a gate that is slow is late each time."""
WHY = re.compile(r'kgate: closed by policy: rule "incident" denies it \(request (\w+)\)')

Right = dict[str, list[str]]
EXEC: Right = {"actions": ["exec"]}
ATTACH: Right = {"actions": ["attach"]}
PORT_FORWARD: Right = {"actions": ["port-forward"]}


def without(right: Right) -> dict[str, Any]:
    """The usual policy, but alice has lost a right."""
    incident = {**rule("incident", ALICE, []), "deny": [right]}
    del incident["allow"]
    return {"rules": [*usual_policy()["rules"], incident]}


@pytest.fixture(scope="module")
def own_gate(cluster: RealCluster, any_gate: Gate | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    if any_gate is None:
        pytest.skip("needs the gate itself, and KGATE_E2E_STAND_IN is set")
    with running_gate(tmp_path_factory.mktemp("cutting-gate"), cluster.gate) as gate:
        yield gate


@pytest.fixture
def alice(own_gate: Gate, direct: Kubectl, cluster: RealCluster, tmp_path: Path) -> Kubectl:
    """alice's kubectl through that gate, under the usual policy."""
    own_gate.adopt(usual_policy())
    path = own_gate.kubeconfig(ALICE, cluster.namespace, tmp_path / "alice.kubeconfig")
    return evolve(direct, kubeconfig=path, home=tmp_path / "home", name="alice, through the cutting gate")


@frozen
class Lost:
    """How a kubectl ended that lost its right: what the person reads, how long after the edit, and the gate's own record of it."""

    code: int
    text: str = field(repr=False)
    why: str
    seconds: float
    record: dict[str, Any]


def lost(gate: Gate, right: Right, ended: Callable[[], tuple[int, str, float]]) -> Lost:
    """Edits the policy, waits for ``ended`` (exit code, what is to be read, and the Unix time of the end), and finds the gate's record."""
    edited = time.time()
    gate.write_policy(without(right))
    code, text, end = ended()
    text = " ".join(text.replace('\\"', '"').split())  # a log line of kubectl's quotes what it was told
    why = WHY.search(text)
    assert why, f"the person does not read why:\n{text}"

    def recorded() -> dict[str, Any] | None:
        ends = gate.records("request-end", "stream-end")
        return next((record for record in ends if record["id"] == why[1]), None)

    return Lost(code, text, why[0], end - edited, eventually("the record of the end", recorded))


def of(live: Live) -> Callable[[], tuple[int, str, float]]:
    """The end of a kubectl that writes to files."""

    def ended() -> tuple[int, str, float]:
        ran = live.wait()
        assert live.ended is not None
        return ran.code, ran.text, time.time() - (time.monotonic() - live.ended)

    return ended


@frozen
class Judge:
    """Plays a scene up to ``PLAYS`` times until it keeps the promise, and notes the figures."""

    gate: Gate
    client: str
    note: Callable[[str], None]

    def promptly(self, what: str, code: int, play: Callable[[], Lost]) -> Lost:
        """The play that ended in time."""
        for _ in range(PLAYS):
            end = play()
            assert end.code == code, end.text
            assert end.record["closed_by"] == "policy"
            assert end.record["reasons"] == [end.why]
            if end.seconds < PROMISE and end.record["revocation_ms"] < 1000 * PROMISE:
                took, decided = end.seconds, end.record["revocation_ms"]
                self.note(f"cut: {what}, {self.client} kubectl: over {took:.2f} s after the edit, {decided:.0f} ms after its reload")
                return end
            self.gate.adopt(usual_policy())
        raise AssertionError(f"{what}: none of {PLAYS} was over within {PROMISE:g} s; the last took {end.seconds:.2f} s")


@pytest.fixture
def judge(own_gate: Gate, client: str, measured: Callable[[str], None]) -> Judge:
    return Judge(own_gate, client, measured)


def test_get_watch_ends_with_an_event_that_says_why(judge: Judge, alice: Kubectl) -> None:
    def play() -> Lost:
        with alice.live("get", "pods", "--watch") as watch:
            watch.until(b"web")
            return lost(judge.gate, {"verbs": ["watch"], "resources": ["pods"]}, of(watch))

    judge.promptly("get -w", 0, play)  # kubectl takes an ERROR event for something to show, and its end for the end


def test_a_watch_that_begins_with_all_there_is_ends_with_an_event_that_says_why(judge: Judge, alice: Kubectl, cluster: RealCluster) -> None:
    """As client-go's informers ask; kubectl's transport takes gzip, and the API server compresses just these watches."""
    begins = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

    def play() -> Lost:
        with alice.live("get", "--raw", f"/api/v1/namespaces/{cluster.namespace}/pods?watch=true&{begins}") as watch:
            watch.until(b"initial-events-end")
            return lost(judge.gate, {"verbs": ["watch"], "resources": ["pods"]}, of(watch))

    judge.promptly("a watch of an informer", 0, play)


def test_logs_follow_ends_with_a_line_that_says_why(judge: Judge, alice: Kubectl) -> None:
    def play() -> Lost:
        with alice.live("logs", "-f", "talker", "--tail=1") as logs:
            logs.until(b"tick")
            return lost(judge.gate, {"verbs": ["get"], "resources": ["pods/log"]}, of(logs))

    judge.promptly("logs -f", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_exec_ends(judge: Judge, alice: Kubectl, transport: str) -> None:
    def play() -> Lost:
        with alice.over(transport).live("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000") as shell:
            shell.until(b"up")
            return lost(judge.gate, EXEC, of(shell))

    judge.promptly(f"exec over {transport}", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_exec_that_writes_all_the_time_ends(judge: Judge, alice: Kubectl, transport: str) -> None:
    def play() -> Lost:
        with alice.over(transport).live("exec", "-i", "box", "--", "sh", "-c", "while :; do echo $RANDOM; done", stdin=True) as shell:
            shell.until(b"\n")
            return lost(judge.gate, EXEC, of(shell))

    judge.promptly(f"exec that writes, over {transport}", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_a_shell_in_a_terminal_ends_and_the_terminal_is_as_before(judge: Judge, alice: Kubectl, transport: str, tmp_path: Path) -> None:
    def play() -> Lost:
        kubectl = alice.over(transport)
        with terminal(kubectl.argv("exec", "-it", "box", "--", "sh"), kubectl.environment, tmp_path, 140) as window:
            window.until("/ #")
            window.type("echo $((6*7))")
            window.until("\n42")

            def ended() -> tuple[int, str, float]:
                code, when = window.ended()
                return code, window.last_screen(), when

            end = lost(judge.gate, EXEC, ended)
            assert "-echo" not in end.text and "-icanon" not in end.text, end.text
            return end

    judge.promptly(f"exec -it over {transport}", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_attach_ends(judge: Judge, alice: Kubectl, transport: str) -> None:
    def play() -> Lost:
        with alice.over(transport).live("attach", "talker") as attached:
            attached.until(b"tick")
            return lost(judge.gate, ATTACH, of(attached))

    judge.promptly(f"attach over {transport}", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_port_forward_in_use_ends(judge: Judge, alice: Kubectl, transport: str) -> None:
    def play() -> Lost:
        port = free_port()
        with alice.over(transport).live("port-forward", "pod/web", f"{port}:7000", "--address=127.0.0.1") as forward:
            forward.until(b" -> ")
            with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
                connection.sendall(b"there and back")
                assert connection.recv(14, socket.MSG_WAITALL) == b"there and back"
                end = lost(judge.gate, PORT_FORWARD, of(forward))
                assert connection.recv(1) == b""
                return end

    judge.promptly(f"port-forward in use, over {transport}", 1, play)


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
def test_port_forward_without_a_connection_ends_though_nobody_can_be_told_why(own_gate: Gate, alice: Kubectl, transport: str) -> None:
    before = len(own_gate.records("stream-end"))
    with alice.over(transport).live("port-forward", "pod/web", f"{free_port()}:7000", "--address=127.0.0.1") as forward:
        forward.until(b" -> ")
        own_gate.write_policy(without(PORT_FORWARD))
        assert b"lost connection to pod" in forward.wait().must(1).err
    end = eventually("the record of the end", lambda: own_gate.records("stream-end")[before:])[0]
    assert (end["closed_by"], WHY.fullmatch(end["reasons"][0]) is not None) == ("policy", True)


def test_who_keeps_the_right_notices_nothing(judge: Judge, alice: Kubectl, cluster: RealCluster, tmp_path: Path) -> None:
    path = judge.gate.kubeconfig(BOB, cluster.namespace, tmp_path / "bob.kubeconfig")
    bob = evolve(alice, kubeconfig=path, home=tmp_path / "bob")
    shell = ("exec", "-i", "box", "--", "cat")
    with bob.live(*shell, stdin=True) as his, alice.live(*shell, stdin=True) as hers, alice.live("logs", "-f", "talker") as logs:
        for live in (his, hers):
            live.write(b"before\n")
            live.until(b"before\n")
        assert lost(judge.gate, EXEC, of(hers)).code == 1
        his.write(b"after\n")
        his.until(b"after\n")
        seen = len(logs.out)
        eventually("alice's logs go on", lambda: len(logs.out) > seen)
