"""What a 101 agreed on: a table of offers and answers, beside the same over real connections (tests/threats, class 07)."""

from __future__ import annotations

import re

import pytest

from kgate.exchange.agreement import Agreed, agree
from kgate.exchange.tunnel import Kind
from kgate.kube.refusal import Headers, Refusal
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster
from kgate.wire.websocket_handshake import accept_key

pytestmark = pytest.mark.threat("07")

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
POD = b"/api/v1/namespaces/a/pods/web-0"
EXEC, ATTACH = POD + b"/exec?command=sh&tty=true", POD + b"/attach?container=c"
CP = POD + b"/exec?command=tar&command=cf&command=-&command=%2Fx"
FORWARD, LEGACY_FORWARD = POD + b"/portforward", POD + b"/portforward?ports=80,443"
LOGS, PROXY, WATCH = POD + b"/log?follow=true", POD + b"/proxy/ws", b"/api/v1/pods?watch=true"
TOKEN = b"base64url.bearer.authorization.k8s.io.YWxpY2U"


def action_of(target: bytes) -> Action:
    action = parse_action(Cluster("lab"), b"GET", target)
    assert isinstance(action, Action)
    return action


def websocket(*offered: bytes, **changes: bytes) -> Headers:
    lines = {b"upgrade": b"websocket", b"sec-websocket-version": b"13", b"sec-websocket-key": KEY}
    lines |= {name.replace("_", "-").encode(): value for name, value in changes.items()}
    return [*((name, value) for name, value in lines.items() if value), *((b"sec-websocket-protocol", each) for each in offered)]


def switched(*chosen: bytes, **changes: bytes) -> Headers:
    lines = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-accept": accept_key(KEY)}
    lines |= {name.replace("_", "-").encode(): value for name, value in changes.items()}
    return [*((name, value) for name, value in lines.items() if value), *((b"sec-websocket-protocol", each) for each in chosen)]


def spdy(*versions: bytes) -> Headers:
    return [(b"upgrade", b"SPDY/3.1"), (b"connection", b"Upgrade"), *((b"x-stream-protocol-version", each) for each in versions)]


@pytest.mark.parametrize(
    ("target", "offered", "chosen", "kind"),
    [
        (EXEC, (b"v5.channel.k8s.io, v4.channel.k8s.io",), (b"v5.channel.k8s.io",), Kind.COMMAND_WEBSOCKET),
        (EXEC, (TOKEN, b"v4.base64.channel.k8s.io"), (b"v4.base64.channel.k8s.io",), Kind.COMMAND_WEBSOCKET),
        (ATTACH, (b"v4.channel.k8s.io",), (b"v4.channel.k8s.io",), Kind.COMMAND_WEBSOCKET),
        (CP, (b"v5.channel.k8s.io",), (b"v5.channel.k8s.io",), Kind.COMMAND_WEBSOCKET),
        (FORWARD, (b"SPDY/3.1+portforward.k8s.io",), (b"SPDY/3.1+portforward.k8s.io",), Kind.FORWARD_TUNNELLED),
        (LEGACY_FORWARD, (b"v4.channel.k8s.io",), (b"v4.channel.k8s.io",), Kind.FORWARD_LEGACY),
        (LEGACY_FORWARD, (), (), Kind.FORWARD_LEGACY),
        (LOGS, (b"binary.k8s.io",), (b"binary.k8s.io",), Kind.LOG_WEBSOCKET),
        (LOGS, (), (), Kind.LOG_WEBSOCKET),
        (WATCH, (), (), Kind.WATCH_WEBSOCKET),
        (WATCH, (b"anything",), (), Kind.WATCH_WEBSOCKET),
        (PROXY, (b"graphql-ws",), (b"graphql-ws",), Kind.OPAQUE_WEBSOCKET),
        (PROXY, (b"graphql-ws",), (), Kind.OPAQUE_WEBSOCKET),
        (PROXY, (), (), Kind.OPAQUE_WEBSOCKET),
    ],
)
def test_websockets_that_fit(target: bytes, offered: tuple[bytes, ...], chosen: tuple[bytes, ...], kind: Kind) -> None:
    action = action_of(target)
    agreed = agree(action, websocket(*offered), switched(*chosen, x_other=b"1"))
    assert isinstance(agreed, Agreed)
    assert (agreed.tunnel.kind, agreed.tunnel.subprotocol, agreed.tunnel.tty) == (kind, b"".join(chosen), target is EXEC)
    assert agreed.headers == [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-accept", accept_key(KEY)),
        *((b"sec-websocket-protocol", each) for each in chosen),
    ]


UNFIT = "does not fit what was asked for"


@pytest.mark.parametrize(
    ("target", "client", "cluster", "status", "words"),
    [
        (EXEC, websocket(b"v5.channel.k8s.io"), spdy(b"v5.channel.k8s.io"), 502, "another protocol than was asked for"),
        (EXEC, websocket(b"v5.channel.k8s.io"), switched(b"v5.channel.k8s.io", upgrade=b""), 502, "another protocol than was asked for"),
        (EXEC, websocket(b"v5.channel.k8s.io", upgrade=b""), switched(b"v5.channel.k8s.io"), 502, "another protocol than was asked for"),
        (EXEC, websocket(b"v5.channel.k8s.io", sec_websocket_version=b"8"), switched(b"v5.channel.k8s.io"), 400, "is not valid"),
        (EXEC, websocket(b"v5.channel.k8s.io", sec_websocket_key=b"short"), switched(b"v5.channel.k8s.io"), 400, "is not valid"),
        (EXEC, websocket(b"v5.channel.k8s.io", sec_websocket_key=b""), switched(b"v5.channel.k8s.io"), 400, "is not valid"),
        (EXEC, websocket(b"v5.channel.k8s.io"), switched(b"v5.channel.k8s.io", sec_websocket_accept=b"x"), 502, "does not answer the key"),
        (EXEC, websocket(b"v5.channel.k8s.io"), switched(b"v5.channel.k8s.io", sec_websocket_accept=b""), 502, "does not answer the key"),
        (
            PROXY,
            websocket(sec_websocket_extensions=b"permessage-deflate"),
            switched(sec_websocket_extensions=b"permessage-deflate"),
            502,
            "an extension|a WebSocket extension",
        ),
        (EXEC, websocket(b"v5.channel.k8s.io"), switched(), 502, "chose no WebSocket subprotocol"),
        (EXEC, websocket(b"v5.channel.k8s.io"), switched(b"v4.channel.k8s.io"), 502, "or one that was not offered"),
        (
            EXEC,
            websocket(b"v5.channel.k8s.io, v4.channel.k8s.io"),
            switched(b"v5.channel.k8s.io", b"v4.channel.k8s.io"),
            502,
            "subprotocol",
        ),
        (EXEC, websocket(TOKEN, b"v5.channel.k8s.io"), switched(TOKEN), 502, "or one that was not offered"),
        (WATCH, websocket(), switched(b"v5.channel.k8s.io"), 502, "or one that was not offered"),
        (EXEC, websocket(b"SPDY/3.1+portforward.k8s.io"), switched(b"SPDY/3.1+portforward.k8s.io"), 502, UNFIT),
        (FORWARD, websocket(b"v5.channel.k8s.io"), switched(b"v5.channel.k8s.io"), 502, UNFIT),
        (LOGS, websocket(b"v5.channel.k8s.io"), switched(b"v5.channel.k8s.io"), 502, UNFIT),
        (b"/api/v1/pods", websocket(), switched(), 502, f"subprotocol none {UNFIT}"),
        (POD + b"/ephemeralcontainers?watch=1", websocket(), switched(), 502, UNFIT),
        (EXEC, spdy(b"v4.channel.k8s.io"), spdy(b"v5.channel.k8s.io"), 502, UNFIT),
        (EXEC, spdy(b"v4.channel.k8s.io"), spdy(), 502, UNFIT),
        (EXEC, spdy(b"portforward.k8s.io"), spdy(b"portforward.k8s.io"), 502, UNFIT),
        (EXEC, spdy(b"v4.channel.k8s.io", b"v3.channel.k8s.io"), spdy(b"v4.channel.k8s.io", b"v3.channel.k8s.io"), 502, UNFIT),
        (FORWARD, spdy(b"v4.channel.k8s.io"), spdy(b"v4.channel.k8s.io"), 502, UNFIT),
        (LOGS, spdy(b"v4.channel.k8s.io"), spdy(b"v4.channel.k8s.io"), 502, "SPDY/3.1, which is not carried here"),
        (WATCH, spdy(), spdy(), 502, "which is not carried here"),
        (EXEC, [(b"upgrade", b"other/1")], [(b"upgrade", b"other/1")], 502, "other/1, which is not carried here"),
        (PROXY, [(b"upgrade", b"h2c")], [(b"upgrade", b"h2c")], 502, "h2c, which is not carried here"),
        (PROXY, [(b"upgrade", b"HTTP/2.0")], [(b"upgrade", b"HTTP/2.0")], 502, "which is not carried here"),
        (PROXY, [(b"upgrade", b"TLS/1.2")], [(b"upgrade", b"TLS/1.2")], 502, "which is not carried here"),
        (EXEC, [(b"upgrade", b"\x9b1;31m")], [(b"upgrade", b"\x9b1;31m")], 502, r"switched to \?1;31m,"),
    ],
)
def test_an_answer_that_does_not_fit_opens_no_tunnel(target: bytes, client: Headers, cluster: Headers, status: int, words: str) -> None:
    refusal = agree(action_of(target), client, cluster)
    assert isinstance(refusal, Refusal) and refusal.status == status
    assert re.search(words, refusal.message)


@pytest.mark.parametrize(
    ("target", "offered", "chosen", "kind"),
    [
        (EXEC, (b"v4.channel.k8s.io", b"v3.channel.k8s.io"), b"v4.channel.k8s.io", Kind.COMMAND_SPDY),
        (ATTACH, (b"v4.channel.k8s.io",), b"v4.channel.k8s.io", Kind.COMMAND_SPDY),
        (CP, (b"v5.channel.k8s.io", b"v4.channel.k8s.io"), b"v4.channel.k8s.io", Kind.COMMAND_SPDY),
        (FORWARD, (b"portforward.k8s.io",), b"portforward.k8s.io", Kind.FORWARD_SPDY),
    ],
)
def test_spdy_that_fits(target: bytes, offered: tuple[bytes, ...], chosen: bytes, kind: Kind) -> None:
    agreed = agree(action_of(target), spdy(*offered), [*spdy(chosen), (b"x-other", b"1")])
    assert isinstance(agreed, Agreed)
    assert (agreed.tunnel.kind, agreed.tunnel.subprotocol, agreed.tunnel.tty) == (kind, chosen, target is EXEC)
    assert agreed.headers == [(b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1"), (b"x-stream-protocol-version", chosen)]


def test_names_of_protocols_have_no_case() -> None:
    agreed = agree(action_of(WATCH), websocket(upgrade=b"WebSocket"), switched(upgrade=b"WEBSOCKET"))
    assert isinstance(agreed, Agreed) and agreed.tunnel.kind is Kind.WATCH_WEBSOCKET
    over_spdy = agree(action_of(FORWARD), [(b"upgrade", b"spdy/3.1"), *spdy(b"portforward.k8s.io")[1:]], spdy(b"portforward.k8s.io"))
    assert isinstance(over_spdy, Agreed) and over_spdy.tunnel.kind is Kind.FORWARD_SPDY


def test_a_proxied_server_may_speak_what_it_likes_but_http() -> None:
    agreed = agree(action_of(PROXY), spdy(), spdy())
    assert isinstance(agreed, Agreed) and agreed.tunnel.kind is Kind.OPAQUE
    assert agreed.headers == [(b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1")]
