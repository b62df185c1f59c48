"""Channels of exec and attach, and the Status on the error channel."""

from __future__ import annotations

import orjson
import pytest

from kgate.kube.remotecommand import SPDY, WEBSOCKET, Channel, exit_code, exit_status, failure, success

V5, V4, OLD, BASE64 = (
    WEBSOCKET[name] for name in (b"v5.channel.k8s.io", b"v4.channel.k8s.io", b"channel.k8s.io", b"v4.base64.channel.k8s.io")
)


def test_channels_by_their_number() -> None:
    assert [V5.channel(number) for number in range(5)] == [Channel.STDIN, Channel.STDOUT, Channel.STDERR, Channel.ERROR, Channel.RESIZE]
    assert [V5.channel(number) for number in (5, 255, 0x33)] == [None, None, None]
    assert (BASE64.channel(0x33), BASE64.channel(3)) == (Channel.ERROR, None)
    assert (V4.lead(Channel.ERROR), BASE64.lead(Channel.ERROR)) == (b"\x03", b"3")


def test_which_protocol_can_what() -> None:
    assert [name for name, dialect in WEBSOCKET.items() if dialect.closes] == [b"v5.channel.k8s.io"]
    assert [name for name, dialect in SPDY.items() if dialect.status] == [b"v5.channel.k8s.io", b"v4.channel.k8s.io"]
    assert OLD.error("kgate: no") == b"kgate: no"
    assert orjson.loads(V5.error("kgate: no")) == {
        "metadata": {},
        "status": "Failure",
        "message": "kgate: no",
        "reason": "Forbidden",
        "details": {"causes": [{"reason": "ExitCode", "message": "255"}]},
        "code": 403,
    }


@pytest.mark.parametrize("code", [1, 3, 137, 255])
def test_exit_codes_come_back(code: int) -> None:
    assert exit_code(exit_status(code)) == code


def test_an_exit_code_as_the_api_server_tells_it() -> None:
    assert orjson.loads(exit_status(137)) == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: exit status 137",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "137"}]},
    }


@pytest.mark.parametrize(("message", "code"), [("0", 0), ("255", 255), ("256", None), ("0255", None), ("²", None), ("9" * 5000, None)])
def test_an_exit_code_is_a_byte_in_plain_digits(message: str, code: int | None) -> None:
    """The cluster is not trusted; Python refuses thousands of digits with an exception."""
    told = {"reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": message}]}}
    assert exit_code(orjson.dumps(told)) == code


def test_other_verdicts() -> None:
    assert exit_code(success()) == 0
    assert exit_code(failure("kgate: no")) is None
    assert exit_code(b"") is None
    assert exit_code(b"[1]") is None
    assert exit_code(b'{"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"999"}]}}') is None
    assert exit_code(b'{"reason":"NonZeroExitCode","details":{"causes":[1,{"reason":"ExitCode","message":"-1"}]}}') is None


def test_a_cut_has_an_exit_code_for_clients_that_look_for_nothing_else() -> None:
    """Kubernetes' client for Python and Ansible's k8s_exec read the code without looking at the reason: a KeyError hid why, and that it was a cut."""
    status = orjson.loads(failure("kgate: closed by policy"))
    assert int(status["details"]["causes"][0]["message"]) == 255
    assert status["reason"] != "NonZeroExitCode", "kubectl shows the message of any other failure, and exits with 1"
    assert exit_code(failure("kgate: closed by policy")) is None, "the command did not exit"
