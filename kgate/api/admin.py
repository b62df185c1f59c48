"""The admin address: /healthz (the process runs), /readyz (it can serve requests now), /metrics. Clear text, no credentials.

/readyz is for whoever sends requests here or elsewhere. What all gates have in common, an identity provider that is away or a file with a mistake in it,
would take all of them out at once, though each serves by what it had: so that is told, and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

TEXT = b"text/plain; charset=utf-8"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"
OK = "ok\n"


@frozen
class Readiness:
    """What is not as it should be, each by its name, in words."""

    stops: Mapping[str, str]
    """Why no request can be served here now: 503."""
    warns: Mapping[str, str]
    """What somebody should look at, while requests are served."""

    def page(self) -> tuple[int, bytes]:
        """Status and body."""
        lines = [f"{name}: {text}\n" for name, text in self.stops.items()] or [OK]
        lines += [f"warning: {name}: {text}\n" for name, text in self.warns.items()]
        return (503 if self.stops else 200), "".join(lines).encode()


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


class AdminSite(Site):
    """Twisted's without its log of accesses."""

    noisy = False
    displayTracebacks = False

    def log(self, request: HttpRequest) -> None:
        """Nothing."""


def admin_site(ready: Callable[[], Readiness], metrics: Callable[[], bytes]) -> Site:
    """The pages of one process; ``ready`` and ``metrics`` give theirs as of now."""
    return site_of(
        {
            b"healthz": _Page(lambda: (200, OK.encode())),
            b"readyz": _Page(lambda: ready().page()),
            b"metrics": _Page(lambda: (200, metrics()), METRICS),
        }
    )


def site_of(pages: Mapping[bytes, Any]) -> Site:
    """These pages and no other; what fails in one shows in the log only, and that one was asked for does not: probes do that every few seconds."""
    root = Resource()
    for name, page in pages.items():
        root.putChild(name, page)
    return AdminSite(root)  # type: ignore[no-untyped-call]
