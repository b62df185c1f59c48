"""An issuer tells the gate that something ended: over real TLS, from its token to the cut of a live watch."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from authority import Authority
from issuer import TestIssuer
from lab.waiting import eventually
from live_exec import SWITCHED, goes_on, live_exec
from live_gate import LiveGate
from raw_client import RawClient
from recording_cluster import RecordingCluster
from web_server import Page, Seen, WebServer, document, web_server

from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
POLICY = {
    "rules": [
        {
            "name": "all",
            "who": {"users": ["*"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}, {"actions": ["exec"]}],
        }
    ]
}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"


@define
class Scene:
    """A gate, an issuer of its people, a transmitter that speaks of them and is asked, and a cluster that answers watches."""

    gate: LiveGate
    cluster: RecordingCluster
    idp: TestIssuer
    transmitter: TestIssuer
    web: WebServer
    waiting: dict[str, str] = field(factory=dict)
    asked: list[dict[str, Any]] = field(factory=list)

    def token(self, **claims: Any) -> str:
        return self.idp.token(time.time(), **claims)

    def watch(self, token: str) -> RawClient:
        """A watch that has shown its first event."""
        client = RawClient(self.gate.port, self.gate.context())
        client.send(
            b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
        )
        said = client.until(b"{}\n\r\n")
        assert said.startswith(b"HTTP/1.1 200"), said
        return client

    def execs(self, token: str) -> RawClient:
        """A live exec."""
        return live_exec(self.gate, token)

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, Any]:
        with RawClient(self.gate.port, self.gate.context()) as client:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
            client.send(head.encode() + body)
            return client.status(), json.loads(client.last_body or b"null")

    def logs_out(self, **changed: Any) -> tuple[int, Any]:
        """The issuer sends a logout token."""
        now = time.time()
        claims = {"iss": self.idp.url, "aud": "kgate", "iat": now, "exp": now + 60, "jti": f"l{now}", "events": {BACKCHANNEL_LOGOUT: {}}}
        token = self.idp.sign({name: value for name, value in (claims | changed).items() if value is not None}, typ="logout+jwt")
        body = urllib.parse.urlencode({"logout_token": token}).encode()
        return self.post("/kgate/v1/backchannel-logout", body, "application/x-www-form-urlencoded")

    def event(self, uri: str, sub: str, **changed: Any) -> str:
        """A security event token of the transmitter's."""
        now = time.time()
        subject = {"format": "iss_sub", "iss": self.idp.url, "sub": sub}
        claims = {"iss": self.transmitter.url, "aud": "gate", "iat": now, "jti": f"e{now}", "sub_id": subject, "events": {uri: {}}}
        return self.transmitter.sign(claims | changed, typ="secevent+jwt")

    def pushes(self, token: str) -> tuple[int, Any]:
        return self.post("/kgate/v1/signals", token.encode(), "application/secevent+jwt")

    def records(self, event: str) -> list[dict[str, Any]]:
        return [record for record in self.gate.records() if record["event"] == event]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("notices")
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    cluster.answer = lambda connection, head: connection.send(SWITCHED if b"/exec?" in head else STREAM)
    (folder / "gate").mkdir()
    (folder / "gate" / "token").write_text("the-gates-own-token")
    with web_server(authority) as web:
        idp, transmitter = TestIssuer(web.url), TestIssuer(web.url + "/ssf")
        names = {"username": {"claim": "sub", "prefix": ""}}
        oidc = {"issuer": {"url": idp.url, "audiences": ["kgate"], "certificateAuthority": web.pem}, "claimMappings": names}
        signals = {
            "issuer": {"url": transmitter.url, "audiences": ["gate"], "certificateAuthority": web.pem},
            "about": idp.url,
            "poll": web.url + "/poll",
            "token_file": "token",
        }
        identity = {"oidc": [oidc], "signals": [signals]}
        gate = LiveGate(folder / "gate", authority, {"lab": cluster.access(folder / "gate")}, POLICY, {"identity": identity})
        scene = Scene(gate, cluster, idp, transmitter, web)
        _publish(scene)
        gate.start()
        yield scene
        gate.stop()
    cluster.stop()


def _publish(scene: Scene) -> None:
    url = scene.web.url

    def poll(seen: Seen) -> Page:
        """What waits, but what was acknowledged; held for a moment, as transmitters do."""
        question = json.loads(seen.body)
        scene.asked.append(question)
        for id_ in [*question["ack"], *question["setErrs"]]:
            scene.waiting.pop(id_, None)
        return document({"sets": dict(scene.waiting), "moreAvailable": False}, before=lambda: time.sleep(0.05))

    scene.web.pages.update(
        {
            "/.well-known/openid-configuration": document({"issuer": scene.idp.url, "jwks_uri": url + "/jwks"}),
            "/jwks": Page(200, scene.idp.document()),
            "/ssf/.well-known/ssf-configuration": document({"issuer": scene.transmitter.url, "jwks_uri": url + "/ssf/jwks"}),
            "/ssf/jwks": Page(200, scene.transmitter.document()),
            "/poll": poll,
        }
    )


def test_a_logout_token_cuts_the_watches_of_that_session_and_no_others(scene: Scene) -> None:
    token = scene.token(sub="alice", sid="s1")
    with scene.watch(token) as gone, scene.watch(scene.token(sub="alice", sid="s2")) as stays:
        assert scene.logs_out(sub="alice", sid="s1") == (200, None)
        assert b"you signed out at the identity provider" in gone.until(b"0\r\n\r\n")
        assert goes_on(stays)
    with RawClient(scene.gate.port, scene.gate.context()) as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode())
        assert client.status() == 401 and b"you signed out" in client.last_body
    eventually("the end's record", lambda: scene.records("stream-end"))
    assert scene.records("stream-end")[0]["revocation_ms"] < 1000
    told = scene.records("notice")[-1]
    assert (told["allowed"], told["notice"], told["subject"]) == (True, "logout", {"sub": "alice", "session": "s1"})


def test_whoever_signs_in_again_is_in(scene: Scene) -> None:
    assert scene.logs_out(sub="bob", iat=time.time() - 5)[0] == 200
    with scene.watch(scene.token(sub="bob")):
        pass


@pytest.mark.threat("20")
def test_what_is_no_logout_token_of_a_known_issuer_is_a_400_and_on_record(scene: Scene) -> None:
    stranger = TestIssuer("https://evil.example")
    forged = stranger.sign({"iss": scene.idp.url, "aud": "kgate", "iat": time.time(), "jti": "x", "sub": "carol"}, typ="logout+jwt")
    with scene.watch(scene.token(sub="carol")) as stays:
        assert scene.logs_out(sub="carol", aud="somebody-else")[0] == 400
        assert scene.logs_out(sub="carol", nonce="n")[0] == 400
        assert scene.logs_out(sub="carol", iss="https://evil.example")[0] == 400
        for token in (forged, scene.token(sub="carol"), "", "a.b.c", "x" * 100_000):
            body = urllib.parse.urlencode({"logout_token": token}).encode()
            assert scene.post("/kgate/v1/backchannel-logout", body, "application/x-www-form-urlencoded")[0] == 400, token[:60]
        assert scene.post("/kgate/v1/backchannel-logout", b"{}", "application/json")[0] == 400
        assert scene.pushes(scene.event(CAEP + "session-revoked", "carol", iss=scene.idp.url))[0] == 400  # its issuer sends no events
        assert goes_on(stays)
    assert all("carol" not in json.dumps(record) for record in scene.records("notice") if record["allowed"])


@pytest.mark.parametrize(
    "form", [b"", b"a=1", b"logout_token=a&logout_token=b", b"&".join(b"a=%d" % number for number in range(40)), b"\xff%zz"]
)
def test_what_is_no_form_with_one_token_is_a_400(scene: Scene, form: bytes) -> None:
    status, answer = scene.post("/kgate/v1/backchannel-logout", form, "application/x-www-form-urlencoded")
    assert (status, answer["error"]) == (400, "invalid_request")


def test_a_security_event_that_is_pushed_is_acted_on_before_it_is_acknowledged(scene: Scene) -> None:
    token = scene.event(CAEP + "session-revoked", "dora")
    with scene.watch(scene.token(sub="dora", iat=time.time() - 1)) as gone:
        assert scene.pushes(token) == (202, None)
        assert b"the identity provider ended the session" in gone.until(b"0\r\n\r\n")

    def on_record(sub: str) -> list[dict[str, Any]]:
        return [each for each in scene.records("notice") if sub in json.dumps(each)]

    first = eventually("it is on record", lambda: on_record("dora"))
    assert scene.pushes(token) == (202, None)  # the same once more is no news
    assert scene.pushes(scene.event(CAEP + "session-revoked", "erik")) == (202, None)
    eventually("what came behind it is", lambda: on_record("erik"))
    assert on_record("dora") == first


def test_a_security_event_that_waits_is_fetched_and_acknowledged_and_a_bad_one_is_sent_back_with_its_reason(scene: Scene) -> None:
    with scene.watch(scene.token(sub="emil", iat=time.time() - 1)) as gone:
        good = scene.event(CAEP + "credential-change", "emil", jti="good")
        bad = scene.event("https://example.com/unknown", "emil", jti="bad")
        scene.waiting.update({"good": good, "bad": bad})  # in one step: the gate asks all the time
        assert b"your credential at the identity provider changed" in gone.until(b"0\r\n\r\n")
    eventually("both are settled", lambda: not scene.waiting)
    settled = next(question for question in reversed(scene.asked) if question["ack"] or question["setErrs"])
    assert settled["ack"] == ["good"] and settled["setErrs"]["bad"]["err"] == "invalid_request"
    headers = [seen.headers for seen in scene.web.seen if seen.path == "/poll"]
    assert headers[0]["authorization"] == "Bearer the-gates-own-token"


def test_a_notice_survives_a_restart(scene: Scene) -> None:
    token = scene.token(sub="fred", iat=time.time() - 1)
    assert scene.pushes(scene.event(CAEP + "session-revoked", "fred"))[0] == 202
    scene.gate.stop()
    scene.gate.start()
    with RawClient(scene.gate.port, scene.gate.context()) as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode())
        assert client.status() == 401


def test_of_a_hundred_live_execs_ninety_nine_are_cut_within_a_second_of_their_notice(scene: Scene) -> None:
    live = {f"p{number}": scene.execs(scene.token(sub=f"p{number}", iat=time.time() - 1)) for number in range(100)}
    took = []
    for number, (person, client) in enumerate(live.items()):
        sent = time.monotonic()
        if number % 2:
            assert scene.logs_out(sub=person)[0] == 200
            said = client.until(b"you signed out at the identity provider")
        else:
            assert scene.pushes(scene.event(CAEP + "session-revoked", person))[0] == 202
            said = client.until(b"the identity provider ended the session")
        took.append(time.monotonic() - sent)
        assert b'"status":"Failure"' in said  # on the error channel, so that kubectl exits with 1
        client.tls.close()
    took.sort()
    print(f"notice to cut of a live exec: p50 {took[49] * 1000:.0f} ms, p99 {took[98] * 1000:.0f} ms, of {len(took)}")
    assert took[98] <= 1.0
