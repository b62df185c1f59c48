"""Clients that have all connections a process may: the gate's own files, and its clusters, keep theirs."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack

import pytest
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
from running import PODS, Make, of, watching

from kgate.net.descriptors import OWN, raise_most

MOST = 200
"""Descriptors of the gate: far fewer than ``limits.connections`` lets clients have, as where nobody raised the usual 1,024."""


@pytest.mark.threat("19")
def test_strangers_who_take_all_descriptors_keep_nobody_from_a_cluster_and_no_right_from_ending(make: Make) -> None:
    arena = make()
    process = arena.gate.start().process
    assert process is not None
    with ExitStack() as strangers, watching(arena) as live, arena.client() as known:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (MOST, MOST))
        for _ in range(MOST):
            strangers.enter_context(socket.create_connection(("127.0.0.1", arena.gate.port)))
        known.send(b"GET /clusters/lab" + PODS + b" HTTP/1.1\r\n" + arena.head + b"\r\n")
        assert known.status() == 200
        arena.gate.write_policy({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
        eventually("the reload is on record", lambda: of(arena, "config"))
        assert [record.get("reasons") for record in of(arena, "config")] == [None]
        assert b"no rule is for alice" in live.until(b"0\r\n\r\n")
    assert "too few descriptors for clients" in arena.gate.log.read_text()


@pytest.mark.parametrize(("clients", "allowed"), [(500, 3 * 500 + 2 * OWN), (10_000_000, None), (1, 1024)])
def test_the_limit_is_raised_to_what_clients_need_and_no_further_than_the_system_lets(clients: int, allowed: int | None) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        raise_most(clients)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard if allowed is None else allowed, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("refusal", [ValueError("current limit exceeds maximum limit"), OSError(1, "Operation not permitted")])
def test_a_system_that_does_not_let_the_limit_be_raised_is_served_as_it_is(monkeypatch: pytest.MonkeyPatch, refusal: Exception) -> None:
    """macOS calls its hard limit unlimited, and refuses all above 10,240."""

    def refused(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refused)
    raise_most(10_000)
