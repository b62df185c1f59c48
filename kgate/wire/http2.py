"""HTTP/2 (RFC 9113), both roles, sans-IO: what the rest of kgate uses of it.

How it is made, from the bytes up: ``hpack_huffman`` and ``hpack`` (header compression), ``http2_frames`` (numbers and short frames),
``http2_fields`` (what a message may be), ``http2_streams`` (the states, as tables), ``http2_limits`` (what a connection may cost),
``http2_allowances`` (what only attackers use up),
``http2_sending`` (queues, windows and turns), ``http2_framing`` (the loop over the frames that arrive, and their order), ``http2_heads`` (header blocks),
``http2_connection`` (what frames mean), ``http2_server`` and ``http2_client`` (what a role adds).

**How an owner uses it.** Bytes that arrived go to ``receive``; after every call ask ``data_to_send`` (once in a turn of the loop is enough: what
several streams do becomes one write), and ``closing``, whether to close after that. When the transport is full call ``pause_sending``; when it has
drained, and as long as ``backlog`` is true then, ``resume_sending``. Give credit back by ``consumed`` only when bytes went on: that is the
backpressure on the peer; ``queued`` and StreamWritable are the backpressure on whoever sends.

Everything that is wrong in what a peer sends is answered here and shows as StreamReset or ConnectionFailed. LocalProtocolError is a bug in kgate.
"""

from kgate.wire.http2_client import ClientConnection
from kgate.wire.http2_frames import ErrorCode
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_server import ServerConnection

__all__ = ["ClientConnection", "ErrorCode", "Http2Limits", "ServerConnection"]
