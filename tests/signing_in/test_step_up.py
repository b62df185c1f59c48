"""Step-up with a certified provider: the denial names the command, the command has the provider ask for more, and the same kubectl goes through.

The provider names a sign-in by password ``urn:example:password`` and one with a code as well ``urn:example:mfa``. One asks for the code where MFA is asked
for; another ignores what it is asked, as it may (OpenID Connect Core section 3.1.2.1: ``acr_values`` is voluntary).
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from certified_gate import Place, by_its_pages, certified_gate
from lab.waiting import eventually
from real_kubectl import needs_kubectl
from sign_in import Browser, Machine

pytestmark = needs_kubectl

MFA, PASSWORD = "urn:example:mfa", "urn:example:password"
RECENT = 3


def rule(namespace: str, **when: Any) -> dict[str, Any]:
    return {
        "name": namespace,
        "who": {"groups": ["developers"]},
        "clusters": {"names": ["*"]},
        "allow": [{"verbs": ["get", "list"], "resources": ["pods"], "namespaces": [namespace]}],
        "when": {"authentication": when},
    }


POLICY = {"rules": [rule("by-acr", acr=[MFA]), rule("by-amr", amr=["otp"]), rule("by-age", max_age=f"{RECENT}s")]}


@define
class Alice:
    """At her machine, with one browser, which the provider knows once she signed in."""

    place: Place
    machine: Machine
    browser: Browser
    kubeconfig: Path

    def logs_in(self, *arguments: str, code: str = "") -> tuple[int, str]:
        """``kgate login``; its exit code and what it says."""
        process, link = self.machine.begin_login(*arguments)
        by_its_pages("alice", code)(self.browser, self.browser.open(link))
        out, err = process.communicate(timeout=90)
        return process.returncode, out + err

    def kubectl(self, namespace: str) -> tuple[int, str]:
        """``kubectl get`` of pods there."""
        if not self.kubeconfig.exists():
            self.kubeconfig.write_text(self.machine.run("kubeconfig")[1])
        path = f"/clusters/lab/api/v1/namespaces/{namespace}/pods"
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "get", "--raw", path]
        done = subprocess.run(command, env=self.machine.environment, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode, done.stdout + done.stderr

    def acr(self) -> str:
        return str(json.loads(self.machine.run("whoami", "-o", "json")[1])["acr"])


def place(folder: Path, acr: str) -> Iterator[Alice]:
    with certified_gate(folder, login={"acr_values": [MFA]}, policy=POLICY, acr=acr) as (running, _):
        machine = running.machine()
        alice = Alice(running, machine, Browser(), machine.home / "kubeconfig")
        code, said = alice.logs_in()
        assert code == 0, said
        yield alice


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Alice]:
    yield from place(tmp_path, "asked")


@pytest.fixture
def alice_elsewhere(tmp_path: Path) -> Iterator[Alice]:
    yield from place(tmp_path, "ignored")


def test_a_stronger_sign_in_opens_what_asks_for_it(alice: Alice) -> None:
    code, said = alice.kubectl("by-acr")
    assert code == 1 and f"the sign-in's strength (acr) is {PASSWORD}, not {MFA}; run kgate login --step-up" in said
    code, said = alice.kubectl("by-amr")
    assert code == 1 and "the sign-in used pwd, not otp; run kgate login --step-up" in said
    code, said = alice.logs_in("--step-up", code="123456")
    assert code == 0 and "as alice until" in said
    assert alice.acr() == MFA
    assert alice.kubectl("by-acr") == (0, "{}")
    assert alice.kubectl("by-amr") == (0, "{}")


def test_the_strength_stays_as_the_provider_is_asked_again(alice: Alice) -> None:
    assert alice.logs_in("--step-up", code="123456")[0] == 0

    def confirmed() -> bool:
        created, checked = alice.place.sessions("created, checked")[-1]
        return bool(checked - created > 2)

    eventually("the provider was asked again", confirmed, every=0.2)
    assert alice.kubectl("by-acr") == (0, "{}")


def test_whoever_lacks_the_code_does_not_get_past_the_provider(alice: Alice) -> None:
    process, link = alice.machine.begin_login("--step-up")
    shown = by_its_pages("alice")(alice.browser, alice.browser.open(link))
    assert "/interaction/" in shown.url and 'name="code"' in shown.text
    process.kill()
    process.communicate()


def test_a_sign_in_that_is_too_old_is_mended_by_a_step_up_and_not_by_signing_in_as_the_browser_remembers(alice: Alice) -> None:
    time.sleep(RECENT)
    old = f"the sign-in is older than {RECENT} s; run kgate login --step-up"
    assert old in alice.kubectl("by-age")[1]
    assert alice.logs_in()[0] == 0  # the provider still knows the browser: nobody typed a password
    assert old in alice.kubectl("by-age")[1]
    began = time.time()
    assert alice.logs_in("--step-up", code="123456")[0] == 0
    who = json.loads(alice.machine.run("whoami", "-o", "json")[1])
    assert who["acr"] == MFA and datetime.fromisoformat(who["signed_in"]).timestamp() >= int(began)


def test_a_provider_that_ignores_what_it_is_asked_leaves_the_denial(alice_elsewhere: Alice) -> None:
    alice = alice_elsewhere
    code, said = alice.logs_in("--step-up", code="123456")
    assert code == 0 and "as alice until" in said
    code, said = alice.kubectl("by-acr")
    assert code == 1 and f"the sign-in's strength (acr) is {PASSWORD}, not {MFA}" in said
    assert alice.kubectl("by-amr")[0] == 1
