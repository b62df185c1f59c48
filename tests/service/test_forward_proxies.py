"""Clusters and identity providers behind a company's forward proxy: by HTTP CONNECT and by SOCKS5, and what is read where it will not let the gate through."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import Arena
from forward_proxies import ForwardProxy
from identity_gate import identity_gate
from identity_provider import oidc_provider
from lab.waiting import eventually
from running import PODS, Make


class Behind:
    """A gate whose cluster ``localhost`` is behind a proxy."""

    def __init__(self, make: Make, *, socks: bool) -> None:
        self.proxy = ForwardProxy(socks=socks)
        self.arena: Arena = make({"proxy_url": f"{'socks5' if socks else 'http'}://gate:s%40cret@127.0.0.1:{self.proxy.port}"})
        self.arena.gate.start()


@pytest.fixture(scope="module", params=["HTTP CONNECT", "SOCKS5"])
def behind(make_shared: Make, request: pytest.FixtureRequest) -> Iterator[Behind]:
    """Either kind."""
    made = Behind(make_shared, socks=request.param == "SOCKS5")
    yield made
    made.proxy.stop()


def test_the_way_leads_through_it_and_tls_through_to_the_cluster(behind: Behind) -> None:
    assert behind.arena.get(PODS) == 200
    asked, port = behind.proxy.asked[-1], behind.arena.cluster.port
    if asked.startswith(b"CONNECT"):
        assert asked.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % port)
        assert b"\r\nProxy-Authorization: Basic " + b64encode(b"gate:s@cret") + b"\r\n" in asked
    else:
        assert asked == b"\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big")
        assert behind.proxy.people[-1] == b"\x01\x04gate\x06s@cret"
    assert b"secret" not in b"".join(behind.arena.cluster.heads)
    assert "s@cret" not in behind.arena.gate.log.read_text() and "s%40cret" not in behind.arena.gate.log.read_text()


def test_a_proxy_that_refuses_is_quoted(behind: Behind) -> None:
    http = not behind.proxy.asked or behind.proxy.asked[-1].startswith(b"CONNECT")
    behind.proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n" if http else b"\x05\x02\x00\x01" + bytes(6)
    words = b"the proxy answered HTTP/1.1 407 Proxy Authentication Required" if http else b"the SOCKS proxy answered: not allowed"
    behind.arena.cluster.hang_up()
    try:
        with behind.arena.client() as client:
            client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + behind.arena.head + b"\r\n")
            assert client.status() == 503
            assert b"cluster lab cannot be reached: " + words in client.last_body
    finally:
        behind.proxy.answer = b""
    assert behind.arena.get(PODS) == 200


@pytest.fixture(params=["HTTP CONNECT", "SOCKS5"])
def proxy(request: pytest.FixtureRequest) -> Iterator[ForwardProxy]:
    made = ForwardProxy(socks=request.param == "SOCKS5")
    yield made
    made.stop()


def test_an_identity_provider_behind_it(proxy: ForwardProxy, tmp_path: Path) -> None:
    url = f"{'socks5' if proxy.socks else 'http'}://127.0.0.1:{proxy.port}"
    (tmp_path / "gate").mkdir()
    with oidc_provider(tmp_path) as idp, identity_gate(tmp_path / "gate", {"oidc": [idp.issuer()]}, web_proxy={"url": url}) as gate:
        assert gate.whoami(idp.token("alice"))["user"] == "alice"
        port = int(idp.url.rpartition(":")[2])
        there = b"\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big") if proxy.socks else b"CONNECT 127.0.0.1:%d HTTP/1.1" % port
        assert proxy.asked and all(asked.startswith(there) for asked in proxy.asked)  # the cluster is not asked through it
        assert gate.ask(idp.token("alice"))[0] == 200
        proxy.answer = b"\x05\x02\x00\x01" + bytes(6) if proxy.socks else b"HTTP/1.1 403 Forbidden\r\n\r\n"
        idp.do("rotate")
        said = "the SOCKS proxy answered: not allowed" if proxy.socks else "the proxy answered HTTP/1.1 403 Forbidden"
        assert gate.ask(idp.token("alice"))[0] == 401
        assert f"it cannot be reached: {said}" in gate.gate.admin("/readyz")[1]
        gate.gate.write("kgate.yaml", {**gate.gate.config, "web_proxy": {"url": url, "direct": ["127.0.0.1"]}})
        eventually("it is asked without the proxy", lambda: gate.ask(idp.token("alice"))[0] == 200, 40, 0.5)
        before = len(proxy.asked)
        idp.do("rotate")
        eventually("and so are its next keys", lambda: gate.ask(idp.token("alice"))[0] == 200, 40, 0.5)
        assert len(proxy.asked) == before
