"""What this machine keeps of a sign-in (class 24): nobody else reads it, nothing is followed, nothing is left half written."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from kgate.cli.wallet import Kept, Wallet, steady
from kgate.errors import KgateError

GATE = "https://gate.example.com:8443"
KEPT = Kept(GATE, "alice", "s1", time.time() + 3600, "secret")
pytestmark = pytest.mark.threat("24")


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    return Wallet(tmp_path / "state" / "kgate")


def file_of(wallet: Wallet) -> Path:
    return wallet.path / "gate.example.com_8443.json"


def test_what_is_kept_is_read_again_by_its_owner_only(wallet: Wallet) -> None:
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        wallet.write(KEPT)
        with wallet.lock(GATE):
            pass
    finally:
        os.umask(old)
    assert wallet.read(GATE) == KEPT
    assert stat.S_IMODE(wallet.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in wallet.path.iterdir()} == {0o600}
    wallet.forget(GATE)
    wallet.forget(GATE)
    assert wallet.read(GATE) is None


def test_a_new_file_takes_the_old_ones_place_whole_and_leaves_nothing_beside_it(wallet: Wallet) -> None:
    wallet.write(KEPT)
    with file_of(wallet).open() as before:
        wallet.write(KEPT.with_token("t", 300))
        assert '"token": ""' in before.read()
    assert [path.name for path in wallet.path.iterdir()] == ["gate.example.com_8443.json"]


def test_a_link_is_not_followed(wallet: Wallet, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    victim.chmod(0o600)
    wallet.write(KEPT)
    file_of(wallet).unlink()
    file_of(wallet).symlink_to(victim)
    with pytest.raises(KgateError, match="is not used"):
        wallet.read(GATE)
    wallet.write(KEPT)  # a rename replaces the link itself
    assert victim.read_text() == "untouched" and not file_of(wallet).is_symlink()
    (wallet.path / "gate.example.com_8443.lock").symlink_to(victim)
    with pytest.raises(KgateError, match="is not used"), wallet.lock(GATE):
        pass


def test_a_file_that_others_may_read_is_refused(wallet: Wallet) -> None:
    wallet.write(KEPT)
    file_of(wallet).chmod(0o644)
    with pytest.raises(KgateError, match="only you can read"):
        wallet.read(GATE)


def test_a_pipe_is_refused_rather_than_waited_for(wallet: Wallet) -> None:
    wallet.write(KEPT)
    file_of(wallet).unlink()
    os.mkfifo(file_of(wallet), 0o600)
    with pytest.raises(KgateError, match="only you can read"):
        wallet.read(GATE)


def test_a_folder_that_others_may_write_or_that_is_a_link_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    wallet.write(KEPT)
    wallet.path.chmod(0o777)
    with pytest.raises(KgateError, match="somebody else"):
        wallet.read(GATE)
    wallet.path.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(wallet.path)
    with pytest.raises(KgateError, match="is not used"):
        Wallet(link).read(GATE)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"gate": 1}', "null"])
def test_a_damaged_file_is_one_sentence_that_says_what_to_do(wallet: Wallet, text: str) -> None:
    wallet.write(KEPT)
    file_of(wallet).write_text(text)
    with pytest.raises(KgateError, match=r"damaged; remove it and run: kgate login"):
        wallet.read(GATE)


def test_a_full_disk_leaves_what_was_there(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet.write(KEPT)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KgateError, match="No space left"):
        wallet.write(KEPT.with_token("t", 300))
    assert wallet.read(GATE) == KEPT and len(list(wallet.path.iterdir())) == 1


@pytest.mark.threat("28")
def test_a_clock_that_was_set_makes_no_token_fresh() -> None:
    good = KEPT.with_token("t", 300)
    assert good.is_fresh() and not KEPT.is_fresh() and not KEPT.with_token("t", 29).is_fresh()
    set_back = Kept(**{**good.__dict__, "token_until": steady() - 1})
    rebooted = Kept(**{**good.__dict__, "token_until": steady() + 100_000})
    assert not set_back.is_fresh() and not rebooted.is_fresh()


def test_secrets_are_not_in_what_is_printed_of_it() -> None:
    shown = repr(Kept(GATE, "alice", "s1", 1.0, "hush-1", "hush-2", "hush-3"))
    assert "hush" not in shown and "alice" in shown


def test_the_folder_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("KGATE_HOME", raising=False)
    assert Wallet().path == tmp_path / "kgate"
    monkeypatch.setenv("KGATE_HOME", str(tmp_path / "own"))
    assert Wallet().path == tmp_path / "own"


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 5_000, b"{}", b"null", b""], ids=["binary", "deep", "empty object", "null", "empty"]
)
def test_a_damaged_file_is_named_with_what_to_do(wallet: Wallet, content: bytes) -> None:
    wallet.write(KEPT)
    file_of(wallet).write_bytes(content)
    with pytest.raises(KgateError, match=r"8443\.json is damaged; remove it and run: kgate login "):
        wallet.read(GATE)


def test_a_folder_in_the_place_of_a_file_is_no_file(wallet: Wallet) -> None:
    wallet.choose(GATE)
    (wallet.path / "current").unlink()
    (wallet.path / "current").mkdir(mode=0o700)
    with pytest.raises(KgateError, match="current is not used: it is not a file that only you can read"):
        wallet.current()
