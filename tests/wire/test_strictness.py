"""The written list of docs/wire.md, item by item: the library of the protocol takes it, ours refuses it. Nothing else may stand in the list, or be missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from hpack import Encoder
from http1_reading import h11_client, h11_server, our_client, our_server
from http2_scene import frame
from test_http2_oracle import GREETING, HEAD, Ours
from test_websocket_follow import follow, oracle

from kgate.wire.http2_frames import FrameType
from kgate.wire.websocket import BINARY, CONTINUATION, encode_close, encode_frame

PAGE = Path(__file__).parents[2] / "docs" / "wire.md"

HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
ONE = b"Content-Length: 1\r\n\r\nx"

REQUESTS = {
    "an absolute, authority or asterisk target": b"GET http://a/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment in the target": b"GET /x#y HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method that Kubernetes does not know": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a version other than 1.1 and 1.0": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "LF without CR": b"GET / HTTP/1.1\nHost: a\n\n",
    "a folded line": GET + b"X: a\r\n b\r\n\r\n",
    "an underscore in a name": GET + b"X_A: b\r\n\r\n",
    "a control character in a value": GET + b"X: a\x01b\r\n\r\n",
    "two Content-Lengths, though they are the same": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "a list of Content-Lengths": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "a Content-Length of more than 18 digits": POST + b"Content-Length: 0000000000000000001\r\n\r\nx",
    "Content-Length beside Transfer-Encoding": POST + b"Content-Length: 1\r\n" + CHUNKED + b"0\r\n\r\n",
    "Transfer-Encoding on HTTP/1.0": b"POST / HTTP/1.0\r\n" + CHUNKED + b"0\r\n\r\n",
    "a chunk extension": POST + CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n",
    "a chunk size with spaces, or of more than 16 digits": POST + CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    "a trailer that frames, routes or authenticates": POST + CHUNKED + b"0\r\nAuthorization: x\r\n\r\n",
    "an expectation other than 100-continue": POST + b"Expect: x\r\n" + ONE,
    "a Host that is empty, or more than a host and a port": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "Connection: upgrade without exactly one Upgrade": GET + b"Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n",
    "an upgrade request with a body": POST + b"Connection: Upgrade\r\nUpgrade: x\r\n" + ONE,
    "more than 200 header lines, or a head of more than 64 KiB": GET + b"X: y\r\n" * 200 + b"\r\n",
}
ANSWERS = {
    "LF without CR": b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
    "a folded line": OK + b"X: a\r\n b\r\n" + ONE,
    "an underscore in a name": OK + b"X_A: b\r\n" + ONE,
    "a control character in a value": OK + b"X: a\x01b\r\n" + ONE,
    "two Content-Lengths, or a list of them": OK + b"Content-Length: 1\r\n" + ONE,
    "Content-Length beside Transfer-Encoding": OK + b"Content-Length: 1\r\n" + CHUNKED + b"0\r\n\r\n",
    "Transfer-Encoding on HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"0\r\n\r\n",
    "a chunk extension": OK + CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n",
    "a trailer that frames, routes or authenticates": OK + CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    "a status above 599": b"HTTP/1.1 600 x\r\n" + ONE,
    "a 1xx answer with a length": b"HTTP/1.1 103 x\r\nContent-Length: 1\r\n\r\n" + OK + ONE,
    "more than eight 1xx answers": b"HTTP/1.1 103 x\r\n\r\n" * 9 + OK + ONE,
    "more than 200 header lines, or a head of more than 64 KiB": OK + b"X: y\r\n" * 200 + ONE,
}


def _block(*more: tuple[bytes, bytes], **changed: bytes) -> bytes:
    fields = {**dict(HEAD), **{b":" + name.encode(): value for name, value in changed.items()}}
    return Encoder().encode([*fields.items(), *more])


def _head(*more: tuple[bytes, bytes], end: int = 1, **changed: bytes) -> bytes:
    return frame(FrameType.HEADERS, 4 | end, 1, _block(*more, **changed))


def _trailers(name: bytes) -> bytes:
    return _head(end=0) + frame(FrameType.HEADERS, 5, 1, Encoder().encode([(name, b"x")]))


HTTP2 = {
    "a method that Kubernetes does not know, CONNECT included": _head(method=b"GET /evil"),
    "a scheme other than http and https": _head(scheme=b"gopher"),
    "a path that is not absolute, not visible ASCII, or has a fragment": _head(path=b"/x HTTP/1.1"),
    "an authority with user information, or empty": _head(authority=b"root@a"),
    "an underscore in a name": _head((b"x_a", b"b")),
    "a control character in a value": _head((b"x-a", b"a\x01b")),
    "two content-lengths, though they are the same": _head((b"content-length", b"0"), (b"content-length", b"0")),
    "a content-length of more than 18 digits": _head((b"content-length", b"0" * 19)),
    "a trailer that frames, routes or authenticates, or with an underscore": _trailers(b"authorization"),
    "more than 32 CONTINUATION frames": frame(FrameType.HEADERS, 1, 1, _block()) + frame(9, 0, 1, b"") * 40 + frame(9, 4, 1, b""),
    "more than 1000 frames that move nothing": frame(FrameType.PING, 0, 0, b"12345678") * 1200,
    "more than 200 streams in 30 seconds that come to nothing": b"".join(
        frame(FrameType.HEADERS, 5, stream, _block()) + frame(FrameType.RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in range(1, 601, 2)
    ),
}
PING = frame(FrameType.PING, 0, 0, b"12345678")


def _binary_head(length: int) -> bytes:
    return b"\x82\x7f" + length.to_bytes(8, "big")


def _empty_fragments(count: int) -> bytes:
    return encode_frame(BINARY, b"", fin=False) + encode_frame(CONTINUATION, b"", fin=False) * (count - 1)


WEBSOCKET = {
    "a data frame of more than 16 MiB": b"\x82\x7f" + (17 << 20).to_bytes(8, "big"),
    "more than 64 empty fragments in a row": encode_frame(BINARY, b"", fin=False) + encode_frame(CONTINUATION, b"", fin=False) * 65,
    "anything behind a Close": encode_close(1000) + encode_frame(BINARY, b"x"),
}


def _filled(start: bytes, length: int) -> bytes:
    """A head that begins so, of ``length`` bytes before the blank line."""
    return start + b"X: " + b"y" * (length - len(start) - 3) + b"\r\n\r\n"


def _continued(times: int) -> bytes:
    return frame(FrameType.HEADERS, 1, 1, _block()) + frame(9, 0, 1, b"") * (times - 1) + frame(9, 4, 1, b"")


def _reset(times: int) -> bytes:
    streams = range(1, 2 * times, 2)
    return b"".join(frame(FrameType.HEADERS, 5, each, _block()) + frame(FrameType.RST_STREAM, 0, each, b"\0\0\0\x08") for each in streams)


BOUNDS = {
    "HTTP/1.1 requests, beside h11": {
        "a Content-Length of 18 digits": (POST + b"Content-Length: %018d\r\n\r\nx" % 1, POST + b"Content-Length: %019d\r\n\r\nx" % 1),
        "a chunk size of 16 digits": (POST + CHUNKED + b"%016d\r\nx\r\n0\r\n\r\n" % 1, POST + CHUNKED + b"%017d\r\nx\r\n0\r\n\r\n" % 1),
        "200 header lines": (GET + b"X: y\r\n" * 199 + b"\r\n", GET + b"X: y\r\n" * 200 + b"\r\n"),
        "a head of 64 KiB": (_filled(GET, 65536), _filled(GET, 65537)),
    },
    "HTTP/1.1 answers, beside h11": {
        "eight 1xx answers": (b"HTTP/1.1 103 x\r\n\r\n" * 8 + OK + ONE, b"HTTP/1.1 103 x\r\n\r\n" * 9 + OK + ONE),
        "200 header lines": (OK + b"X: y\r\n" * 199 + ONE, OK + b"X: y\r\n" * 200 + ONE),
        "a head of 64 KiB": (_filled(OK + ONE[:-3], 65536) + b"x", _filled(OK + ONE[:-3], 65537) + b"x"),
    },
    "HTTP/2, beside h2": {
        "32 CONTINUATION frames": (_continued(32), _continued(33)),
        "1000 frames that move nothing": (PING * 999, PING * 1000),  # behind the SETTINGS of the greeting
        "200 streams that come to nothing": (_reset(199), _reset(201)),
        "a content-length of 18 digits": (_head((b"content-length", b"%018d" % 0)), _head((b"content-length", b"%019d" % 0))),
    },
    "WebSocket, beside wsproto": {
        "a data frame of 16 MiB": (_binary_head(16 << 20), _binary_head((16 << 20) + 1)),
        "64 empty fragments in a row": (_empty_fragments(64), _empty_fragments(65)),
    },
}
"""Of the items that have a number: the most that ours takes, and the least that it does not."""


def _h2_takes(script: bytes) -> bool:
    library = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    library.initiate_connection()
    events = library.receive_data(GREETING + script)  # raises where the library refuses
    return any(isinstance(event, RequestReceived) for event in events) or b"12345678" in script


LISTS: Mapping[str, tuple[Mapping[str, bytes], Callable[[bytes], bool], Callable[[bytes], bool]]] = {
    "HTTP/1.1 requests, beside h11": (REQUESTS, lambda data: not h11_server(data).refused, lambda data: our_server(data).refused),
    "HTTP/1.1 answers, beside h11": (ANSWERS, lambda data: not h11_client(data).refused, lambda data: our_client(data).refused),
    "HTTP/2, beside h2": (HTTP2, _h2_takes, lambda data: Ours().read(data)[1]),
    "WebSocket, beside wsproto": (
        WEBSOCKET,
        lambda data: not oracle(data, masked=False).failure,
        lambda data: bool(follow([data], masked=False).failure),
    ),
}
ITEMS = [(section, name) for section, (cases, _, _) in LISTS.items() for name in cases]


@pytest.mark.parametrize(("section", "bound"), [(section, bound) for section, bounds in BOUNDS.items() for bound in bounds])
def test_a_number_is_exact(section: str, bound: str) -> None:
    _, library_takes, ours_refuses = LISTS[section]
    most, one_more = BOUNDS[section][bound]
    assert library_takes(most) and library_takes(one_more)
    assert (ours_refuses(most), ours_refuses(one_more)) == (False, True)


@pytest.mark.parametrize(("section", "name"), ITEMS)
def test_the_library_takes_it_and_ours_does_not(section: str, name: str) -> None:
    cases, library_takes, ours_refuses = LISTS[section]
    assert library_takes(cases[name])
    assert ours_refuses(cases[name])


def test_the_page_lists_them_all_and_no_others() -> None:
    section, written = "", []
    for line in PAGE.read_text().splitlines():
        if line.startswith("### "):
            section = line[4:].strip()
        row = re.match(r"\| ([^|]+) \| [^|]+ \|$", line)
        if row and section in LISTS and row[1] not in ("what", "---"):
            written.append((section, row[1].strip().replace("`", "")))
    assert written == ITEMS
