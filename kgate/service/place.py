"""Where one process of a gate stands: alone, or as one of its workers, which share ports, configuration and state but nothing that is written in order.

A worker has an audit chain of its own, in ``worker-N`` below the audit directory (``kgate audit`` reads them as one; for a while it may be ``worker-M`` of
a number that no other has), a name of its own in the records, and answers its supervisor on a socket in the file system instead of the admin address.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.web.server import Site

from kgate.net.listener import bind
from kgate.settings.shapes import Settings

SPARES = 8
"""How many starts whose supervisor was killed may drain at once."""


@frozen
class Place:
    """``worker`` counts from 1; 0 is a gate of one process. ``admin`` is where the supervisor asks."""

    worker: int = 0
    admin: Path | None = None

    @property
    def name(self) -> str:
        """Who writes the records."""
        return f"{socket.gethostname()}/{self.worker}" if self.worker else socket.gethostname()

    def chains(self, settings: Settings) -> list[Path]:
        """Where its chain is and, behind that, where it is while a worker of an earlier start, whose supervisor was killed, still drains there."""
        directory = settings.audit.directory
        numbers = range(self.worker, self.worker + SPARES * settings.workers + 1, settings.workers)
        return [directory / f"worker-{number}" for number in numbers] if self.worker else [directory]

    def leave(self) -> None:
        """The supervisor is gone and asks no more: the last to leave takes its folder along."""
        if self.admin is not None:
            with suppress(OSError):
                self.admin.parent.rmdir()

    @staticmethod
    def abandoned(settings: Settings) -> list[Path]:
        """The chains of earlier starts that no process goes on with, because there were more workers then, or one where there are several now."""
        directory, workers = settings.audit.directory, settings.workers
        own = {Place(number).chains(settings)[0] for number in (range(1, workers + 1) if workers > 1 else (0,))}
        return [each for each in (directory, *sorted(directory.glob("worker-*"))) if each not in own and any(each.glob("audit-*.jsonl"))]

    def bind(self, settings: Settings) -> list[socket.socket]:
        """The public ports. Raises KgateError where one cannot be had."""
        return [bind(listen.address.host, listen.address.port, shared=bool(self.worker)) for listen in settings.listen]

    def bind_admin(self, settings: Settings) -> socket.socket | None:
        """The admin address, which of several processes only the supervisor has. Raises KgateError where it cannot be had."""
        if self.worker or settings.admin is None:
            return None
        return bind(settings.admin.address.host, settings.admin.address.port, shared=False, section="admin")

    def serve_admin(self, reactor: Any, sock: socket.socket | None, site: Site) -> Any:
        """Answer there; gives the port, None where nobody is to ask."""
        if self.admin is not None and not self.admin.parent.is_dir():
            return None  # the supervisor was killed while this one started, and the others have left
        if self.admin is not None:
            return reactor.listenUNIX(str(self.admin), site, mode=0o600)
        if sock is None:
            return None
        port = reactor.adoptStreamPort(sock.fileno(), sock.family, site)
        sock.close()
        return port
