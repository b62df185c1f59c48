"""A disk that is full: no request passes unrecorded, none hangs, and when there is room again the gate goes on by itself (class 25)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.waiting import eventually
from live_gate import ALLOW_ALICE
from running import PODS, Make, chain, goes_on, watching

from kgate.audit.chain import Verified

pytestmark = pytest.mark.threat("25")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB for an audit directory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], check=False, capture_output=True).returncode
    ):
        pytest.skip("mounting a small tmpfs takes root, and a container that lets it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on it; gives the file that takes it."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    return filler


def test_a_full_disk_refuses_requests_until_there_is_room(make: Make, small_disk: Path) -> None:
    arena = make(audit={"directory": str(small_disk / "audit")})
    arena.gate.start()
    with watching(arena) as live:
        filler, passed = fill(small_disk), 0
        for _ in range(40):  # what is left of the file's last page takes some records, the shorter ones last
            started = time.monotonic()
            with arena.client() as client:
                client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + arena.head + b"\r\n")
                status, text = client.status(), client.last_body
            page = arena.gate.admin("/readyz")
            passed += status == 200
            if status == page[0] == 503:
                break
        assert time.monotonic() - started < 10
        assert b"the audit record could not be made durable in time, so nothing was sent to the cluster" in text
        assert len(arena.cluster.heads) == passed, "nothing reaches a cluster without a record"
        assert page[0] == 503 and "audit: No space left on device" in page[1]
        assert f"audit records cannot be written to {small_disk / 'audit'}: No space left on device" in arena.gate.log.read_text()
        filler.unlink()
        eventually("there is room again", lambda: arena.get(PODS) == 200)
        eventually("ready again", lambda: arena.gate.admin("/readyz")[0] == 200)
        assert goes_on(live)
    arena.gate.stop()
    assert isinstance(chain(small_disk / "audit"), Verified)


def test_a_right_that_is_taken_away_while_the_disk_is_full_ends_what_lives(make: Make, small_disk: Path) -> None:
    """The policy's text cannot be kept beside the audit: no request is taken under it until it can, but nobody stays by the former one."""
    arena = make(audit={"directory": str(small_disk / "audit")})
    arena.gate.start()
    with watching(arena) as live:
        filler = fill(small_disk)
        arena.gate.write_policy({"rules": [{**ALLOW_ALICE["rules"][0], "who": {"groups": ["nobody"]}}]})
        assert b"kgate: closed by policy: no rule is for alice (request " in live.until(b"0\r\n\r\n")
    with arena.client() as client:
        client.send(b"GET /clusters/lab/api/v1/pods HTTP/1.1\r\n" + arena.head + b"\r\n")
        assert client.status() == 503 and b"the policy changed, and its text could not be kept beside the audit" in client.last_body
    status, page = arena.gate.admin("/readyz")
    assert status == 503 and "policy: its text cannot be kept beside the audit: No space left on device" in page
    filler.unlink()
    eventually("it is kept", lambda: arena.get(PODS) == 403)
    eventually("ready again", lambda: arena.gate.admin("/readyz")[0] == 200)
    arena.gate.stop()
    assert isinstance(chain(small_disk / "audit"), Verified)
    assert len(list((small_disk / "audit" / "policies").iterdir())) == 2


def test_a_disk_that_is_full_at_the_start_is_said_and_nothing_starts(make: Make, small_disk: Path) -> None:
    gate = make(audit={"directory": str(small_disk / "audit")}).gate
    fill(small_disk)
    status, said = gate.run_to_the_end()
    assert status != 0 and "No space left on device" in said and str(small_disk / "audit") in said and "Traceback" not in said
