"""A cluster's API server that a test scripts byte by byte: records each request as it came, answers what it is told to. TLS, HTTP/1.1, threads.

The real API server cannot be made to misbehave; this one can.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from authority import Authority, Leaf

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Answer = Callable[["Connection", bytes], None]


class Connection:
    """One accepted connection."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self.tls = tls
        self.buffer = b""
        self.closed = threading.Event()

    def head(self) -> bytes | None:
        """The next request's head, up to the empty line; None at the connection's end."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.receive()
            if not data:
                return None
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def body(self, length: int) -> bytes:
        """``length`` bytes."""
        while len(self.buffer) < length:
            self.buffer += self.receive() or b"\0" * length
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def receive(self) -> bytes:
        """Some bytes; empty at the end."""
        try:
            return self.tls.recv(65536)
        except (OSError, ValueError):
            return b""

    def send(self, data: bytes) -> None:
        """Send all, or notice that the gate went away."""
        with contextlib.suppress(OSError):
            self.tls.sendall(data)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self.tls.close()


class RecordingCluster:
    """See the module. ``heads`` has every request's head; set ``answer`` to script what follows."""

    def __init__(self, folder: Path, authority: Authority, *names: str, leaf: Leaf | None = None, port: int = 0) -> None:
        self._authority = authority
        leaf = leaf or authority.leaf(*(names or ("127.0.0.1", "localhost")))
        certificate, key = leaf.write(folder, "cluster")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["http/1.1"])
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.heads: list[bytes] = []
        self.connections: list[Connection] = []
        self.answer: Answer = lambda connection, _head: connection.send(OK)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def access(self, folder: Path) -> dict[str, Any]:
        """What a gate in ``folder`` has to know of it: its entry of the configuration's clusters, and the files that this names."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cluster-ca.crt").write_bytes(self._authority.certificate)
        (folder / "cluster-token").write_text("the-gates-own-token")
        return {"server": f"https://127.0.0.1:{self.port}", "certificate_authority": "cluster-ca.crt", "token_file": "cluster-token"}

    def reset(self) -> None:
        """Forget what came, answer 200 again."""
        self.heads.clear()
        self.answer = lambda connection, _head: connection.send(OK)

    def hang_up(self) -> None:
        """End every connection; new ones are welcome."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.tls.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Close everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            connection = Connection(self._context.wrap_socket(raw, server_side=True))
        except (OSError, ssl.SSLError):
            raw.close()
            return
        self.connections.append(connection)
        while (head := connection.head()) is not None:
            self.heads.append(head)
            self.answer(connection, head)
        connection.closed.set()
        connection.close()
