"""Tunnels over WebSocket, kind by kind: which channels there are, what is counted under which name, and what is said at a cut."""

from __future__ import annotations

from base64 import b64decode, b64encode

import orjson
import pytest
from test_tunnel_cuts import CAUSE, KEY, SENTENCE, read

from kgate.exchange.tally import Direction, Tally
from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.exchange.websocket_inside import CommandWebSocket
from kgate.kube.portforward import MOST_PORTS
from kgate.kube.remotecommand import WEBSOCKET
from kgate.model import Ending
from kgate.wire.websocket import BINARY, CONTINUATION, PING, TEXT, encode_close, encode_frame

V5, V4, V4_BASE64, OLDEST = b"v5.channel.k8s.io", b"v4.channel.k8s.io", b"v4.base64.channel.k8s.io", b"channel.k8s.io"
UP, DOWN = Direction.FROM_CLIENT, Direction.FROM_CLUSTER


def client(payload: bytes, opcode: int = BINARY, *, fin: bool = True) -> bytes:
    return encode_frame(opcode, payload, KEY, fin=fin)


def counts(tunnel: Tunnel) -> dict[tuple[Direction, str], int]:
    return {(count.direction, count.channel): count.bytes for count in tunnel.tally if count.bytes}


def passes(tunnel: Tunnel, *, up: bytes = b"", down: bytes = b"") -> None:
    assert tunnel.from_client(up) == up and tunnel.from_upstream(down) == down


# --- exec and attach


def test_a_commands_channels_are_counted_by_name() -> None:
    tunnel, shown = Tunnel(Kind.COMMAND_WEBSOCKET, V5), []
    tunnel.observe = lambda direction, channel, data: shown.append((direction, channel, data))
    passes(tunnel, up=client(b"\0ls") + client(b"\4{}") + client(b"\0\n") + client(b"\xff\0"), down=encode_frame(BINARY, b"\1a\n"))
    first, second = client(b"\0in two", fin=False), client(b" parts", CONTINUATION)
    passes(tunnel, up=first + client(b"", PING) + second, down=encode_frame(BINARY, b"\2no") + encode_frame(BINARY, b"\3"))
    assert counts(tunnel) == {(UP, "stdin"): 15, (UP, "resize"): 2, (DOWN, "stdout"): 2, (DOWN, "stderr"): 2}
    assert b"".join(data for direction, channel, data in shown if (direction, channel) == (UP, "stdin")) == b"ls\nin two parts"
    assert tunnel.tally.carried == 21


@pytest.mark.threat("18")
@pytest.mark.parametrize(
    ("subprotocol", "message", "words"),
    [
        (V5, b"\1", "a message names channel 1, which does not exist in this direction"),
        (V5, b"\3", "a message names channel 3, which"),
        (V5, b"\5", "a message names channel 5, which"),
        (V5, b"\xff\0\0", "a message that closes a channel is not two bytes long"),
        (V5, b"\xff", "a message that closes a channel is not two bytes long"),
        (V4, b"\xff\0", "a message names channel 255, which"),
        (V4_BASE64, b"\0", "a message names channel 0, which"),
        (V4_BASE64, b"1", "a message names channel 49, which"),
    ],
)
def test_what_names_no_channel_of_its_direction_does_not_go_on(subprotocol: bytes, message: bytes, words: str) -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, subprotocol)
    failed = tunnel.from_client(client(message))
    assert isinstance(failed, Failure) and failed.text.startswith(words)
    assert failed.cause.ending is Ending.PROTOCOL and failed.cause.text == f"kgate: closed: {failed.text}"
    assert tunnel.from_client(client(b"\0more")) == b"" and counts(tunnel) == {}


def test_a_channel_is_closed_by_one_whole_message() -> None:
    failed = Tunnel(Kind.COMMAND_WEBSOCKET, V5).from_client(client(b"\xff\0", fin=False))
    assert isinstance(failed, Failure) and "is not two bytes long" in failed.text


def test_a_cluster_does_not_speak_for_the_client() -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, V5)
    failed = tunnel.from_upstream(encode_frame(BINARY, b"\1ok") + encode_frame(BINARY, b"\0rm -rf /\n"))
    assert isinstance(failed, Failure) and "names channel 0, which does not exist in this direction" in failed.text
    *shown, verdict = read(tunnel.cut(failed.cause))[0]
    assert shown == [b"\1ok"] and "names channel 0" in orjson.loads(verdict[1:])["message"]


def test_a_client_that_leaves_may_be_left() -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, V5)
    assert not tunnel.complete and tunnel.upstream_eof() is not None
    passes(tunnel, up=encode_close(1000, key=KEY))
    assert tunnel.complete and tunnel.upstream_eof() is None
    passes(tunnel, down=encode_close(1000))
    assert tunnel.cut(CAUSE) == b""


def test_before_v4_a_cluster_may_close_without_a_word() -> None:
    passes(Tunnel(Kind.COMMAND_WEBSOCKET, OLDEST), down=encode_frame(BINARY, b"\1x") + encode_close(1000))


def test_a_verdict_in_base64_is_read_though_it_is_cut_off() -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, V4_BASE64)
    passes(tunnel, down=encode_frame(TEXT, b"3" + b64encode(b'{"metadata":{},"status":"Success"}')))
    assert tunnel.exit_code == 0 and tunnel.complete


@pytest.mark.threat("18")
def test_of_what_a_cluster_says_of_the_end_only_the_beginning_is_kept() -> None:
    inside = CommandWebSocket(WEBSOCKET[V5], Tally())
    said = [b"\3" + bytes([0x61 + number]) * 5000 for number in range(6)]
    for message in said:
        assert not inside.from_cluster(encode_frame(BINARY, message)).failure
    assert inside.verdict == b"".join(message[1:] for message in said)[: 16 * 1024]


def test_a_message_that_was_begun_without_a_channel_becomes_an_empty_piece_of_stdout() -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, V5)
    passes(tunnel, down=encode_frame(BINARY, b"", fin=False))
    shown, verdict = read(encode_frame(BINARY, b"", fin=False) + tunnel.cut(CAUSE))[0]
    assert shown == b"\1" and orjson.loads(verdict[1:])["message"] == SENTENCE


# --- port-forward's first form


def test_each_port_has_two_channels_that_are_counted_by_its_name() -> None:
    tunnel = Tunnel(Kind.FORWARD_LEGACY, V4, ports=(80, 443))
    announced = [(0, 80), (1, 80), (2, 443), (3, 443)]
    passes(tunnel, down=b"".join(encode_frame(BINARY, bytes([channel]) + port.to_bytes(2, "little")) for channel, port in announced))
    passes(tunnel, up=client(b"\0GET /") + client(b"\2GET"), down=encode_frame(BINARY, b"\0" + b"200") + encode_frame(BINARY, b"\3refused"))
    assert counts(tunnel) == {
        (UP, "80"): 5,
        (UP, "443"): 3,
        (DOWN, "80"): 5,
        (DOWN, "80/error"): 2,
        (DOWN, "443"): 2,
        (DOWN, "443/error"): 9,
    }


@pytest.mark.parametrize(("subprotocol", "message"), [(b"", b"\4x"), (V4, b"\xffx"), (V4_BASE64, b"4eA=="), (V4_BASE64, b"/eA==")])
def test_there_is_no_channel_beyond_the_ports(subprotocol: bytes, message: bytes) -> None:
    for wrong in (
        Tunnel(Kind.FORWARD_LEGACY, subprotocol, ports=(80, 443)).from_client(client(message)),
        Tunnel(Kind.FORWARD_LEGACY, subprotocol, ports=(80, 443)).from_upstream(encode_frame(BINARY, message)),
    ):
        assert isinstance(wrong, Failure) and wrong.text.endswith("and there are 4")


@pytest.mark.parametrize("encoded", [False, True])
def test_a_cut_is_said_on_each_ports_error_channel_behind_its_announcement(encoded: bool) -> None:
    def lead(channel: int) -> bytes:
        return bytes([channel + (0x30 if encoded else 0)])

    def plain(message: bytes) -> tuple[int, bytes]:
        return message[0] - lead(0)[0], b64decode(message[1:]) if encoded else message[1:]

    tunnel = Tunnel(Kind.FORWARD_LEGACY, V4_BASE64 if encoded else V4, ports=(80, 443))
    port = (80).to_bytes(2, "little")
    announced = encode_frame(TEXT if encoded else BINARY, lead(1) + (b64encode(port) if encoded else port))
    passes(tunnel, down=announced)
    said, closed = read(tunnel.cut(CAUSE))
    assert [plain(message) for message in said] == [(1, SENTENCE.encode()), (3, (443).to_bytes(2, "little")), (3, SENTENCE.encode())]
    assert closed.code == 1000


@pytest.mark.parametrize("subprotocol", [b"", V4, V4_BASE64])
def test_a_cut_is_said_on_the_last_channel_that_there_may_be(subprotocol: bytes) -> None:
    tunnel = Tunnel(Kind.FORWARD_LEGACY, subprotocol, ports=tuple(range(1, MOST_PORTS + 1)))
    said, closed = read(tunnel.cut(CAUSE))
    assert len(said) == 2 * MOST_PORTS and closed.code == 1000


def test_a_forward_is_over_where_either_side_closed_it() -> None:
    for tunnel, closes in ((Tunnel(Kind.FORWARD_LEGACY, V4, ports=(80,)), False), (Tunnel(Kind.FORWARD_LEGACY, V4, ports=(80,)), True)):
        assert not tunnel.complete
        passes(tunnel, **({"down": encode_close(1000)} if closes else {"up": encode_close(1000, key=KEY)}))
        assert tunnel.complete and (tunnel.cut(CAUSE) == b"") is closes


def test_a_forwards_message_that_was_begun_without_a_channel_is_ended_on_the_first() -> None:
    tunnel, begun = Tunnel(Kind.FORWARD_LEGACY, V4, ports=(80,)), encode_frame(BINARY, b"", fin=False)
    passes(tunnel, down=begun)
    assert read(begun + tunnel.cut(CAUSE))[0][0] == b"\0"
    tunnel, begun = Tunnel(Kind.FORWARD_LEGACY, V4, ports=(80,)), encode_frame(BINARY, b"\0P\0", fin=False)
    passes(tunnel, down=begun)
    assert read(begun + tunnel.cut(CAUSE))[0][0] == b"\0P\0"


# --- watch, log, and what a proxied server speaks

PLAIN = [(Kind.WATCH_WEBSOCKET, b"", "watch"), (Kind.LOG_WEBSOCKET, b"binary.k8s.io", "log"), (Kind.OPAQUE_WEBSOCKET, b"", "proxy")]


@pytest.mark.parametrize(("kind", "subprotocol", "name"), PLAIN)
def test_all_of_it_is_one_channel(kind: Kind, subprotocol: bytes, name: str) -> None:
    tunnel, shown = Tunnel(kind, subprotocol), []
    tunnel.observe = lambda direction, channel, data: shown.append((direction, channel, data))
    passes(tunnel, up=client(b"ask"), down=encode_frame(TEXT, b"", fin=False) + encode_frame(CONTINUATION, b"answer"))
    assert counts(tunnel) == {(UP, name): 3, (DOWN, name): 6}
    assert shown == [(UP, name, b"ask"), (DOWN, name, b"answer")]


def test_a_watch_is_told_by_an_event_of_its_own_kind() -> None:
    tunnel = Tunnel(Kind.WATCH_WEBSOCKET)
    passes(tunnel, down=encode_frame(TEXT, b'{"type":"ADDED"}'))
    (event,), closed = read(tunnel.cut(CAUSE))
    assert (closed.code, closed.reason) == (1000, SENTENCE)
    assert (orjson.loads(event)["type"], orjson.loads(event)["object"]["message"]) == ("ERROR", SENTENCE)
    binary = Tunnel(Kind.WATCH_WEBSOCKET)  # protobuf, perhaps: no event can be made up
    passes(binary, down=encode_frame(BINARY, b"k8s\0"))
    said, closed = read(binary.cut(CAUSE))
    assert (said, closed.code, closed.reason) == ([], 1008, SENTENCE)


@pytest.mark.parametrize(
    ("subprotocol", "line"),
    [
        (b"binary.k8s.io", f"\n{SENTENCE}\n".encode()),
        (b"", f"\n{SENTENCE}\n".encode()),
        (b"base64.binary.k8s.io", b64encode(f"\n{SENTENCE}\n".encode())),
    ],
)
def test_a_log_is_told_by_a_last_line(subprotocol: bytes, line: bytes) -> None:
    said, closed = read(Tunnel(Kind.LOG_WEBSOCKET, subprotocol).cut(CAUSE))
    assert (said, closed.code) == ([line], 1008)


def test_a_proxied_servers_client_is_told_by_the_close_alone() -> None:
    said, closed = read(Tunnel(Kind.OPAQUE_WEBSOCKET).cut(CAUSE))
    assert (said, closed.code, closed.reason) == ([], 1008, SENTENCE)


@pytest.mark.parametrize(("kind", "subprotocol", "name"), PLAIN)
def test_nothing_is_made_up_inside_a_message(kind: Kind, subprotocol: bytes, name: str) -> None:
    tunnel, begun = Tunnel(kind, subprotocol), encode_frame(TEXT, b'{"type":', fin=False)
    passes(tunnel, down=begun)
    assert tunnel.cut(CAUSE) == encode_close(1008, SENTENCE)
    half = Tunnel(kind, subprotocol)
    passes(half, down=encode_frame(TEXT, b'{"type":"ADDED"}')[:9])
    assert half.cut(CAUSE) == b""
    closed = Tunnel(kind, subprotocol)
    passes(closed, down=encode_close(1000))
    assert closed.cut(CAUSE) == b""


@pytest.mark.parametrize(("kind", "subprotocol", "name"), PLAIN)
def test_only_a_proxied_server_may_hang_up_as_it_likes(kind: Kind, subprotocol: bytes, name: str) -> None:
    for closes in ({"up": encode_close(1000, key=KEY)}, {"down": encode_close(1000)}):
        tunnel = Tunnel(kind, subprotocol)
        assert tunnel.complete is (kind is Kind.OPAQUE_WEBSOCKET)
        passes(tunnel, **closes)
        assert tunnel.complete


@pytest.mark.threat("18")
@pytest.mark.parametrize(("kind", "subprotocol", "name"), PLAIN)
def test_only_a_proxied_servers_frames_are_its_own_affair(kind: Kind, subprotocol: bytes, name: str) -> None:
    length, proxied = (17 * 1024 * 1024).to_bytes(8, "big"), kind is Kind.OPAQUE_WEBSOCKET
    for fed, begun in (("from_upstream", bytes([0x82, 127]) + length + b"x"), ("from_client", bytes([0x82, 255]) + length + KEY + b"x")):
        went = getattr(Tunnel(kind, subprotocol), fed)(begun)
        assert went == begun if proxied else isinstance(went, Failure)


def test_a_frame_of_the_wrong_side_is_refused_from_either() -> None:
    """RFC 6455, 5.1: a client masks, a server does not."""
    for kind, subprotocol, _ in PLAIN:
        assert isinstance(Tunnel(kind, subprotocol).from_client(encode_frame(TEXT, b"x")), Failure)
        assert isinstance(Tunnel(kind, subprotocol).from_upstream(client(b"x")), Failure)
