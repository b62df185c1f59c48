"""The gate's own credential: at hand wherever ``ready`` would answer at once."""

from __future__ import annotations

from pathlib import Path

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
