"""A file system hangs under what the gate reads. It goes on answering, hears locks and cuts what they are about; what was read last counts, which is said;
what is there once it answers is taken over. And whoever stops the gate meanwhile does not wait for it."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from arena import Arena
from authority import Authority
from geo_data import COUNTRY, written
from hung_files import hung
from lab.waiting import eventually
from live_gate import ALLOW_ALICE, TOKENS
from raw_client import RawClient
from running import PODS, Make, goes_on, of, watching

RULES = [
    {**deepcopy(ALLOW_ALICE["rules"][0]), "when": {"facts": {"calm": True}, "country": ["DE"]}},
    {**ALLOW_ALICE["rules"][0], "name": "bob", "who": {"groups": ["sre"]}, "allow": [{"actions": ["lock"]}]},
]
NOBODY = yaml.safe_dump({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
FILES = {
    "facts.yaml": "calm: true",
    "groups.yaml": yaml.safe_dump({"groups": [{"name": "everybody", "users": ["alice"]}]}),
    "country.mmdb": written(COUNTRY),
}
PROMPT = 1.5
"""Seconds. A file is said to hang after two, so whoever waited for one would be slower."""
SOON = 5.0
TRIES = 5
"""A machine with other work is slow once; a gate that waits for a file each time."""


def prepared(made: Arena, authority: Authority, **files: str | bytes) -> Arena:
    """A gate with a file of each kind, not started yet."""
    folder = made.gate.folder
    for name, content in {**FILES, "people.crl": authority.crl(), **files}.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    made.gate.write_policy({"rules": RULES})
    identity = {
        "tokens": {"file": "tokens.yaml"},
        "client_certificates": {"authority": "people-ca.crt", "crl": ["people.crl"]},
        "groups": {"sources": ["token", "file"], "file": "groups.yaml"},
    }
    made.gate.config |= {
        "identity": identity,
        "geo": {"country": "country.mmdb"},
        "facts": [{"source": "hand", "file": "facts.yaml"}],
        "drain": "1s",
    }
    made.gate.write("kgate.yaml", made.gate.config)
    return made


@pytest.fixture(scope="module")
def arena(make_shared: Make, authority: Authority) -> Arena:
    """A gate that serves; each test leaves it as it was."""
    made = prepared(make_shared(), authority)
    made.gate.start()
    return made


def is_prompt(arena: Arena, status: int = 200) -> None:
    """A request is answered as ever."""
    took = []
    while not took or (took[-1] >= PROMPT and len(took) < TRIES):
        began = time.monotonic()
        assert arena.get(PODS) == status
        took.append(time.monotonic() - began)
    assert took[-1] < PROMPT, took


def said(arena: Arena, path: Path) -> str:
    """What /readyz says of a file that hangs, once it does; requests are answered as ever meanwhile, and have a token asked for."""
    line = f"warning: file {path}: has not answered for "

    def found() -> str:
        is_prompt(arena)
        status, page = arena.gate.admin("/readyz")
        assert status == 200
        return next((each for each in page.splitlines() if each.startswith(line)), "")

    return eventually("it is said", found)


def well(arena: Arena) -> bool:
    """Whether nothing is wrong."""
    return arena.gate.admin("/readyz") == (200, "ok\n")


def bob_asks(arena: Arena, path: str, body: Mapping[str, str]) -> None:
    """bob has the gate do something."""
    sent = json.dumps(body).encode()
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n" % (path.encode(), TOKENS["bob"].encode())
    with arena.client() as client:
        client.send(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent)
        assert client.status() in (200, 201), client.last_body


def last_words(client: RawClient) -> str:
    """Why a watch was cut; and that was soon."""
    client.tls.settimeout(10)
    began = time.monotonic()
    words = client.until(b"0\r\n\r\n").decode()
    assert time.monotonic() - began < SOON
    return words


KINDS = (
    "kgate.yaml", "policy.yaml", "tokens.yaml", "groups.yaml", "people-ca.crt", "people.crl", "gate.crt", "gate.key", "cluster-ca.crt", "cluster-token",
    "facts.yaml", "country.mmdb",
)  # fmt: skip


@pytest.mark.threat("13")
@pytest.mark.parametrize("name", KINDS)
def test_the_gate_goes_on_while_a_file_hangs_and_a_lock_cuts_what_it_is_about(arena: Arena, name: str) -> None:
    eventually("all is well", lambda: well(arena))
    path = arena.gate.folder / name
    with watching(arena) as live:
        with hung(path):
            assert "what was read of it last counts until it does" in said(arena, path)
            assert goes_on(live)
            bob_asks(arena, "/kgate/v1/locks", {"name": "incident", "user": "alice"})
            assert '\\"incident\\" on user alice, by bob' in last_words(live)
            is_prompt(arena, 403)
            bob_asks(arena, "/kgate/v1/locks/incident/remove", {})
            is_prompt(arena)
        eventually("it answers again", lambda: well(arena))
        assert arena.get(PODS) == 200


TAKEN_OVER = [
    ("policy.yaml", NOBODY, "no rule is for alice", 403),
    ("facts.yaml", "calm: false", "fact calm is false, not true", 403),
    ("country.mmdb", written({"127.0.0.0/8": {"country": {"iso_code": "AT"}}}), "country is AT, not DE", 403),
    ("tokens.yaml", yaml.safe_dump({"robots": []}), "", 401),
]


@pytest.mark.threat("13")
@pytest.mark.parametrize(("name", "content", "words", "status"), TAKEN_OVER, ids=[each[0] for each in TAKEN_OVER])
def test_what_is_there_once_it_answers_is_taken_over(arena: Arena, name: str, content: str | bytes, words: str, status: int) -> None:
    eventually("all is well", lambda: well(arena))
    path = arena.gate.folder / name
    former = path.read_bytes()
    try:
        with watching(arena) as live:
            with hung(path) as behind:
                said(arena, path)
                behind.write_bytes(content if isinstance(content, bytes) else content.encode())
                is_prompt(arena)
                assert goes_on(live)
            assert words in last_words(live)
        assert arena.get(PODS) == status
    finally:
        path.write_bytes(former)
    eventually("the former is in force", lambda: arena.get(PODS) == 200)


def test_a_token_of_the_cluster_that_hangs_stays_in_use_until_it_answers(arena: Arena) -> None:
    path = arena.gate.folder / "cluster-token"

    def sent() -> bytes:
        arena.cluster.reset()
        assert arena.get(PODS) == 200
        return next(line for line in arena.cluster.heads[-1].split(b"\r\n") if line.lower().startswith(b"authorization"))

    before = sent()
    with hung(path) as behind:
        behind.write_text("another-token")
        said(arena, path)
        assert sent() == before
    assert eventually("it is taken over", lambda: sent() if sent() != before else b"").endswith(b"another-token")


@pytest.mark.threat("13")
@pytest.mark.parametrize("name", ["cluster-token", "facts.yaml", "country.mmdb"])
def test_a_policy_takes_rights_away_though_what_is_read_as_it_is_used_hangs(arena: Arena, name: str) -> None:
    eventually("all is well", lambda: well(arena))
    path, policy = arena.gate.folder / name, arena.gate.folder / "policy.yaml"
    former = policy.read_text()
    try:
        with watching(arena) as live, hung(path):
            said(arena, path)
            policy.write_text(NOBODY)
            assert "no rule is for alice" in last_words(live)
            is_prompt(arena, 403)
    finally:
        policy.write_text(former)
    eventually("the former is in force", lambda: arena.get(PODS) == 200)


@pytest.mark.threat("13")
def test_a_policy_takes_rights_away_though_the_disk_that_keeps_its_text_hangs(arena: Arena) -> None:
    eventually("all is well", lambda: well(arena))
    policy, kept = arena.gate.folder / "policy.yaml", arena.gate.folder / "audit/policies"
    former = policy.read_text()
    try:
        with watching(arena) as live, hung(kept):
            policy.write_text(NOBODY + "# anew\n")
            assert "no rule is for alice" in live.until(b"0\r\n\r\n").decode()
            is_prompt(arena, 503)
            assert "its text cannot be kept beside the audit: it has not answered for " in arena.gate.log.read_text()
        eventually("requests are taken again", lambda: arena.get(PODS) == 403)
    finally:
        policy.write_text(former)
    eventually("the former is in force", lambda: arena.get(PODS) == 200)


def test_a_reload_that_is_asked_for_names_the_file_that_hangs_and_is_made_up_for(arena: Arena) -> None:
    eventually("all is well", lambda: well(arena))
    path = arena.gate.folder / "policy.yaml"
    reloads = len(of(arena, "config"))
    with hung(path):
        arena.gate.reload()
        refused = eventually("it is refused", lambda: [each for each in of(arena, "config")[reloads:] if not each["allowed"]])
        assert "policy.yaml cannot be read: it has not answered for " in refused[0]["reasons"][0]
        assert "warning: configuration: not reloaded, the old one stays in force: " in arena.gate.admin("/readyz")[1]
        is_prompt(arena)
        hangs = re.compile(rf"{re.escape(str(path))} has not answered for \d+ s: what was read")
        eventually("it is in the log", lambda: hangs.search(arena.gate.log.read_text()))
    eventually("it is reloaded", lambda: of(arena, "config")[-1]["allowed"])
    eventually("all is well", lambda: well(arena))
    eventually("that it answers is in the log", lambda: f"{path} answers again, after " in arena.gate.log.read_text())


def test_facts_of_a_file_that_hangs_are_known_for_as_long_as_they_may_be(make: Make, authority: Authority) -> None:
    arena = prepared(make(), authority)
    arena.gate.config["facts"] = [{"source": "hand", "file": "facts.yaml", "max_age": "8s"}]
    arena.gate.write("kgate.yaml", arena.gate.config)
    arena.gate.start()
    (arena.gate.folder / "facts.yaml").touch()
    eventually("it is heard", lambda: arena.get(PODS) == 200)
    with watching(arena) as live, hung(arena.gate.folder / "facts.yaml"):
        assert "fact calm is not known" in live.until(b"0\r\n\r\n").decode()
        is_prompt(arena, 403)


@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_stops_the_gate_meanwhile_does_not_wait_for_the_file(make: Make, authority: Authority, workers: int) -> None:
    arena = prepared(make(workers=workers), authority)
    process = arena.gate.start().process
    assert process is not None
    eventually("it serves", lambda: arena.gate.log.read_text().count("kgate serves") == workers)
    with watching(arena), hung(arena.gate.folder / "kgate.yaml"):
        if workers == 1:
            said(arena, arena.gate.folder / "kgate.yaml")
        began = time.monotonic()
        assert arena.gate.stop() == -signal.SIGTERM
        assert time.monotonic() - began < 10
