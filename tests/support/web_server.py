"""A web server of a test's own, with real TLS, in a thread: an issuer's key set, an inventory, a webhook."""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from authority import Authority


@frozen
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class Page:
    """What is answered; ``before`` runs first (waits, counts, closes)."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    before: Callable[[], None] = field(default=lambda: None)


def document(value: object, **more: Any) -> Page:
    """A page of JSON."""
    return Page(200, json.dumps(value).encode(), (("content-type", "application/json"),), **more)


@define
class WebServer:
    """``pages`` by path, without the query; exchange them at any time. ``seen`` is everything that was asked."""

    url: str
    authority: Authority
    pages: dict[str, Page | Callable[[Seen], Page]] = field(factory=dict)
    seen: list[Seen] = field(factory=list)

    @property
    def pem(self) -> str:
        """Whom to trust."""
        return self.authority.certificate.decode()

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [each.path for each in self.seen]


@contextmanager
def web_server(authority: Authority | None = None, *names: str, port: int = 0) -> Iterator[WebServer]:
    """A server on 127.0.0.1 whose certificate is for ``names`` (default: 127.0.0.1)."""
    authority = authority or Authority()
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = authority.leaf(*(names or ("127.0.0.1",))).write(Path(folder), "web")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", port), _Answering)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that does not trust us, or waits no longer
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web = WebServer(f"https://127.0.0.1:{server.server_port}", authority)
    server.web = web  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


class _Answering(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        web: WebServer = self.server.web  # type: ignore[attr-defined]
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, self.rfile.read(length))
        web.seen.append(seen)
        found = web.pages.get(self.path.partition("?")[0], Page(404))
        page = found(seen) if callable(found) else found
        page.before()
        self.send_response(page.status)
        for name, value in page.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""
