"""``kgate login`` before it reaches a gate: what was typed, and the authority's file. tests/signing_in has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from authority import Authority
from click.testing import CliRunner, Result
from running import a_full_disk

from kgate.cli import main
from kgate.cli.kubeconfig_file import locked, write_kubeconfig
from kgate.errors import KgateError

NOBODY = "https://127.0.0.1:1"


def login(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["login", *arguments], env={"KGATE_HOME": str(home / "home")})


@pytest.mark.parametrize("typed", ["https://a b", "https://a..b", f"https://{'a' * 64}.example", "https://."])
def test_a_name_that_no_server_can_have_is_a_usage_error(tmp_path: Path, typed: str) -> None:
    result = login(tmp_path, typed)
    assert (result.exit_code, result.stderr) == (
        2,
        f"kgate: {typed} is not the URL of a gate; write it as https://kube.example.com:8443\n",
    )


def test_an_authority_may_have_a_comment_in_any_language(tmp_path: Path) -> None:
    """As the bundles that curl and distributions publish have."""
    file = tmp_path / "ca.crt"
    file.write_bytes("# NetLock Arany (Class Gold) Főtanúsítvány\n".encode() + Authority().certificate)
    result = login(tmp_path, NOBODY, "--certificate-authority", str(file))
    assert (result.exit_code, result.stderr) == (
        3,
        f"kgate: {NOBODY} does not answer: connection refused; check the URL and your network\n",
    )


@pytest.mark.parametrize("content", [b"", b"certificate", "Főtanúsítvány".encode(), b"\xff\xfe"])
def test_a_file_without_a_certificate_is_no_authority(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(content)
    result = login(tmp_path, NOBODY, "--certificate-authority", str(file))
    assert (result.exit_code, result.stderr) == (2, f"kgate: {file} has no certificate in it (PEM); name the file of the gate's CA\n")


def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    result = login(tmp_path, NOBODY, "--certificate-authority", str(tmp_path))
    assert (result.exit_code, result.stderr) == (2, f"kgate: {tmp_path} cannot be read: is a directory; name the file of the gate's CA\n")


def test_a_folder_that_cannot_be_made_is_said_before_anybody_signs_in(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    result = CliRunner().invoke(main, ["login", NOBODY], env={"KGATE_HOME": str(tmp_path / "home" / "kgate")})
    assert (result.exit_code, result.stderr) == (
        1,
        f"kgate: {tmp_path}/home/kgate cannot be made: not a directory; name a folder of your own with KGATE_HOME\n",
    )


def test_a_kubeconfig_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(KgateError, match="file/kube/config cannot be written: Not a directory; nothing was changed"):
        write_kubeconfig(tmp_path / "file" / "kube" / "config", "new")
    with a_full_disk(room=2), pytest.raises(KgateError, match="file cannot be written: File too large; nothing was changed"):
        write_kubeconfig(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old" and list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_kubeconfig_that_kubectl_changes_is_waited_for_and_then_left_as_it_is(tmp_path: Path) -> None:
    """kubectl's own lock: a file beside it (client-go, tools/clientcmd/loader.go)."""
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    lock.touch()
    waits = list[float]()
    with (
        pytest.raises(
            KgateError, match=r"config is being changed by another program; try again, or remove \S+/config.lock if there is none"
        ),
        locked(path, waits.append),
    ):
        raise AssertionError
    assert 1 <= sum(waits) <= 5 and lock.exists()
    with locked(path, lambda _: lock.unlink()):
        assert lock.exists()
    assert not lock.exists()


def test_a_lock_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(KgateError, match="file/config cannot be written: File exists; nothing was changed"),
        locked(tmp_path / "file" / "config"),
    ):
        raise AssertionError


class Hostile:
    """A gate whose words move the cursor and set the clipboard."""

    def __init__(self, url: str, authority: str) -> None:
        self.gate = url

    def signs_in(self) -> None:
        """It does."""

    def post(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        escape = "\x1b]52;c;eA==\x07"
        if path.endswith("device_authorization"):
            begun = {"verification_uri": f"https://a{escape}", "verification_uri_complete": f"https://b{escape}", "user_code": f"c{escape}"}
            return 200, {**begun, "device_code": "d", "interval": 0, "expires_in": 600}
        return 200, {"user": f"ann{escape}", "session": "s", "session_expires": 4e9, "access_token": "t", "expires_in": 60}


@pytest.mark.threat("27")
def test_nothing_but_characters_of_what_a_gate_says_reaches_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgate.cli.login.GateClient", Hostile)
    result = login(tmp_path, "--device", NOBODY)
    assert result.exit_code == 0 and "as ann\ufffd]52;c;eA==\ufffd until" in result.stdout
    assert "type this code: c\ufffd" in result.stderr and "\x1b" not in result.output + result.stderr
