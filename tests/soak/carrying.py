"""What goes through the gate: each activity is one turn of one client, in a thread of its own."""

from __future__ import annotations

import base64
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from attrs import define, field
from raw_client import Http2Client, RawClient

from soak.what_runs import CLUSTERS, World

POD = "/api/v1/namespaces/team-a/pods/shell"
MOST_LIVE = 15
"""Of each kind of stream, at once."""
CROWD = 100
"""Connections by which everybody comes: enough for each worker to have its share."""
_STDIN = 0


def requests(world: World, kept: list[Any]) -> None:
    """A few requests of one person, on a connection of their own or on the last one's."""
    if not kept or world.chance.random() < 0.5:
        if kept:
            kept.pop().close()
        kept.append(world.connection())
    on, token = kept[0], world.token(world.somebody(), ("developers",) if world.chance.random() < 0.8 else ())
    try:
        for _ in range(world.chance.randint(1, 6)):
            world.ask(on, token, _path(world))
    except BaseException:
        kept.pop().close()
        raise


def everybody(world: World, most: int) -> None:
    """So many requests, each of another person's token: what a gate remembers of people is bounded, and this fills it, which would take an hour otherwise."""

    def some(number: int) -> None:
        on = world.connection()
        for _ in range(most // CROWD):
            world.ask(on, world.token(f"{world.somebody()}-{world.chance.randrange(10**9)}"), _path(world))
        on.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, range(CROWD)))


def _path(world: World) -> str:
    """Any of very many."""
    cluster = world.chance.choices([*CLUSTERS, "kgate-none"], [8, 3, 1])[0]
    namespace = world.chance.choice(["default", "team-a", "payments", f"team-{world.chance.randrange(10**6)}"])
    what = world.chance.choice(["pods", "services", "configmaps", "secrets", f"configmaps/c-{world.chance.randrange(10**6)}"])
    return f"/clusters/{cluster}/api/v1/namespaces/{namespace}/{what}?limit={world.chance.randrange(1, 500)}"


def writes(world: World, kept: list[Any]) -> None:
    """An object is made and removed again."""
    name, on = f"soak-{world.chance.randrange(10**9)}", world.connection()
    token, path = world.token(world.somebody()), "/clusters/kgate-dev/api/v1/namespaces/default/configmaps"
    body = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"%b"},"data":{"a":"%b"}}' % (
        name.encode(),
        os.urandom(500).hex().encode(),
    )
    try:
        if world.ask(on, token, path, "POST", body, **{"Content-Type": "application/json"}) == 201:
            world.ask(on, token, f"{path}/{name}", "DELETE")
    finally:
        on.close()


def multiplexed(world: World, kept: list[Any]) -> None:
    """Twenty requests at once over HTTP/2; some are reset, and now and then the client goes before the answers."""
    with Http2Client(world.gate.port, world.gate.context()) as client:
        token, opened = world.token(world.somebody()), list[tuple[int, str]]()
        for _ in range(20):
            agent = world.ledger.begin()
            fields = {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": _path(world), "user-agent": agent}
            stream = client.get([(name.encode(), value.encode()) for name, value in {**fields, "authorization": f"Bearer {token}"}.items()])
            opened.append((stream, agent))
        for stream, agent in opened:
            if world.chance.random() < 0.1:
                with suppress(Exception):
                    client.h2.reset_stream(stream, 8)
                    client.flush()
                continue
            outcome = client.outcome(stream)
            if isinstance(outcome, int):
                world.ledger.ended(agent, outcome)
            elif outcome == "closed" or world.chance.random() < 0.1:
                return


@define
class Live:
    """A stream that is open, and how to be rid of it."""

    until: float
    end: Callable[[], None] = field(repr=False)


def _held(world: World, kept: list[Any], begin: Callable[[], Callable[[], None]], longest: float = 45.0) -> None:
    """End those whose time is over, and begin one more."""
    now = time.monotonic()
    for live in [each for each in kept if each.until <= now]:
        kept.remove(live)
        live.end()
    if len(kept) < MOST_LIVE:
        kept.append(Live(now + world.chance.uniform(0.5, longest), begin()))


def watches(world: World, kept: list[Any]) -> None:
    """One begins, others end: by their client, by a change, or by a limit."""

    def begin() -> Callable[[], None]:
        on = world.connection()
        what = world.chance.choice(["pods", "configmaps", "services"])
        world.begin(on, world.token(world.somebody()), f"/clusters/kgate-dev/api/v1/namespaces/default/{what}?watch=true")
        return on.close

    _held(world, kept, begin)


def logs(world: World, kept: list[Any]) -> None:
    """``logs -f``."""

    def begin() -> Callable[[], None]:
        on = world.connection()
        world.begin(on, world.token(world.somebody()), f"/clusters/kgate-dev{POD}/log?follow=true")
        return on.close

    _held(world, kept, begin)


def execs(world: World, kept: list[Any]) -> None:
    """exec over WebSocket: a shell that is typed to and left, politely or not."""

    def begin() -> Callable[[], None]:
        client, agent = world.raw(), world.ledger.begin()
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /clusters/kgate-dev{POD}/exec?command=cat&stdin=true&stdout=true&container=app HTTP/1.1\r\nHost: localhost\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nUser-Agent: {agent}\r\n"
            f"Authorization: Bearer {world.token(world.somebody())}\r\n\r\n"
        )
        client.send(head.encode())
        if world.ledger.ended(agent, client.status()) == 101:
            client.send(_masked(bytes([_STDIN]) + os.urandom(world.chance.randint(1, 4000)).hex().encode() + b"\n"))
        return lambda: _leave(world, client)

    _held(world, kept, begin)


def _masked(payload: bytes) -> bytes:
    """A binary frame as a client sends it (RFC 6455 section 5.2)."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return b"\x82" + length + b"\0\0\0\0" + payload


def _leave(world: World, client: RawClient) -> None:
    if world.chance.random() < 0.5:
        with suppress(OSError):
            client.send(b"\x88\x82\0\0\0\0\x03\xe8")  # close, 1000
    _cut_off(client) if world.chance.random() < 0.3 else client.tls.close()


def _cut_off(client: RawClient) -> None:
    """A reset."""
    client.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.tls.close()


def kubectls(world: World, kept: list[Any]) -> None:
    """kubectl itself, over both transports: exec, port-forward, cp, get."""
    transport = {
        name: world.chance.choice(["true", "false"]) for name in ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(world.folder), "KUBECONFIG": str(world.kubectl), **transport}
    commands = (
        ["exec", "-n", "team-a", "shell", "--", "id"],
        ["exec", "-n", "team-a", "shell", "--", "cat", "/etc/hostname"],
        ["exec", "-n", "team-a", "shell", "-i", "--", "sleep", "20"],
        ["port-forward", "-n", "team-a", "pod/shell", ":8080"],
        ["get", "pods", "-A"],
        ["logs", "-n", "team-a", "shell", "--tail", "5"],
    )
    command = world.chance.choice(commands)
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": environment}
    with subprocess.Popen(["kubectl", *command], **how) as process:
        try:
            if command[0] == "port-forward":
                _goes_through(process)
            process.wait(6)
        except subprocess.TimeoutExpired:
            process.send_signal(world.chance.choice([signal.SIGTERM, signal.SIGKILL]))


def _goes_through(process: subprocess.Popen[bytes]) -> None:
    """A connection through the port that kubectl opened."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if "127.0.0.1:" in line:
        port = int(line.partition("127.0.0.1:")[2].partition(" ")[0])
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as through:
            through.sendall(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
            through.settimeout(2)
            through.recv(4096)


def broken(world: World, kept: list[Any]) -> None:
    """A client that is none: half a handshake, no TLS, half a head, half a body, nonsense, a reset."""
    kind = world.chance.randrange(8)
    if kind < 3:
        with socket.create_connection(("127.0.0.1", world.gate.port), 5) as raw:
            raw.sendall((b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", os.urandom(200))[kind])
            raw.settimeout(0.2)
            with suppress(OSError):
                raw.recv(100)
        return
    client, token = world.raw(), world.token(world.somebody()).encode()
    where = b"/clusters/kgate-dev/api/v1/namespaces/default/configmaps"
    head = b"POST " + where + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + b"\r\nContent-Type: application/json\r\n"
    client.send(
        {
            3: head,
            4: head + b"Content-Length: 1000\r\n\r\n{",
            5: head + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            6: os.urandom(300) + b"\r\n\r\n",
            7: b"GET " + where + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token[:-4] + b"AAAA\r\n\r\n",
        }[kind]
    )
    client.tls.settimeout(0.3)
    with suppress(OSError):
        client.tls.recv(1000)
    _cut_off(client) if world.chance.random() < 0.5 else client.tls.close()


def refused(world: World, kept: list[Any]) -> None:
    """Requests that nobody may make, by somebody who may nothing, by tokens that are none and by certificates."""
    on = world.connection()
    try:
        world.ask(on, world.robot("mallory"), _path(world))
        world.ask(on, world.token(world.somebody()), "/clusters/kgate-prod/api/v1/namespaces/payments/secrets")
        world.ask(on, world.token(world.somebody()), "/clusters/kgate-dev/api/v1/../x")
    finally:
        on.close()
    on = world.connection()
    try:
        world.ask(on, os.urandom(20).hex(), "/clusters/kgate-dev/api/v1/pods")
    finally:
        on.close()
