"""A running gate and somebody's device inventory: polled, told of changes, silent."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from identity_gate import IdentityGate, identity_gate
from lab.waiting import eventually
from live_gate import TOKENS
from web_server import Page, Seen, WebServer, document, web_server

PUSH = "the-inventorys-own-token-0123456789"
POLICY = {
    "rules": [
        {
            "name": "compliant",
            "who": {"users": ["*"]},
            "clusters": {"names": ["*"]},
            "allow": [{"verbs": ["*"], "resources": ["*"]}],
            "when": {"device": {"compliant": True, "posture": {"os": ["linux"]}}},
        }
    ]
}


class Mdm:
    """The inventory: what it answers now."""

    def __init__(self, web: WebServer) -> None:
        self.web, self.state, self.asked = web, "ok", 0
        web.pages["/devices"] = self.answer

    def answer(self, seen: Seen) -> Page:
        self.asked += 1
        if seen.headers.get("authorization") != "Bearer secret":
            return Page(401)
        if self.state == "down":
            return Page(503)
        return document([{"host": "laptop", "state": self.state, "platform": "LINUX"}])


@pytest.fixture(scope="module")
def mdm() -> Iterator[Mdm]:
    with web_server() as web:
        yield Mdm(web)


@pytest.fixture(scope="module")
def makers() -> Authority:
    return Authority("makers")


@pytest.fixture(scope="module")
def gate(mdm: Mdm, makers: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityGate]:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "makers.crt").write_bytes(makers.certificate)
    (folder / "mdm.crt").write_text(mdm.web.pem)
    (folder / "mdm-token").write_text("secret\n")
    api: dict[str, Any] = {
        "url": f"{mdm.web.url}/devices",
        "certificate_authority": "mdm.crt",
        "token_file": "mdm-token",
        "items": "body",
        "name": "item.host",
        "compliant": 'item.state == "ok"',
        "posture": {"os": "item.platform.lowerAscii()"},
        "every": "1h",
        "keep": "3s",
        "push_sha256": hashlib.sha256(PUSH.encode()).hexdigest(),
    }
    identity = {"tokens": {"file": "tokens.yaml"}, "devices": {"authority": "makers.crt", "api": api}}
    with identity_gate(folder, identity, POLICY) as running:
        yield running


@pytest.fixture
def laptop(makers: Authority, tmp_path: Path) -> tuple[Path, Path]:
    return makers.leaf(common_name="laptop", client=True).write(tmp_path, "laptop")


def push(gate: IdentityGate, token: str) -> int:
    request = urllib.request.Request(
        f"https://localhost:{gate.gate.port}/kgate/v1/devices/changed", b"{}", {"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, context=gate.gate.context(), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_it_says_decides(mdm: Mdm, gate: IdentityGate, laptop: tuple[Path, Path]) -> None:
    eventually("the inventory was asked", lambda: gate.ask(TOKENS["bob"], certificate=laptop)[0] == 200)
    assert gate.ask(TOKENS["bob"])[0] == 403


def test_a_push_makes_the_gate_ask_and_cuts_what_is_no_longer_allowed(mdm: Mdm, gate: IdentityGate, laptop: tuple[Path, Path]) -> None:
    with gate.watch(TOKENS["bob"], laptop) as watch:
        mdm.state, before = "stolen", mdm.asked
        assert push(gate, "somebody-elses-token-0123456789") == 401
        assert push(gate, PUSH) == 202
        assert "device laptop is not compliant" in watch.end()
        assert mdm.asked == before + 1
    mdm.state = "ok"
    assert push(gate, PUSH) == 202
    eventually("it is compliant again", lambda: gate.ask(TOKENS["bob"], certificate=laptop)[0] == 200)


def test_a_reload_that_leaves_it_as_it_is_forgets_nothing(mdm: Mdm, gate: IdentityGate, laptop: tuple[Path, Path]) -> None:
    """An edit of the policy cut everybody whose device has to be compliant, and none was until the inventory had been asked again."""
    with gate.watch(TOKENS["bob"], laptop) as watch:
        asked = mdm.asked
        gate.gate.write_policy({"rules": [{**POLICY["rules"][0], "name": "renamed"}]})
        eventually("it is reloaded", lambda: any(each["event"] == "config" and each["allowed"] for each in gate.gate.records()))
        assert watch.lives() and mdm.asked == asked


def test_nor_does_one_by_which_it_is_asked_otherwise(mdm: Mdm, gate: IdentityGate, laptop: tuple[Path, Path]) -> None:
    """What it says of whom is another matter: that holds from its next answer on, and until then nothing does."""
    devices = gate.gate.config["identity"]["devices"]

    def configure(**changes: str) -> None:
        before = len(gate.gate.records())
        identity = {**gate.gate.config["identity"], "devices": {**devices, "api": {**devices["api"], **changes}}}
        gate.gate.write("kgate.yaml", {**gate.gate.config, "identity": identity})
        eventually("it is reloaded", lambda: any(each["event"] == "config" for each in gate.gate.records()[before:]))

    with gate.watch(TOKENS["bob"], laptop) as watch:
        configure(every="2h", keep="10m")
        assert watch.lives()
        configure(compliant='item.state == "better"')
        assert "device laptop" in watch.end()
    configure()
    eventually("it is compliant again", lambda: gate.ask(TOKENS["bob"], certificate=laptop)[0] == 200)


def test_its_silence_ends_what_is_known(mdm: Mdm, gate: IdentityGate, laptop: tuple[Path, Path]) -> None:
    mdm.state = "down"
    with gate.watch(TOKENS["bob"], laptop) as watch:
        assert push(gate, PUSH) == 202
        assert "nothing is known of device laptop" in watch.end()
    assert gate.gate.admin("/readyz") == (200, "ok\nwarning: device inventory: it answered 503; nothing is known of any device\n")
    mdm.state = "ok"


def test_another_authority_of_the_inventory_is_taken_over_and_asked_at_once(mdm: Mdm, gate: IdentityGate) -> None:
    trusted = gate.gate.folder / "mdm.crt"
    trusted.write_bytes(Authority("somebody else").certificate)
    eventually("it is not trusted any more", lambda: "certificate" in gate.gate.admin("/readyz")[1])
    trusted.write_text(mdm.web.pem)
    eventually("it is asked again", lambda: gate.gate.admin("/readyz") == (200, "ok\n"))
