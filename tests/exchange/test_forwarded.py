"""The ports of one live port-forward, each decided by itself."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kgate.exchange.admission import Asked, Verdict
from kgate.exchange.forwarded import ForwardedPorts
from kgate.exchange.gate import Gate, OnRecord
from kgate.identity.credentials import Credentials
from kgate.model import Action, Cluster, Context, Decision, Ground, Identity, Impersonation, Limits, Pending, Reason

ASKED = Asked(Credentials(None, None, "192.0.2.1"), 0.0, Action(Cluster("lab"), "POST", "create", "/", "/"), "", None, ())
ALICE, VIEWER = Impersonation("alice"), Impersonation("viewer")
HELD = Decision(True, "r1", "forward", impersonate=ALICE, until=1000.0)
NO = Decision(False, "r2", reasons=(Reason(Ground.NO_RULE),))


class Ports:
    """A gate that knows only what it says of ports."""

    def __init__(self) -> None:
        self.says: dict[int, Decision | Pending] = {}
        self.recorder = self
        self.recorded: list[tuple[int, bool]] = []
        self.ports = ForwardedPorts(cast("Gate", self), cast("OnRecord", None))

    def decide_port(self, stream: Any, port: int) -> Verdict | Pending:
        said = self.says[port]
        return said if isinstance(said, Pending) else Verdict(ASKED, Identity("alice"), Context(0, "192.0.2.1", ""), said)

    def port(self, stream: Any, port: int, verdict: Verdict) -> None:
        self.recorded.append((port, verdict.decision.allowed))


def yes(impersonate: Impersonation = ALICE, until: float | None = None) -> Decision:
    return Decision(True, "r2", "port", impersonate=impersonate, until=until)


@pytest.fixture
def gate() -> Ports:
    return Ports()


def test_a_port_holds_the_tunnel_to_its_own_edge(gate: Ports) -> None:
    gate.says = {80: yes(until=500.0), 22: NO, 81: yes(VIEWER), 82: Pending("?")}
    assert gate.ports.admit(80, HELD) == HELD.but(until=500.0)
    assert [gate.ports.admit(port, HELD) for port in (22, 81, 82)] == [None, None, None]
    assert gate.ports.again(HELD) == HELD.but(until=500.0)
    assert gate.recorded == [(80, True), (22, False), (81, True)]


def test_a_tunnel_has_the_limits_of_every_port_that_it_reaches(gate: Ports) -> None:
    """It is admitted by the first rule that lets any port pass, which may know no limit while the port's own does."""
    gate.says = {
        80: yes(),
        5432: yes().but(rule="sql", limits=Limits(duration=600, bytes=100)),
        6379: yes().but(rule="cache", limits=Limits(60, 60, 200)),
    }
    held = HELD.but(limits=Limits(idle=300))
    assert gate.ports.admit(80, held) == held
    held = gate.ports.admit(5432, held) or held
    assert held.limits == Limits(600, 300, 100, duration_by="sql", bytes_by="sql")
    assert gate.ports.admit(6379, held) == HELD.but(limits=Limits(60, 60, 100, "cache", "cache", "sql"))
    assert gate.ports.again(HELD) == HELD.but(limits=Limits(60, 60, 100, "cache", "cache", "sql"))


def test_a_port_is_on_record_once_until_its_answer_changes(gate: Ports) -> None:
    for says in (yes(), yes(), NO, NO, yes()):
        gate.says = {80: says}
        gate.ports.admit(80, HELD)
    assert gate.recorded == [(80, True), (80, False), (80, True)]


def test_a_tunnel_goes_on_while_somebody_is_asked_about_a_port(gate: Ports) -> None:
    gate.says = {80: yes(until=500.0)}
    gate.ports.admit(80, HELD)
    gate.says = {80: Pending("?")}
    assert gate.ports.again(HELD) == Pending("?") and gate.recorded == [(80, True)]


@pytest.mark.parametrize("now", [NO, yes(VIEWER)])
def test_a_port_that_is_lost_or_reached_under_another_name_now_ends_all(gate: Ports, now: Decision) -> None:
    gate.says = {80: yes(), 8080: yes()}
    for port in (80, 8080):
        gate.ports.admit(port, HELD)
    gate.says[8080] = now
    assert gate.ports.again(HELD) is now
    assert gate.recorded[-1] == (8080, now.allowed)
