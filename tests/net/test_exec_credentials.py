"""The gate's own credential by an exec plugin: a program of somebody else's, which may hang, fail, be killed, and renew what it gave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from disk_at_once import DiskAtOnce
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from kgate.demo.certificates import Authority
from kgate.exchange.legs import UpstreamLeg
from kgate.kube.cluster_access import ClusterAccess, GateCredential, Server
from kgate.kube.execplugin import ExecPlugin
from kgate.net.cluster import ClusterUpstream
from kgate.net.credentials import RETRY_SECONDS, Credential, credential_of
from kgate.net.dial import DialFailed
from kgate.net.programs import STRAGGLING_SECONDS
from kgate.net.turn import Turn

VERSION = "client.authentication.k8s.io/v1"
AUTHORITY = Authority("kgate tests", 1_790_000_000.0)


def printed(**status: str) -> bytes:
    """What a plugin prints."""
    return json.dumps({"kind": "ExecCredential", "apiVersion": VERSION, "status": status}).encode()


class Process:
    """One run of the plugin; the test is the program."""

    def __init__(self, protocol: Any) -> None:
        self.protocol, self.signals = protocol, list[str]()
        protocol.makeConnection(self)

    def prints(self, output: bytes) -> Process:
        self.protocol.childDataReceived(1, output)
        return self

    def complains(self, words: bytes) -> Process:
        self.protocol.childDataReceived(2, words)
        return self

    def ends(self, code: int = 0, signal: int | None = None) -> None:
        how = ProcessDone(0) if code == 0 and signal is None else ProcessTerminated(code, signal, 0)
        self.protocol.processEnded(Failure(how))

    def leaves(self, code: int = 0) -> None:
        """It is gone, and what it left running has its stderr."""
        self.protocol.processExited(Failure(ProcessDone(0) if code == 0 else ProcessTerminated(code, None, 0)))
        self.protocol.childConnectionLost(1)

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)
        self.ends(signal=9)

    def loseConnection(self) -> None:
        """Its pipes."""


class World(Clock):
    """The reactor, in which programs run."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Process] = []
        self.told: list[str | None] = []
        plugin = ExecPlugin(VERSION, "/bin/sh")
        self.access = ClusterAccess("lab", Server("192.0.2.1", 6443), GateCredential(plugin=plugin))
        self.credential: Credential = credential_of(self, DiskAtOnce(self), self.seconds, self.seconds, self.access)

    def spawnProcess(self, protocol: Any, *_: Any, **__: Any) -> Process:
        self.runs.append(Process(protocol))
        return self.runs[-1]

    def ask(self) -> None:
        self.credential.ready(self.told.append)


@pytest.fixture
def world() -> World:
    return World()


def test_what_it_prints_counts(world: World) -> None:
    world.ask()
    world.runs[0].prints(printed(token="one")).ends()
    assert (world.told, world.credential.bearer) == ([None], b"one")


def test_a_plugin_that_is_killed_has_not_its_token_in_what_is_said(world: World) -> None:
    world.ask()
    world.runs[0].prints(printed(token="SECRET")).ends(signal=15)
    assert world.told == ["the exec plugin /bin/sh was ended by signal 15"]


def test_a_plugin_that_hangs_is_ended_and_asked_again_later(world: World) -> None:
    world.ask()
    world.advance(30)
    assert world.told == ["the exec plugin /bin/sh did not end within 30 s"]
    assert world.runs[0].signals == ["KILL"]
    world.advance(RETRY_SECONDS)
    world.ask()
    world.runs[1].prints(printed(token="one")).ends()
    assert world.told[1:] == [None]
    world.advance(60)
    assert world.runs[1].signals == []


def test_a_program_that_a_plugin_leaves_running_is_not_waited_for(world: World) -> None:
    """An agent in the background has the plugin's stderr for as long as it likes. kubectl does not read that, nor wait for it."""
    world.ask()
    world.runs[0].prints(printed(token="one")).leaves()
    world.advance(STRAGGLING_SECONDS)
    assert (world.told, world.credential.bearer, world.runs[0].signals) == ([None], b"one", [])
    world.runs[0].complains(b"the agent is there\n").ends()
    world.advance(60)
    world.credential.refused()
    world.ask()
    world.runs[1].leaves(1)
    world.runs[1].complains(b"not signed in\n")  # what the pipe still held
    world.advance(STRAGGLING_SECONDS)
    assert world.told[1:] == ["the exec plugin /bin/sh ended with 1: not signed in"]


def test_a_plugin_that_never_stops_printing_is_ended(world: World) -> None:
    world.ask()
    for _ in range(2):
        world.runs[0].prints(b"y" * (512 * 1024))
    assert world.runs[0].signals == []
    world.runs[0].prints(b"y")
    assert world.runs[0].signals == ["KILL"]
    assert world.told == ["the exec plugin /bin/sh printed more than 1024 KiB"]


def test_a_plugin_that_fails_is_not_run_for_each_request(world: World) -> None:
    why = "the exec plugin /bin/sh ended with 1: not signed in"
    world.ask()
    world.runs[0].complains(b"hint\nnot signed in\n").ends(1)
    world.advance(RETRY_SECONDS - 0.1)
    world.ask()
    assert (world.told, len(world.runs)) == ([why, why], 1)
    world.advance(0.2)
    world.ask()
    assert len(world.runs) == 2


def test_a_renewal_that_fails_is_not_tried_with_each_request(world: World) -> None:
    world.ask()
    world.runs[0].prints(printed(token="one", expirationTimestamp="1970-01-01T00:02:00Z")).ends()
    world.advance(61)
    assert world.credential.bearer == b"one"
    world.runs[1].ends(1)
    assert (world.credential.bearer, len(world.runs)) == (b"one", 2)
    world.advance(RETRY_SECONDS)
    assert (world.credential.bearer, len(world.runs)) == (b"one", 3)


def test_what_the_cluster_refused_is_shown_until_there_is_another(world: World) -> None:
    """A request that has its connection already would go as nobody: its answer would speak of system:anonymous, whom no one knows."""
    world.ask()
    world.runs[0].prints(printed(token="one")).ends()
    world.advance(RETRY_SECONDS)
    world.credential.refused()
    assert (world.credential.at_hand, world.credential.bearer) == (False, b"one")
    world.ask()
    world.runs[1].prints(printed(token="two")).ends()
    assert (world.credential.at_hand, world.credential.bearer, world.told) == (True, b"two", [None, None])


class Dials:
    """In the place of ``Dial``: opens HTTP/2 connections at once, and notes by which certificate."""

    contexts: list[Any]

    def __init__(self, _reactor: Any, turn: Turn, _endpoint: Any, _host: Any, context: Any, _make: Any, then: Any, _seconds: float) -> None:
        self._then, self._context = then, context
        wire: Any = self
        self._leg = UpstreamLeg(wire, wire, turn, lambda: 0.0, lambda leg: None, lambda leg: None, multiplexed=True)
        self.capacity, self.closing, self.congested = 100, False, False

    def start(self) -> None:
        Dials.contexts.append(self._context)
        self._then(self._leg)

    def close(self) -> None:
        """The pool's word."""
        self.closing = True


def upstream(world: World, monkeypatch: pytest.MonkeyPatch) -> ClusterUpstream:
    """The cluster, with the plugin's credential."""
    Dials.contexts = []
    monkeypatch.setattr("kgate.net.cluster.Dial", Dials)
    return ClusterUpstream(world, Turn(), world.seconds, world.access, world.credential, lambda: 5.0)


def pair(until: str = "1970-01-01T01:00:00Z") -> bytes:
    """A new certificate of the plugin's."""
    made = AUTHORITY.client("gate")
    return printed(clientCertificateData=made.certificate.decode(), clientKeyData=made.key.decode(), expirationTimestamp=until)


def test_a_certificate_that_the_plugin_renewed_counts_for_the_next_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster holds a certificate against its clock with each request: a connection that was opened by the old one would be refused for ever."""
    cluster = upstream(world, monkeypatch)
    got: list[Any] = []
    cluster.acquire(got.append)
    world.runs[0].prints(pair()).ends()
    cluster.acquire(got.append)
    assert got[0] is got[1]
    got[0].requesters[1] = world
    world.advance(3600)
    cluster.acquire(got.append)
    world.runs[1].prints(pair("1970-01-01T03:00:00Z")).ends()
    assert got[2] is not got[0] and len(Dials.contexts) == 2 and Dials.contexts[0] is not Dials.contexts[1]
    assert not got[0].transport.closing  # a watch lives on it
    got[0].requesters.clear()
    cluster.spare(got[0])
    assert got[0].transport.closing
    cluster.acquire(got.append)
    assert got[3] is got[2]


def test_a_certificate_that_is_none_is_said_and_nothing_else_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = upstream(world, monkeypatch)
    got: list[Any] = []
    cluster.acquire(got.append)
    made, other = AUTHORITY.client("gate"), AUTHORITY.client("gate")
    world.runs[0].prints(printed(clientCertificateData=made.certificate.decode(), clientKeyData=other.key.decode())).ends()
    assert isinstance(got[0], DialFailed) and "client certificate cannot be used" in got[0].text
    assert cluster.health.reachable is False


def test_a_plugin_that_is_not_installed_has_its_makers_hint_told() -> None:
    world = World()
    plugin = ExecPlugin(VERSION, "no-such-login", install_hint="get it from example.com\n")
    credential = credential_of(
        world, DiskAtOnce(world), world.seconds, world.seconds, ClusterAccess("lab", Server("h", 1), GateCredential(plugin=plugin))
    )
    credential.ready(world.told.append)
    assert world.told == ["the exec plugin no-such-login cannot be run: there is no such program; get it from example.com"]


def test_a_cluster_that_refuses_whatever_the_plugin_gives_does_not_have_it_run_for_each_request(world: World) -> None:
    """Nor do answers that come late, to requests that went with the former token."""
    world.ask()
    for run in range(3):
        world.runs[run].prints(printed(token=f"token-{run}")).ends()
        for _ in range(5):
            world.credential.refused()
            world.ask()
        assert (len(world.runs), world.credential.at_hand, world.credential.bearer) == (run + 1, True, b"token-%d" % run)
        world.advance(RETRY_SECONDS)
        world.credential.refused()
        world.ask()
        assert len(world.runs) == run + 2


@pytest.mark.parametrize("expires", ["1970-01-01T00:00:00Z", "1970-01-01T00:00:30Z"])
def test_a_plugin_whose_tokens_hardly_live_is_not_run_for_each_request(world: World, expires: str) -> None:
    world.ask()
    for _ in range(5):
        for run in world.runs[-1:]:
            run.prints(printed(token="short", expirationTimestamp=expires)).ends()
        world.ask()
        assert world.credential.bearer == b"short"
    assert len(world.runs) == 1
    world.advance(RETRY_SECONDS)
    world.ask()
    assert world.credential.bearer == b"short" and len(world.runs) == 2
