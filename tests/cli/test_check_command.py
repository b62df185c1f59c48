"""``kgate check``: what it prints, and its exit codes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_configuration import SMALL, small_configuration

from kgate.cli import COMMANDS, main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return small_configuration(tmp_path)


def kgate(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_good_file(file: Path) -> None:
    result = kgate("check", str(file))
    assert result.exit_code == 0
    warning, summary = result.output.splitlines()
    assert warning == f"warning: {file.parent}/policy.yaml:1: no rule allows anything (every request but discovery is denied)"
    revision = hashlib.sha256(b"rules: []").hexdigest()[:12]
    assert summary == f"{file}: good: 1 cluster, 0 rules (revision {revision}), 0 tokens; listening on 127.0.0.1:8443"


def test_mistakes_are_all_there_and_the_exit_code_is_one(file: Path) -> None:
    file.write_text(SMALL.replace("policy: policy.yaml", "polcy: policy.yaml"))
    result = kgate("check", str(file))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f'{file}:1: "policy" is missing (write policy: policy.yaml)',
        f'{file}:5: unknown key "polcy" (did you mean "policy"?)',
    ]
    assert result.stderr == f"{file}: 2 mistakes; the gate does not start like this\n"


@pytest.mark.threat("27")
@pytest.mark.parametrize("command", [["check"], ["policy", "test"]], ids=" ".join)
def test_threat_27_nothing_of_somebody_s_file_reaches_the_terminal_but_characters(file: Path, command: list[str]) -> None:
    """A policy that somebody proposes is read by whoever reviews it."""
    (file.parent / "policy.yaml").write_text('rules: []\n"\\e]52;c;aGk=\\a\\u202e": 1\n')
    result = CliRunner().invoke(main, [*command, str(file if command == ["check"] else file.parent / "policy.yaml")], color=True)
    assert result.exit_code == 1 and 'policy.yaml:2: unknown key "\\x1b]52;c;aGk=\\x07\\u202e"' in result.output


@pytest.mark.threat("27")
def test_threat_27_nor_of_a_file_s_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", str(tmp_path / "\x1b[2J\u202e")], color=True)
    assert (result.exit_code, result.stderr) == (
        2,
        f"kgate: {tmp_path}/\\x1b[2J\\u202e does not exist; name the gate's configuration file\n",
    )


def test_for_programs(file: Path) -> None:
    file.write_text(SMALL + "worker: 2\n")
    result = kgate("check", str(file), "-o", "json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1 and answer["good"] is False
    assert answer["mistakes"] == [{"file": str(file), "line": 7, "text": 'unknown key "worker"', "hint": 'did you mean "workers"?'}]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    result = kgate("check", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert result.stderr == f"kgate: {tmp_path}/none.yaml does not exist; name the gate's configuration file\n"


def test_usage(tmp_path: Path) -> None:
    assert kgate("check").exit_code == 2
    assert kgate("chek").exit_code == 2
    assert kgate("--version").output.startswith("kgate, version ")


def test_every_command_can_be_imported() -> None:
    result = kgate("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)
