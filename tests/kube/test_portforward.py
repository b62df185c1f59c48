"""What a port-forward's streams say of themselves."""

from __future__ import annotations

import pytest

from kgate.kube.portforward import Forwarded, StreamType, legacy_announcement, legacy_channel, read_port, read_stream


@pytest.mark.parametrize(("text", "port"), [(b"1", 1), (b"8080", 8080), (b"65535", 65535)])
def test_ports(text: bytes, port: int) -> None:
    assert read_port(text) == port


@pytest.mark.parametrize(
    "text", [b"", b"0", b"080", b"65536", b"+80", b"-1", b"8_0", b" 80", b"80\022", b"0x50", b"123456", "８０".encode(), b"1" * 5000]
)
def test_what_another_reader_could_take_for_another_port_is_none(text: bytes) -> None:
    assert read_port(text) is None


def test_streams() -> None:
    headers = [(b"streamtype", b"data"), (b"port", b"8080"), (b"requestid", b"7")]
    assert read_stream(headers) == Forwarded(StreamType.DATA, 8080, "7")
    assert read_stream([*headers[:2], (b"requestid", b"1" * 20)]) == Forwarded(StreamType.DATA, 8080, "1" * 20)
    assert read_stream([(b"port", b"80"), (b"streamtype", b"error")]) == Forwarded(StreamType.ERROR, 80, "")


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ([(b"streamtype", b"data")], "port"),
        ([(b"streamtype", b"data"), (b"port", b"80\x0022")], "port"),
        ([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"x")], "request id"),
        ([(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"1" * 21)], "request id"),
        ([(b"streamtype", b"stdin"), (b"port", b"80")], "neither"),
        ([(b"port", b"80")], "neither"),
    ],
)
def test_refused_streams(headers: list[tuple[bytes, bytes]], sentence: str) -> None:
    read = read_stream(headers)
    assert isinstance(read, str)
    assert sentence in read


def test_the_legacy_form() -> None:
    ports = (8080, 22)
    assert [legacy_channel(channel, ports) for channel in range(5)] == [
        Forwarded(StreamType.DATA, 8080, ""),
        Forwarded(StreamType.ERROR, 8080, ""),
        Forwarded(StreamType.DATA, 22, ""),
        Forwarded(StreamType.ERROR, 22, ""),
        None,
    ]
    assert legacy_channel(-1, ports) is None
    assert legacy_announcement(8080) == b"\x90\x1f"
