"""Facts or the geo data change: what lives is decided again at once, and only what depended on it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from arena import Arena
from authority import Authority
from geo_data import COUNTRY, written
from lab.waiting import eventually
from live_gate import TOKENS, LiveGate
from raw_client import RawClient
from recording_cluster import Connection, RecordingCluster
from web_server import document, web_server

from kgate.surroundings.push import sign

KEY = b"0123456789abcdef0123456789abcdef"


def rule(name: str, resource: str, **when: object) -> dict[str, Any]:
    """A rule for watching one kind of thing."""
    allow = [{"verbs": ["get", "list", "watch"], "resources": [resource]}]
    return {"name": name, "who": {"users": ["*"]}, "clusters": {"names": ["*"]}, "allow": allow, "when": when or {"network": ["0.0.0.0/0"]}}


POLICY = {
    "rules": [
        rule("calm", "pods", facts={"incident": {"open": False}}),
        rule("thawed", "services", expression='facts.freeze == "none"'),
        rule("here", "nodes", country=["DE"]),
        rule("always", "events"),
    ]
}


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("outside")
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    gate_folder = folder / "gate"
    gate_folder.mkdir()
    (gate_folder / "push.key").write_bytes(KEY)
    (gate_folder / "country.mmdb").write_bytes(written(COUNTRY))
    (gate_folder / "facts.yaml").write_text("incident: {open: false}")
    settings = {
        "drain": "1s",
        "geo": {"country": "country.mmdb"},
        "facts": [
            {"source": "hand", "file": "facts.yaml"},
            {"source": "ci", "key_file": "push.key", "max_age": "1h", "names": ["freeze"]},
        ],
    }
    gate = LiveGate(gate_folder, authority, {"lab": cluster.access(gate_folder)}, POLICY, settings).start()
    yield Arena(gate, cluster)
    gate.stop()
    cluster.stop()


def endless(connection: Connection, _head: bytes) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")


Watch = Callable[[str], RawClient]


@pytest.fixture
def watch(arena: Arena) -> Iterator[Watch]:
    """Opens live watches, and closes them in the end."""
    with ExitStack() as opened:
        yield lambda resource: opened.enter_context(watching(arena, resource))


def watching(arena: Arena, resource: str) -> RawClient:
    """A live watch of alice's."""
    client = arena.client()
    token = TOKENS["alice"].encode()
    client.send(
        b"GET /clusters/lab/api/v1/%s?watch=true HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
        % (resource.encode(), token)
    )
    assert client.status() == 200, client.last_body
    client.until(b"{}\n")
    return client


def push(arena: Arena, facts: dict[str, object], at: float | None = None, key: bytes = KEY) -> tuple[int, bytes]:
    """A signed message; status and body."""
    body = json.dumps(facts).encode()
    signature = sign(key, body, f"{at or time.time():.3f}").encode()
    with arena.client() as client:
        client.send(
            b"POST /kgate/v1/facts/ci HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nKgate-Signature: %s\r\n\r\n"
            % (len(body), signature)
            + body
        )
        return client.status(), client.last_body


def last_words(client: RawClient) -> str:
    return client.until(b"0\r\n\r\n").decode()


def test_each_change_ends_what_depended_on_it_and_nothing_else(arena: Arena, watch: Watch) -> None:
    arena.cluster.answer = endless
    assert push(arena, {"freeze": "none"})[0] == 200
    pods, services, nodes, events = (watch(each) for each in ("pods", "services", "nodes", "events"))

    arena.gate.put("facts.yaml", "incident: {open: true}")
    assert 'fact incident is {\\"open\\": true}, not {\\"open\\": false}' in last_words(pods)

    assert push(arena, {"freeze": "hard"})[0] == 200
    assert 'expression facts.freeze == \\"none\\" is false' in last_words(services)

    arena.gate.put("country.mmdb", written({"127.0.0.0/8": {"country": {"iso_code": "AT"}}}))
    assert "country is AT, not DE" in last_words(nodes)

    assert arena.gate.admin("/readyz") == (200, "ok\n")
    events.tls.settimeout(0.3)
    with pytest.raises(TimeoutError):
        events.tls.recv(100)

    def on_record() -> dict[str, float]:
        found = {each["closed_by"]: each["revocation_ms"] for each in arena.gate.records() if "closed_by" in each}
        return found if len(found) >= 3 else {}

    ended = eventually("the three ends on record", on_record)  # nobody waits for them
    assert set(ended) == {"fact", "expression", "network"} and max(ended.values()) < 1000, ended
    changes = {each["event"]: each["changes"] for each in arena.gate.records() if each["event"] in ("fact-change", "geo")}
    assert changes == {"fact-change": {"freeze": '"hard"'}, "geo": {}}


def test_only_a_signed_message_of_a_known_source_is_believed(arena: Arena) -> None:
    at = time.time() + 1
    assert push(arena, {"freeze": "none"}, at)[0] == 200
    status, body = push(arena, {"freeze": "none"}, at)
    assert status == 401 and b"came before" in body
    assert push(arena, {"freeze": "none"}, at + 1, b"x" * 32)[0] == 401
    status, body = push(arena, {"incident": {"open": False}}, at + 2)
    assert status == 400 and b"incident, which is not among its names" in body


def test_a_file_of_rubbish_makes_its_facts_unknown_and_readyz_says_so(arena: Arena, watch: Watch) -> None:
    arena.cluster.answer = endless
    arena.gate.put("facts.yaml", "incident: {open: false, n: 1}")
    eventually("it is calm", lambda: arena.get(b"/api/v1/pods") == 200)
    pods = watch("pods")
    arena.gate.put("facts.yaml", "- rubbish")
    assert "fact incident is not known" in last_words(pods)
    status, page = arena.gate.admin("/readyz")
    assert status == 200 and "its facts are unknown" in page


def test_a_gate_does_not_start_on_geo_data_that_are_none(tmp_path: Path, arena: Arena) -> None:
    (tmp_path / "bad.mmdb").write_bytes(b"rubbish")
    gate = LiveGate(tmp_path, arena.gate.authority, {"lab": arena.cluster.access(tmp_path)}, POLICY, {"geo": {"asn": "bad.mmdb"}})
    with pytest.raises(AssertionError, match=r"kgate.yaml:\d+: geo.asn: .*bad.mmdb is not a database in MaxMind's format"):
        gate.start()


def test_another_authority_of_a_server_is_taken_over_and_it_is_asked_at_once(tmp_path: Path, arena: Arena) -> None:
    clusters = {"lab": arena.cluster.access(tmp_path)}
    (tmp_path / "status.crt").write_bytes(Authority("somebody else").certificate)
    with web_server() as status:
        status.pages["/facts"] = document({"incident": {"open": False}})
        source = {"source": "status", "url": f"{status.url}/facts", "certificate_authority": "status.crt", "every": "1h", "max_age": "2h"}
        gate = LiveGate(tmp_path, arena.gate.authority, clusters, POLICY, {"drain": "1s", "facts": [source]}).start()
        try:
            eventually("it is not trusted", lambda: "facts 1" in gate.admin("/readyz")[1])
            gate.put("status.crt", status.pem)
            eventually("it has told", lambda: "facts 1" not in gate.admin("/readyz")[1])
        finally:
            gate.stop()


def test_what_was_told_is_known_after_a_restart(arena: Arena, watch: Watch) -> None:
    arena.cluster.answer = endless
    arena.gate.put("facts.yaml", "incident: {open: false}")
    signed = time.time() + 10
    assert push(arena, {"freeze": "none"}, signed)[0] == 200
    arena.gate.stop()
    arena.gate.start()
    status, body = push(arena, {"freeze": "hard"}, signed - 5)  # one from before, recorded and sent once more
    assert status == 401 and b"came before" in body
    watch("services")
