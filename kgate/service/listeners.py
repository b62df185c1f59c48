"""The public addresses: bound before anything else begins, which is when a process that gives its privileges up still has them; served from the start on."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.logger import Logger

from kgate.errors import KgateError
from kgate.net.contexts import server_context
from kgate.net.listener import Listener, Serve
from kgate.net.turn import Turn
from kgate.net.watching import FilesRead
from kgate.service.part import Part, Prepare
from kgate.service.place import Place
from kgate.settings import Configuration
from kgate.settings.files import unreadable
from kgate.settings.listen import Tls

log = Logger()


class Listeners(Part):
    """See the module. ``serve`` gets each client that finished its handshake."""

    def __init__(self, reactor: Any, turn: Turn, place: Place, configuration: Callable[[], Configuration], serve: Serve) -> None:
        self._reactor, self._turn, self._configuration, self._serve = reactor, turn, configuration, serve
        self._place = place
        self._sockets: list[socket.socket] = []
        self._contexts: list[ssl.SSLContext] = []
        self._listeners: list[Listener] = []

    def bind(self) -> None:
        """Take the ports. Raises KgateError where one cannot be had."""
        self._sockets = self._place.bind(self._configuration().settings)

    def read(self, configuration: Configuration, files: FilesRead) -> Prepare:
        """Certificates; connections that are there keep those that they came by."""
        authority = configuration.identity.authority_pem
        contexts = [_context_of(each.tls, authority, files) for each in configuration.settings.listen]
        return lambda: partial(self._use, contexts)

    def start(self) -> None:
        """Accept."""
        settings = self._configuration().settings
        for number, (listen, sock) in enumerate(zip(settings.listen, self._sockets, strict=True)):
            balancers = listen.proxy_protocol.trusted if listen.proxy_protocol is not None else ()
            context = partial(self._context, number)
            listener = Listener(self._reactor, self._turn, sock, context, self._serve, tuple(balancers), self._handshake_seconds)
            listener.start()
            self._listeners.append(listener)
            log.info("kgate serves {url} on port {port}", url=settings.public_url, port=listener.port)

    def look(self) -> None:
        """Notice clients that vanished."""
        for listener in self._listeners:
            listener.look()

    def close(self) -> None:
        """Take nobody new."""
        for listener in self._listeners:
            listener.stop()

    def _use(self, contexts: list[ssl.SSLContext]) -> None:
        self._contexts = contexts

    def _context(self, number: int) -> ssl.SSLContext:
        return self._contexts[number]

    def _handshake_seconds(self) -> float:
        return self._configuration().settings.deadlines.handshake


def _context_of(tls: Tls, authority: str | None, files: FilesRead) -> ssl.SSLContext:
    """Raises KgateError. Where the key hangs that is said of the certificate: both were read a moment ago."""
    try:
        return files.ask(tls.certificate, partial(server_context, tls.certificate, tls.key, authority))
    except OSError as error:
        raise KgateError(unreadable(tls.certificate, error)) from error
