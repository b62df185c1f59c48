"""The admin address: /healthz (the process runs), /readyz (it can decide, record and reach its clusters), /metrics. Clear text, no credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

TEXT = b"text/plain; charset=utf-8"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"


class _Page(Resource):
    """One page; ``render`` gives status and body."""

    isLeaf = True

    def __init__(self, page: Callable[[], tuple[int, bytes]], content_type: bytes = TEXT) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page, self._content_type = page, content_type

    def render_GET(self, request: Request) -> bytes:
        """The page as of now."""
        status, body = self._page()
        request.setResponseCode(status)
        request.setHeader(b"content-type", self._content_type)
        return body


def admin_site(ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> Site:
    """``ready()`` names each thing that is not as it should be, with its words; nothing named is ready."""

    def readyz() -> tuple[int, bytes]:
        problems = ready()
        lines = [f"{name}: {text}\n" for name, text in problems.items()] or ["ok\n"]
        return (503 if problems else 200), "".join(lines).encode()

    return site_of(
        {
            b"healthz": _Page(lambda: (200, b"ok\n")),
            b"readyz": _Page(readyz),
            b"metrics": _Page(lambda: (200, metrics()), METRICS),
        }
    )


def site_of(pages: Mapping[bytes, Any]) -> Site:
    """These pages and no other; what fails in one shows in the log only."""
    root = Resource()
    for name, page in pages.items():
        root.putChild(name, page)
    site = Site(root)
    site.displayTracebacks = False
    site.noisy = False
    return site
