"""Forward proxies as companies have them, HTTP CONNECT and SOCKS5, on threads. Each notes whom it was asked to reach, and may refuse."""

from __future__ import annotations

import contextlib
import socket
import threading

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ForwardProxy:
    """``answer`` is said instead of opening the way, where it is set. ``asked`` has every request: the CONNECT's head, or SOCKS' name and port."""

    def __init__(self, *, socks: bool = False) -> None:
        self.socks = socks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self.answer = b""
        self.people: list[bytes] = []
        """What a SOCKS client said of itself, where it did (RFC 1929)."""
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in [self._listener, *self._open]:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            port = self._negotiated(client)
            if self.answer:
                client.sendall(self.answer)
                client.close()
                return
            server = socket.create_connection(("127.0.0.1", port))
            self._open.append(server)
            client.sendall(b"\x05\x00\x00\x01" + bytes(6) if self.socks else OPENED)
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()
            _copy(client, server)

    def _negotiated(self, client: socket.socket) -> int:
        """The port that the client wants."""
        if not self.socks:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head)
            return int(head.split(b" ")[1].rpartition(b":")[2])
        greeting = client.recv(4)
        if greeting == b"\x05\x02\x00\x02":
            client.sendall(b"\x05\x02")
            self.people.append(client.recv(300))
            client.sendall(b"\x01\x00")
        else:
            assert greeting == b"\x05\x01\x00"
            client.sendall(b"\x05\x00")
        request = client.recv(300)
        self.asked.append(request[3:])
        return int.from_bytes(request[-2:], "big")


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
