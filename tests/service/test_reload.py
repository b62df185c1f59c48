"""Reloading a gate: a good file counts at once, a broken one changes nothing and is said."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from arena import Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
from running import PODS, Make, goes_on, of, watching


@pytest.fixture(scope="module")
def arena(make_shared: Make) -> Arena:
    """A gate that serves; each test leaves it as it was."""
    made = make_shared()
    made.gate.start()
    return made


def refusal(arena: Arena) -> dict[str, Any]:
    """The record of a reload that was refused: the last one of any reload."""
    eventually("the refusal is on record", lambda: [record for record in of(arena, "config")[-1:] if not record["allowed"]])
    return of(arena, "config")[-1]


def mended(arena: Arena) -> None:
    """The last reload was a good one, and requests pass."""
    eventually("the reload is on record", lambda: of(arena, "config")[-1]["allowed"])
    assert arena.get(PODS) == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [", "policy.yaml:"),
        (yaml.safe_dump({"rules": [{"name": "a"}]}), '"who" is missing'),
        ("", "policy.yaml"),
        ("\0", "policy.yaml"),
    ],
    ids=["not YAML", "not a policy", "empty", "binary"],
)
def test_a_policy_that_is_broken_leaves_the_old_one_in_force(arena: Arena, text: str, words: str) -> None:
    with watching(arena) as live:
        arena.gate.put("policy.yaml", text)
        arena.gate.reload()
        assert any(words in reason for reason in refusal(arena)["reasons"])
        assert "the configuration was not reloaded, the old one stays in force" in arena.gate.log.read_text()
        assert arena.get(PODS) == 200
        assert goes_on(live)
    arena.gate.write_policy(ALLOW_ALICE)
    mended(arena)


def test_a_token_that_is_taken_out_ends_what_it_opened(arena: Arena) -> None:
    with watching(arena) as live:
        document = yaml.safe_load((arena.gate.folder / "tokens.yaml").read_text())
        arena.gate.write("tokens.yaml", {"robots": [robot for robot in document["robots"] if robot["name"] != "alice"]})
        assert b'"type":"ERROR"' in live.until(b"0\r\n\r\n")
    assert arena.get(PODS) == 401
    arena.gate.write("tokens.yaml", document)
    eventually("it is known again", lambda: arena.get(PODS) == 200)


def test_what_a_reload_cannot_do_is_said(arena: Arena) -> None:
    arena.gate.write("kgate.yaml", {**arena.gate.config, "audit": {"directory": "elsewhere"}})
    assert "audit changed, which a reload cannot carry out; restart the gate, or change it back" in refusal(arena)["reasons"][0]
    assert arena.get(PODS) == 200
    arena.gate.write("kgate.yaml", arena.gate.config)
    mended(arena)


def test_what_only_a_part_finds_out_leaves_everything_else_as_it_was_too(arena: Arena) -> None:
    (arena.gate.folder / "bad.mmdb").write_bytes(b"rubbish")
    arena.gate.write("nobody.yaml", {"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
    with watching(arena) as live:
        arena.gate.write("kgate.yaml", {**arena.gate.config, "policy": "nobody.yaml", "geo": {"asn": "bad.mmdb"}})
        assert "geo: is not a database in MaxMind's format" in refusal(arena)["reasons"][0]
        assert arena.get(PODS) == 200
        assert goes_on(live)
    arena.gate.write("kgate.yaml", arena.gate.config)
    mended(arena)


def shown(arena: Arena) -> bytes:
    """The certificate that a new client sees."""
    with arena.client() as client:
        return client.tls.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate_serves_the_next_client_and_costs_nobody_anything(arena: Arena, authority: Authority) -> None:
    before = shown(arena)
    with watching(arena) as live:
        authority.leaf("localhost", "127.0.0.1").write(arena.gate.folder, "gate")
        eventually("the new one is shown", lambda: shown(arena) != before)
        assert goes_on(live)


def test_a_certificate_that_does_not_fit_its_key_leaves_the_old_one(arena: Arena, authority: Authority) -> None:
    before, certificate = shown(arena), (arena.gate.folder / "gate.crt").read_bytes()
    arena.gate.put("gate.crt", authority.leaf("localhost", "127.0.0.1").certificate)
    assert "does not belong to the certificate" in refusal(arena)["reasons"][0]
    assert shown(arena) == before
    arena.gate.put("gate.crt", certificate)
    mended(arena)


def test_a_new_file_that_was_refused_counts_once_it_is_mended(arena: Arena) -> None:
    arena.gate.write("kgate.yaml", {**arena.gate.config, "policy": "next.yaml"})
    assert "next.yaml does not exist" in refusal(arena)["reasons"][0]
    arena.gate.write("next.yaml", {"rules": [{"name": "a"}]})
    eventually("what is in it is looked at", lambda: '"who" is missing' in of(arena, "config")[-1]["reasons"][0])
    arena.gate.write("next.yaml", {"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
    eventually("it is in force", lambda: arena.get(PODS) == 403)
    arena.gate.write("kgate.yaml", arena.gate.config)
    eventually("the old one is in force again", lambda: arena.get(PODS) == 200)


def test_a_new_folder_that_was_refused_counts_once_there_is_a_policy_in_it(arena: Arena) -> None:
    """``mkdir`` and then the files: the folder was looked at no more once it was there, and empty."""
    folder = arena.gate.folder / "next"
    arena.gate.write("kgate.yaml", {**arena.gate.config, "policy": "next"})
    assert "next does not exist" in refusal(arena)["reasons"][0]
    folder.mkdir()
    eventually("it is looked at", lambda: "the directory has no policy" in of(arena, "config")[-1]["reasons"][0])
    (folder / "a.yaml").write_text(yaml.safe_dump({"rules": [{"name": "a"}]}))
    eventually("so is what is in it", lambda: '"who" is missing' in of(arena, "config")[-1]["reasons"][0])
    (folder / "a.yaml").rename(folder / "a.txt")
    (folder / "b.yaml").write_text(yaml.safe_dump({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]}))
    eventually("it is in force", lambda: arena.get(PODS) == 403)
    arena.gate.write("kgate.yaml", arena.gate.config)
    eventually("the old one is in force again", lambda: arena.get(PODS) == 200)


def test_a_balancer_that_is_added_is_said_to_need_a_restart(arena: Arena) -> None:
    (listen,) = arena.gate.config["listen"]
    arena.gate.write("kgate.yaml", {**arena.gate.config, "listen": [{**listen, "proxy_protocol": {"trusted": ["192.0.2.0/24"]}}]})
    assert "listen changed, which a reload cannot carry out" in refusal(arena)["reasons"][0]
    arena.gate.write("kgate.yaml", arena.gate.config)
    mended(arena)


def test_a_cluster_that_gets_another_label_is_another_to_what_lives(arena: Arena) -> None:
    (lab,) = arena.gate.config["clusters"].values()
    rule = {**ALLOW_ALICE["rules"][0], "clusters": {"labels": {"env": "dev"}}}
    arena.gate.write("labelled.yaml", {"rules": [rule]})
    labelled = {**arena.gate.config, "policy": "labelled.yaml"}
    arena.gate.write("kgate.yaml", {**labelled, "clusters": {"lab": {**lab, "labels": {"env": "dev"}}}})
    (start,) = of(arena, "start")
    eventually("it is in force", lambda: [each for each in of(arena, "config")[-1:] if each["policy_revision"] != start["policy_revision"]])
    with watching(arena) as live:
        arena.gate.write("kgate.yaml", {**labelled, "clusters": {"lab": {**lab, "labels": {"env": "prod"}}}})
        said = live.until(b"0\r\n\r\n")
        assert b'"type":"ERROR"' in said and b"cluster lab does not have the label env: dev" in said
    eventually(
        "it is on record as it was decided",
        lambda: [each for each in of(arena, "decision-change") if each.get("cluster_labels") == {"env": "prod"}],
    )
    arena.gate.write("kgate.yaml", arena.gate.config)
    eventually("the old one is in force again", lambda: arena.get(PODS) == 200)


def test_what_lives_in_a_cluster_that_is_taken_out_is_over(arena: Arena) -> None:
    with watching(arena) as live:
        arena.gate.write("kgate.yaml", {**arena.gate.config, "clusters": {"renamed": arena.gate.config["clusters"]["lab"]}})
        said = live.until(b"0\r\n\r\n")
        assert b'"type":"ERROR"' in said and b"kgate: closed by policy: this gate has no such cluster any more (request " in said
    assert arena.get(PODS) == 404
    arena.gate.write("kgate.yaml", arena.gate.config)
    eventually("it is there again", lambda: arena.get(PODS) == 200)


def test_a_cluster_that_was_taken_out_is_off_the_metrics_page(arena: Arena) -> None:
    """Where clusters come and go, the page and the gate's memory would grow for ever."""
    passing = arena.gate.config["clusters"]["lab"]
    arena.gate.write("kgate.yaml", {**arena.gate.config, "clusters": {"lab": passing, "passing": dict(passing)}})
    request = b"GET /clusters/passing/api/v1/pods HTTP/1.1\r\n" + arena.head + b"\r\n"
    eventually("it is there", lambda: arena.ask(request) == 200)
    eventually("it is counted", lambda: 'cluster="passing"' in arena.gate.admin("/metrics")[1])
    arena.gate.write("kgate.yaml", arena.gate.config)
    eventually("it is gone", lambda: arena.ask(request) == 404)
    assert 'cluster="passing"' not in arena.gate.admin("/metrics")[1]


def test_what_lives_is_decided_by_all_of_a_new_configuration_and_not_by_a_part_of_it(arena: Arena) -> None:
    """Facts are told while the parts of the gate are exchanged one after the other: the former policy never sees those of the new sources."""

    def by(fact: str) -> dict[str, Any]:
        (arena.gate.folder / f"{fact}.json").write_text(f'{{"{fact}": true}}')
        rule = {**ALLOW_ALICE["rules"][0], "when": {"facts": {fact: True}}}
        arena.gate.write(f"by-{fact}.yaml", {"rules": [rule]})
        return {**arena.gate.config, "policy": f"by-{fact}.yaml", "facts": [{"source": fact, "file": f"{fact}.json"}]}

    def in_force(configuration: dict[str, Any]) -> None:
        before = len(of(arena, "config"))
        arena.gate.write("kgate.yaml", configuration)
        eventually("it is in force", lambda: of(arena, "config")[before:])

    in_force(by("calm"))
    with watching(arena) as live:
        in_force(by("quiet"))
        assert goes_on(live)
    in_force(arena.gate.config)
    mended(arena)
