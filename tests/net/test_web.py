"""Asking other people's web servers over real TLS: a whole answer in time, or a sentence that says why not."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from authority import Authority
from forward_proxies import ForwardProxy
from OpenSSL import SSL
from reactors import turn_until
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from web_server import Page, WebServer, document, web_server

from kgate.net.web import PREPARED_SECONDS, Asking, Reply, Trust, Unreachable
from kgate.settings.operation import WebProxySettings
from kgate.settings.values import ProxyUrl


@pytest.fixture
def reactor(global_reactor: Any) -> Any:
    return global_reactor


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def ask(reactor: Any, asking: Asking, url: str, method: str = "GET", **how: Any) -> Reply | Unreachable:
    answers: list[Any] = []
    Deferred.fromCoroutine(asking.ask(method, url, **how)).addBoth(answers.append)
    turn_until(reactor, lambda: bool(answers))
    found: Reply | Unreachable = answers[0]
    return found


def test_a_whole_answer(reactor: Any, web: WebServer) -> None:
    web.pages["/keys"] = document({"keys": []})
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/keys?x=1", headers=[("accept", "application/json")])
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b'{"keys": []}', "application/json")
    assert (web.seen[-1].path, web.seen[-1].headers["accept"]) == ("/keys?x=1", "application/json")


def test_a_body_goes_along(reactor: Any, web: WebServer) -> None:
    web.pages["/echo"] = lambda seen: Page(201, seen.body)
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/echo", "POST", body=b"token=x")
    assert isinstance(answer, Reply)
    assert (answer.status, answer.body) == (201, b"token=x")


def test_it_leaves_nothing_in_the_log(reactor: Any, web: WebServer) -> None:
    web.pages["/keys"] = document({"keys": []})
    proxy, logged = ForwardProxy(), list[LogEvent]()
    globalLogPublisher.addObserver(logged.append)
    try:
        for way in (None, WebProxySettings(ProxyUrl(f"http://127.0.0.1:{proxy.port}"))):
            assert isinstance(ask(reactor, Asking(reactor, web.pem, lambda way=way: way), f"{web.url}/keys"), Reply)
    finally:
        globalLogPublisher.removeObserver(logged.append)
        proxy.stop()
    assert [formatEvent(event) for event in logged] == []


def test_a_redirect_is_an_answer_like_any_other(reactor: Any, web: WebServer) -> None:
    web.pages["/moved"] = Page(302, headers=(("location", f"{web.url}/keys"),))
    before = len(web.seen)
    answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/moved")
    assert isinstance(answer, Reply)
    assert answer.status == 302
    assert web.paths()[before:] == ["/moved"]


def test_too_much_is_not_read(reactor: Any, web: WebServer) -> None:
    web.pages["/huge"] = Page(200, b"x" * 5_000_000)
    assert ask(reactor, Asking(reactor, web.pem), f"{web.url}/huge", limit=1000) == Unreachable("answered with more than 1000 bytes")


def test_whoever_is_slow_is_not_waited_for(reactor: Any, web: WebServer) -> None:
    release = threading.Event()
    web.pages["/slow"] = Page(200, before=lambda: release.wait(120) and None)
    assert ask(reactor, Asking(reactor, web.pem), f"{web.url}/slow", seconds=0.2) == Unreachable("did not answer within 0.2 s")
    release.set()


def test_a_firewall_that_drops_what_comes_is_not_waited_for(reactor: Any) -> None:
    """Nobody answers the connection itself, for longer than the whole answer may take."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
        for _ in range(3):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(full.getsockname())
        answer = ask(reactor, Asking(reactor), f"https://127.0.0.1:{full.getsockname()[1]}/keys", seconds=0.2)
        assert answer == Unreachable("did not answer within 0.2 s")


def test_another_authority_is_not_believed(reactor: Any, web: WebServer) -> None:
    other = Authority("somebody else").certificate.decode()
    answer = ask(reactor, Asking(reactor, other), f"{web.url}/keys")
    assert answer == Unreachable("cannot be trusted: certificate verify failed")


def test_the_system_does_not_know_our_authority(reactor: Any, web: WebServer) -> None:
    assert ask(reactor, Asking(reactor), f"{web.url}/keys") == Unreachable("cannot be trusted: certificate verify failed")


def test_the_certificate_must_be_for_that_name(reactor: Any) -> None:
    with web_server(None, "elsewhere.example") as web:
        answer = ask(reactor, Asking(reactor, web.pem), f"{web.url}/keys")
        assert answer == Unreachable("cannot be trusted: its certificate is for another name")


def test_nobody_there(reactor: Any) -> None:
    answer = ask(reactor, Asking(reactor), "https://127.0.0.1:1/keys")
    assert isinstance(answer, Unreachable)
    assert answer.text.startswith("cannot be reached: Connection was refused")


@pytest.mark.parametrize(
    "url", ["", "https://", "https://h:port/", "https://[", "https://h /", "https://\N{SNOWMAN}/", "https://h/\r\nX: y"]
)
def test_an_address_that_is_none(reactor: Any, url: str) -> None:
    assert ask(reactor, Asking(reactor), url) == Unreachable("has an address that is none")


@pytest.mark.parametrize(
    ("url", "why"), [("https://a..b/", "Empty Label"), ("https://my_idp/", "Codepoint U+005F"), ("https://xn--/", "Malformed")]
)
def test_a_host_name_that_no_certificate_could_have(reactor: Any, url: str, why: str) -> None:
    answer = ask(reactor, Asking(reactor), url)
    assert isinstance(answer, Unreachable) and answer.text.startswith(f"has a host name that no certificate could have: {why}")


@pytest.fixture(params=["HTTP CONNECT", "SOCKS5"])
def proxy(request: pytest.FixtureRequest) -> Iterator[ForwardProxy]:
    made = ForwardProxy(socks=request.param == "SOCKS5")
    yield made
    made.stop()


def settings(proxy: ForwardProxy, *direct: str) -> WebProxySettings:
    url = f"socks5://127.0.0.1:{proxy.port}" if proxy.socks else f"http://gate:s%40cret@127.0.0.1:{proxy.port}"
    return WebProxySettings(ProxyUrl(url), direct)


def test_the_way_leads_through_a_forward_proxy_and_tls_through_to_the_server(reactor: Any, web: WebServer, proxy: ForwardProxy) -> None:
    web.pages["/big"] = Page(200, b"x" * 500_000)
    answer = ask(reactor, Asking(reactor, web.pem, lambda: settings(proxy)), f"{web.url}/big")
    assert isinstance(answer, Reply) and len(answer.body) == 500_000
    port = int(web.url.rpartition(":")[2])
    if proxy.socks:
        assert proxy.asked == [b"\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big")]
    else:
        assert proxy.asked[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % port)
        assert b"\r\nProxy-Authorization: Basic " + b64encode(b"gate:s@cret") + b"\r\n" in proxy.asked[0]
    assert "proxy-authorization" not in web.seen[-1].headers


def test_the_server_behind_a_proxy_must_be_who_it_says(reactor: Any, web: WebServer, proxy: ForwardProxy) -> None:
    other = Authority("somebody else").certificate.decode()
    answer = ask(reactor, Asking(reactor, other, lambda: settings(proxy)), f"{web.url}/keys")
    assert answer == Unreachable("cannot be trusted: certificate verify failed")


def test_some_hosts_are_asked_without_the_proxy(reactor: Any, web: WebServer, proxy: ForwardProxy) -> None:
    web.pages["/keys"] = document({"keys": []})
    for direct in ("127.0.0.1", "127.*"):
        assert isinstance(ask(reactor, Asking(reactor, web.pem, lambda direct=direct: settings(proxy, direct)), f"{web.url}/keys"), Reply)
    assert proxy.asked == []


def test_a_proxy_that_refuses_is_quoted(reactor: Any, web: WebServer, proxy: ForwardProxy) -> None:
    proxy.answer = b"\x05\x02\x00\x01" + bytes(6) if proxy.socks else b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    words = "the SOCKS proxy answered: not allowed" if proxy.socks else "the proxy answered HTTP/1.1 407 Proxy Authentication Required"
    answer = ask(reactor, Asking(reactor, web.pem, lambda: settings(proxy)), f"{web.url}/keys")
    assert answer == Unreachable(f"cannot be reached: {words}")


def test_a_proxy_that_is_not_there_or_says_nothing(reactor: Any, web: WebServer, proxy: ForwardProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = WebProxySettings(ProxyUrl(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        answer = ask(reactor, Asking(reactor, web.pem, lambda: there), f"{web.url}/keys", seconds=1.0)
        assert answer == Unreachable("did not answer within 1 s")
        asked, _ = silent.accept()
        with asked:
            asked.settimeout(0)
            assert asked.recv(4096).startswith(b"CONNECT ")
            turn_until(reactor, lambda: _is_over(asked))  # given up, not left open
    answer = ask(reactor, Asking(reactor, web.pem, lambda: WebProxySettings(ProxyUrl("http://127.0.0.1:1"))), f"{web.url}/keys")
    assert isinstance(answer, Unreachable) and answer.text.startswith("cannot be reached: Connection was refused")


def _is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


class Endless:
    """A server that says ``first``, and then ``line`` until nobody listens any more; ``said`` counts what was taken."""

    def __init__(self, first: bytes, line: bytes) -> None:
        self._first, self._piece = first, line * max(1, 65536 // len(line))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"
        self.said = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with contextlib.suppress(OSError), connection:
            connection.sendall(self._first)
            while True:
                connection.sendall(self._piece)
                self.said += len(self._piece)

    def close(self) -> None:
        self._server.close()


MORE = b"x-more: " + b"a" * 8000 + b"\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.threat("21")
@pytest.mark.parametrize(
    ("first", "line", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n", MORE, "answered with more than 1000 bytes"),
        (b"", b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n", "answered with more than 1000 bytes"),
        (CHUNKED + b"0\r\n", MORE, "cannot be reached: Trailer headers data is too long"),
    ],
    ids=["head", "informational", "trailers"],
)
def test_an_answer_without_end_outside_of_its_body_is_given_up(reactor: Any, first: bytes, line: bytes, why: str) -> None:
    """Twisted keeps each field, however many there are: in the seconds that an answer may take, hundreds of megabytes."""
    server = Endless(first, line)
    answer = ask(reactor, Asking(reactor), server.url, limit=1000, seconds=20.0)
    server.close()
    assert answer == Unreachable(why)
    assert server.said < 8 * 1024 * 1024, "what is on its way in the kernel counts too"


def contexts() -> int:
    """OpenSSL's, that are somewhere."""
    return sum(isinstance(each, SSL.Context) for each in gc.get_objects())


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_tls_is_prepared_once_for_all_questions_to_a_host(reactor: Any, web: WebServer) -> None:
    """With the system's roots it is 800 KB each time, which the collector does not weigh and seldom comes for."""
    web.pages["/keys"] = document({"keys": []})
    asking, before = Asking(reactor, web.pem), contexts()
    for _ in range(5):
        assert isinstance(ask(reactor, asking, f"{web.url}/keys"), Reply)
    assert contexts() - before == 1


def test_tls_is_prepared_anew_after_a_while() -> None:
    """The system's roots may be others by then."""
    clock = [0.0]
    trust = Trust(None, lambda: clock[0])
    first = trust.creatorForNetloc(b"idp.example", 443)
    assert trust.creatorForNetloc(b"idp.example", 443) is first and trust.creatorForNetloc(b"other.example", 443) is not first
    clock[0] = PREPARED_SECONDS
    assert trust.creatorForNetloc(b"idp.example", 443) is not first
