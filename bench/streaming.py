"""A cluster that streams: watches with events at a steady rate, and exec over WebSocket. ``python -m bench.streaming FOLDER PORT-H2 PORT-H1``.

One thread for each connection, each a loop over one TLS socket. HTTP/2 is kgate's own engine in the server's role. In a watch's query ``rate`` says
how many events a second come (0: none). An exec's command is what happens: ``source`` sends stdout as fast as it is taken, ``sink``
drops what comes, ``echo`` sends each message back.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from kgate.wire import http2
from kgate.wire.events import RequestReceived, StreamReset
from kgate.wire.websocket_handshake import accept_key

EVENT = b'{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","data":"' + b"x" * 400 + b'"}}}\n'
FRAME = 32 * 1024
"""What the API server puts into one message of stdout."""
_SOURCE = b"\x82\x7e" + (FRAME + 1).to_bytes(2, "big") + b"\x01" + b"y" * FRAME
SOURCE = _SOURCE * 8


def serve(context: ssl.SSLContext, port: int) -> None:
    """Accept for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_connection, args=(context, sock), daemon=True).start()


def _connection(context: ssl.SSLContext, sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = context.wrap_socket(sock, server_side=True)
        (_http2 if tls.selected_alpn_protocol() == "h2" else _http1)(tls)
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


def _rate(target: str) -> float:
    return float(parse_qs(urlsplit(target).query).get("rate", ["0"])[0])


# --- HTTP/2: watches only


def _http2(tls: ssl.SSLSocket) -> None:
    wire = http2.ServerConnection(http2.Http2Limits(streams=250), time.monotonic)
    rates: dict[int, float] = {}
    due: list[tuple[float, int]] = []
    while not wire.closing:
        data = wire.data_to_send()
        if data:
            tls.sendall(data)
        if _readable(tls, due):
            received = tls.recv(65536)
            if not received:
                return
            for event in wire.receive(received):
                if isinstance(event, RequestReceived):
                    wire.send_response(event.stream, 200, [(b"content-type", b"application/json")], False)
                    rate = rates[event.stream] = _rate(event.head.target.decode())
                    if rate:
                        heapq.heappush(due, (time.monotonic() + random.random() / rate, event.stream))
                elif isinstance(event, StreamReset):
                    rates.pop(event.stream, None)
        now = time.monotonic()
        while due and due[0][0] <= now:
            at, stream = heapq.heappop(due)
            if stream in rates:
                wire.send_data(stream, EVENT)
                heapq.heappush(due, (at + 1 / rates[stream], stream))


def _readable(tls: ssl.SSLSocket, due: list[tuple[float, int]]) -> bool:
    if tls.pending():
        return True
    wait = max(0.0, due[0][0] - time.monotonic()) if due else None
    return bool(select.select([tls], [], [], wait)[0]) if tls.fileno() < 1024 else _polled(tls, wait)


def _polled(tls: ssl.SSLSocket, wait: float | None) -> bool:
    poll = select.poll()
    poll.register(tls, select.POLLIN)
    return bool(poll.poll(None if wait is None else wait * 1000))


# --- HTTP/1.1: watches, and exec after an upgrade


def _http1(tls: ssl.SSLSocket) -> None:
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            received = tls.recv(65536)
            if not received:
                return
            rest += received
        head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        target = lines[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "sec-websocket-key" in fields:
            _exec(tls, target, fields)
            return
        if "watch" not in target:
            tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
            continue
        _watch(tls, _rate(target))
        return


def _watch(tls: ssl.SSLSocket, rate: float) -> None:
    tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
    due = [(time.monotonic() + random.random() / rate, 0)] if rate else []
    while not _readable(tls, due):
        tls.sendall(chunk)
        due[0] = (due[0][0] + 1 / rate, 0)


def _exec(tls: ssl.SSLSocket, target: str, fields: dict[str, str]) -> None:
    accept = accept_key(fields["sec-websocket-key"].encode()).decode()
    protocol = fields.get("sec-websocket-protocol", "").split(",")[0]
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    tls.sendall(f"{head}Sec-WebSocket-Protocol: {protocol}\r\n\r\n".encode())
    command = parse_qs(urlsplit(target).query).get("command", [""])[0]
    while command == "source":
        tls.sendall(SOURCE)
    buffer = bytearray(1 << 18)  # one for all: making such a large one each time made the first sink of a run half as fast as the others
    while size := tls.recv_into(buffer):
        if command == "echo":
            tls.sendall(_answer(bytes(buffer[:size])))


def _answer(message: bytes) -> bytes:
    """A masked message of less than 126 bytes on stdin, back on stdout."""
    size, mask = message[1] & 0x7F, message[2:6]
    payload = bytes(byte ^ mask[place & 3] for place, byte in enumerate(message[6 : 6 + size]))
    return bytes((0x82, size, 1)) + payload[1:]


def main(folder: Path, *ports: int) -> None:
    """The first port speaks HTTP/2 and HTTP/1.1, the second only HTTP/1.1."""
    threading.stack_size(256 * 1024)
    threads = []
    for port, protocols in zip(ports, (["h2", "http/1.1"], ["http/1.1"]), strict=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        context.set_alpn_protocols(protocols)
        threads.append(threading.Thread(target=serve, args=(context, port)))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
