"""exec over SPDY whose cluster ends it without a word on how it ended: kubectl would exit 0 in silence, however it is done."""

from __future__ import annotations

import orjson
import pytest

from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.model import Ending
from kgate.wire import spdy
from kgate.wire.spdy_session import Farewell, Received, Reset, Session

ERROR, STDOUT = 1, 3


class Exec:
    """kubectl and the kubelet, with the tunnel between them: an error stream and stdout are open."""

    def __init__(self, version: bytes = b"v4.channel.k8s.io") -> None:
        self.tunnel = Tunnel(Kind.COMMAND_SPDY, version)
        self.kubectl, self.kubelet = Session(client=True), Session()
        for kind in (b"error", b"stdout"):
            self.kubectl.open([(b"streamtype", kind)])
        up = self.tunnel.from_client(self.kubectl.data_to_send())
        assert isinstance(up, bytes)
        for event in self.kubelet.receive(up):
            self.kubelet.reply(event.stream)  # type: ignore[union-attr]
        self.kubelet.send(STDOUT, b"so far")

    def down(self) -> list[object]:
        """What kubectl hears of all that the kubelet said, and of the farewell where one was due."""
        went = self.tunnel.from_upstream(self.kubelet.data_to_send())
        self.failure = went if isinstance(went, Failure) else None
        return list(self.kubectl.receive(self.tunnel.cut(went.cause) if isinstance(went, Failure) else went))


def goes_away(kubelet: Session) -> None:
    kubelet.goaway()


def resets_the_error_stream(kubelet: Session) -> None:
    kubelet.reset(ERROR)


def ends_the_error_stream(kubelet: Session) -> None:
    kubelet.send(ERROR, b"", fin=True)


WAYS = pytest.mark.parametrize("way", [goes_away, resets_the_error_stream, ends_the_error_stream])


@WAYS
def test_the_gate_says_it_then(way: object) -> None:
    it = Exec()
    way(it.kubelet)  # type: ignore[operator]
    heard = it.down()
    assert Received(STDOUT, b"so far", False) in heard
    (said,) = [event for event in heard if isinstance(event, Received) and event.stream == ERROR]
    assert said.ended and orjson.loads(said.data)["message"] == "kgate: the cluster closed the connection before the command ended"
    assert isinstance(heard[-1], Farewell) and not any(isinstance(event, Reset) for event in heard)
    assert it.failure is not None and it.failure.cause.ending is Ending.CLUSTER_GONE


@WAYS
def test_after_the_status_each_of_them_is_the_proper_end(way: object) -> None:
    """The kubelet resets all streams once it has said how the command ended."""
    it = Exec()
    it.kubelet.send(ERROR, b'{"metadata":{},"status":"Success"}')
    way(it.kubelet)  # type: ignore[operator]
    it.down()
    assert it.failure is None and it.tunnel.complete and it.tunnel.exit_code == 0


@WAYS
def test_before_v4_silence_means_success(way: object) -> None:
    it = Exec(b"v3.channel.k8s.io")
    way(it.kubelet)  # type: ignore[operator]
    it.down()
    assert it.failure is None


@WAYS
def test_a_client_that_left_is_told_nothing(way: object) -> None:
    it = Exec()
    assert isinstance(it.tunnel.from_client(spdy.goaway(0)), bytes)
    way(it.kubelet)  # type: ignore[operator]
    it.down()
    assert it.failure is None
