"""An exec, a watch and a port-forward of one person, all three alive, and how they end."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing
from datetime import datetime

from attrs import field, frozen
from lab.kubectl import Kubectl, Live
from ports import free_port


@frozen
class Ended:
    """How a kubectl ended."""

    code: int
    text: str = field(repr=False)
    at: float
    """Unix seconds."""


class Running:
    """An exec, a watch and a port-forward, all three alive."""

    def __init__(self, stack: ExitStack, alice: Kubectl) -> None:
        self.shell = stack.enter_context(alice.live("exec", "box", "--", "sh", "-c", "echo up; exec sleep 1000"))
        self.shell.until(b"up")
        self.watch = stack.enter_context(alice.live("get", "pods", "--watch"))
        self.watch.until(b"web")
        port = free_port()
        self.forward = stack.enter_context(alice.live("port-forward", "pod/web", f"{port}:7000", "--address=127.0.0.1"))
        self.forward.until(b" -> ")
        self.used = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20)))
        self.used.sendall(b"there and back")
        assert self.used.recv(14, socket.MSG_WAITALL) == b"there and back"

    def ended(self) -> dict[str, Ended]:
        """Their ends, as they come."""
        return {"exec": _end(self.shell), "watch": _end(self.watch), "port-forward": _end(self.forward)}


def _end(live: Live) -> Ended:
    ran = live.wait()
    assert live.ended is not None
    text = " ".join(ran.text.replace('\\"', '"').split())
    return Ended(ran.code, text, time.time() - (time.monotonic() - live.ended))


CODES = {"exec": 1, "watch": 0, "port-forward": 1}
"""What each kubectl ends with where the gate cut it."""


def instant(text: str) -> float:
    """RFC 3339 → Unix seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
