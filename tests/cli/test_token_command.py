"""``kgate token``: what it prints, what it writes, and what the gate makes of it."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kgate.cli import main, token
from kgate.identity.credentials import Credentials
from kgate.identity.robots import load_tokens
from kgate.model import Identity
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.robots import Use, record_uses


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["token", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def test_a_token_is_shown_once_and_works(file: Path) -> None:
    done = run("create", "ci", "--user", "ci-bot", "-g", "ci", "-g", "all", "--network", "10.0.0.0/8", "--cluster", "dev-*", "-f", file)
    assert done.exit_code == 0
    token = done.stdout.strip()
    assert token.startswith("kgate_") and len(token) > 40
    assert "ci is good until" in done.stderr and token not in done.stderr
    assert token not in file.read_text() and hashlib.sha256(token.encode()).hexdigest() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = load_tokens(file.read_text(), "f").authenticate(Credentials(token), 1_800_000_000.0)
    assert isinstance(found, Identity)
    assert (found.user, found.groups, found.networks, found.clusters) == ("ci-bot", ("ci", "all"), ("10.0.0.0/8",), ("dev-*",))


def test_a_file_keeps_its_mode(file: Path) -> None:
    file.write_text("robots: []\n")
    file.chmod(0o640)
    assert run("create", "ci", "-f", file).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_revoked(file: Path) -> None:
    assert run("create", "ci", "-f", file).exit_code == run("create", "cd", "-f", file).exit_code == 0
    assert run("revoke", "ci", "-f", file).output == "ci is revoked\n"
    assert [each["name"] for each in json.loads(run("list", "-f", file, "-o", "json").stdout)] == ["cd"]
    gone = run("revoke", "ci", "-f", file)
    assert (gone.exit_code, gone.output) == (1, f"kgate: {file} has no token named ci; it has: cd\n")


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "ci"]])
def test_a_file_that_is_not_there_is_not_called_empty(file: Path, arguments: list[str]) -> None:
    done = run(*arguments, "-f", file)
    assert (done.exit_code, done.output) == (2, f"kgate: {file} does not exist; kgate token create NAME makes it\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--expires", "soon"], 2, "is not a duration"),
        (["--expires", "2020-01-01T00:00:00Z"], 2, "has passed"),
        (["--network", "10.0.0.1/8"], 1, "networks"),
        (["--cluster", ""], 1, "an empty word"),
        (["--user", "a\nb"], 1, "U+000A"),
    ],
)
def test_a_wrong_word_changes_nothing(file: Path, arguments: list[str], code: int, said: str) -> None:
    done = run("create", "ci", "-f", file, *arguments)
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert not file.exists()


def test_for_ever_is_said_by_its_name(file: Path) -> None:
    assert "good for ever" in run("create", "ci", "--expires", "never", "-f", file).stderr
    assert "the token ci never expires" in str(load_tokens(file.read_text(), "f").warnings[0])


def test_without_a_configuration_it_asks_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("list")
    assert (done.exit_code, "Name the gate's configuration with --config" in done.output) == (2, True)


def test_the_list_says_when_each_was_last_used(tmp_path: Path, file: Path) -> None:
    (tmp_path / "kgate.yaml").write_text(
        "listen: [{address: 127.0.0.1:8443, tls: {certificate: a, key: a}}]\npublic_url: https://localhost:8443\n"
        "clusters: {dev: {server: https://10.0.0.5:6443, token_file: a}}\nidentity: {tokens: {file: tokens.yaml}}\n"
        "policy: p\naudit: {directory: a}\nstate: sqlite:///state.db\n"
    )
    for name in ("ci", "idle"):
        assert run("create", name, "-f", file).exit_code == 0
    config = tmp_path / "kgate.yaml"
    assert {each["last_used"] for each in json.loads(run("list", "-c", config, "-o", "json").stdout)} == {"unknown"}
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    with engine.begin() as connection:
        record_uses(connection, [Use("ci", 1_790_000_000.0, "10.1.2.3")])
    engine.dispose()
    found = {each["name"]: each for each in json.loads(run("list", "-c", config, "-o", "json").stdout)}
    assert (found["ci"]["last_used"], found["ci"]["from"]) == ("2026-09-21T14:13:20Z", "10.1.2.3")
    assert found["idle"]["last_used"] is None
    shown = run("list", "-c", config).stdout.splitlines()
    assert shown[0].split()[:3] == ["NAME", "USER", "GROUPS"]
    assert [line.split()[0] for line in shown[1:]] == ["ci", "idle"]


def test_of_two_that_change_the_file_at_once_each_is_in_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("create", "old", "-f", file).exit_code == 0
    both_have_read = threading.Barrier(2)

    def together(change: Any) -> Any:
        def changed(*arguments: Any) -> str:
            with suppress(threading.BrokenBarrierError):  # one waits for the other before it reads
                both_have_read.wait(0.5)
            text: str = change(*arguments)
            return text

        return changed

    for name in ("with_token", "without_token"):
        monkeypatch.setattr(token, name, together(getattr(token, name)))
    new = {"user": "", "groups": (), "expires": "90d", "networks": (), "clusters": (), "config": None, "file": file, "output": "table"}
    at_once = [
        threading.Thread(target=token.create.callback, kwargs={"name": "new", **new}),
        threading.Thread(target=token.revoke.callback, kwargs={"name": "old", "config": None, "file": file}),
    ]
    for each in at_once:
        each.start()
    for each in at_once:
        each.join()
    assert [each["name"] for each in json.loads(run("list", "-f", file, "-o", "json").stdout)] == ["new"]
    assert list(file.parent.iterdir()) == [file]
