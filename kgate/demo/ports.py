"""What listens in every pod: a small web server on port 8080 and an echo on port 5432.

``GET /`` names the pod; ``GET /bytes/N`` gives N bytes (``0123456789`` over and over); a body that is sent is read and its size and SHA-256 told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from kgate.demo.pipes import CAPACITY, Pipe, Writer

Service = Callable[[str, Pipe, Writer], Awaitable[None]]

_PATTERN = b"0123456789" * (CAPACITY // 10)


def pattern(start: int, size: int) -> bytes:
    """``size`` bytes (at most a pipe's) of what ``/bytes/N`` gives, from offset ``start`` on."""
    turn = start % 10
    return (_PATTERN[turn:] + _PATTERN[:turn])[:size]


async def _web(pod: str, source: Pipe, sink: Writer) -> None:
    while request := await source.read_line():
        method, _, rest = request.decode("latin-1").strip().partition(" ")
        path = rest.partition(" ")[0]
        headers: dict[str, str] = {}
        while (line := (await source.read_line()).strip()) and len(headers) < 100:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        size, digest = await _body(source, headers.get("content-length", "0"))
        last = headers.get("connection", "").lower() == "close" or rest.endswith("HTTP/1.0")
        if path.startswith("/bytes/") and path[7:].isdigit():
            await _bytes(sink, int(path[7:]), head_only=method == "HEAD", last=last)
        else:
            text = f"received {size} bytes, sha256 {digest}\n" if size else f"hello from {pod}\n"
            await _answer(sink, text.encode(), head_only=method == "HEAD", last=last)
        if last:
            return


async def _body(source: Pipe, length: str) -> tuple[int, str]:
    left, digest = int(length) if length.isdigit() else 0, hashlib.sha256()
    size = left
    while left and (piece := await source.read(min(left, CAPACITY))):
        digest.update(piece)
        left -= len(piece)
    return size, digest.hexdigest()


def _head(length: int, last: bool) -> bytes:
    end = "close" if last else "keep-alive"
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: {end}\r\n\r\n".encode()


async def _answer(sink: Writer, body: bytes, *, head_only: bool, last: bool) -> None:
    await sink.write(_head(len(body), last) + (b"" if head_only else body))


async def _bytes(sink: Writer, size: int, *, head_only: bool, last: bool) -> None:
    await sink.write(_head(size, last))
    sent = size if head_only else 0
    while sent < size:
        piece = pattern(sent, min(size - sent, len(_PATTERN)))
        await sink.write(piece)
        sent += len(piece)


async def _echo(pod: str, source: Pipe, sink: Writer) -> None:
    while piece := await source.read():
        await sink.write(piece)


SERVICES: dict[int, Service] = {8080: _web, 5432: _echo}
