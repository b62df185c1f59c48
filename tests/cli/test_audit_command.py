"""``kgate audit`` over files as the gate writes them: what an auditor asks, and what comes back."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kgate.audit.chain import Chain
from kgate.audit.record import decision_record, end_record, event_record
from kgate.audit.search import search
from kgate.cli import main
from kgate.model import Action, Cause, Cluster, Context, Decision, Ending, Ground, Identity, Operation, Reason
from kgate.net.trail import follow

NOON = 1_795_780_800.0  # 2026-11-27T12:00:00Z
ESCAPE = "evil\x1b]52;c;aGk=\x07\u202e\u009b2J"
YES = Decision(True, "0123456789ab", "developers", (Reason(Ground.ALLOWED, "developers", 'rule "developers" allows it'),))
NO = Decision(False, "0123456789ab", "", (Reason(Ground.NO_RULE, text="no rule allows it"),))


def asked(number: int, user: str, action: Action, decision: Decision = YES, event: str = "request") -> dict[str, Any]:
    context = Context(NOON + number * 3600, "10.0.0.1", "kubectl/v1.32")
    return decision_record(event, f"ID{number}", "gate", Identity(user, ("developers",)), action, context, decision)


DEV = Cluster("dev", (("env", "dev"),))
EXEC = Action(
    DEV, "POST", "create", "", "/x", resource="pods", subresource="exec", namespace="team-a", name="web-0", operation=Operation.EXEC,
    container="app", command=("sh", "-c", "ls /"), follows=True,
)  # fmt: skip
CUT = Cause(Ending.POLICY, "kgate: closed by policy: no rule allows it any more (request ID2)")
RECORDS = [
    event_record("start", "ID0", "gate", NOON),
    asked(1, "alice", Action(DEV, "GET", "get", "", "/api/v1/pods", resource="pods", namespace="team-a")),
    asked(2, "bob", EXEC, event="stream-start"),
    asked(3, ESCAPE, Action(DEV, "GET", "get", "", "/api/v1/secrets", resource="secrets"), NO),
    end_record("stream-end", "ID2", "gate", NOON + 4 * 3600, "dev", "bob", 101, 3.5, 10, 20, CUT, 0.01),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two files of one chain, as after a rotation."""
    folder, chain = tmp_path / "audit", Chain()
    folder.mkdir()
    for number, records in ((1, RECORDS[:3]), (2, RECORDS[3:])):
        (folder / f"audit-20261127-000{number}.jsonl").write_bytes(b"".join(map(chain.seal, records)))
    return folder


def kgate(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", arguments[0], "-d", str(directory), *arguments[1:]])


@pytest.mark.parametrize(
    ("terms", "ids"),
    [
        ([], ["ID0", "ID1", "ID2", "ID3", "ID2"]),
        (["user=alice"], ["ID1"]),
        (["user=a*,bob", "event!=stream-end"], ["ID1", "ID2"]),
        (["groups=developers", "allowed=false"], ["ID3"]),
        (["cluster_labels=env=dev", "action=exec"], ["ID2"]),
        (["command=ls*"], ["ID2"]),
        (["LS /"], ["ID2"]),
        (["--since", "2026-11-27T13:30:00Z", "--until", "2026-11-27T15:00:00Z"], ["ID2"]),
        (["--since", "2026-11-28"], []),
        (["-n", "2"], ["ID3", "ID2"]),
    ],
)
def test_search(directory: Path, terms: list[str], ids: list[str]) -> None:
    result = kgate(directory, "search", "-o", "json", *terms)
    assert ([record["id"] for record in json.loads(result.stdout)], result.exit_code) == (ids, 0 if ids else 1)


def test_a_table_has_a_row_for_each(directory: Path) -> None:
    rows = kgate(directory, "search", "event=stream-*").stdout.splitlines()
    assert rows[0].split() == ["TIME", "WHO", "WHAT", "ANSWER", "ID"]
    assert "dev: exec pods/web-0 -n team-a -c app: sh -c ls /" in rows[1] and "allowed: developers" in rows[1]
    assert "closed by policy" in rows[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["usr=alice"], 'no record has "usr" so: did you mean "user"?'),
        (["--since", "yesterday"], "write 7d, 2026-11-24 or 2026-11-24T09:30:00Z"),
    ],
)
def test_a_slip_is_a_usage_error(directory: Path, words: list[str], said: str) -> None:
    result = kgate(directory, "search", *words)
    assert result.exit_code == 2 and said in result.stderr


def test_show_tells_all_of_one_request(directory: Path) -> None:
    text = kgate(directory, "show", "ID2").stdout
    assert "command  sh, -c, ls /" in text and "closed_by  policy" in text and "revocation_ms  10.0" in text
    missing = kgate(directory, "show", "ID9")
    assert (missing.exit_code, missing.stdout) == (1, "") and "there is no request ID9" in missing.stderr


@pytest.mark.threat("27")
@pytest.mark.parametrize(
    "command", [["search"], ["show", "ID3"], ["tail"], ["search", "-o", "json"], ["tail", "-o", "json"], ["export", "--format", "csv"]]
)
def test_threat_27_nothing_of_a_name_reaches_the_terminal_but_characters(directory: Path, command: list[str]) -> None:
    output = kgate(directory, *command).stdout
    assert "evil" in output
    assert all(character.isprintable() or character in "\n\r" for character in output)


@pytest.mark.threat("25")
def test_threat_25_the_raw_file_is_safe_to_look_at(directory: Path) -> None:
    raw = (directory / "audit-20261127-0002.jsonl").read_text("utf-8")
    assert all(character.isprintable() or character == "\n" for character in raw)


def test_verify_says_that_the_chain_holds(directory: Path) -> None:
    result = kgate(directory, "verify")
    assert result.exit_code == 0 and "5 records in 2 files, the chain holds" in result.stdout


@pytest.mark.threat("25")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda text: text.replace('"allowed":false', '"allowed":true'), "0002.jsonl:1: it was changed after it was written"),
        (lambda text: text.splitlines(keepends=True)[1], "0002.jsonl:1: the line before it is not the one that stood there"),
        (lambda text: '{"event":"stop"}\n' + text, "0002.jsonl:1: it is not a sealed record"),
    ],
)
def test_threat_25_verify_says_which_line_breaks(directory: Path, harm: Callable[[str], str], said: str) -> None:
    file = directory / "audit-20261127-0002.jsonl"
    file.write_text(harm(file.read_text()))
    result = kgate(directory, "verify")
    assert result.exit_code == 1 and said in result.stdout
    assert json.loads(kgate(directory, "verify", "-o", "json").stdout)["chains"][0]["line"] == 1


@pytest.mark.threat("25")
def test_threat_25_an_anchor_tells_that_the_end_was_cut_off(directory: Path, tmp_path: Path) -> None:
    head = json.loads(kgate(directory, "verify", "-o", "json").stdout)["chains"][0]["head"]
    log = tmp_path / "gate.log"
    log.write_text(f"2026-11-27T16:00:00+0000 [kgate.net.journal#info] audit head {head}\n")
    assert kgate(directory, "verify", "--anchors", str(log)).exit_code == 0
    last = directory / "audit-20261127-0002.jsonl"
    last.write_bytes(last.read_bytes().splitlines(keepends=True)[0])
    assert kgate(directory, "verify").exit_code == 0
    cut = kgate(directory, "verify", "--anchors", str(log))
    assert cut.exit_code == 1 and f"no line has the head {head}" in cut.stdout


def test_export_is_the_very_lines(directory: Path, tmp_path: Path) -> None:
    result = kgate(directory, "export", "--to", str(tmp_path / "out"), "user=bob")
    lines = b"".join(path.read_bytes() for path in sorted(directory.glob("*"))).splitlines(keepends=True)
    assert (tmp_path / "out").read_bytes() == lines[2] + lines[4]
    assert result.stderr.startswith("2 records; the last one's hash is " + json.loads(lines[4])["hash"])
    before = (tmp_path / "out").read_bytes()
    again = kgate(directory, "export", "--to", str(tmp_path / "out"))
    assert (again.exit_code, again.stderr.count("\n"), "is there already" in again.stderr) == (1, 1, True)
    assert (tmp_path / "out").read_bytes() == before


def test_export_to_where_no_file_can_be_is_one_sentence(directory: Path, tmp_path: Path) -> None:
    result = kgate(directory, "export", "--to", str(tmp_path / "nosuch" / "out"))
    assert (result.exit_code, result.stderr) == (
        1,
        f"kgate: {tmp_path / 'nosuch' / 'out'} cannot be written: No such file or directory; name a file in a folder where you may write\n",
    )


@pytest.mark.threat("25")
def test_threat_25_a_spreadsheet_takes_no_name_for_a_formula(tmp_path: Path) -> None:
    (tmp_path / "audit-20261127-0001.jsonl").write_bytes(Chain().seal(asked(1, '=HYPERLINK("http://x")', EXEC)))
    (row,) = csv.DictReader(io.StringIO(kgate(tmp_path, "export", "--format", "csv").stdout))
    assert row["user"] == '\'=HYPERLINK("http://x")'


def test_tail_follows_into_the_next_file(directory: Path) -> None:
    chain, slept = Chain(), threading.Event()

    def sleep(_: float) -> None:
        assert not slept.is_set()
        slept.set()
        line = chain.seal(RECORDS[1])
        with (directory / "audit-20261127-0002.jsonl").open("ab") as file:
            file.write(line[:-5])  # half a line is none yet
        (directory / "audit-20261128-0001.jsonl").write_bytes(line)

    assert json.loads(next(follow(directory, sleep)))["id"] == "ID1"


def test_there_must_be_something_to_read(tmp_path: Path) -> None:
    assert "there are no audit files here" in kgate(tmp_path, "search").stderr
    assert "no such directory" in kgate(tmp_path / "none", "verify").stderr


def test_a_span_of_days_is_counted_back_from_now() -> None:
    assert search((), "7d", "", NOON).since == NOON - 7 * 86400


def test_the_chains_of_several_workers_are_read_as_one_and_verified_each(tmp_path: Path) -> None:
    for worker, records in (("worker-1", RECORDS[0:4:2]), ("worker-2", RECORDS[1:4:2])):
        chain = Chain()
        (tmp_path / worker).mkdir()
        (tmp_path / worker / "audit-20261127-0001.jsonl").write_bytes(b"".join(map(chain.seal, records)))
    found = json.loads(kgate(tmp_path, "search", "-o", "json").stdout)
    assert [record["id"] for record in found] == ["ID0", "ID1", "ID2", "ID3"]
    verdict = json.loads(kgate(tmp_path, "verify", "-o", "json").stdout)
    assert verdict["good"] and [chain["records"] for chain in verdict["chains"]] == [2, 2]


def test_one_is_not_counted_as_several(tmp_path: Path) -> None:
    (tmp_path / "audit-20261127-0001.jsonl").write_bytes(Chain().seal(RECORDS[0]))
    assert "1 record in 1 file, the chain holds" in kgate(tmp_path, "verify").stdout
    assert kgate(tmp_path, "export").stderr.startswith("1 record; ")
