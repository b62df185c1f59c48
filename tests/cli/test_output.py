"""What commands print as JSON is for programs, and all the same it is looked at in a terminal: nothing of a stranger's name reaches that."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from rich.console import Console

from kgate.cli import main, output
from kgate.cli.output import as_json, table

pytestmark = pytest.mark.threat("27")

NAMES = ["\x1b]52;c;aGk=\x07", "\x9b2J", "a\x85b", "\u202eecila", "a\u2028b", "\x7f", "山田　太郎", "\U000e0041"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_spelt_as_json_spells_it(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    as_json({"user": name, name: [1, None, {"groups": (name,)}]})
    said = capfdbinary.readouterr().out
    assert orjson.loads(said) == {"user": name, name: [1, None, {"groups": [name]}]}
    assert not [each for each in said.decode() if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") and each != "\n"]
    assert said.startswith(b'{\n  "user"'), "people read it, too"


def test_a_table_that_a_terminal_has_no_room_for_loses_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In 80 columns people with long names had an IDLE of ``15`` for ``15s`` below ``ID``, and no BYTES."""
    columns = ("id", "user", "what", "age", "idle", "bytes", "reason")
    row = ("01M8S0AMJZDDSVQ4AVDZTB1NDC", "alice.longname@example.com", "dev: exec pods/web-0: sh", "23h59m", "15s", "1,234\x1b", "")
    monkeypatch.setattr(output, "_console", lambda: Console(highlight=False, width=80))
    table(columns, [row])
    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        "01M8S0AMJZDDSVQ4AVDZTB1NDC: user alice.longname@example.com; what dev: exec pods/web-0: sh; age 23h59m; idle 15s; bytes 1,234\\x1b"
    )
    table(columns[:3], [row[:3]])
    assert capsys.readouterr().out.startswith("ID")


def test_a_file_whose_name_is_no_text_is_spelt_out(tmp_path: Path) -> None:
    """It ended the command with a traceback."""
    file = tmp_path / "\udcff.yaml"
    file.write_text("listen: []\n")
    said = CliRunner().invoke(main, ["check", str(file), "-o", "json"])
    assert said.exit_code == 1 and orjson.loads(said.stdout_bytes)["good"] is False
    assert b"\\udcff.yaml" in said.stdout_bytes
