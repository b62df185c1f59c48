"""The demo's sign-in page as a process: ``python -m kgate.demo.sign_in --directory DIR --redirect-uri URI``.

``DIR/people.yaml`` says who there is, ``DIR/idp.crt`` and ``DIR/idp.key`` are its certificate, ``DIR/oidc-secret`` is the gate's secret. It prints one line,
``sign-in PORT``, and writes ``DIR/issuer``. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

import click
import yaml
from twisted.internet import ssl
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from kgate.demo.provider import DemoProvider, People, Reply

CLIENT_ID = "kgate"


class _Everything(Resource):
    """All paths, answered by the provider."""

    isLeaf = True

    def __init__(self, provider: DemoProvider) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._provider = provider

    def render(self, request: Request) -> bytes:
        """One request."""
        path, _, query = request.uri.decode("latin-1").partition("?")
        form = request.content.read(65536).decode("utf-8", "replace") if request.content is not None else ""
        authorization = request.getHeader("authorization") or ""
        reply: Reply = self._provider.answer(request.method.decode("latin-1"), path, query, form, authorization)
        request.setResponseCode(reply.status)
        for name, value in reply.headers:
            request.setHeader(name, value)
        return reply.body


def read_people(path: Path) -> People:
    """Who there is now; nobody, where the file makes no sense at this moment."""
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return {}
    people = found if isinstance(found, dict) else {}
    return {str(name): [str(group) for group in groups or []] for name, groups in people.items() if isinstance(groups, list | None)}


@click.command()
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where its files are.")
@click.option("--redirect-uri", required=True, help="Where people are sent back to: the gate's /login/callback.")
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
def main(directory: Path, redirect_uri: str, port: int) -> None:
    """Run the page until it is told to stop."""
    from twisted.internet import reactor as the_reactor

    reactor: Any = the_reactor
    pair = ssl.DefaultOpenSSLContextFactory(str(directory / "idp.key"), str(directory / "idp.crt"))
    holder = Resource()
    site = Site(holder)
    site.noisy = False
    listening = reactor.listenSSL(port, site, pair, interface="127.0.0.1")
    issuer = f"https://127.0.0.1:{listening.getHost().port}"
    secret = (directory / "oidc-secret").read_text().strip()
    people = directory / "people.yaml"
    provider = DemoProvider(
        issuer, CLIENT_ID, secret, redirect_uri, lambda: read_people(people), lambda: secrets.token_urlsafe(32), time.time
    )
    site.resource = _Everything(provider)
    (directory / "issuer").write_text(issuer)
    print("sign-in", listening.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
