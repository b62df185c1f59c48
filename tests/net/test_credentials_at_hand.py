"""The gate's own credential: at hand wherever ``ready`` would answer at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_at_once import BusyDisk, DiskAtOnce
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.net.credentials import RECHECK_SECONDS, SOON_SECONDS, Credential, FixedCredential, TokenFile
from kgate.net.disk import HUNG_SECONDS


def answer(credential: Credential) -> list[str | None]:
    told: list[str | None] = []
    credential.ready(told.append)
    return told


def test_one_of_the_configuration() -> None:
    fixed = FixedCredential(b"token", (b"certificate", b"key"))
    assert fixed.at_hand and answer(fixed) == [None]
    assert (fixed.bearer, fixed.certificate) == (b"token", (b"certificate", b"key"))


def test_a_file_that_comes_late_is_emptied_and_changes(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", Clock()
    credential = TokenFile(DiskAtOnce(clock).file(path), clock.seconds)
    assert not credential.at_hand and credential.bearer is None
    assert [str(path) in str(each) for each in answer(credential)] == [True]
    for text, token in (("one\n", b"one"), ("", b"one"), ("three", b"three")):
        path.write_text(text)
        clock.advance(RECHECK_SECONDS)
        assert not credential.at_hand
        assert answer(credential) == [None] and credential.at_hand and credential.bearer == token


def test_a_token_that_the_cluster_refused_is_read_again_at_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one")
    credential = TokenFile(DiskAtOnce(clock).file(path), clock.seconds)
    assert answer(credential) == [None] and credential.bearer == b"one"
    path.write_text("two")
    assert answer(credential) == [None] and credential.bearer == b"one"
    credential.refused()
    assert answer(credential) == [None] and credential.bearer == b"two"


def test_a_file_that_cannot_be_read_is_said_once_until_it_can(tmp_path: Path) -> None:
    path, clock, logged = tmp_path / "token", Clock(), list[LogEvent]()
    credential = TokenFile(DiskAtOnce(clock).file(path), clock.seconds)
    globalLogPublisher.addObserver(logged.append)
    try:
        for number, there in enumerate((False, False, False, True, True, False, False)):
            path.write_text("one") if there else path.unlink(missing_ok=True)
            clock.advance(RECHECK_SECONDS)
            assert (answer(credential) == [None]) == (credential.bearer == b"one") == (number > 2)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [formatEvent(event).rpartition(": ")[2] for event in logged] == [
        "No such file or directory; there is no token yet", "No such file or directory; the last token stays in use",
    ]  # fmt: skip


@pytest.mark.threat("13")
def test_a_file_that_hangs_is_not_waited_for_long_and_the_last_token_stays_in_use(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one")
    disk = BusyDisk(clock)
    credential = TokenFile(disk.file(path), clock.seconds)
    told: list[str | None] = []
    credential.ready(told.append)
    assert told == [] and disk.answer() == 1 and told == [None] and credential.bearer == b"one"
    clock.advance(RECHECK_SECONDS)
    for _ in range(3):
        credential.ready(told.append)
    assert told == [None]
    clock.advance(SOON_SECONDS)
    assert told == [None] * 4 and credential.at_hand and credential.bearer == b"one"
    path.write_text("two")
    disk.answer()
    clock.advance(RECHECK_SECONDS)
    credential.ready(told.append)
    disk.answer()
    assert credential.bearer == b"two"


def test_a_file_that_hung_from_the_start_is_said(tmp_path: Path) -> None:
    clock, told = Clock(), list[str | None]()
    TokenFile(BusyDisk(clock).file(tmp_path / "token"), clock.seconds).ready(told.append)
    clock.advance(HUNG_SECONDS)
    assert told == [f"the token file {tmp_path / 'token'} cannot be read or is empty"]
