"""A tiny HTTP/2 server over plain TCP on the real engine: answers each request with 200 and a short body once the request has ended.

``python -m tests.support.h2_server`` prints the port it listens on and serves until it is ended. For h2spec.
"""

from __future__ import annotations

import sys
from time import monotonic

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from kgate.wire.events import RequestReceived, StreamEnded
from kgate.wire.http2 import Http2Limits, ServerConnection


class Answering(Protocol):
    def connectionMade(self) -> None:
        self.http = ServerConnection(Http2Limits(), monotonic)
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        for event in self.http.receive(data):
            if isinstance(event, StreamEnded) or (isinstance(event, RequestReceived) and event.ended):
                self.http.send_response(event.stream, 200, [(b"content-type", b"text/plain")], False)
                self.http.send_data(event.stream, b"hello, h2spec\n", True)
        self._flush()

    def _flush(self) -> None:
        self.transport.write(self.http.data_to_send())
        if self.http.closing:
            self.transport.loseConnection()


def main() -> None:
    port = reactor.listenTCP(0, Factory.forProtocol(Answering), interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    sys.stdin.close()
    reactor.run()


if __name__ == "__main__":
    main()
