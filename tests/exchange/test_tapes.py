"""What of an exec is recorded, in memory: nothing goes to the cluster before the recording is there, and nothing that passes is missing from it."""

from __future__ import annotations

import gc
from base64 import b64encode
from collections import Counter

import pytest
from exchange_world import POLICY, World
from hypothesis import given
from hypothesis import strategies as st
from test_left_behind import ACCEPTED, SPDY, SWITCHED, WEBSOCKET, here, upgrade

from kgate.audit.recording.cast import Kind
from kgate.exchange.quota import Quota
from kgate.exchange.tape import LEAST, Base64, Terms, as_recorded, wanted
from kgate.model import Action, Cluster, Decision, Ending, Operation, Recording
from kgate.wire.spdy import data_frame
from kgate.wire.spdy_session import Session
from kgate.wire.websocket import BINARY, TEXT, encode_frame

KEY = b"\x9a\x03\xc5\x77"
V5, BASE64 = "v5.channel.k8s.io", "base64.channel.k8s.io"


def recording(how: str = "full") -> str:
    return POLICY.replace("    who:", f"    record: {how}\n    who:").replace("[exec]", "[exec, port-forward]")


def asked(world: World, how: str = "full", subprotocol: str = V5) -> World:
    """A request on whose recording it waits."""
    world.use(recording(how))
    world.asks(upgrade("exec?command=id&stdin=true&stdout=true", WEBSOCKET + subprotocol))
    world.durable()
    return world


def live(how: str = "full", subprotocol: str = V5) -> World:
    """A stream that is recorded."""
    world = asked(World(), how, subprotocol)
    world.reel.opened("")
    world.dials()
    chosen = f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {subprotocol}\r\n".encode()
    world.answers(SWITCHED + chosen + ACCEPTED + b"\r\n")
    assert world.client.raw is not None, world.pipe.sent
    world.pipe.take()
    return world


def ends(world: World) -> None:
    world.client.lost("closed")
    world.upstream.lost("closed")
    world.turn.flush()


def test_nothing_is_sent_to_the_cluster_before_the_recording_is_there() -> None:
    world = asked(World())
    assert world.dialling == [] and world.reel.data == b"{}\n"
    world.reel.opened("")
    assert len(world.dialling) == 1


def test_what_cannot_be_recorded_is_a_503_that_says_why() -> None:
    world = asked(World())
    world.reel.opened("No space left on device")
    world.turn.flush()
    said = world.pipe.take()
    assert (
        said.startswith(b"HTTP/1.1 503 ")
        and b"nothing was sent to the cluster: No space left on device; ask whoever runs this gate" in said
    )
    assert world.dialling == [] and len(world.live) == 0
    assert [written and written.problem for written in world.written] == ["No space left on device"]


def test_best_effort_goes_on_without_and_says_so() -> None:
    world = World()
    world.terms = Terms(1 << 20, strict=False)
    asked(world).reel.opened("No space left on device")
    assert len(world.dialling) == 1 and world.losses == ["No space left on device"]
    world.dials()
    world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
    world.answers(encode_frame(BINARY, b"\1on"))
    assert len(world.live) == 1 and world.reel.events == []


def test_a_request_that_is_cut_or_leaves_while_its_recording_opens_leaves_none() -> None:
    world = asked(World())
    world.client.lost("closed")
    assert world.reel.dropped and world.written == [None] and world.dialling == []


def test_one_that_never_became_a_stream_leaves_none() -> None:
    world = asked(World())
    world.reel.opened("")
    world.dials()
    world.answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert world.reel.dropped and world.written == [None]


def test_the_reel_fails_before_the_stream_begins() -> None:
    world = asked(World())
    world.reel.opened("")
    world.reel.failed("Input/output error")
    world.turn.flush()
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ") and len(world.live) == 0


def test_what_passes_is_recorded_both_ways_with_its_time() -> None:
    world = live()
    world.clock += 1.5
    world.asks(encode_frame(BINARY, b"\4" + b'{"Width":100,"Height":50}', KEY) + encode_frame(BINARY, b"\0ls\r", KEY))
    world.clock += 1.0
    world.answers(encode_frame(BINARY, b"\1one\r\n") + encode_frame(BINARY, b"\2two"))
    assert [event[:3] for event in world.reel.events] == [
        (1.5, Kind.RESIZE, "100x50"), (1.5, Kind.INPUT, "ls\r"), (2.5, Kind.OUTPUT, "one\r\n"), (2.5, Kind.OUTPUT, "two"),
    ]  # fmt: skip
    ends(world)
    assert world.reel.closed and world.written[0] is not None


def test_stdout_alone_is_without_what_was_typed() -> None:
    world = live("stdout")
    world.asks(encode_frame(BINARY, b"\0secret\r", KEY))
    world.answers(encode_frame(BINARY, b"\1ok"))
    assert [event.text for event in world.reel.events] == ["ok"]


def test_over_spdy_too() -> None:
    world = World()
    world.use(recording())
    world.asks(upgrade("exec?command=id&stdin=true&stdout=true", SPDY + "v4.channel.k8s.io"))
    world.durable()
    world.reel.opened("")
    world.dials()
    world.answers(SWITCHED + b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
    session = Session(client=True)
    streams = {name: session.open([(b"streamtype", name)]) for name in (b"error", b"stdin", b"stdout", b"resize")}
    world.asks(session.data_to_send())
    world.asks(
        data_frame(streams[b"resize"], b'{"Width":90,"Hei')
        + data_frame(streams[b"resize"], b'ght":20}')
        + data_frame(streams[b"stdin"], b"id\n")
    )
    world.answers(data_frame(streams[b"stdout"], "ü".encode()[:1]) + data_frame(streams[b"stdout"], "ü\n".encode()[1:]))
    assert [event[1:] for event in world.reel.events] == [(Kind.RESIZE, "90x20"), (Kind.INPUT, "id\n"), (Kind.OUTPUT, "ü\n")]


def test_base64_is_decoded_however_its_messages_are_cut() -> None:
    world = live("full", BASE64)
    whole = b"".join(encode_frame(TEXT, b"1" + b64encode(part)) for part in ("gr\u00fc".encode()[:3], "\u00fcn".encode()[1:], b"!"))
    for at in range(len(whole)):
        world.answers(whole[at : at + 1])
    world.asks(encode_frame(TEXT, b"0" + b64encode(b"ls\r"), KEY))
    assert "".join(event.text for event in world.reel.events if event.kind is Kind.OUTPUT) == "gr\u00fcn!"
    assert [event.text for event in world.reel.events if event.kind is Kind.INPUT] == ["ls\r"]


def test_base64_that_is_none_ends_it() -> None:
    world = live("full", BASE64)
    world.asks(encode_frame(TEXT, b"0????", KEY))
    assert world.exchange.closed_by is not None and world.exchange.closed_by.ending is Ending.RECORDING
    assert len(world.live) == 0


@given(st.lists(st.binary(max_size=9), max_size=6), st.integers(1, 5))
def test_base64_of_any_messages_in_any_pieces(messages: list[bytes], step: int) -> None:
    said, decoder = b"".join(b64encode(message) + b"\n" for message in messages), Base64()
    found = [decoder.feed(said[at : at + step]) for at in range(0, len(said), step)]
    assert None not in found and b"".join(piece or b"" for piece in found) == b"".join(messages)


def test_a_recording_that_is_full_ends_it_once_all_that_passed_is_in_it() -> None:
    world = World()
    world.terms = Terms(100)
    world.use(recording())
    asked(world)
    world.reel.opened("")
    world.dials()
    world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
    world.answers(encode_frame(BINARY, b"\1" + b"a" * 40))
    assert len(world.live) == 1
    world.answers(encode_frame(BINARY, b"\1" + b"b" * 200) + encode_frame(BINARY, b"\1c"))
    assert b"its recording has the 100 bytes" in world.pipe.take() and len(world.live) == 0
    *shown, mark = world.reel.events
    assert "".join(event.text for event in shown) == "a" * 40 + "b" * 200 + "c"
    assert mark.kind is Kind.MARK and mark.text == world.exchange.closed_by.text  # type: ignore[union-attr]


def test_a_reel_that_fails_ends_the_stream_at_once_and_best_effort_goes_on() -> None:
    world = live()
    world.reel.failed("No space left on device")
    assert b"cannot be any more: No space left on device; tell whoever runs this gate (request ID)" in world.pipe.take()
    assert len(world.live) == 0 and world.written[0] is not None and world.written[0].problem == "No space left on device"
    world = World()
    world.terms = Terms(1 << 20, strict=False)
    asked(world).reel.opened("")
    world.dials()
    world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
    reel = world.reel
    reel.failed("No space left on device")
    world.answers(encode_frame(BINARY, b"\1on"))
    assert len(world.live) == 1 and world.losses == ["No space left on device"] and reel.events == []
    ends(world)
    assert world.written[0] is not None and world.written[0].problem == "No space left on device"


def test_a_stream_that_is_faster_than_the_disk_waits_for_it() -> None:
    world = live()
    world.reel.is_behind = True
    world.answers(encode_frame(BINARY, b"\1one"))
    assert world.pipe.paused and world.cluster_pipe.paused
    world.pipe.congested = True
    world.answers(encode_frame(BINARY, b"\1two"))
    world.reel.is_behind = False
    world.reel.caught_up()
    assert (world.pipe.paused, world.cluster_pipe.paused) == (False, True), "the cluster waits for the client, too"
    world.pipe.congested = False
    world.client.drained()
    assert not world.cluster_pipe.paused
    world.reel.is_behind = True
    world.answers(encode_frame(BINARY, b"\1three"))
    world.client.drained()
    assert world.pipe.paused and world.cluster_pipe.paused
    ends(world)
    world.reel.caught_up()


def test_best_effort_waits_no_more_for_a_disk_that_has_failed() -> None:
    world = World()
    world.terms = Terms(1 << 20, strict=False)
    asked(world).reel.opened("")
    world.dials()
    world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
    world.reel.is_behind = True
    world.answers(encode_frame(BINARY, b"\1one"))
    assert world.cluster_pipe.paused
    world.reel.failed("Input/output error")
    assert not world.pipe.paused and not world.cluster_pipe.paused
    world.answers(encode_frame(BINARY, b"\1two"))
    assert not world.cluster_pipe.paused


def test_a_live_stream_of_which_more_is_to_be_recorded_is_cut() -> None:
    world = live("stdout")
    for how in ("stdout", "none", "stdout"):
        world.use(recording(how))
        world.live.reevaluate(world.clock)
        assert len(world.live) == 1, how
    world.use(recording("full"))
    world.live.reevaluate(world.clock)
    assert len(world.live) == 0
    assert (
        b'closed by policy: rule \\"all\\" wants it recorded, which cannot begin in the middle; run the command again' in world.pipe.take()
    )


@pytest.mark.parametrize("operation", Operation)
def test_only_what_has_a_terminal_or_output_is_recorded(operation: Operation) -> None:
    action = Action(Cluster("lab"), "POST", "create", "", "", operation=operation)
    decision = Decision(True, "r", "rule", record=Recording.FULL)
    recorded = operation in (Operation.EXEC, Operation.ATTACH, Operation.CP)
    assert wanted(action, decision) is (Recording.FULL if recorded else Recording.NONE)
    assert as_recorded(decision, action, Recording.NONE).allowed is not recorded
    assert as_recorded(decision, action, Recording.FULL) == decision
    assert wanted(action, decision.but(allowed=False)) is Recording.NONE


def test_nothing_of_it_is_left() -> None:
    gc.collect()
    gc.disable()
    try:
        before = here()
        world = live()
        world.answers(encode_frame(BINARY, b"\1one"))
        ends(world)
        vars(world).clear()
        assert here() - before == Counter()
    finally:
        gc.enable()


@pytest.mark.threat("19")
@pytest.mark.parametrize("strict", [True, False])
def test_whoever_has_had_as_much_recorded_as_they_may_begins_none_and_what_lives_is_cut(strict: bool) -> None:
    left = [LEAST + 150]

    def spend(much: int) -> bool:
        left[0] -= much
        return left[0] >= 0

    world = World()
    world.terms = Terms(1 << 20, strict, spend, spend, "no more of you today")
    world.use(recording())
    asked(world)
    world.reel.opened("")
    world.dials()
    world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
    world.answers(encode_frame(BINARY, b"\1" + b"a" * 200))
    assert b"kgate: closed: no more of you today (request ID)" in world.pipe.take() and len(world.live) == 0
    again = World()
    again.terms = world.terms
    asked(again)
    again.turn.flush()
    assert b"nothing was sent to the cluster: no more of you today" in again.pipe.take()
    assert not hasattr(again, "reel") and again.losses == [] and again.dialling == []


@pytest.mark.threat("19")
def test_a_recording_of_nothing_counts_as_what_a_file_takes() -> None:
    spent = list[int]()
    world = World()
    world.terms = Terms(1 << 20, spend=lambda much: not spent.append(much))  # type: ignore[func-returns-value]
    world.use(recording())
    asked(world)
    assert spent == [4096]


@pytest.mark.threat("19")
def test_whoever_comes_again_at_once_has_no_more_recorded() -> None:
    """What was cut was written: had it not counted, an exec a moment would have filled the disk, with as much as passes at once each time."""
    quota, begun = Quota(50_000 / 86_400, 86_400, lends=True), 0
    for moment in range(10):
        world = World()
        world.terms = Terms(
            1 << 20,
            spend=lambda much, at=moment: quota.spend("alice", "", at, much) == 0.0,
            charge=lambda much, at=moment: quota.charge("alice", "", at, much),
        )
        world.use(recording())
        asked(world)
        world.turn.flush()
        if hasattr(world, "reel"):
            begun += 1
            world.reel.opened("")
            world.dials()
            world.answers(SWITCHED + f"Upgrade: websocket\r\nSec-WebSocket-Protocol: {V5}\r\n".encode() + ACCEPTED + b"\r\n")
            world.answers(encode_frame(BINARY, b"\1" + b"a" * 50_000))
            assert b"kgate: closed: no more is recorded of you today" in world.pipe.take()
    assert begun == 1
