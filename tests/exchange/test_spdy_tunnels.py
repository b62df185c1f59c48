"""Tunnels over SPDY: which streams there are, what is counted under which name, and what of a stream's life is refused."""

from __future__ import annotations

import pytest
from test_tunnel_cuts import CAUSE

from kgate.exchange.spdy_inside import STREAMS_MAX, CommandSpdy
from kgate.exchange.tally import Direction, Tally
from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.kube.remotecommand import SPDY
from kgate.model import Ending
from kgate.wire.spdy import data_frame, rst_stream
from kgate.wire.spdy_session import Failed, Received, Session

UP, DOWN = Direction.FROM_CLIENT, Direction.FROM_CLUSTER


class World:
    """kubectl and the API server with a tunnel between them."""

    def __init__(self, kind: Kind = Kind.COMMAND_SPDY, dialect: bytes = b"v4.channel.k8s.io") -> None:
        self.tunnel = Tunnel(kind, dialect if kind is Kind.COMMAND_SPDY else b"portforward.k8s.io")
        self.kubectl, self.cluster = Session(client=True), Session()
        self.sent: list[bytes] = []
        """What of the cluster's went on."""

    def opens(self, *types: bytes, fin: bool = False) -> list[int]:
        """kubectl opens streams of an exec, and the cluster answers."""
        streams = [self.kubectl.open([(b"streamtype", each)], fin=fin) for each in types]
        self.up()
        for stream in streams:
            self.cluster.reply(stream)
        self.down()
        return streams

    def up(self, data: bytes = b"") -> None:
        """What kubectl has to send, or ``data``, goes on as it is."""
        sent = data or self.kubectl.data_to_send()
        assert self.tunnel.from_client(sent) == sent
        self.cluster.receive(sent)

    def down(self, data: bytes = b"") -> None:
        """What the cluster has to send, or ``data``, does."""
        sent = data or self.cluster.data_to_send()
        assert self.tunnel.from_upstream(sent) == sent
        self.sent.append(sent)

    def counts(self) -> dict[tuple[Direction, str], int]:
        return {(count.direction, count.channel): count.bytes for count in self.tunnel.tally if count.bytes}


@pytest.fixture
def world() -> World:
    return World()


def refused(failed: object) -> str:
    assert isinstance(failed, Failure) and failed.cause.ending is Ending.PROTOCOL
    return failed.text


def test_a_commands_streams_are_counted_by_name(world: World) -> None:
    shown: list[tuple[Direction, str, bytes]] = []
    world.tunnel.observe = lambda direction, channel, data: shown.append((direction, channel, bytes(data)))
    error, stdin, stdout, resize = world.opens(b"error", b"stdin", b"stdout", b"resize")
    world.up(data_frame(stdin, b"ls\n") + data_frame(resize, b"{}") + data_frame(stdin, b"", fin=True))
    world.down(data_frame(stdout, b"a b\n") + data_frame(error, b"{}", fin=True))
    assert world.counts() == {(UP, "stdin"): 3, (UP, "resize"): 2, (DOWN, "stdout"): 4, (DOWN, "error"): 2}
    assert shown == [(UP, "stdin", b"ls\n"), (UP, "resize", b"{}"), (DOWN, "stdout", b"a b\n"), (DOWN, "error", b"{}")]
    assert world.tunnel.complete


@pytest.mark.threat("17")
@pytest.mark.parametrize("types", [[b"stdin", b"stdin"], [b"error", b"other"], [b""], [b"stdout", b"STDERR"]])
def test_a_stream_of_no_known_type_or_of_one_that_is_open_does_not_go_on(world: World, types: list[bytes]) -> None:
    for each in types:
        world.kubectl.open([(b"streamtype", each)])
    assert "of no known type, or of one that is open" in refused(world.tunnel.from_client(world.kubectl.data_to_send()))


@pytest.mark.threat("17")
def test_nothing_is_said_on_a_stream_that_was_not_opened(world: World) -> None:
    world.opens(b"error")
    for failed in (
        World().tunnel.from_client(data_frame(1, b"x")),
        World().tunnel.from_upstream(data_frame(1, b"x")),
        world.tunnel.from_client(data_frame(3, b"x")),
    ):
        assert refused(failed) == "data on a SPDY stream that was not opened"
    world = World()
    world.opens(b"error")
    assert refused(world.tunnel.from_upstream(data_frame(3, b"x"))) == "data on a SPDY stream that was not opened"


@pytest.mark.threat("17")
def test_an_answer_to_nothing_is_refused() -> None:
    for other in (1, 3):
        answering = Session()
        other_kubectl = Session(client=True)
        for number in range((other + 1) // 2):
            other_kubectl.open([(b"streamtype", b"%d" % number)])
        answering.receive(other_kubectl.data_to_send())
        answering.reply(other)
        assert refused(World().tunnel.from_upstream(answering.data_to_send())) == "an answer to a SPDY stream that was not opened"


@pytest.mark.threat("17")
@pytest.mark.parametrize("last", [b"", b"bye"])
def test_nothing_is_said_behind_an_end(last: bytes) -> None:
    client, cluster = World(), World()
    (stdin,) = client.opens(b"stdin")
    client.up(data_frame(stdin, last, fin=True))
    assert refused(client.tunnel.from_client(data_frame(stdin, b"more"))) == "data on a SPDY stream behind its end"
    (stdout,) = cluster.opens(b"stdout")
    cluster.down(data_frame(stdout, last, fin=True))
    assert refused(cluster.tunnel.from_upstream(data_frame(stdout, b"more"))) == "data on a SPDY stream behind its end"


def test_a_stream_that_began_with_its_end_says_no_more(world: World) -> None:
    (stdout,) = world.opens(b"stdout", fin=True)
    assert refused(world.tunnel.from_client(data_frame(stdout, b"x"))) == "data on a SPDY stream behind its end"


@pytest.mark.parametrize("by", ["client", "cluster"])
def test_what_was_under_way_when_a_stream_was_reset_still_passes_and_is_nobodys(by: str) -> None:
    """The two sides learn of an end at different times."""
    world = World()
    stdin, stdout = world.opens(b"stdin", b"stdout")
    world.up(data_frame(stdin, b"1"))
    world.down(data_frame(stdout, b"22"))
    for stream in (stdin, stdout):
        world.up(rst_stream(stream, 5)) if by == "client" else world.down(rst_stream(stream, 5))
    world.up(data_frame(stdin, b"late"))
    world.down(data_frame(stdout, b"late"))
    assert world.counts() == {(UP, "stdin"): 1, (DOWN, "stdout"): 2}


def test_a_stream_that_both_sides_ended_is_forgotten(world: World) -> None:
    (stdout,) = world.opens(b"stdout")
    world.up(data_frame(stdout, b"", fin=True))
    world.down(data_frame(stdout, b"x", fin=True))
    world.down(data_frame(stdout, b"late"))
    assert world.counts() == {(DOWN, "stdout"): 1}


@pytest.mark.parametrize("passed", [8, 9, 50, 107])
def test_a_stream_whose_last_frame_is_cut_off_ends_once(world: World, passed: int) -> None:
    """What is left of it is filled up, and its own end is in its head already."""
    error, stdout = world.opens(b"error", b"stdout")
    world.kubectl.receive(b"".join(world.sent))
    last = data_frame(stdout, b"x" * 100, fin=True)[:passed]
    world.down(last)
    events = world.kubectl.receive(last + world.tunnel.cut(CAUSE))
    assert not [event for event in events if isinstance(event, Failed)]
    assert [event.stream for event in events if isinstance(event, Received) and event.ended] == [stdout, error]
    assert b"".join(event.data for event in events if isinstance(event, Received) and event.stream == stdout) == b"x" * (
        passed - 8
    ) + bytes(108 - passed)


@pytest.mark.parametrize("piece", [1, 7, 200])
def test_a_last_frame_in_pieces_is_counted_whole(world: World, piece: int) -> None:
    stdin, stdout = world.opens(b"stdin", b"stdout")
    for feed, stream in ((world.tunnel.from_client, stdin), (world.tunnel.from_upstream, stdout)):
        frame, went = data_frame(stream, b"x" * 100, fin=True), b""
        for at in range(0, len(frame), piece):
            passed = feed(frame[at : at + piece])
            assert isinstance(passed, bytes)
            went += passed
        assert went == frame
    assert world.counts() == {(UP, "stdin"): 100, (DOWN, "stdout"): 100}
    assert refused(world.tunnel.from_client(data_frame(stdin, b"more"))) == "data on a SPDY stream behind its end"


@pytest.mark.parametrize("ends", ["reset", "end", "words"])
def test_before_v4_a_cluster_may_end_the_error_stream_without_a_word(ends: str) -> None:
    world = World(dialect=b"channel.k8s.io")
    error, stdout = world.opens(b"error", b"stdout")
    world.down(rst_stream(stdout, 5))
    assert not world.tunnel.complete
    world.down({"reset": rst_stream(error, 5), "end": data_frame(error, b"", fin=True), "words": data_frame(error, b"exit 1")}[ends])
    assert world.tunnel.complete


def test_a_forward_that_has_no_connection_or_whose_client_leaves_is_complete() -> None:
    world = World(Kind.FORWARD_SPDY)
    assert world.tunnel.complete
    world.kubectl.open([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"0")])
    world.up()
    assert not world.tunnel.complete
    world.kubectl.goaway()
    world.up()
    assert world.tunnel.complete


def test_a_client_that_has_said_good_bye_may_be_left(world: World) -> None:
    world.opens(b"error", b"stdout")
    assert not world.tunnel.complete
    world.kubectl.goaway()
    world.up()
    assert world.tunnel.complete


def test_a_cluster_that_has_said_good_bye_is_followed_by_nothing() -> None:
    world = World(Kind.FORWARD_SPDY)
    world.kubectl.open([(b"streamtype", b"error"), (b"port", b"80"), (b"requestid", b"0")], fin=True)
    world.up()
    assert not world.tunnel.complete
    world.cluster.goaway()
    world.down()
    assert world.tunnel.complete and world.tunnel.cut(CAUSE) == b""


@pytest.mark.threat("17")
def test_of_what_a_cluster_says_of_the_end_only_the_beginning_is_kept() -> None:
    inside, kubectl = CommandSpdy(SPDY[b"v4.channel.k8s.io"], Tally()), Session(client=True)
    error = kubectl.open([(b"streamtype", b"error")])
    assert not inside.from_client(kubectl.data_to_send()).failure
    said = [bytes([0x61 + number]) * 5000 for number in range(6)]
    for piece in said:
        assert not inside.from_cluster(data_frame(error, piece)).failure
    assert inside.verdict == b"".join(said)[: 16 * 1024]


@pytest.mark.threat("17")
def test_there_is_an_end_to_streams() -> None:
    world = World(Kind.FORWARD_SPDY)
    for number in range(STREAMS_MAX):
        world.kubectl.open([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"%d" % number)])
    world.up()
    world.kubectl.open([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"x")])
    assert refused(world.tunnel.from_client(world.kubectl.data_to_send())) == f"more than {STREAMS_MAX} SPDY streams at once"


def test_a_forwards_streams_are_counted_by_port() -> None:
    world = World(Kind.FORWARD_SPDY)
    error, data = (world.kubectl.open([(b"streamtype", each), (b"port", b"8080"), (b"requestid", b"0")]) for each in (b"error", b"data"))
    world.up()
    world.up(data_frame(data, b"GET /"))
    world.down(data_frame(data, b"200") + data_frame(error, b"refused"))
    assert world.counts() == {(UP, "8080"): 5, (DOWN, "8080"): 3, (DOWN, "8080/error"): 7}


@pytest.mark.threat("17")
@pytest.mark.parametrize(
    "headers",
    [
        [(b"streamtype", b"data")],
        [(b"streamtype", b"data"), (b"port", b"0")],
        [(b"port", b"80")],
        [(b"streamtype", b"x"), (b"port", b"80")],
    ],
)
def test_a_stream_that_does_not_say_what_it_is_for_does_not_go_on(headers: list[tuple[bytes, bytes]]) -> None:
    world = World(Kind.FORWARD_SPDY)
    world.kubectl.open(headers)
    assert refused(world.tunnel.from_client(world.kubectl.data_to_send()))
