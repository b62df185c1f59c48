"""Whoever reads slowly has all of an exec's output, though the command ended long ago: ``kubectl exec … cat big | less``."""

from __future__ import annotations

import itertools
import socket
import time
from contextlib import ExitStack

from lab.waiting import eventually
from live_exec import SWITCHED, live_exec
from live_gate import TOKENS
from recorded_exec import ENDED, STDOUT, heard, policy
from recording_cluster import Connection
from running import Make

from kgate.net.sockets import HIGH_WATER, LINGER_SECONDS

PIECE = heard(STDOUT, bytes(50_000))
SIZES = range(500_000, 5_500_000, HIGH_WATER // 2)
"""Of outputs: what the kernel takes for a client that reads nothing is its own to say, and what is lost is what is a little more."""


def test_a_pager_that_is_not_touched_for_a_while_has_the_rest_all_the_same(make: Make) -> None:
    arena, number = make(), itertools.count()
    arena.gate.write_policy(policy("none"))
    arena.gate.start()

    def answer(connection: Connection, _head: bytes) -> None:
        connection.send(SWITCHED)
        connection.receive()
        connection.send(PIECE * (SIZES[next(number)] // len(PIECE)) + ENDED)
        connection.close()

    arena.cluster.answer = answer
    with ExitStack() as stack:
        clients = []
        for _ in SIZES:
            client = stack.enter_context(live_exec(arena.gate, TOKENS["alice"]))
            client.tls.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.send(b"\x82\x81\0\0\0\0\0")
            clients.append(client)
        eventually("most commands are over", lambda: live_streams(arena.gate.admin("/metrics")[1]) < len(SIZES) // 2)
        over = time.monotonic()
        eventually("nobody touches it", lambda: time.monotonic() > over + LINGER_SECONDS + 0.5, every=0.2)
        ends = [client.rest().endswith(ENDED) for client in clients]
    assert ends == [True] * len(SIZES)


def live_streams(metrics: str) -> int:
    return int(float(metrics.partition("\nkgate_live_streams ")[2].split()[0]))
