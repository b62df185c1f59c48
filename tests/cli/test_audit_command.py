"""``kgate audit`` over files as the gate writes them: what an auditor asks, and what comes back."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from running import a_full_disk

from kgate.audit.chain import Chain
from kgate.audit.record import decision_record, end_record, event_record, recorded_fields
from kgate.audit.search import search
from kgate.cli import audit, main
from kgate.model import Action, Cause, Cluster, Context, Decision, Ending, Ground, Identity, Operation, Reason
from kgate.net.trail import ends, follow

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
        (["closed_by!="], ["ID2"]),
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
    assert rows[1].startswith("2026-11-27 14:00:00Z  bob ")
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


@pytest.mark.threat("25")
def test_threat_25_an_anchor_of_files_that_are_not_here_is_missing_though_the_first_line_names_it(directory: Path, tmp_path: Path) -> None:
    """Anybody can write a first line that does."""
    first, log = directory / "audit-20261127-0001.jsonl", tmp_path / "gate.log"
    log.write_text(f"audit head {json.loads(first.read_bytes().splitlines()[-1])['hash']}\n")
    first.unlink()
    missing = kgate(directory, "verify", "--anchors", str(log))
    assert missing.exit_code == 1 and "the end was cut off, older files are not here, or these are another gate's" in missing.stdout


def test_export_is_the_very_lines(directory: Path, tmp_path: Path) -> None:
    result = kgate(directory, "export", "--to", str(tmp_path / "out"), "user=bob")
    lines = b"".join(path.read_bytes() for path in sorted(directory.glob("*"))).splitlines(keepends=True)
    assert (tmp_path / "out").read_bytes() == lines[2] + lines[4]
    assert oct((tmp_path / "out").stat().st_mode)[-3:] == "600", "as the audit's own files"
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

    assert json.loads(next(follow(directory, ends(directory), sleep)))["id"] == "ID1"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def followed(directory: Path, *turns: Callable[[], object]) -> list[str]:
    """The ids of what ``follow`` gives while it all happens, one turn after the other."""
    steps = iter(turns)

    def sleep(_: float) -> None:
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    found = []
    with suppress(KeyboardInterrupt):
        for line in follow(directory, ends(directory), sleep):
            found.append(json.loads(line)["id"])
    return found


def test_tail_that_nobody_reads_for_a_while_misses_no_file(directory: Path) -> None:
    """A pager stands still, and the gate goes from file to file."""
    chain = Chain()

    def meanwhile() -> None:
        append(directory / "audit-20261127-0002.jsonl", chain.seal({"id": "LAST-OF-2"}))
        for number in (3, 4, 5, 6):
            (directory / f"audit-20261127-000{number}.jsonl").write_bytes(chain.seal({"id": f"IN-{number}"}))

    assert followed(directory, meanwhile) == ["LAST-OF-2", "IN-3", "IN-4", "IN-5", "IN-6"]


def test_tail_has_what_was_written_before_a_file_was_moved_away(directory: Path, tmp_path: Path) -> None:
    """As logrotate does it; until the gate has something to write there is no other."""
    chain, last = Chain(), directory / "audit-20261127-0002.jsonl"

    def moved() -> None:
        append(last, chain.seal({"id": "BEFORE"}))
        for path in directory.glob("*.jsonl"):
            path.rename(tmp_path / path.name)

    def gone_on_with() -> None:
        append(tmp_path / last.name, chain.seal({"id": "BEHIND"}))
        (directory / "audit-20261127-0003.jsonl").write_bytes(chain.seal({"id": "NEXT"}))

    assert followed(directory, moved, list, gone_on_with) == ["BEFORE", "BEHIND", "NEXT"]


def instead_of(file: Path) -> None:
    """A folder where the file was: it cannot be read, whoever asks."""
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("command", [["search"], ["verify"], ["export"], ["tail"], ["show", "ID1"]], ids=lambda words: words[0])
def test_a_file_that_cannot_be_read_is_one_sentence(directory: Path, command: list[str]) -> None:
    instead_of(directory / "audit-20261127-0002.jsonl")
    result = kgate(directory, *command)
    said = f"kgate: {directory}/audit-20261127-0002.jsonl cannot be read: is a directory; name another directory, or a copy of this one\n"
    assert (result.exit_code, result.stderr) == (1, said)


@pytest.mark.parametrize("command", [["search"], ["verify"], ["export"], ["tail"], ["show", "ID3"]], ids=lambda words: words[0])
def test_files_that_logrotate_compressed_are_not_left_out_in_silence(directory: Path, command: list[str]) -> None:
    first = directory / "audit-20261127-0001.jsonl"
    first.with_suffix(".jsonl.gz").write_bytes(gzip.compress(first.read_bytes()))
    first.unlink()
    result = kgate(directory, *command)
    said = f"kgate: {directory}: 1 compressed file of it (audit-20261127-0001.jsonl.gz) not read; unpack a copy of the directory and name that\n"
    assert said in result.stderr and result.exit_code == 0 and result.stdout


def test_a_chain_that_cannot_be_listed_is_not_passed_over(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "worker-1").mkdir()
    scandir = os.scandir

    def forbidden(path: Any = ".") -> Any:
        if Path(path).name == "worker-1":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    result = kgate(directory, "verify")
    said = f"kgate: {directory}/worker-1 cannot be read: permission denied; run this as somebody who may read the gate's audit\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("since", "count"), [("0001-01-01", 5), ("0001-01-01T00:00:00+10:00", 5), ("9999-12-31", 0), ("9999-12-31T23:59:59-10:00", 0)]
)
def test_the_first_and_the_last_day_are_times_too(directory: Path, since: str, count: int) -> None:
    for option in ("--since", "--until"):
        result = kgate(directory, "search", option, since, "-o", "json")
        assert len(json.loads(result.stdout)) == (count if option == "--since" else 5 - count)


@pytest.mark.threat("25")
@pytest.mark.parametrize("command", [["search"], ["search", "-o", "json"], ["search", "alice"], ["verify"], ["export", "--format", "csv"], ["tail"],
                                     ["show", "ID1"], ["show", "DEEP"]])  # fmt: skip
def test_threat_25_a_forged_line_that_is_nested_past_all_measure_is_no_record(directory: Path, command: list[str]) -> None:
    file = directory / "audit-20261127-0002.jsonl"
    chain = Chain(json.loads(file.read_bytes().splitlines()[-1])["hash"])
    deep = '"time":"2026-11-27T17:00:00.000000Z","id":"DEEP","extra":' + "[" * 900 + "]" * 900
    file.write_bytes(file.read_bytes() + chain.seal(deep))
    result = kgate(directory, *command)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "DEEP" not in result.stdout and result.exit_code == (1 if "DEEP" in command else 0)


def test_that_nothing_was_found_is_said(directory: Path) -> None:
    result = kgate(directory, "search", "user=nobody")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "no record fits\n")


def test_a_span_that_ends_before_it_begins_is_a_usage_error(directory: Path) -> None:
    result = kgate(directory, "search", "--since", "2026-11-28", "--until", "2026-11-27")
    assert (result.exit_code, result.stderr) == (2, "kgate: --until is not after --since (no record can fit)\n")


def test_an_export_that_did_not_come_to_its_end_leaves_no_file(directory: Path, tmp_path: Path) -> None:
    instead_of(directory / "audit-20261127-0002.jsonl")
    result = kgate(directory, "export", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1 and not (tmp_path / "out").exists()


def test_an_export_to_a_disk_that_is_full_is_one_sentence(directory: Path, tmp_path: Path) -> None:
    with a_full_disk(room=100):
        result = kgate(directory, "export", "--to", str(tmp_path / "out"))
    assert (result.exit_code, result.stderr) == (
        1,
        f"kgate: {tmp_path / 'out'} cannot be written: File too large; make room, or name a file elsewhere\n",
    )
    assert not (tmp_path / "out").exists()


def test_what_is_written_while_tail_shows_the_latest_is_shown_too(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, later = directory / "audit-20261127-0002.jsonl", Chain().seal(event_record("stop", "LATER", "gate", NOON))
    file.write_bytes(file.read_bytes() + later[:20])  # which is under way
    shown = audit._json_lines

    def show(found: Any) -> None:
        shown(found)
        if file.read_bytes().endswith(later[:20]):
            file.write_bytes(file.read_bytes() + later[20:])

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "_json_lines", show)
    monkeypatch.setattr(follow, "__defaults__", (sleep,))
    result = kgate(directory, "tail", "-f", "-n", "1", "-o", "json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["ID2", "LATER"]


def test_tail_reads_no_more_than_it_shows(directory: Path) -> None:
    instead_of(directory / "audit-20261127-0001.jsonl")
    shown = kgate(directory, "tail", "-n", "2", "-o", "json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["ID3", "ID2"]


def test_tail_of_several_chains_and_terms_is_in_the_order_of_time(tmp_path: Path) -> None:
    for worker in (1, 2):
        (tmp_path / f"worker-{worker}").mkdir()
        chain, records = Chain(), [asked(2 * number + worker, "alice", EXEC) for number in range(3000)]
        lines = [chain.seal(record) for record in records]
        for number, part in enumerate((lines[:2000], [], lines[2000:]), 1):
            (tmp_path / f"worker-{worker}" / f"audit-20261127-000{number}.jsonl").write_bytes(b"".join(part))
    for count in (3, 5000, 9000):
        shown = kgate(tmp_path, "tail", "-n", f"{count}", "-o", "json", "ID").stdout.splitlines()
        assert [json.loads(line)["id"] for line in shown] == [f"ID{number}" for number in range(1, 6001)][-count:]
    assert json.loads(kgate(tmp_path, "tail", "-n", "9", "-o", "json", "id=ID7").stdout)["id"] == "ID7"


def test_search_keeps_no_more_than_it_shows(tmp_path: Path) -> None:
    chain = Chain()
    (tmp_path / "audit-20261127-0001.jsonl").write_bytes(b"".join(chain.seal(asked(number, "alice", EXEC)) for number in range(4000)))
    kgate(tmp_path, "search", "-n", "1")  # what is imported does not count
    tracemalloc.start()
    result = kgate(tmp_path, "search", "-n", "1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "the latest 1 of 4,000 records" in result.stderr and peak < 2_000_000


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


@pytest.mark.threat("27")
@pytest.mark.threat("25")
def test_threat_25_recordings_are_held_against_the_chain(tmp_path: Path) -> None:
    chain, casts = Chain(), tmp_path / "recordings"
    names = [f"{day}/01KBD4AV3WZZZZZZZZZZZZ000{number}.cast" for number, day in enumerate(("2025-12-01", "2025-12-01", "2024-01-01"))]
    ends = [
        end_record("stream-end", f"ID{number}", "gate", NOON, "dev", "bob", 101, 3.5, 10, 20)
        | recorded_fields(name, 3, sha256(b"abc").hexdigest(), "")
        for number, name in enumerate(names)
    ]
    forged = {"event": "stream-end", "recording": "../../etc/passwd", "recorded": {"bytes": 3, "sha256": "x"}}
    gone = event_record("recordings-removed", "ID9", "gate", NOON, recording="2024-01-01/", count=1)
    unknown = event_record("request-end", "ID8", "gate", NOON, outcome="unknown") | recorded_fields(names[0], None, "", "the disk hangs")
    (tmp_path / "audit-20261127-0001.jsonl").write_bytes(b"".join(map(chain.seal, [*ends, forged, gone, unknown])))
    (casts / "2025-12-01").mkdir(parents=True)
    for name in names[:2]:
        (casts / name).write_bytes(b"abc")
    good = kgate(tmp_path, "verify")
    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "2 recordings as they were recorded")
    (casts / names[0]).write_bytes(b"abd")
    (casts / names[1]).unlink()
    bad = json.loads(kgate(tmp_path, "verify", "-o", "json").stdout)
    assert (bad["good"], bad["recordings"]) == (False, 2)
    assert bad["altered_recordings"] == [
        f"{casts / names[0]}: the recording is not what was recorded",
        f"{casts / names[1]}: the recording is missing",
    ]
    assert kgate(tmp_path, "verify", "--without-recordings").exit_code == 0
    casts.rename(tmp_path / "elsewhere")
    assert "2 recordings" not in kgate(tmp_path, "verify").stdout
    assert kgate(tmp_path, "verify", "--recordings", str(tmp_path / "elsewhere")).stdout.count("the recording is") == 2


@pytest.mark.parametrize("command", [["search"], ["tail"], ["show", "ID1"]])
def test_threat_27_a_name_that_the_terminal_has_no_letters_for_ends_nothing(tmp_path: Path, command: list[str]) -> None:
    chain = Chain()
    (tmp_path / "audit-20261127-0001.jsonl").write_bytes(chain.seal(asked(1, "müller-日", EXEC)))
    result = CliRunner(charset="latin-1").invoke(main, ["audit", *command, "-d", str(tmp_path)])
    assert result.exit_code == 0 and "müller-\\u65e5" in result.stdout, result.output


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (
            "upstream_audit_id=01J9",
            "is the record's own id: the gate gives it to the cluster, whose audit has it as auditID (ask for id=…)",
        ),
    ],
)
def test_a_field_that_no_record_ever_has_is_refused_with_words(directory: Path, term: str, said: str) -> None:
    """It was taken, and nothing, or everything, was found."""
    result = kgate(directory, "search", term)
    assert (result.exit_code, result.stderr) == (2, f'kgate: "{term.split("=")[0].rstrip("!")}" {said}\n')
