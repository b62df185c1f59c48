"""Records that no client of Python's sends: empty ones, padded ones, new keys, bytes behind the end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sockets import Reactor
from test_tls_transport import World
from tls13 import Speaker

from kgate.net.records import RECORD
from kgate.net.sockets import HIGH_WATER, StreamSocket
from kgate.net.tls import PROVOKED
from kgate.net.turn import Turn


class Scene(World):
    """``client`` shook hands, ``speaker`` goes on for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, keys=folder / "keys")
        self.speaker = Speaker.from_log(folder / "keys", (self.client.cipher() or ("",))[0])
        self.ends = 0

    def ended(self) -> None:
        self.ends += 1


@pytest.fixture(params=[False, True], ids=["", "through"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    if request.param:
        made.transport.pass_through()
    return made


def odd_records(speaker: Speaker) -> Iterator[bytes]:
    yield speaker.data(b"a")
    yield speaker.data(b"")
    yield speaker.data(b"b")
    yield speaker.data(b"", padding=100)
    yield speaker.data(b"c", padding=5000)
    yield speaker.key_update(answer=True)
    yield speaker.data(b"d")
    yield speaker.key_update(answer=False)
    yield speaker.data(b"e" * RECORD)
    yield speaker.data(b"", padding=RECORD)
    yield speaker.data(b"f", padding=RECORD - 1)
    yield speaker.key_update(answer=True)
    yield speaker.key_update(answer=True)
    yield speaker.data(b"g")


@pytest.mark.parametrize("size", [1, 37, 5000, 1 << 20])
def test_what_odd_records_carry_is_given_on_and_new_keys_are_answered(scene: Scene, size: int) -> None:
    wire = b"".join(odd_records(scene.speaker))
    for start in range(0, len(wire), size):
        scene.transport.received(memoryview(wire[start : start + size]))
    assert b"".join(scene.pieces) == b"abcd" + b"e" * RECORD + b"fg"
    scene.transport.write(b"answer")
    scene.incoming.write(bytes(scene.wire.sent))
    assert scene.client.read(100) == b"answer"


def test_one_odd_record_at_a_time_is_the_same(scene: Scene) -> None:
    for record in odd_records(scene.speaker):
        scene.transport.received(memoryview(record))
    assert b"".join(scene.pieces) == b"abcd" + b"e" * RECORD + b"fg"


def test_what_follows_a_close_notify_is_nothing_and_the_end_is_told_once(scene: Scene) -> None:
    speaker = scene.speaker
    scene.transport.received(memoryview(speaker.data(b"x") + speaker.close_notify() + speaker.data(b"y") + speaker.data(bytes(RECORD))))
    assert (scene.pieces, scene.ends, scene.lost_because) == ([b"x"], 1, None)


def test_a_close_notify_and_then_the_end_of_tcp_are_one_end_though_reading_was_resumed(scene: Scene) -> None:
    scene.transport.received(memoryview(scene.speaker.close_notify()))
    scene.transport.resume_reading()  # as the other side of a tunnel does once it has room again
    scene.transport.received(memoryview(scene.speaker.data(b"y")))
    scene.transport.ended()
    assert (scene.pieces, scene.ends) == ([], 1)


@pytest.mark.threat("16")
def test_threat_16_new_keys_without_end_from_a_client_that_does_not_read(scene: Scene) -> None:
    """Each asks for 27 bytes of answer, and needs no token."""
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    reactor = Reactor()
    stream = StreamSocket(reactor, Turn(), ours)
    stream.own(scene.transport)
    scene.transport.socket = stream
    stream.resume_reading()
    said, answers = 0, 0
    while stream.open and said < 60_000:
        data = memoryview(b"".join(scene.speaker.key_update(answer=True) for _ in range(1000)))
        said += 1000
        while data and stream.open:
            with contextlib.suppress(BlockingIOError):
                data = data[peer.send(data) :]
            stream.doRead()
    with contextlib.suppress(BlockingIOError, ConnectionResetError):
        while taken := len(peer.recv(1 << 20)):
            answers += taken
    peer.close()
    assert not stream.open
    assert said * 27 - answers < HIGH_WATER + 2 * PROVOKED + 27_000
    assert scene.lost_because == "aborted"
