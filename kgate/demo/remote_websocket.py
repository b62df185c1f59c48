"""exec and attach over WebSocket: one channel byte before each message's payload (v4 and v5, and the older ones in base64)."""

from __future__ import annotations

import base64
import binascii

from kgate.demo.answers import Link
from kgate.demo.containers import Streams
from kgate.demo.remote import Begin, Input, Started, Wants, exit_status, status_bytes, window_size
from kgate.demo.schema import Object
from kgate.demo.throttle import ChannelWriter, Throttle
from kgate.wire.websocket_endpoint import Assembler, Closed, Connection, Failed, MessageData

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
SUBPROTOCOLS = (b"v5.channel.k8s.io", b"v4.channel.k8s.io", b"v4.base64.channel.k8s.io", b"channel.k8s.io", b"base64.channel.k8s.io")


class WebSocketRemote:
    """One remote command. ``subprotocol`` is empty where the client offered none (then it is the oldest)."""

    def __init__(self, begin: Begin, wants: Wants, subprotocol: bytes) -> None:
        self._begin, self._wants = begin, wants
        self._base64 = b"base64" in subprotocol
        self._structured = subprotocol.startswith((b"v4", b"v5"))
        self._half_close = subprotocol.startswith(b"v5")
        self._socket = Connection()
        self._whole = Assembler()
        self._channel: int | None = None
        self._small = bytearray()
        self._started: Started | None = None

    def opened(self, link: Link) -> None:
        """See Tunnel."""
        self._link, self._throttle = link, Throttle(link)
        stdout = ChannelWriter(self._throttle, lambda data: self._say(STDOUT, data))
        stderr = ChannelWriter(self._throttle, lambda data: self._say(STDERR, data))
        if self._wants.stdout:
            self._say(STDOUT, b"")
        begun = self._begin(Streams(stdout, stderr, lambda data: self._say(STDOUT, data) if data else None), link.resume)
        if isinstance(begun, Started):
            self._started = begun
            begun.finished.addCallback(self._finished)
        else:
            self._end(begun)

    def _finished(self, code: int) -> int:
        self._end(exit_status(code))
        return code

    def _end(self, status: Object) -> None:
        if not self._throttle.closed:
            self._throttle.close()
            self._frame(ERROR, status_bytes(status, structured=self._structured))
            self._socket.close()
            self._flush()
            self._link.close()

    def _say(self, channel: int, data: bytes) -> None:
        if not self._throttle.closed:
            self._frame(channel, data)
            self._flush()

    def _frame(self, channel: int, data: bytes) -> None:
        if self._socket.close_sent:
            return
        if self._base64:
            self._socket.send_message(b"%d" % channel + base64.b64encode(data), text=True)
        else:
            self._socket.send_message(bytes([channel]) + data)

    def _flush(self) -> None:
        data = self._socket.data_to_send()
        if data:
            self._link.write(data)

    def received(self, data: bytes) -> None:
        """See Tunnel."""
        for event in self._socket.receive(data):
            if isinstance(event, MessageData):
                self._message(event)
            elif isinstance(event, Closed | Failed):
                self._flush()
                self._link.close()
                self.lost()
                return
        self._flush()
        if self._started is not None and self._started.program.full:
            self._link.pause()

    def _message(self, piece: MessageData) -> None:
        if self._base64:
            whole = self._whole.add(piece)
            if whole is not None:
                self._encoded(whole)
            return
        data = piece.data
        if piece.begins:
            self._channel = None
        if self._channel is None and data:
            self._channel, data = data[0], data[1:]
        self._payload(data, piece.ends)

    def _encoded(self, message: bytes) -> None:
        try:
            data = base64.b64decode(message[1:], validate=True)
        except binascii.Error:
            return
        self._channel = message[0] - ord("0") if message[:1].isdigit() else None
        self._payload(data, True)

    def _payload(self, data: bytes, ends: bool) -> None:
        """A piece of a message on the current channel. What is not stdin is small and waits to be whole."""
        program = self._program
        if program is None:
            return
        if self._channel == STDIN:
            program.feed(data)
            return
        self._small += data[:1024]
        if ends:
            message = bytes(self._small)
            self._small.clear()
            self._control(program, message)

    @property
    def _program(self) -> Input | None:
        return self._started.program if self._started is not None and not self._throttle.closed else None

    def _control(self, program: Input, message: bytes) -> None:
        if self._channel == CLOSE and message == bytes([STDIN]) and self._half_close:
            program.finish_input()
        elif self._channel == RESIZE and (size := window_size(message)):
            program.resize(*size)

    def drained(self) -> None:
        """See Tunnel."""
        self._throttle.drained()

    def lost(self) -> None:
        """See Tunnel."""
        self._throttle.close()
        started, self._started = self._started, None
        if started is not None:
            started.leave()
