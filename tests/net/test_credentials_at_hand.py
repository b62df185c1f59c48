"""The gate's own credential: at hand wherever ``ready`` would answer at once."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from kgate.net.credentials import RECHECK_SECONDS, Credential, FixedCredential, TokenFile


def answer(credential: Credential) -> list[str | None]:
    told: list[str | None] = []
    credential.ready(told.append)
    return told


def test_one_of_the_configuration() -> None:
    fixed = FixedCredential(b"token", (b"certificate", b"key"))
    assert fixed.at_hand and answer(fixed) == [None]
    assert (fixed.bearer, fixed.certificate) == (b"token", (b"certificate", b"key"))


def test_a_file_that_comes_late_is_emptied_and_changes(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", [100.0]
    credential = TokenFile(path, lambda: clock[0])
    assert not credential.at_hand and credential.bearer is None
    assert [str(path) in str(each) for each in answer(credential)] == [True]
    for text, token in (("one\n", b"one"), ("", b"one"), ("three", b"three")):
        path.write_text(text)
        clock[0] += RECHECK_SECONDS
        assert credential.at_hand and answer(credential) == [None] and credential.bearer == token


def test_a_file_that_cannot_be_read_is_said_once_until_it_can(tmp_path: Path) -> None:
    path, clock, logged = tmp_path / "token", [100.0], list[LogEvent]()
    credential = TokenFile(path, lambda: clock[0])
    globalLogPublisher.addObserver(logged.append)
    try:
        for there in (False, False, False, True, True, False, False):
            path.write_text("one") if there else path.unlink(missing_ok=True)
            clock[0] += RECHECK_SECONDS
            assert (credential.bearer == b"one") == (clock[0] > 103 + RECHECK_SECONDS / 2)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert [formatEvent(event).rpartition(": ")[2] for event in logged] == [
        "No such file or directory; there is no token yet", "No such file or directory; the last token stays in use",
    ]  # fmt: skip
