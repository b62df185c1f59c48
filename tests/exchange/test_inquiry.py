"""A question of the gate's own is asked again where the cluster says that it never looked at it, as anybody's request is."""

from __future__ import annotations

from exchange_world import World

from kgate.exchange.inquiry import Inquiry, NoReply, Reply
from kgate.wire import http2
from kgate.wire.events import RequestReceived


class Asking(World):
    """A cluster of HTTP/2 whose connections a test answers one by one."""

    def __init__(self) -> None:
        super().__init__(multiplexed=True)
        self.told: list[Reply | NoReply] = []
        Inquiry(self, b"/review", b"{}", None, self.told.append).begin()

    def meets(self) -> http2.ServerConnection:
        """A connection is there, and the question on it."""
        self.cluster_pipe.take()
        self.dials()
        server = http2.ServerConnection(http2.Http2Limits(), self.now)
        asked = server.receive(self.cluster_pipe.take())
        assert [event.head.target for event in asked if isinstance(event, RequestReceived)] == [b"/review"]
        return server


def test_a_connection_that_the_cluster_was_just_leaving_costs_no_answer() -> None:
    asking = Asking()
    server = asking.meets()
    server.reset(1, 7)  # REFUSED_STREAM
    asking.answers(server.data_to_send())
    assert asking.told == []
    server = asking.meets()
    server.send_response(1, 200, [], False)
    server.send_data(1, b"yes", True)
    asking.answers(server.data_to_send())
    assert asking.told == [Reply(200, b"yes")]


def test_it_is_not_asked_for_ever() -> None:
    asking, times = Asking(), 0
    while asking.dialling:
        server = asking.meets()
        server.reset(1, 7)
        asking.answers(server.data_to_send())
        times += 1
        assert times < 20
    assert times == 6 and [type(told) for told in asking.told] == [NoReply]


def test_what_the_cluster_may_have_looked_at_is_not_asked_again() -> None:
    asking = Asking()
    server = asking.meets()
    server.reset(1, 2)
    asking.answers(server.data_to_send())
    assert asking.dialling == [] and len(asking.told) == 1
