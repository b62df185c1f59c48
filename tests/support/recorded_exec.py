"""A live exec whose gate records it: a scripted cluster that echoes as a shell's terminal does, and what is on the disk afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from arena import Arena
from live_exec import EXEC, SWITCHED, live_exec
from live_gate import ALLOW_ALICE, TOKENS
from raw_client import RawClient
from recording_cluster import Connection

from kgate.kube.remotecommand import success
from kgate.wire.websocket import BINARY, encode_frame

KEY = b"\1\2\3\4"
STDIN, STDOUT, STDERR, ERROR, RESIZE = (bytes([channel]) for channel in range(5))


def policy(record: str, name: str = "developers") -> dict[str, Any]:
    """alice may do everything, and this is recorded of it."""
    return {"rules": [{**ALLOW_ALICE["rules"][0], "name": name, "record": record}]}


def said(channel: bytes, payload: bytes) -> bytes:
    """A client's message."""
    return encode_frame(BINARY, channel + payload, KEY)


def heard(channel: bytes, payload: bytes) -> bytes:
    """A cluster's message."""
    return encode_frame(BINARY, channel + payload)


def saying(*messages: bytes) -> Any:
    """A cluster that says these once the client has said something, and goes on until the connection ends."""

    def answer(connection: Connection, _head: bytes) -> None:
        connection.send(SWITCHED)
        connection.receive()
        connection.send(b"".join(messages))
        while ENDED not in messages and connection.receive():
            pass
        connection.close()

    return answer


ENDED = heard(ERROR, success()) + b"\x88\x02\x03\xe8"


def refused(arena: Arena) -> RawClient:
    """alice's exec where none is to begin."""
    with arena.client() as client:
        client.send(EXEC + arena.head.partition(b"\r\n")[2] + b"\r\n")
        assert client.status() != 101
    return client


def begun(arena: Arena) -> RawClient:
    """alice's exec."""
    return live_exec(arena.gate, TOKENS["alice"])


def casts(folder: Path) -> list[Path]:
    """The recordings."""
    return sorted(folder.glob("*/*.cast"))


def written(path: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """Header and events of one."""
    header, *events = path.read_text().splitlines()
    return json.loads(header), [json.loads(line) for line in events]


def kgate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, run where the gate's files are."""
    command = [str(Path(sys.executable).with_name("kgate")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
