"""The command line of ``scripts/soak``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soak import carrying, changing, verdict
from soak.sampling import Sampling, line
from soak.what_runs import World, running

DAY = 86400.0
Activity = Callable[[World, list[Any]], None]
PACE: tuple[tuple[Activity, float], ...] = (
    (carrying.requests, 0.25),
    (carrying.writes, 2.0),
    (carrying.multiplexed, 2.0),
    (carrying.watches, 1.0),
    (carrying.logs, 2.0),
    (carrying.execs, 2.0),
    (carrying.kubectls, 5.0),
    (carrying.broken, 1.0),
    (carrying.refused, 2.0),
    (changing.policies, 5.0),
    (changing.clusters, 13.0),
    (changing.tokens, 11.0),
    (changing.facts, 10.0),
    (changing.locks, 2.0),
    (changing.notices, 3.0),
    (changing.grants, 5.0),
    (changing.directory, 5.0),
    (changing.sign_ins, 4.0),
    (changing.pages, 15.0),
    (changing.admin, 15.0),
)
"""Each in a thread of its own, and the seconds between two turns."""


def main() -> int:
    """Run it; 0 where everything came out as it should, else 1."""
    options = arguments().parse_args()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="kgate-soak-"))
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    _settle_environment(objects, options.minutes * 60.0)
    print(f"in {folder}", flush=True)
    stop = threading.Event()
    with running(folder, options.workers, options.sqlite) as world:
        threads = [threading.Thread(target=_go_on, args=(world, stop, options.slower, *each), name=each[0].__name__) for each in PACE]
        carrying.everybody(world, options.people)
        for thread in threads:
            thread.start()
        try:
            sampling = _sampled(world, objects, options.minutes)
        finally:
            stop.set()
            for thread in threads:
                thread.join(120)
        last = sampling.last()
        print(line(last), flush=True)
    return _conclude(world, sampling.rows, last)


def arguments() -> argparse.ArgumentParser:
    """What may be asked."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description="A gate under everything that comes to one, and what grows meanwhile."
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (%(default)s)")
    parser.add_argument(
        "--people", type=int, default=20_000, help="so many come once, first (%(default)s): what is remembered of people is bounded"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes of the gate (%(default)s)")
    parser.add_argument("--sqlite", action="store_true", help="not PostgreSQL, though it is installed")
    parser.add_argument("--slower", type=float, default=1.0, metavar="TIMES", help="so many times the pause between two turns")
    parser.add_argument("--folder", help="where everything goes, and stays (default: a fresh one)")
    return parser


def _settle_environment(objects: Path, seconds: float) -> None:
    """For this process and all that it starts: midnight comes in the middle."""
    midnight = (time.time() // DAY + 1) * DAY
    ahead = midnight - time.time() - seconds / 2
    os.environ["KGATE_SOAK_AHEAD"], os.environ["KGATE_SOAK_OBJECTS"] = f"{ahead}", str(objects)
    inside = str(Path(__file__).parent / "inside")
    os.environ["PYTHONPATH"] = os.pathsep.join([inside, os.environ.get("PYTHONPATH", "")])
    clock = time.time
    time.time = lambda: clock() + ahead


def _go_on(world: World, stop: threading.Event, slower: float, activity: Activity, pause: float) -> None:
    """Turn after turn; what breaks is counted, and the next one begins afresh."""
    kept: list[Any] = []
    while not stop.wait(pause * slower * (0.5 + world.chance.random())):
        try:
            activity(world, kept)
        except (OSError, AssertionError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as problem:
            world.ledger.broke(activity.__name__, problem)
        except Exception as problem:  # noqa: BLE001  http.client's and h2's have no base in common
            world.ledger.broke(activity.__name__, problem)
        world.ledger.turn(activity.__name__)


def _sampled(world: World, objects: Path, minutes: float) -> Sampling:
    """Until the time is over, or somebody wants the end of it."""
    sampling, until = Sampling(world, objects), time.monotonic() + minutes * 60
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    while time.monotonic() < until and not enough.wait(min(60.0, max(until - time.monotonic(), 0.0))):
        print(line(sampling.take()), flush=True)
    return sampling


def _conclude(world: World, rows: list[dict[str, Any]], ended: dict[str, Any]) -> int:
    audit = world.gate.folder / "audit"
    problems = [*verdict.chain(audit), *verdict.on_record(audit, world.ledger), *verdict.growth(rows)]
    print("turns:", dict(world.ledger.done))
    for problem, count in world.ledger.broken.most_common(40):
        print(f"{count:6} {problem}")
    middle = rows[len(rows) // 2]["objects"]
    for name, last in rows[-1]["objects"].items():
        if name in middle:
            print(f"{name}, more than in the middle: {', '.join(verdict.types(middle[name], last))}")
    for name, each in ended["objects"].items():
        print(f"{name}, found by a whole collection: {list(each['garbage'].items())[:30]}")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
