"""The admin address of a gate with several workers: each page is asked of all of them, over a socket in the file system, and put together.

``/metrics`` has every worker's figures with a ``worker`` label, so nothing is added up that cannot be (a quantile, a restart). ``/readyz`` is ready while one
worker is: the kernel gives connections only to those that listen, and a worker that is being started again is named. All are asked at once, each for a
limited time, so that one that hangs does not make the answer later than whoever asks will wait.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import ensureDeferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.web.client import Agent, ResponseFailed
from twisted.web.http import Request as HttpRequest
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from kgate.api.admin import METRICS, OK, TEXT, site_of
from kgate.metrics import by_worker
from kgate.net.ways import Quiet
from kgate.net.web import body_of

READY_SECONDS = 0.75
"""A worker that is busy for longer is reported as not answering. A probe of Kubernetes' waits for 1 s if nothing else is said."""
METRICS_SECONDS = 5.0
"""A scrape of Prometheus' waits for 10 s."""
MOST_BYTES = 64 * 1024 * 1024
"""Of a worker's page."""

Page = tuple[int, bytes]


@implementer(IAgentEndpointFactory)
@frozen
class _SocketFile:
    """Every URI is the same socket."""

    reactor: Any
    path: Path

    def endpointForURI(self, uri: object) -> Quiet:
        """Twisted's question."""
        return Quiet(UNIXClientEndpoint(self.reactor, str(self.path)))


class _Gathered(Resource):
    """A page that takes a moment."""

    isLeaf = True

    def __init__(self, page: Callable[[], Coroutine[Any, Any, Page]], content_type: bytes = TEXT) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page, self._content_type = page, content_type

    def render_GET(self, request: Request) -> int:
        """The page as of now."""
        ensureDeferred(self._answer(request))
        return NOT_DONE_YET

    async def _answer(self, request: HttpRequest) -> None:
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)
        status, body = await self._page()
        if gone:
            return  # whoever asked did not wait
        request.setResponseCode(status)
        request.setHeader(b"content-type", self._content_type)
        request.write(body)
        request.finish()


def gathered_site(reactor: Any, sockets: Callable[[], Mapping[int, Path]], restarts: Callable[[], Mapping[int, int]]) -> Site:
    """``sockets`` are the workers' admin sockets by number, ``restarts`` how often each was started again."""

    async def asked(path: bytes, seconds: float) -> dict[int, Page | None]:
        asking = {number: ensureDeferred(_ask(reactor, place, path, seconds)) for number, place in sockets().items()}
        return {number: await answer for number, answer in asking.items()}

    async def healthz() -> Page:
        return 200, b"ok\n"

    async def readyz() -> Page:
        answers = await asked(b"/readyz", READY_SECONDS)
        ready = any(answer is not None and answer[0] == 200 for answer in answers.values())
        lines = [OK] if ready else []
        lines += [_told(number, answer) for number, answer in answers.items()]
        return (200 if ready else 503), "".join(lines).encode()

    async def metrics() -> Page:
        answers = await asked(b"/metrics", METRICS_SECONDS)
        return 200, by_worker({number: answer[1] for number, answer in answers.items() if answer is not None}, restarts())

    return site_of({b"healthz": _Gathered(healthz), b"readyz": _Gathered(readyz), b"metrics": _Gathered(metrics, METRICS)})


def _told(number: int, answer: Page | None) -> str:
    if answer is None:
        return f"worker {number}: does not answer\n"
    return "".join(f"worker {number}: {line}\n" for line in answer[1].decode("utf-8", "replace").splitlines() if line != OK.strip())


async def _ask(reactor: Any, place: Path, path: bytes, seconds: float) -> Page | None:
    """One worker's page; None where it does not answer within ``seconds``."""
    try:
        return await ensureDeferred(_get(reactor, place, path)).addTimeout(seconds, reactor, lambda _cancelled, _seconds: None)
    except (ConnectError, ConnectionClosed, ResponseFailed):
        return None


async def _get(reactor: Any, place: Path, path: bytes) -> Page | None:
    response = await Agent.usingEndpointFactory(reactor, _SocketFile(reactor, place)).request(b"GET", b"http://worker" + path)
    body = await body_of(response, MOST_BYTES)
    return (response.code, body) if body is not None else None
