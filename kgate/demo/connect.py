"""exec, attach and port-forward: from the request to what speaks after the 101, or why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from kgate.demo.answers import Answer, Reply, Switch, Tunnel, refused
from kgate.demo.containers import Container, Streams
from kgate.demo.forwarding import LEGACY, PROTOCOL, TUNNELLED, LegacyForward, SpdyForward, Target, TunnelledForward
from kgate.demo.kinds import POD
from kgate.demo.pods import container_named
from kgate.demo.programs import PROGRAMS
from kgate.demo.remote import Begin, NoInput, OpenInput, Started, Wants, not_found_status
from kgate.demo.remote_spdy import PROTOCOLS, SpdyRemote
from kgate.demo.remote_websocket import SUBPROTOCOLS, WebSocketRemote
from kgate.demo.requests import Asked, Request
from kgate.demo.schema import Object
from kgate.demo.status import Refusal, bad_request, not_found
from kgate.demo.world import World
from kgate.wire.websocket_handshake import accept_key, choose, request_problem, values

WEBSOCKET, SPDY = "websocket", "spdy/3.1"


def connect(world: World, asked: Asked) -> Answer:
    """Open what is asked for."""
    found, request = asked.route, asked.request
    pod = world.store.get(POD, found.namespace, found.name)
    if pod is None:
        return refused(not_found(POD, found.name))
    if request.upgrade not in (WEBSOCKET, SPDY):
        return refused(bad_request("Upgrade request required"))
    if found.subresource == "portforward":
        return _forward(request, pod)
    name = container_named(pod, request.first("container"))
    if isinstance(name, Refusal):
        return refused(name)
    container = world.kubelet.container(found.namespace, found.name, name)
    if container is None or not world.kubelet.is_running(found.namespace, found.name, name):
        text = f'Internal error occurred: unable to upgrade connection: container not found ("{name}")'
        return refused(Refusal(500, "InternalError", text))
    return _remote(request, container, attached=found.subresource == "attach")


# --- what is agreed on


def _websocket(request: Request, supported: Sequence[bytes]) -> bytes | Refusal:
    """The subprotocol: empty where the client offered none, which means the oldest."""
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    if problem := request_problem(headers):
        return bad_request(problem)
    offered = values(headers, b"sec-websocket-protocol")
    chosen = choose(offered, supported)
    if offered and chosen is None:
        return bad_request(f"none of the offered subprotocols is supported: {', '.join(name.decode() for name in offered)}")
    return chosen or b""


def _socket_answer(request: Request, chosen: bytes, tunnel: Callable[[], Tunnel]) -> Switch:
    key = request.header("sec-websocket-key").encode()
    named = (("Sec-WebSocket-Protocol", chosen.decode()),) if chosen else ()
    headers = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(key).decode()), *named)
    return Switch(headers, tunnel)


def _spdy(request: Request, supported: Sequence[str]) -> str | Reply:
    """The stream protocol: the client's first that is supported."""
    offered = [part.strip() for part in request.header("x-stream-protocol-version").split(",") if part.strip()]
    if not offered:
        return refused(bad_request("X-Stream-Protocol-Version header is required"))
    chosen = next((name for name in offered if name in supported), None)
    if chosen is not None:
        return chosen
    reply = refused(Refusal(403, "Forbidden", f"unable to upgrade: none of the protocols {offered} is supported"))
    return Reply(403, reply.body, reply.content_type, (("X-Accepted-Stream-Protocol-Versions", ",".join(supported)),))


def _spdy_answer(chosen: str, tunnel: Callable[[], Tunnel]) -> Switch:
    return Switch((("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", chosen)), tunnel)


# --- exec and attach


def _remote(request: Request, container: Container, *, attached: bool) -> Answer:
    tty = request.flag("tty")
    wants = Wants(request.flag("stdin"), request.flag("stdout"), request.flag("stderr") and not tty, tty)
    words = request.every("command")
    if not attached and not words:
        return refused(bad_request("you must specify at least 1 command for the container"))
    if not (wants.stdin or wants.stdout or wants.stderr):
        return refused(bad_request("you must specify at least 1 of stdin, stdout, stderr"))
    begin = _attach(container, wants) if attached else _execute(container, wants, words)
    if request.upgrade == WEBSOCKET:
        subprotocol = _websocket(request, SUBPROTOCOLS)
        if isinstance(subprotocol, Refusal):
            return refused(subprotocol)
        return _socket_answer(request, subprotocol, lambda: WebSocketRemote(begin, wants, subprotocol))
    protocol = _spdy(request, PROTOCOLS)
    return protocol if isinstance(protocol, Reply) else _spdy_answer(protocol, lambda: SpdyRemote(begin, wants, protocol))


def _execute(container: Container, wants: Wants, words: list[str]) -> Begin:
    def begin(streams: Streams, drained: Callable[[], None]) -> Started | Object:
        if words[0].rsplit("/", 1)[-1] not in PROGRAMS and container.machine.files.find(words[0]) is None:
            return not_found_status(words[0])
        program = container.execute(words, streams, stdin=wants.stdin, tty=wants.tty, drained=drained)
        return Started(program, program.finished, program.kill)

    return begin


def _attach(container: Container, wants: Wants) -> Begin:
    def begin(streams: Streams, drained: Callable[[], None]) -> Started | Object:
        main = container.main
        assert main is not None
        detach, told = container.attach(streams, drained), Deferred[int]()

        def leave() -> None:
            """Whoever is attached is not told the exit status: the kubelet says Success, and kubectl asks the pod."""
            if not told.called:
                told.callback(0)

        def ended(status: int) -> int:
            leave()
            return status

        main.finished.addCallback(ended)
        types = wants.stdin and container.spec.get("stdin")
        into = NoInput() if not types else main if container.spec.get("stdinOnce") else OpenInput(main, leave)
        return Started(into, told, detach)

    return begin


# --- port-forward


def _forward(request: Request, pod: Object) -> Answer:
    if pod["status"].get("phase") != "Running":
        return refused(bad_request(f"unable to forward port because pod is not running. Current status={pod['status'].get('phase')}"))
    target = Target(pod["metadata"]["name"], pod["metadata"]["uid"])
    if request.upgrade == WEBSOCKET:
        chosen = _websocket(request, (TUNNELLED, LEGACY[0]))
        if isinstance(chosen, Refusal):
            return refused(chosen)
        if chosen == TUNNELLED:
            return _socket_answer(request, chosen, lambda: TunnelledForward(target))
        ports = [int(port) for value in request.every("port") for port in value.split(",") if port.isdigit() and 0 < int(port) < 65536]
        if not ports:
            return refused(bad_request('query parameter "port" is required'))
        return _socket_answer(request, chosen, lambda: LegacyForward(target, ports))
    protocol = _spdy(request, (PROTOCOL,))
    return protocol if isinstance(protocol, Reply) else _spdy_answer(protocol, lambda: SpdyForward(target))
