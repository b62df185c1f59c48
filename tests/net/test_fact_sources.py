"""Files and servers that tell facts: what happens when they change, go away, or tell rubbish."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from disk_at_once import BusyDisk, DiskAtOnce
from geo_data import COUNTRY, written
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kgate.documents.values import Duration
from kgate.net.facts import FactFile, FactPoll, read_facts
from kgate.net.files import stamp
from kgate.net.geo import GeoFiles
from kgate.net.web import Reply, Unreachable
from kgate.settings.surroundings import FactSource
from kgate.settings.values import FactName, FilePath, ServerUrl, SourceName
from kgate.surroundings.document import Values
from kgate.surroundings.geo import Atlas


class Told(list[str]):
    """What sources told, a line each."""

    def __call__(self, source: str, values: Values, until: float | None) -> None:
        facts = ", ".join(f"{name}={value}" for name, value in values.items()) or "nothing"
        self.append(f"{source}: {facts}" + (f" until {until:g}" if until is not None else ""))


@pytest.fixture
def told() -> Told:
    return Told()


def in_file(path: Path, told: Told, max_age: float | None = None) -> FactFile:
    age = Duration(max_age) if max_age is not None else None
    settings = FactSource(SourceName("hand"), file=FilePath(path), max_age=age, names=(FactName("x"),))
    return FactFile(DiskAtOnce(), path, settings, lambda: 1000.0, told, read_facts(path, settings))


def look(source: FactFile) -> None:
    """A change is taken when it has settled for a look."""
    source.tick()
    source.tick()


def test_a_file_tells_again_when_it_changed(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text("x: 1")
    os.utime(path, (900, 900))
    source = in_file(path, told, max_age=50.0)
    source.start()
    look(source)
    path.write_text("x: 22")
    os.utime(path, (5000, 5000))  # a clock that goes ahead makes no fact younger than now
    look(source)
    assert told == ["hand: x=1 until 950", "hand: x=22 until 1050"] and source.problem == ""


def test_a_file_that_cannot_be_used_tells_nothing(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "facts.yaml"
    source = in_file(path, told)
    source.start()
    assert source.problem == f"{path} cannot be read: No such file or directory; its facts are unknown"
    path.write_text("x: 1")
    look(source)
    path.write_text("other: 1")
    look(source)
    assert source.problem == f"{path} tells other, which is not among its names; its facts are unknown"
    path.unlink()
    look(source)
    assert told == ["hand: nothing", "hand: x=1", "hand: nothing", "hand: nothing"]


class Server:
    """Answers as scripted."""

    def __init__(self, *answers: Reply | Unreachable) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, dict[str, str]]]()

    async def ask(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, limit: int = 0, seconds: float = 0
    ) -> Reply | Unreachable:
        self.asked.append((url, dict(headers)))
        return self.answers.pop(0)


def test_a_server_is_asked_again_and_its_last_good_answer_counts(tmp_path: Path, told: Told) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    answers = [
        Reply(200, (), b'{"x": 1}'),
        Unreachable("cannot be reached: no"),
        Reply(500, (), b""),
        Reply(200, (), b"no"),
        Reply(200, (), b"{}"),
    ]
    server, clock = Server(*answers), Clock()
    settings = FactSource(
        SourceName("s"), url=ServerUrl("https://s/f"), max_age=Duration(60.0), every=Duration(10.0), token_file=FilePath(token)
    )
    poll = FactPoll(clock, DiskAtOnce(), server, "https://s/f", settings, lambda: 1000.0 + clock.seconds(), told)
    poll.start()
    problems = [poll.problem]
    for _ in range(4):
        clock.advance(10.0)
        problems.append(poll.problem)
    assert told == ["s: x=1 until 1060", "s: nothing until 1100"]
    assert problems == [
        "",
        "https://s/f cannot be reached: no; its facts grow old",
        "https://s/f answered 500; its facts grow old",
        "https://s/f tells something that is no mapping of facts: line 1: the file must be a mapping, lines of the form key: value; its facts grow old",
        "",
    ]  # fmt: skip
    assert server.asked[0] == ("https://s/f", {"accept": "application/json", "authorization": "Bearer secret"})
    poll.stop()
    clock.advance(100.0)
    assert len(server.asked) == 5


def test_an_answer_that_comes_when_nobody_asks_any_more_tells_nothing(told: Told) -> None:
    """A reload gave the source another URL: what the former one says late is not this source's word."""
    answer: Deferred[Reply] = Deferred()

    class Slow(Server):
        async def ask(self, *_: object, **__: object) -> Reply | Unreachable:
            return await answer

    settings = FactSource(SourceName("s"), url=ServerUrl("https://s/f"), max_age=Duration(60.0))
    poll = FactPoll(Clock(), DiskAtOnce(), Slow(), "https://s/f", settings, lambda: 1000.0, told)
    poll.start()
    poll.stop()
    answer.callback(Reply(200, (), b'{"x": 1}'))
    assert told == []


def test_geo_data_that_were_read_when_others_are_in_force_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    path.write_bytes(written(COUNTRY))
    atlases: list[Atlas] = []
    disk = BusyDisk()
    files = GeoFiles(disk, path, None, {path: stamp(path)}, atlases.append)
    path.write_bytes(written({"192.0.2.0/24": {"country": {"iso_code": "AT"}}}))
    for _ in range(2):
        files.tick()
        disk.answer()
    files.tick()
    files.stop()
    assert disk.answer() == 1 and atlases == []


def test_geo_data_are_read_again_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    path.write_bytes(written(COUNTRY))
    atlases: list[Atlas] = []
    files = GeoFiles(DiskAtOnce(), path, None, {path: stamp(path)}, atlases.append)
    path.write_bytes(written({"192.0.2.0/24": {"country": {"iso_code": "AT"}}}))
    files.tick()
    files.tick()
    path.write_bytes(b"rubbish")
    files.tick()
    files.tick()
    assert [atlas.locate("192.0.2.1").country for atlas in atlases] == ["AT"]
    assert files.problem.startswith("the new geo data were not taken over, the old ones stay in force: is not a database")
