"""Where a browser brings the answer of a sign-in: a port of 127.0.0.1 that is open for as long as one sign-in takes (RFC 8252 section 7.3)."""

from __future__ import annotations

import hmac
import html
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

PATH = "/callback"
_PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>kgate</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:34rem;padding:0 1rem}}</style>
<h1>{title}</h1><p>{text}</p></html>"""


class Loopback:
    """Open from its making to ``close``. ``uri`` is where the browser is to come."""

    def __init__(self, state: str, iss: str) -> None:
        self._state, self._iss = state, iss
        self.answer: dict[str, str] = {}
        self._server = HTTPServer(("127.0.0.1", 0), _requests_of(self))
        self._server.timeout = 0.5
        self.uri = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def wait(self, seconds: float) -> Mapping[str, str]:
        """The answer's parameters; empty where none came in time. What is not the answer to this sign-in is not taken for one."""
        until = time.monotonic() + seconds
        while not self.answer and time.monotonic() < until:
            self._server.handle_request()
        return self.answer

    def close(self) -> None:
        """No longer."""
        self._server.server_close()

    def take(self, target: str) -> tuple[int, str, str]:
        """A browser came with ``target``: status, title and text of what it is shown."""
        parts = urlsplit(target)
        found = {name: values[0] for name, values in parse_qs(parts.query).items() if len(values) == 1}
        if parts.path != PATH or not hmac.compare_digest(found.get("state", "").encode(), self._state.encode()):
            return 404, "This is not the sign-in that kgate waits for", "Go back to your terminal."
        if found.get("iss") != self._iss:
            return 400, "This answer is another gate's", "Go back to your terminal and sign in again."
        self.answer = found
        if "code" in found:
            return 200, "You are signed in", "You can close this window and go back to your terminal."
        return 400, "That did not work", found.get("error_description", found.get("error", "There is no answer."))


def _requests_of(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        """GET only; nothing is logged, for the target holds a code."""

        timeout = 5

        def do_GET(self) -> None:
            """Answer a browser."""
            status, title, text = loopback.take(self.path)
            body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("referrer-policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Nothing."""

    return Requests
