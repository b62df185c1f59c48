"""The company's directory pushes people and groups: judged by scim2-tester against a running gate, and what a change there does at once."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from arena import Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import LiveGate
from raw_client import RawClient
from recording_cluster import RecordingCluster
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from sqlalchemy import insert

from kgate.store.directory import entries
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

PUSH = "directory-token-with-enough-entropy-0123456789"
ROBOT = {"name": "directory", "user": "directory", "groups": [], "sha256": hashlib.sha256(PUSH.encode()).hexdigest()}
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
INSIDE = {**ROBOT, "groups": list[str](), "name": "inside", "sha256": hashlib.sha256(b"inside").hexdigest(), "networks": ["192.0.2.0/24"]}
OTHER = {**ROBOT, "groups": list[str](), "name": "other", "user": "other", "sha256": hashlib.sha256(b"other").hexdigest()}
POLICY = {
    "rules": [{"name": "sre", "who": {"groups": ["sre"]}, "clusters": {"names": ["*"]}, "allow": [{"verbs": ["*"], "resources": ["*"]}]}]
}
WATCH = b"GET /clusters/lab/api/v1/pods?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIST = WATCH.replace(b"?watch=true", b"")
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder: Path = tmp_path_factory.mktemp("scim")
    authority = Authority()
    cluster = RecordingCluster(folder, authority)
    identity = {
        "client_certificates": {"authority": "people-ca.crt"},
        "tokens": {"file": "robots.yaml"},
        "groups": {"sources": ["token", "scim"]},
        "scim": {"robots": ["directory", "inside"]},
    }
    gate = LiveGate(folder / "gate", authority, {"lab": cluster.access(folder / "gate")}, POLICY, {"identity": identity})
    gate.write("robots.yaml", {"robots": [ROBOT, OTHER, INSIDE]})
    gate.start()
    yield Arena(gate, cluster)
    gate.stop()
    cluster.stop()


@pytest.fixture
def directory(arena: Arena) -> Iterator[httpx2.Client]:
    with pushes(arena, PUSH) as client:
        yield client


def pushes(arena: Arena, token: str) -> httpx2.Client:
    """A client of the gate's SCIM with that token, none where it is empty. By itself it would wait for five seconds, whatever else the machine has to do."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://localhost:{arena.gate.port}/scim/v2"
    return httpx2.Client(base_url=url, verify=arena.gate.context(), headers=headers, timeout=60)


def test_the_judge_finds_nothing(directory: httpx2.Client) -> None:
    results = check_server(SyncSCIMClient(directory))
    assert len(results) > 100
    assert [f"{each.title}: {each.reason}" for each in results if each.status in (Status.ERROR, Status.CRITICAL)] == []


def made(directory: httpx2.Client, kind: str, **facts: Any) -> str:
    answer = directory.post(f"/{kind}", json={"schemas": [USER if kind == "Users" else GROUP], **facts})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def carol(arena: Arena, folder: Path) -> RawClient:
    """A connection with the certificate of carol, who has no groups but what the directory says."""
    certificate, key = arena.gate.authority.leaf(common_name="carol", client=True).write(folder, "carol")
    context = arena.gate.context()
    context.load_cert_chain(certificate, key)
    return RawClient(arena.gate.port, context)


def asks(client: RawClient, raw: bytes) -> int:
    client.send(raw)
    return client.status()


def recorded(arena: Arena, event: str) -> list[dict[str, Any]]:
    return [record for record in arena.gate.records() if record["event"] == event]


def test_a_group_counts_from_when_it_is_pushed_and_whoever_is_deactivated_is_out_at_once(
    arena: Arena, directory: httpx2.Client, tmp_path: Path
) -> None:
    with carol(arena, tmp_path) as other, carol(arena, tmp_path) as watcher:
        assert asks(other, LIST) == 403
        id_ = made(directory, "Users", userName="carol", active=True)
        made(directory, "Groups", displayName="sre", members=[{"value": id_}])
        eventually("her group is known", lambda: asks(other, LIST) == 200)
        arena.cluster.answer = lambda connection, _head: connection.send(STREAM)
        watcher.send(WATCH)
        assert watcher.until(b"{}\n\r\n").startswith(b"HTTP/1.1 200")
        change = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        assert directory.patch(f"/Users/{id_}", json=change).status_code == 204
        said = watcher.until(b"0\r\n\r\n")
        assert b"carol is deactivated in the company's directory" in said
        assert asks(other, LIST) == 401
    eventually("the end's record", lambda: recorded(arena, "stream-end"))
    ended = recorded(arena, "stream-end")[-1]
    assert ended["user"] == "carol" and ended["revocation_ms"] < 1000
    told = recorded(arena, "directory")[-1]
    assert (told["user"], told["verb"]) == ("directory", "patch") and PUSH not in json.dumps(told)


def test_whoever_is_deleted_stays_out_until_the_directory_makes_them_again(arena: Arena, directory: httpx2.Client, tmp_path: Path) -> None:
    id_ = directory.get("/Users", params={"filter": 'userName eq "CAROL"'}).json()["Resources"][0]["id"]
    assert directory.delete(f"/Users/{id_}").status_code == 204
    with carol(arena, tmp_path) as client:
        assert asks(client, LIST) == 401
    again = made(directory, "Users", userName="carol", active=True)

    def is_known() -> bool:
        with carol(arena, tmp_path) as client:  # a new one: whoever is out is answered 401, and the connection ends
            return asks(client, LIST) == 403

    eventually("she is back, without the group", is_known)
    assert again != id_


def test_whoever_looks_waits_for_nobody_who_writes_and_holds_nobody_up(arena: Arena, directory: httpx2.Client) -> None:
    """A look at a large directory takes seconds; one who signs in writes."""
    with closing(sqlite3.connect(arena.gate.folder / "state.db", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        assert directory.get("/Users", params={"filter": 'displayName co "a"'}).status_code == 200
        search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'displayName co "a"'}
        assert directory.post("/Users/.search", json=search).status_code == 200
        store.execute("ROLLBACK")


@pytest.mark.parametrize(("token", "status"), [("", 401), ("nobody", 401), ("other", 403), ("inside", 401)])
def test_only_the_robots_that_are_named_may_push(arena: Arena, token: str, status: int) -> None:
    with pushes(arena, token) as client:
        answer = client.post("/Users", json={"schemas": [USER], "userName": "mallory"})
        assert answer.status_code == status and answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"schemas": 7}', b'{"userName": null}', b"\xff", b'{"a":' * 5000])
def test_a_malformed_body_is_a_400_and_changes_nothing(directory: httpx2.Client, body: bytes) -> None:
    before = directory.get("/Users").json()["totalResults"]
    assert directory.post("/Users", content=body, headers={"content-type": "application/scim+json"}).status_code == 400
    assert directory.get("/Users").json()["totalResults"] == before


@pytest.mark.parametrize("query", [{"startIndex": str(10**23)}, {"count": str(10**23)}, {"filter": r'userName eq "\ud800"'}])
def test_a_number_or_text_that_nothing_can_hold_is_a_400(directory: httpx2.Client, query: dict[str, str]) -> None:
    assert directory.get("/Users", params=query).status_code in (200, 400)
    assert (
        directory.post("/Users", content=rb'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\ud800"}').status_code
        == 400
    )


def test_a_patch_that_would_hold_the_writer_for_long_is_a_413_and_one_of_a_large_group_is_not(directory: httpx2.Client) -> None:
    person = made(directory, "Users", userName="many", emails=[{"value": f"a{number}@example.com"} for number in range(200)])
    rename = {"op": "replace", "path": "displayName", "value": "Many"}
    answer = directory.patch(f"/Users/{person}", json={"schemas": [PATCH], "Operations": [rename] * 60})
    assert (answer.status_code, answer.json()["detail"].partition(" are ")[2]) == (413, "too much for one request; send some at a time")
    directory.patch(f"/Users/{person}", json={"schemas": [PATCH], "Operations": [rename]}).raise_for_status()
    group = made(directory, "Groups", displayName="large", members=[{"value": f"m{number}"} for number in range(200)])
    leave = {"op": "Remove", "path": "members", "value": [{"value": f"m{number}"} for number in range(199)]}
    assert directory.patch(f"/Groups/{group}", json={"schemas": [PATCH], "Operations": [leave]}).status_code == 204
    assert [each["value"] for each in directory.get(f"/Groups/{group}").json()["members"]] == ["m199"]


@pytest.mark.threat("14")
def test_threat_14_whoever_is_out_is_out_from_the_first_request_on(arena: Arena, tmp_path: Path) -> None:
    """A gate that starts reads a large directory for a second, and accepts connections before that."""
    folder = tmp_path / "gate"
    folder.mkdir()
    engine = open_engine(f"sqlite:///{folder}/state.db")
    migrate(engine)
    person = {
        "kind": "User",
        "external_id": "",
        "email": "",
        "deleted": False,
        "version": 1,
        "created": 1.0,
        "modified": 1.0,
        "document": "{}",
    }
    others = [{**person, "id": f"u{each}", "name": f"u{each}", "folded": f"u{each}", "active": True} for each in range(60_000)]
    with engine.begin() as connection:
        connection.execute(insert(entries), [*others, {**person, "id": "c", "name": "carol", "folded": "carol", "active": False}])
    engine.dispose()
    policy = {"rules": [{**POLICY["rules"][0], "who": {"users": ["carol"]}}]}
    identity = {key: arena.gate.config["identity"][key] for key in ("client_certificates", "scim")} | {"tokens": {"file": "robots.yaml"}}
    (folder / "robots.yaml").write_bytes((arena.gate.folder / "robots.yaml").read_bytes())
    other = arena.beside(folder, policy=policy, settings={"identity": identity})

    def is_out() -> bool:
        with carol(other, tmp_path) as client:
            status = asks(client, LIST)
        assert status in (401, 503)  # a gate on a busy machine that knows nothing yet for ten seconds refuses
        return status == 401

    try:
        eventually("it has read the directory", is_out)
    finally:
        other.gate.stop()
