"""One request from head to end, told as what each side says and sees."""

from __future__ import annotations

import pytest
from exchange_world import NOTHING, POLICY, Both, World

from kgate.exchange.ports import Loss
from kgate.net.dial import DialFailed
from kgate.wire import http2
from kgate.wire.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded, StreamReset
from kgate.wire.http2_frames import goaway

GET = b"GET /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer alice\r\n\r\n"
WATCH = GET.replace(b"/pods", b"/pods?watch=true")
LOGS = GET.replace(b"/pods", b"/pods/web/log?follow=true")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
def world() -> World:
    return World()


def test_a_request_waits_for_its_record_then_for_a_connection_and_then_goes_as_whom_policy_says(world: World) -> None:
    world.asks(GET)
    assert (len(world.waiting), world.dialling) == (1, [])  # nothing is dialled before the record is durable
    world.durable()
    world.dials()
    head = world.cluster_pipe.take()
    assert head.startswith(b"GET /api/v1/namespaces/a/pods HTTP/1.1\r\nhost: cluster:6443\r\n")
    assert b"impersonate-user: alice\r\n" in head and b"authorization: Bearer gate\r\n" in head and b"audit-id: ID\r\n" in head
    world.answers(OK)
    assert world.pipe.take().endswith(b"\r\n\r\n{}")
    assert [kind for kind, _ in world.records] == ["decision", "end"]
    assert len(world.live) == 0


def test_a_record_that_cannot_be_durable_is_a_503_and_nothing_is_dialled(world: World) -> None:
    world.asks(GET)
    world.durable(False)
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ")
    assert world.dialling == [] and len(world.live) == 0


def test_a_cluster_that_cannot_be_reached_is_a_503_that_says_why(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials(DialFailed("connection refused"))
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 503 ") and b"cluster lab cannot be reached: connection refused" in answer


@pytest.mark.threat("13")
@pytest.mark.parametrize("phase", ["recording", "connecting", "asking"])
def test_a_right_that_goes_before_the_answer_is_a_403_in_every_phase(world: World, phase: str) -> None:
    world.asks(GET)
    if phase != "recording":
        world.durable()
    if phase == "asking":
        world.dials()
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    world.turn.flush()
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 403 ") and b"closed by policy: no rule is for alice" in answer
    if phase == "recording":
        world.durable()
        assert world.dialling == []
    if phase == "connecting":
        world.dials()
        assert world.spared == [world.upstream] and world.cluster_pipe.take() == b""
    if phase == "asking":
        assert world.cluster_pipe.closed
    assert len(world.live) == 0


POST = GET.replace(b"GET", b"POST", 1)[:-2]
UPLOADS = {
    "content-length": (POST + b"Content-Length: 100\r\n\r\n", b"x" * 40, b"y" * 60),
    "chunked": (POST + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 40), chunk(b"y" * 60) + chunk(b"")),
}


@pytest.mark.threat("13")
@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS)
@pytest.mark.parametrize("phase", ["recording", "connecting", "asking", "answering"])
def test_a_right_that_goes_in_the_middle_of_an_upload_lets_no_more_of_it_pass(
    world: World, upload: tuple[bytes, bytes, bytes], phase: str
) -> None:
    head, first, rest = upload
    world.asks(head + first)
    if phase != "recording":
        world.durable()
    if phase in ("asking", "answering"):
        world.dials()
    if phase == "answering":
        world.answers(STREAM + chunk(b"{}"))
    world.pipe.take()
    passed = world.cluster_pipe.take()
    assert passed.count(b"x") == (40 if phase in ("asking", "answering") else 0)
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    world.turn.flush()
    said = world.pipe.take()
    assert said.startswith(b"HTTP/1.1 403 ") if phase != "answering" else b"0\r\n\r\n" not in said
    assert world.cluster_pipe.closed is (phase in ("asking", "answering")), "or the cluster would wait for the rest"
    assert world.pipe.closed and len(world.live) == 0 and [kind for kind, _ in world.records] == ["decision", "change", "end"]
    world.asks(rest + GET)
    assert world.cluster_pipe.take() == world.pipe.take() == b"" and len(world.records) == 3


def test_a_watch_that_is_cut_ends_with_an_error_event_at_the_end_of_one(world: World) -> None:
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM + chunk(b'{"type":"ADDED"}\n'))
    world.pipe.take()
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    world.turn.flush()
    farewell = world.pipe.take()
    assert b'"type":"ERROR"' in farewell and b"closed by policy" in farewell and farewell.endswith(b"0\r\n\r\n")
    assert world.exchange.closed_by is not None and world.exchange.closed_by.ending.value == "policy"


def test_a_log_that_is_cut_ends_with_a_line_and_no_proper_end(world: World) -> None:
    world.asks(LOGS)
    world.durable()
    world.dials()
    world.answers(STREAM + chunk(b"one\n"))
    world.pipe.take()
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    world.turn.flush()
    farewell = world.pipe.take()
    assert b"closed by policy" in farewell and not farewell.endswith(b"0\r\n\r\n")
    assert world.pipe.closed


def test_an_endless_answer_that_says_how_long_it_is_is_aborted_for_there_is_no_room_for_a_word(world: World) -> None:
    """Said in spite of the length it raised, and ended neither this stream nor any that was to be looked at after it."""
    world.asks(WATCH)
    world.durable()
    world.dials()
    event = b'{"type":"ADDED"}\n'
    world.answers(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + event)
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    world.turn.flush()
    assert world.pipe.take().endswith(event) and world.pipe.closed and len(world.live) == 0


def test_a_watch_whose_reader_is_slow_gets_nothing_more_once_the_right_is_gone() -> None:
    both = Both()
    asked = both.asks(query=b"?watch=true")
    both.api.send_response(1, 200, [(b"content-type", b"application/json")], False)
    both.api.send_data(1, b'{"type":"ADDED","object":"%b"}\n' % (b"x" * 100_000))
    both.carry()
    read, both.told = [event for event in both.told if isinstance(event, DataReceived)], []
    both.world.use(NOTHING)
    both.world.live.reevaluate(both.world.clock)
    both.world.turn.flush()
    both.carry()
    for event in read:
        both.person.consumed(asked, event.credit)
    both.carry()
    assert both.told == [StreamReset(asked, 2, True)] and both.world.client.wire.open_streams == 0


def test_a_person_who_is_gone_is_cut_though_the_policy_stands(world: World) -> None:
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM)
    world.people.gone.add("alice")
    world.live.reevaluate(world.clock)
    assert world.exchange.closed_by is not None and world.exchange.closed_by.ending.value == "expired"


def test_a_body_that_came_early_goes_behind_the_head_and_its_end(world: World) -> None:
    post = GET.replace(b"GET", b"POST", 1)[:-2] + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\n"
    world.asks(post + b"bo")
    world.durable()
    world.asks(b"dy")
    world.dials()
    assert world.cluster_pipe.take().endswith(b"\r\n\r\nbody")


def test_an_upload_waits_while_the_cluster_does_not_read(world: World) -> None:
    post = GET.replace(b"GET", b"POST", 1)[:-2] + b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    world.asks(post)
    world.durable()
    world.dials()
    world.cluster_pipe.congested = True
    world.asks(b"x" * 100_000)
    world.asks(b"x" * 100_000)
    assert world.pipe.paused
    world.cluster_pipe.congested = False
    world.upstream.drained()
    world.turn.flush()
    assert not world.pipe.paused


def test_a_download_waits_while_the_client_does_not_read(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials()
    world.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    world.pipe.congested = True
    world.answers(b"x" * 100_000)
    world.answers(b"x" * 100_000)
    assert world.cluster_pipe.paused
    world.pipe.congested = False
    world.client.drained()
    world.turn.flush()
    assert not world.cluster_pipe.paused


def test_a_cluster_that_refuses_the_gates_own_credential_is_a_502_and_the_credential_is_renewed(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials()
    world.answers(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 502 ") and b"does not accept the gate's own credential" in answer
    assert world.bearer == b"renewed"


@pytest.mark.threat("16")
@pytest.mark.parametrize("path", [b"/pods/web/log?follow=true", b"/services/web/proxy/report"])
def test_what_may_begin_whenever_it_likes_is_waited_for(world: World, path: bytes) -> None:
    """The API server itself waits without end for a log that is followed (not every kubelet sends a head before its first line) and for proxied servers."""
    world.use(POLICY.replace("[exec]", "[proxy, logs]"))
    world.asks(GET.replace(b"/pods", path))
    world.durable()
    world.dials()
    world.passes(3600)
    assert world.pipe.take() == b""
    world.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"at last\n"))
    assert b"at last" in world.pipe.take()


def test_a_log_that_is_not_followed_has_to_begin_in_time(world: World) -> None:
    world.use(POLICY.replace("[exec]", "[logs]"))
    world.asks(GET.replace(b"/pods", b"/pods/web/log"))
    world.durable()
    world.dials()
    world.passes(76)
    assert world.pipe.take().startswith(b"HTTP/1.1 504 ")


def test_a_proxied_server_s_own_401_is_its_answer_to_the_person(world: World) -> None:
    """It knows nothing of the gate's credential, which is not to be renewed because some pod's page asks for a password."""
    world.use(POLICY.replace("[exec]", "[proxy]"))
    world.asks(GET.replace(b"/pods", b"/services/web/proxy/login"))
    world.durable()
    world.dials()
    world.answers(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\npassword?")
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 401 ") and answer.endswith(b"\r\n\r\npassword?") and b"basic" not in answer.lower()
    assert world.bearer == b"gate"


def test_a_cluster_that_never_answers_is_a_504(world: World) -> None:
    world.asks(GET)
    world.durable()
    world.dials()
    world.passes(74)
    assert world.pipe.take() == b""
    world.passes(2)
    assert world.pipe.take().startswith(b"HTTP/1.1 504 ")


@pytest.mark.threat("16")
def test_a_body_that_stands_still_is_a_408(world: World) -> None:
    post = GET.replace(b"GET", b"POST", 1)[:-2] + b"Content-Length: 4\r\n\r\n"
    world.asks(post + b"bo")
    world.durable()
    world.dials()
    world.passes(31)
    assert world.pipe.take().startswith(b"HTTP/1.1 408 ")


def uploads_slowly(world: World, size: int) -> None:
    """A request whose body, of so many bytes, is still to come once the cluster is asked."""
    world.asks(GET.replace(b"GET", b"POST", 1)[:-2] + b"Content-Length: %d\r\n\r\n" % size)
    world.durable()
    world.dials()


@pytest.mark.threat("16")
def test_a_body_that_stands_still_after_it_came_for_long_is_a_408_too(world: World) -> None:
    """The time that an answer has was over: nothing was looked at from then on."""
    uploads_slowly(world, 10)
    for _ in range(9):
        world.asks(b"x")
        world.passes(20)
    assert world.pipe.take() == b""
    world.passes(11)
    assert world.pipe.take().startswith(b"HTTP/1.1 408 ")


@pytest.mark.threat("16")
def test_a_body_that_the_cluster_does_not_take_is_a_504_and_has_the_time_of_an_answer(world: World) -> None:
    """The client may not send: that its body stands still is no fault of its own."""
    world.asks(GET.replace(b"GET", b"POST", 1)[:-2] + b"Content-Length: 400000\r\n\r\n")
    world.durable()
    world.dials()
    world.cluster_pipe.congested = True
    world.asks(bytes(100_000))
    world.asks(bytes(100_000))
    assert world.pipe.paused
    world.passes(world.patience.body + 1)
    assert world.pipe.take() == b""
    world.cluster_pipe.congested = False
    world.upstream.drained()
    world.turn.flush()
    assert not world.pipe.paused
    world.cluster_pipe.congested = True
    world.asks(bytes(100_000))
    world.asks(bytes(90_000))
    world.passes(world.patience.answer + 1)
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 504 ") and b"cluster lab stopped taking the request" in answer


def test_a_cluster_that_goes_in_mid_answer_never_looks_like_its_end(world: World) -> None:
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM + chunk(b"{}\n"))
    world.upstream.lost("reset by peer")
    world.turn.flush()
    assert not world.pipe.take().endswith(b"0\r\n\r\n")
    assert world.pipe.closed and len(world.live) == 0


def test_a_client_that_goes_takes_its_request_with_it(world: World) -> None:
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM)
    world.client.lost("gone")
    world.turn.flush()
    assert world.cluster_pipe.closed and len(world.live) == 0
    assert [kind for kind, _ in world.records] == ["decision", "end"]


def test_a_decision_that_comes_out_otherwise_is_on_record_before_the_end_that_it_brings(world: World) -> None:
    world.asks(WATCH)
    world.durable()
    world.dials()
    world.answers(STREAM)
    world.use(POLICY + "# the same\n")
    world.live.reevaluate(world.clock)
    assert [kind for kind, _ in world.records] == ["decision"]  # another revision alone changes nothing for anybody
    world.use(NOTHING)
    world.live.reevaluate(world.clock)
    assert [kind for kind, _ in world.records] == ["decision", "change", "end"]


def test_a_head_request_that_gets_an_answer_of_the_gates_own_gets_no_body_and_the_next_request_is_answered(world: World) -> None:
    head = GET.replace(b"GET", b"HEAD", 1)
    world.asks(head.replace(b"alice", b"mallory"))
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 403 ") and answer.endswith(b"\r\n\r\n")
    world.asks(head)
    world.durable(False)
    answer = world.pipe.take()
    assert answer.startswith(b"HTTP/1.1 503 ") and answer.endswith(b"\r\n\r\n")
    assert len(world.live) == 0 and not world.pipe.closed
    world.asks(GET.replace(b"alice", b"mallory"))
    assert world.pipe.take().endswith(b"}")


def test_a_head_request_over_http2_gets_no_body_either() -> None:
    both = Both()
    head = both.asks(b"HEAD")
    both.world.upstream.lost("reset by peer")
    both.world.turn.flush()
    both.carry()
    assert [(type(event), event.stream) for event in both.told] == [(ResponseReceived, head)]


def test_an_upload_that_took_longer_than_an_answer_may_leaves_the_cluster_its_time_to_answer(world: World) -> None:
    uploads_slowly(world, 100)
    for _ in range(100):
        world.asks(b"x")
        world.passes(1)
    assert world.pipe.take() == b""
    world.passes(70)
    world.answers(OK)
    assert world.pipe.take().endswith(b"\r\n\r\n{}")


def test_an_answer_before_the_requests_end_leaves_no_stream_behind_on_either_side() -> None:
    both = Both()
    upload = both.asks(b"POST", body=True)
    both.api.send_response(1, 200, [], True)
    both.carry()
    assert [type(event) for event in both.told if event.stream == upload] == [ResponseReceived, StreamReset]
    assert both.world.upstream.wire.open_streams == both.world.client.wire.open_streams == 0


def test_an_answer_before_the_cluster_has_read_the_request_leaves_no_stream_behind_either() -> None:
    """The client has sent all of it, and the rest waits here for a cluster that will not read it."""
    both = Both()
    asked = both.asks(b"POST", body=True)
    both.person.send_data(asked, b"x" * 70_000, True)
    both.carry()
    both.api.send_response(1, 201, [], True)
    both.carry()
    assert ResponseReceived(asked, 201, [], True) in both.told
    assert both.world.client.wire.open_streams == both.world.upstream.wire.open_streams == 0


def test_an_answer_before_the_requests_end_arrives_whole_though_its_reader_is_slow() -> None:
    both = Both()
    upload = both.asks(b"POST", body=True)
    both.api.send_response(1, 200, [], False)
    both.api.send_data(1, b"x" * 100_000, True)
    both.carry()
    for event in both.told:
        if isinstance(event, DataReceived):
            both.person.consumed(upload, event.credit)
    both.carry()
    assert sum(len(event.data) for event in both.told if isinstance(event, DataReceived)) == 100_000
    assert both.world.upstream.wire.open_streams == both.world.client.wire.open_streams == 0


def test_a_request_that_is_given_up_in_mid_body_leaves_no_stream_behind() -> None:
    both = Both()
    upload = both.asks(b"POST", body=True)
    both.world.passes(31)
    both.carry()
    assert isinstance(both.told[0], ResponseReceived) and both.told[0].status == 408
    assert both.world.client.wire.open_streams == 0
    assert both.told[-1] == StreamReset(upload, 0, by_peer=True)


def test_a_request_that_the_cluster_did_not_take_is_asked_again_and_its_answer_arrives() -> None:
    both = Both()
    first, second = both.asks(), both.asks()
    both.api.reset(1, 7)  # REFUSED_STREAM
    both.carry()
    for event in both.asked:
        if isinstance(event, RequestReceived):
            both.api.send_response(event.stream, 200, [], True)  # which does nothing on the one that was refused
    both.carry()
    assert sorted(event.stream for event in both.told if isinstance(event, ResponseReceived)) == [first, second]
    assert both.world.upstream.requesters == {}


@pytest.mark.threat("08")
def test_a_cluster_that_refuses_a_request_again_and_again_is_not_asked_for_ever() -> None:
    both = Both()
    asked, refused = both.asks(), 0
    while asks := [event.stream for event in both.asked if isinstance(event, RequestReceived)]:
        both.asked.clear()
        both.api.reset(asks[-1], 7)
        refused += 1
        assert refused < 20
        both.carry()
    answer = next(event for event in both.told if isinstance(event, ResponseReceived))
    assert (answer.stream, answer.status, refused) == (asked, 503, 6)


@pytest.mark.parametrize("way", ["its end", "its loss"])
def test_a_connection_that_the_cluster_was_just_closing_costs_a_get_nothing(world: World, way: str) -> None:
    """RFC 9112 section 9.5: HTTP/1.1 connections that were idle end at any moment, also the one in which a request goes out."""
    asked_before(world)
    world.asks(GET)
    world.durable()
    assert world.cluster_pipe.take()
    closes(world, way)
    assert world.pipe.take() == b""
    world.dials()
    assert world.cluster_pipe.take().startswith(b"GET ")
    world.answers(OK)
    assert world.pipe.take().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("way", ["its end", "its loss"])
def test_what_may_have_been_done_already_is_not_asked_again(world: World, way: str) -> None:
    asked_before(world)
    world.asks(GET.replace(b"GET", b"DELETE", 1))
    world.durable()
    closes(world, way)
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ") and world.dialling == []


@pytest.mark.parametrize("way", ["its end", "its loss"])
def test_a_get_is_not_asked_again_where_an_answer_began_or_the_connection_was_new(world: World, way: str) -> None:
    asked_before(world)
    world.asks(GET)
    world.durable()
    world.answers(b"HTTP/1.1 200 O")
    closes(world, way)
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ") and world.dialling == []
    world.asks(GET)
    world.durable()
    world.dials()
    closes(world, way)
    assert world.pipe.take().startswith(b"HTTP/1.1 503 ") and world.dialling == []


def asked_before(world: World) -> None:
    """The cluster has a connection that served one request."""
    world.asks(GET)
    world.durable()
    world.dials()
    world.answers(OK)
    world.pooled = world.upstream
    world.pipe.take(), world.cluster_pipe.take()


def closes(world: World, way: str) -> None:
    """The cluster ends its connection, or resets it."""
    world.pooled = None
    if way == "its end":
        world.upstream.ended()
    else:
        world.upstream.lost("Connection reset by peer")
    world.turn.flush()


def test_a_goaway_costs_no_request_that_the_cluster_took_though_another_is_asked_elsewhere_at_once() -> None:
    both = Both()
    taken, not_taken = both.asks(), both.asks()
    both.world.pooled = another = both.world.connection()
    both.world.answers(goaway(1, 0))
    assert list(another.requesters) == [1] and list(both.world.upstream.requesters) == [1]
    both.api.send_response(1, 200, [], True)
    both.carry()
    assert [event.stream for event in both.told if isinstance(event, ResponseReceived)] == [taken] != [not_taken]


@pytest.mark.threat("16")
def test_an_answer_that_nobody_reads_is_given_up_though_the_cluster_has_sent_all_of_it() -> None:
    both = Both()
    both.asks()
    both.api.send_response(1, 200, [], False)
    both.api.send_data(1, b"x" * 100_000, True)
    both.carry()
    assert both.world.upstream.requesters == {}  # the cluster's connection is free again
    both.world.passes(both.world.patience.reader + 1)
    both.carry()
    assert both.world.client.wire.open_streams == len(both.world.live) == 0


@pytest.mark.parametrize(("target", "unshared"), [(b"pods/web/proxy/", 1), (b"pods/web", 0), (b"pods?watch=true", 0), (b"pods/web/log", 0)])
def test_what_a_proxied_server_answers_comes_on_a_connection_that_nobody_else_has(world: World, target: bytes, unshared: int) -> None:
    world.use(POLICY.replace("[exec]", "[proxy, logs]"))
    world.asks(GET.replace(b"pods", target))
    world.durable()
    world.dials()
    assert world.unshared == unshared
    world.upstream.lost("Connection reset by peer")
    assert world.unshared == unshared and world.dialling == []


@pytest.mark.parametrize(
    ("path", "status"),
    [(b"/debug/pprof/profile?seconds=300", b""), (b"/debug/pprof/trace", b""), (b"/debug/pprofile", b"504"), (b"/metrics", b"504")],
)
def test_a_profile_of_the_api_server_takes_as_long_as_it_is_asked_to(world: World, path: bytes, status: bytes) -> None:
    """The API server has no deadline for them either (apiserver, BasicLongRunningRequestCheck)."""
    world.use(POLICY.replace("- {actions: [exec]}", '- {verbs: [get], paths: ["*"]}'))
    world.asks(GET.replace(b"/api/v1/namespaces/a/pods", path))
    world.durable()
    world.dials()
    world.passes(world.patience.answer + 1)
    assert world.pipe.take()[9:12] == status
    if not status:
        world.answers(STREAM + chunk(b"one"))
        world.passes(world.patience.answer + 1)
        assert len(world.live) == 1


@pytest.mark.parametrize("section", ["head", "trailers"])
def test_a_head_that_is_longer_than_the_client_takes_costs_its_stream_alone(section: str) -> None:
    """RFC 9113 section 10.5.1: who gets more than it announced may end the connection, with all that is on it."""
    both = Both(http2.Http2Limits(header_list=3000))
    watch, asked = both.asks(query=b"?watch=true"), both.asks()
    both.api.send_response(1, 200, [(b"content-type", b"application/json")], False)
    many = [(b"x-%d" % number, b"y" * 100) for number in range(30)]
    if section == "head":
        both.api.send_response(3, 200, many, True)
    else:
        both.api.send_response(3, 200, [], False)
        both.api.send_trailers(3, many)
    both.api.send_data(1, b"{}\n")
    both.carry()
    answer = next(event for event in both.told if isinstance(event, ResponseReceived) and event.stream == asked)
    assert answer.status == (502 if section == "head" else 200)
    assert both.told[-1] == DataReceived(watch, b"{}\n", 3) and not any(isinstance(event, StreamReset) for event in both.told)
    assert StreamEnded(asked) in both.told and len(both.world.live) == 1


def test_a_head_that_is_longer_than_any_over_http1_may_be_is_refused() -> None:
    both = Both(http2.Http2Limits(header_list=1 << 20))
    asked = both.asks()
    both.api.send_response(1, 200, [(b"x-%d" % number, b"y" * 1000) for number in range(70)], True)
    both.carry()
    assert [event.status for event in both.told if isinstance(event, ResponseReceived) and event.stream == asked] == [503]
    both.asks()
    both.api.send_response(3, 200, [], True)
    both.carry()
    assert [event.status for event in both.told if isinstance(event, ResponseReceived)] == [503, 200]


@pytest.mark.threat("16")
def test_an_answer_that_the_cluster_leaves_off_is_given_up_and_never_looks_whole() -> None:
    """The API server itself lets an ordinary request last a minute; neither kubectl nor the gate would ever hear of an end."""
    both = Both()
    asked = both.asks()
    both.world.passes(60)
    both.api.send_response(1, 200, [(b"content-type", b"application/json")], False)
    both.carry()
    both.world.passes(60)
    both.api.send_data(1, b'{"items":[')
    both.carry()
    both.world.passes(60)
    assert len(both.world.live) == 1
    both.world.passes(both.world.patience.answer)
    both.carry()
    assert both.told[-1] == StreamReset(asked, 2, True) and both.asked[-1] == StreamReset(1, 8, True)
    cause = both.world.exchange.closed_by
    assert cause is not None and cause.ending.value == "cluster-gone" and "stopped in the middle of its answer" in cause.text
    assert [kind for kind, _ in both.world.records] == ["decision", "end"] and len(both.world.live) == 0


CANCEL = 8


@pytest.mark.parametrize("query", [b"", b"/web/log?follow=true"])
def test_an_answer_that_is_cut_does_not_end_with_cancel_which_node_js_takes_for_its_end(query: bytes) -> None:
    """Node's http2, and so undici and Kubernetes' client for JavaScript, report a stream that was reset by CANCEL as one that ended."""
    both = Both()
    asked = both.asks(query=query)
    both.api.send_response(1, 200, [(b"content-type", b"text/plain")], False)
    both.api.send_data(1, b"one\n")
    both.carry()
    both.world.use(NOTHING)
    both.world.live.reevaluate(both.world.clock)
    both.world.turn.flush()
    both.carry()
    assert both.told[-1] == StreamReset(asked, 2, True)


@pytest.mark.parametrize("code", [0, 7, CANCEL])
def test_an_answer_that_the_cluster_breaks_off_is_an_error_to_everybody_whatever_it_says(code: int) -> None:
    """Handed on, CANCEL would be taken for the end by some, and REFUSED_STREAM for something that may be asked again."""
    both = Both()
    asked = both.asks()
    both.api.send_response(1, 200, [(b"content-type", b"application/json")], False)
    both.api.send_data(1, b'{"items":[')
    both.carry()
    both.api.reset(1, code)
    both.carry()
    assert both.told[-1] == StreamReset(asked, 2, True)


@pytest.mark.parametrize("target", [b"pods?watch=true", b"pods/web/log", b"pods/web/log?follow=true", b"pods/web/proxy/"])
def test_an_answer_that_comes_when_it_comes_may_stand_still(world: World, target: bytes) -> None:
    world.use(POLICY.replace("[exec]", "[proxy, logs]"))
    world.asks(GET.replace(b"pods", target))
    world.durable()
    world.dials()
    world.answers(STREAM + chunk(b"one"))
    world.passes(10 * world.patience.answer)
    assert len(world.live) == 1


def test_what_the_cluster_has_sent_and_nobody_has_read_is_not_sent_any_more_once_the_right_is_gone() -> None:
    both = Both()
    asked = both.asks()
    both.api.send_response(1, 200, [], False)
    both.api.send_data(1, b"x" * 100_000, True)
    both.carry()
    both.world.use(NOTHING)
    both.world.live.reevaluate(both.world.clock)
    both.world.turn.flush()
    both.carry()
    assert isinstance(both.told[-1], StreamReset) and both.told[-1].stream == asked
    assert [kind for kind, _ in both.world.records] == ["decision", "change", "end"]


def test_a_request_is_over_when_its_answer_went_out_to_a_reader_who_is_slow() -> None:
    both = Both()
    asked = both.asks()
    both.api.send_response(1, 200, [], False)
    both.api.send_data(1, b"x" * 100_000, True)
    both.carry()
    assert [kind for kind, _ in both.world.records] == ["decision"]
    for event in both.told:
        if isinstance(event, DataReceived):
            both.person.consumed(asked, event.credit)
    both.carry()
    assert [kind for kind, _ in both.world.records] == ["decision", "end"]
    assert isinstance(both.told[-1], StreamEnded) and both.world.client.responders == {}


def test_an_answer_of_the_gates_own_has_a_date_and_the_clusters_keeps_its_own(world: World) -> None:
    """RFC 9110 section 6.6.1; a second Date would be one too many."""
    world.asks(GET.replace(b"alice", b"mallory"))
    assert b"\r\ndate: Thu, 01 Jan 1970 00:01:40 GMT\r\n" in world.pipe.take()
    world.asks(GET)
    world.durable()
    world.dials()
    world.answers(OK.replace(b"Content-Length", b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length"))
    assert world.pipe.take().split(b"\r\n\r\n")[0].lower().count(b"\r\ndate: ") == 1


def test_over_http_2_too() -> None:
    both = Both()
    stream = both.asks()
    both.world.exchange.upstream_lost(Loss("gone"))
    both.world.turn.flush()
    both.carry()
    (head,) = [event for event in both.told if isinstance(event, ResponseReceived) and event.stream == stream]
    assert (head.status, dict(head.headers)[b"date"]) == (503, b"Thu, 01 Jan 1970 00:01:40 GMT")


def test_a_connection_is_busy_until_its_client_has_got_the_answer(world: World) -> None:
    """What a gate that ends waits for: a request that it answers itself, and whatever lies with the transport, are on no list of what lives."""
    assert not world.client.busy
    world.people.unsure.add("alice")
    world.asks(GET)
    assert world.client.busy and len(world.live) == 0
    world.people.unsure.clear()
    world.fetched()
    world.durable()
    world.dials()
    world.answers(OK)
    assert not world.client.busy and len(world.live) == 0
    world.pipe.unsent = True
    assert world.client.busy
    world.client.lost("the client went away")
    assert not world.client.busy
