"""How many instructions the gate takes for one request, by ``callgrind``: the same count on a busy machine as on a quiet one.

    scripts/bench --instructions small-h1            # then: callgrind_annotate --inclusive=yes build/bench/instructions.small-h1

What a change is worth can be told to a percent where times of a shared machine differ by a fifth. It says nothing of the kernel, and valgrind's
processor has neither SHA nor AVX-512 instructions, so what OpenSSL takes is more than in truth. Needs valgrind (Debian: apt-get install valgrind).
"""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bench.client import Http2Client, connect, count_events, get_anew, open_exec, stdin_message
from bench.crowd import HEADERS
from bench.ground import Ground, Person, list_path, object_paths
from bench.peers.kgate import start
from bench.process import Server
from bench.upstream import MEGABYTES_5
from kgate.wire.events import Event, ResponseReceived, StreamEnded

PEOPLE = 8
AT_ONCE = 5
"""Requests that each person has under way over HTTP/2."""
WARM = 800
RATE = 5
"""Events a second of each watch: few enough that each comes by itself."""
START_SECONDS = 120.0

Work = Callable[[int], None]
"""Does so many of whatever is counted."""


class Counted(NamedTuple):
    """What one is, how many times it is done, and what begins the work: it gives who goes on with it, at a gate's port."""

    what: str
    times: int
    begin: Callable[[Ground, int], Work]


def _small_h1(ground: Ground, port: int) -> Work:
    context, paths = ground.context("http/1.1"), object_paths("h1", "pods")
    people = [(connect(port, context), person) for person in ground.people[:PEOPLE]]
    asked = iter(paths * 1000)

    def work(count: int) -> None:
        for _ in range(count // PEOPLE):
            for tls, person in people:
                tls.sendall(_request(next(asked), person))
            for tls, _ in people:
                _answer(tls)

    return work


def _request(path: str, person: Person) -> bytes:
    fields = [*HEADERS, f"authorization: Bearer {person.token}", f"kubectl-session: {person.name}"]
    return "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: localhost", *fields, "")).encode()


def _answer(tls: ssl.SSLSocket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += tls.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None:
        raise RuntimeError(f"answered {head[:200]!r}")
    left = int(length[1]) - len(body)
    while left > 0:
        left -= len(tls.recv(1 << 16))


def _http2(resource: str) -> Callable[[Ground, int], Work]:
    def begin(ground: Ground, port: int) -> Work:
        context, asked = ground.context("h2"), iter(object_paths("h2", resource) * 1000)
        clients = [Http2Client(port, context, person) for person in ground.people[:PEOPLE]]

        def work(count: int) -> None:
            for _ in range(count // (PEOPLE * AT_ONCE)):
                for client in clients:
                    for _ in range(AT_ONCE):
                        client.ask(next(asked))
                for client in clients:
                    left = AT_ONCE
                    while left:
                        left -= sum(map(_ends, client.events()))

        return work

    return begin


def _ends(event: Event) -> bool:
    return isinstance(event, StreamEnded) or (isinstance(event, ResponseReceived) and event.ended)


def _watch(ground: Ground, port: int) -> Work:
    context, seen = ground.context("h2"), 0
    clients = [Http2Client(port, context, person) for person in ground.people[:PEOPLE]]
    for client in clients:
        client.watch(f"/clusters/streams-h2/api/v1/namespaces/team-1/pods?watch=true&rate={RATE}", AT_ONCE)

    def work(count: int) -> None:
        nonlocal seen
        end = seen + count
        while seen < end:
            seen += count_events(clients, 0.01)

    return work


def _ping(ground: Ground, port: int) -> Work:
    tls = open_exec(port, ground.context("http/1.1"), ground.people[0], "streams-h1", "echo")
    message = stdin_message(b"p" * 64)

    def work(count: int) -> None:
        for _ in range(count):
            tls.sendall(message)
            left = 67
            while left > 0:
                left -= len(tls.recv(100))

    return work


def _to_client(ground: Ground, port: int) -> Work:
    tls, buffer = open_exec(port, ground.context("http/1.1"), ground.people[0], "streams-h1", "source"), bytearray(1 << 18)

    def work(count: int) -> None:
        left = count * 16384
        while left > 0:
            left -= tls.recv_into(buffer)

    return work


def _new_connection(ground: Ground, port: int) -> Work:
    context, asked, people = ground.context("h2"), iter(object_paths("h2", "pods") * 1000), ground.people

    def work(count: int) -> None:
        for number in range(count):
            get_anew(port, context, people[number % len(people)], next(asked))

    return work


def _list(ground: Ground, port: int) -> Work:
    path, client = list_path("h2", 1), Http2Client(port, ground.context("h2"), ground.people[0])

    def work(count: int) -> None:
        for _ in range(count * 16384 // MEGABYTES_5):
            client.get(path)

    return work


COUNTED = {
    "small-h1": Counted("request", 1600, _small_h1),
    "small-h2": Counted("request", 3200, _http2("pods")),
    "10kb": Counted("request", 1600, _http2("configmaps")),
    "5mb": Counted("16 KB of a list", 6400, _list),
    "watch": Counted("event", 1600, _watch),
    "ping": Counted("ping", 1600, _ping),
    "new-connection": Counted("TLS connection with one request", 800, _new_connection),
    "tunnel": Counted("16 KB to the client", 6400, _to_client),
}


def count(name: str, ground: Ground, folder: Path) -> tuple[float, Path]:
    """Instructions in user space for one of what ``name`` counts, and where callgrind's account of them is, in ``folder``."""
    counted, output = COUNTED[name], folder / f"instructions.{name}"
    folder.mkdir(parents=True, exist_ok=True)
    gate = _start(ground, output)
    try:
        gate.ready(START_SECONDS)
        work = counted.begin(ground, gate.port)
        work(WARM)
        _control(gate, "--instr=on")
        work(counted.times)
        _control(gate, "--dump")
    finally:
        gate.stop()
    account = output.with_name(f"{output.name}.1")
    account.replace(output)
    total = re.search(r"^(?:summary|totals): (\d+)", output.read_text(), re.MULTILINE)
    if total is None:
        raise RuntimeError(f"{output} is no account of callgrind's")
    return int(total[1]) / counted.times, output


def _start(ground: Ground, output: Path) -> Server:
    under = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output.absolute()}"]
    return start(ground, "kgate-counted", under=under)


def _control(gate: Server, word: str) -> None:
    subprocess.run(["callgrind_control", word, str(gate.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def report(names: Iterable[str], ground: Ground, folder: Path) -> None:
    """Count each of ``names`` (none: all) and print what was found."""
    for name in list(names) or COUNTED:
        found, account = count(name, ground, folder)
        print(f"{name:16}{found:10,.0f} instructions a {COUNTED[name].what}; callgrind_annotate --inclusive=yes {account}")
