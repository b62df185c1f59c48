"""What the tests of a running gate have in common: a watch that is open, and the audit read back."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arena import Arena
from lab.waiting import eventually
from live_gate import LiveGate
from raw_client import RawClient
from recording_cluster import Connection

from kgate.audit.chain import Broken, Verified, verify

Make = Callable[..., Arena]
"""Makes a gate before a cluster of its own, not started yet: see tests/service/conftest.py."""
PODS = b"/api/v1/pods"
WATCH = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\n"
EVENT = b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}\n'


def watching(arena: Arena) -> RawClient:
    """A client whose watch is open and has seen an event."""

    def endless(connection: Connection, _head: bytes) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
        connection.receive()

    arena.cluster.answer = endless
    client = arena.client()
    client.send(WATCH + arena.head + b"\r\n")
    assert client.status() == 200
    assert EVENT in client.until(EVENT)
    arena.cluster.reset()
    return client


def of(arena: Arena, event: str) -> list[dict[str, Any]]:
    """The records of that event."""
    return [record for record in arena.gate.records() if record["event"] == event]


def chain(audit: Path) -> Verified | Broken:
    """What the verification of a whole audit directory says."""
    files = sorted(audit.glob("audit-*.jsonl"))
    return verify(line for path in files for line in path.read_bytes().splitlines(keepends=True))


def goes_on(client: RawClient) -> bool:
    """Whether the client's stream lives: nothing comes, not even an end."""
    client.tls.settimeout(0.2)
    try:
        client.tls.recv(1)
    except TimeoutError:
        return True
    return False


@contextmanager
def a_full_disk(room: int) -> Iterator[None]:
    """No file may grow past ``room`` bytes: what a full disk says, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def both_up(gate: LiveGate) -> None:
    """Both answer their supervisor, whatever they say of the cluster, which is not there."""

    def look() -> bool:
        status, page = gate.admin("/readyz")
        return status != 0 and "does not answer" not in page

    try:
        eventually("both workers", look)
    except AssertionError:
        raise AssertionError(f"{gate.admin('/readyz')}:\n{gate.log.read_text()[-3000:]}") from None


def gone(pid: int) -> Callable[[], bool]:
    """Says whether that process has ended, buried or not."""

    def look() -> bool:
        try:
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    return look


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started and not buried, in their order."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
