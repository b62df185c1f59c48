"""The gate's own pages over real TLS: who they are for, what they refuse, and that a cluster's requests never land there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import ALICE
from authority import Authority
from live_gate import LiveGate
from raw_client import RawClient
from twisted.internet.defer import Deferred

from kgate.api.application import Application, Params, json_response
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.credentials import Credentials

WHOAMI = b"/kgate/v1/whoami"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGate]:
    folder: Path = tmp_path_factory.mktemp("api")
    (folder / "token").write_text("unused")
    nowhere = {"server": "https://127.0.0.1:1", "token_file": str(folder / "token"), "hosts": ["lab.example.com"]}
    gate = LiveGate(folder / "gate", Authority("api tests"), {"lab": nowhere})
    gate.start()
    yield gate
    gate.stop()


def ask(gate: LiveGate, raw: bytes) -> tuple[int, bytes, bytes]:
    with RawClient(gate.port, gate.context()) as client:
        client.send(raw)
        return client.status(), client.last_head.lower(), client.last_body


def get(path: bytes, *lines: bytes, host: bytes = b"localhost", method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, path, host, b"".join(line + b"\r\n" for line in lines))


def test_whoami_says_whom_the_gate_takes_one_for(gate: LiveGate) -> None:
    status, head, body = ask(gate, get(WHOAMI, ALICE))
    assert (status, json.loads(body)) == (200, {"user": "alice", "groups": ["developers"], "issuer": "tokens", "robot": "alice"})
    assert b"cache-control: no-store" in head and b"x-content-type-options: nosniff" in head


@pytest.mark.parametrize("line", [b"Authorization: Basic YWxpY2U6eA==", b"Authorization: Bearer two words", b"Authorization: Bearer"])
def test_a_bad_credential_is_not_passed_over_for_the_certificate_beside_it(gate: LiveGate, tmp_path: Path, line: bytes) -> None:
    context = gate.context()
    context.load_cert_chain(*gate.authority.leaf(common_name="carol", client=True).write(tmp_path, "carol"))
    with RawClient(gate.port, context) as client:
        client.send(get(WHOAMI))
        assert client.status() == 200 and json.loads(client.last_body)["user"] == "carol"
        client.send(get(WHOAMI, line))
        assert client.status() == 401 and b"token is not well formed" in client.last_body


def test_a_stranger_gets_a_401_that_says_what_to_do(gate: LiveGate) -> None:
    status, _, body = ask(gate, get(WHOAMI))
    assert status == 401 and "no credentials" in json.loads(body)["message"]


def test_another_method_is_not_answered_and_head_has_no_body(gate: LiveGate) -> None:
    status, head, _ = ask(gate, get(WHOAMI, ALICE, b"Content-Length: 0", method=b"POST"))
    assert status == 405 and b"allow: get" in head
    with RawClient(gate.port, gate.context()) as client:
        client.send(get(WHOAMI, ALICE, b"Connection: close", method=b"HEAD"))
        assert client.rest().split(b"\r\n\r\n")[1] == b""


def test_a_cluster_never_loses_a_path_to_the_gates_own_pages(gate: LiveGate) -> None:
    assert ask(gate, get(WHOAMI, ALICE, host=b"lab.example.com"))[0] in (403, 503)
    assert ask(gate, get(b"/clusters/lab" + WHOAMI, ALICE))[0] in (403, 503)


def test_what_is_no_page_is_a_missing_cluster(gate: LiveGate) -> None:
    status, _, body = ask(gate, get(b"/api/v1/pods", ALICE))
    assert status == 404 and "/clusters/NAME/" in json.loads(body)["message"]


def test_a_body_past_a_megabyte_is_refused(gate: LiveGate) -> None:
    status, _, _ = ask(gate, get(WHOAMI, ALICE, b"Content-Length: 2000000", method=b"POST") + b"x" * 1_100_000)
    assert status == 413


@pytest.mark.threat("05")
def test_the_same_strict_head_rules_hold(gate: LiveGate) -> None:
    assert ask(gate, get(WHOAMI, ALICE, b"Content-Length: 0", b"Transfer-Encoding: chunked", method=b"POST"))[0] == 400


def request(path: str, method: str = "GET") -> LocalRequest:
    return LocalRequest(method, path, "", (), b"", Credentials())


def test_a_segment_in_braces_takes_any_one_segment_decoded_and_an_exact_path_goes_first() -> None:
    async def one(request: LocalRequest, params: Params) -> LocalResponse:
        return json_response(200, dict(params))

    async def all_(request: LocalRequest, params: Params) -> LocalResponse:
        return json_response(200, "all")

    application = Application(lambda: None, {("GET", "/users/{id}"): one, ("GET", "/users/all"): all_})
    said: list[bytes] = []
    for path in ("/users/a%2Fb", "/users/all", "/users/a/b"):
        application.serve(request(path), lambda response: said.append(response.body))
    assert said[:2] == [b'{"id":"a/b"}', b'"all"'] and b"no such page" in said[2]


def test_an_answer_that_comes_later_is_a_turn_of_its_own_and_a_bug_is_a_500() -> None:
    arrived: Deferred[None] = Deferred()
    flushed: list[str] = []
    said: list[int] = []

    async def slow(request: LocalRequest, params: Params) -> LocalResponse:
        await arrived
        raise AssertionError("a bug")

    application = Application(lambda: flushed.append("flush"), {("GET", "/slow"): slow})
    application.serve(request("/slow"), lambda response: said.append(response.status))
    assert (said, flushed) == ([], [])
    arrived.callback(None)
    assert (said, flushed) == ([500], ["flush"])
