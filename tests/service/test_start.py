"""Starting where something is wrong: one sentence that names what to do, an exit status, and nothing started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import Arena
from authority import Authority
from lab.waiting import eventually
from live_gate import ALLOW_ALICE, LiveGate
from running import PODS, Make

LAST = "kgate: nothing was started; mend this and start again"
LOGGED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")


def refusal(gate: LiveGate) -> str:
    """What it says instead of starting."""
    status, said = gate.run_to_the_end()
    assert status != 0
    assert "Traceback" not in said
    *told, last = [line for line in said.strip().splitlines() if not LOGGED.match(line)]
    assert last == LAST
    return "\n".join(told)


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_that_another_program_has(make: Make, section: str) -> None:
    gate = make().gate
    port = gate.port if section == "listen" else gate.admin_port
    with socket.create_server(("127.0.0.1", port)):
        assert refusal(gate) == (
            f"cannot listen on 127.0.0.1:{port}: Address already in use; "
            f"another program has it: stop that one, or choose another port under {section}"
        )


def test_an_address_that_this_machine_does_not_have(make: Make) -> None:
    gate = make(listen=[{"address": "192.0.2.1:8443", "tls": {"certificate": "gate.crt", "key": "gate.key"}}]).gate
    assert refusal(gate) == "cannot listen on 192.0.2.1:8443: Cannot assign requested address; check the address under listen"


def test_a_key_of_another_certificate(make: Make, authority: Authority) -> None:
    gate = make().gate
    (gate.folder / "gate.key").write_bytes(authority.leaf("localhost").key)
    assert "does not belong to the certificate" in refusal(gate)


def test_a_certificate_that_has_expired(make: Make, authority: Authority) -> None:
    gate = make().gate
    authority.leaf("localhost", starts=-9, ends=-1).write(gate.folder, "gate")
    said = refusal(gate)
    assert "kgate.yaml:4: listen[0].tls.certificate: the certificate expired on " in said and "(renew it)" in said


def test_a_policy_that_is_misspelt(make: Make) -> None:
    gate = make().gate
    policy = gate.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("verbs:", "verb:", 1))
    assert refusal(gate) == f'{policy}:10: unknown key "verb" in rules[0].allow[0] (did you mean "verbs"?)'


def test_another_root_of_the_file_system_is_refused(make: Make) -> None:
    """What it has read would lie elsewhere then."""
    gate = make().gate
    gate.twistd_options = ("--chroot=/",)
    assert refusal(gate).startswith("twistd's --chroot cannot be had: ")
    assert not (gate.folder / "audit").exists()


def test_what_it_makes_is_for_nobody_else_to_read(make: Make) -> None:
    """The state knows who may sign in, the audit what they did."""
    gate = make().gate
    gate.store.unlink()
    gate.start()
    made = [gate.folder / "audit", *(gate.folder / "audit").rglob("*"), *gate.folder.glob("state.db*")]
    assert len(made) >= 4
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in made} == {path.name: "0o0" for path in made}


def test_a_configuration_that_is_not_there(make: Make) -> None:
    gate = make().gate
    (gate.folder / "kgate.yaml").unlink()
    assert "kgate.yaml" in refusal(gate)


@pytest.mark.parametrize(
    ("options", "reactor"),
    [((), "kgate.net.reactor.Reactor"), (("--reactor=epoll",), "twisted.internet.epollreactor.EPollReactor")],
)
def test_the_reactor_is_the_gate_s_own_unless_twistd_is_told_which(make: Make, options: tuple[str, ...], reactor: str) -> None:
    gate = make().gate
    gate.twistd_options = options
    try:
        gate.start()
        assert f"reactor class: {reactor}." in gate.log.read_text()
    finally:
        gate.stop()


def test_an_audit_directory_in_which_another_gate_writes(make: Make) -> None:
    gate = make().gate
    audit = gate.folder / "audit"
    audit.mkdir()
    lock = os.open(audit / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert refusal(gate).endswith("audit: another gate writes here; give each gate an audit directory of its own")
    finally:
        os.close(lock)


def test_an_audit_directory_that_is_a_file(make: Make) -> None:
    gate = make().gate
    (gate.folder / "audit").write_text("")
    assert "the audit directory cannot be used: " in refusal(gate)


@contextlib.contextmanager
def starting(arena: Arena) -> Iterator[int]:
    """The process of a gate that has read its files and waits for its store until this ends; then it serves."""
    gate = arena.gate
    gate.start()
    gate.stop()
    with sqlite3.connect(gate.folder / "state.db", isolation_level=None) as store:
        store.execute("PRAGMA journal_mode=DELETE")
        store.execute("BEGIN EXCLUSIVE")
        process = gate.launch()
        eventually("it is at its store", lambda: str(gate.folder / "state.db") in opened(process.pid))
        yield process.pid
        store.execute("ROLLBACK")
    gate.until_it_serves()


def opened(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(each.readlink()))
    return found


def test_a_policy_that_is_replaced_while_the_gate_starts_counts(make: Make) -> None:
    arena = make()
    with starting(arena):
        arena.gate.write_policy({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"users": ["nobody"]}}]})
    eventually("alice may do nothing any more", lambda: arena.get(PODS) == 403)


def test_sighup_while_the_gate_starts_does_not_end_it(make: Make) -> None:
    arena = make()
    with starting(arena) as pid:
        os.kill(pid, signal.SIGHUP)
    assert arena.get(PODS) == 200


def test_whom_to_trust_for_facts_and_opa_is_looked_at_before_anything_starts(make: Make, authority: Authority) -> None:
    """A comment in another encoding is nobody's business; what is no certificate is."""
    facts = [{"source": "status", "url": "https://127.0.0.1:1/facts", "max_age": "1m", "certificate_authority": "them.crt"}]
    opa = [{"name": "opa", "opa": {"url": "https://127.0.0.1:1/v1/data/x", "certificate_authority": "them.crt"}}]
    gate = make(facts=facts, authorizers=opa).gate
    (gate.folder / "them.crt").write_bytes(b"\x30\x82\x01\xff rubbish")
    said = refusal(gate)
    assert "facts[0].certificate_authority: is not a PEM certificate (it begins with" in said
    assert "authorizers[0].opa.certificate_authority: is not a PEM certificate (it begins with" in said
    (gate.folder / "them.crt").write_bytes("# Prüfstelle\n".encode("latin-1") + authority.certificate)
    gate.start()
    gate.stop()
