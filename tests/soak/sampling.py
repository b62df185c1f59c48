"""What is looked at each minute, all of it from outside but the count of objects (``inside/sitecustomize.py``)."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from kgate.store.engine import open_engine
from soak.what_runs import World

_SERIES = re.compile(r"^[a-z_]+(?:\{[^}]*\})? ", re.MULTILINE)


def processes(pid: int) -> dict[str, int]:
    """The supervisor and its workers, or the gate itself, by name."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {"supervisor" if children else "gate": pid, **{_worker(int(each)): int(each) for each in children}}


def _worker(pid: int) -> str:
    found = re.search(r"worker-\d+", Path(f"/proc/{pid}/cmdline").read_bytes().decode())
    return found[0] if found is not None else f"child-{pid}"


def of_process(pid: int) -> dict[str, float]:
    """Memory in KB, descriptors, threads, CPU seconds."""
    rollup = dict(_fields(Path(f"/proc/{pid}/smaps_rollup")))
    status = dict(_fields(Path(f"/proc/{pid}/status")))
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return {
        "rss": int(rollup["Rss"].split()[0]),
        "pss": int(rollup["Pss"].split()[0]),
        "private": int(rollup["Private_Dirty"].split()[0]) + int(rollup["Private_Clean"].split()[0]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
        "cpu": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    }


def _fields(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name, value.strip()


class Sampling:
    """One row a minute, kept in ``samples.jsonl`` and shown as a table's line."""

    def __init__(self, world: World, objects: Path) -> None:
        self._world, self._objects = world, objects
        self._engine = open_engine(world.state)
        self._began = time.monotonic()
        self.rows: list[dict[str, Any]] = []

    def last(self) -> dict[str, Any]:
        """Once more, with what only a whole collection finds; not one of the rows."""
        (self._objects / "collect").touch()
        found = self.take()
        self.rows.pop()
        return found

    def take(self) -> dict[str, Any]:
        """Look at everything now."""
        process = self._world.gate.process
        assert process is not None
        found = processes(process.pid)
        row: dict[str, Any] = {"minute": round((time.monotonic() - self._began) / 60, 1), "sent": self._world.ledger.sent}
        row |= {"processes": {name: of_process(pid) for name, pid in found.items()}, "rows": self._rows()}
        row["audit"] = sum(path.stat().st_size for path in (self._world.gate.folder / "audit").rglob("*") if path.is_file())
        _, metrics = self._world.gate.admin("/metrics")
        row["series"] = len(_SERIES.findall(metrics))
        row["live"] = sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("kgate_live_streams"))
        row["objects"] = self._counted(found)
        self.rows.append(row)
        with (self._world.folder / "samples.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row

    def _rows(self) -> dict[str, int]:
        """Of each table."""
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            return {each: int(connection.execute(text(f'SELECT count(*) FROM "{each}"')).scalar_one()) for each in tables}
        return {}

    def _counted(self, found: dict[str, int]) -> dict[str, Any]:
        """What each process counts of its objects."""
        for pid in found.values():
            (self._objects / f"{pid}.json").unlink(missing_ok=True)
            os.kill(pid, signal.SIGUSR2)
        until, counted = time.monotonic() + 10, dict[str, Any]()
        while len(counted) < len(found) and time.monotonic() < until:
            time.sleep(0.1)
            for name, pid in found.items():
                with suppress(FileNotFoundError):
                    counted[name] = json.loads((self._objects / f"{pid}.json").read_text())
        return counted


def line(row: dict[str, Any]) -> str:
    """For somebody who watches."""
    shown = [
        f"{row['minute']:5.1f} min, {row['sent']:6} sent, {row['live']:3.0f} live, {row['series']} series, {row['audit'] / 1e6:.1f} MB of audit"
    ]
    for name, each in row["processes"].items():
        shown.append(f"{name} {each['rss'] / 1024:.1f} MB {each['descriptors']} fd {each['threads']} thr {each['cpu']:.0f} s")
    return "; ".join([*shown, " ".join(f"{name}={count}" for name, count in row["rows"].items() if count)])
