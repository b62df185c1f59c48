"""The command line of ``scripts/bench``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.awake import awake
from bench.ground import Ground
from bench.instructions import COUNTED, report
from bench.peers import PEERS
from bench.process import Server
from bench.profile import profile
from bench.report import as_json, figures_table, goals_table, machine
from bench.rounds import Outcome, Pace, Scenario, run
from bench.scenarios import SCENARIOS
from bench.upstream import start_upstreams

OUTPUT = Path("build/bench")


def main() -> int:
    """Measure what was asked for; 0, or 2 where the words are not known."""
    options = arguments().parse_args()
    chosen = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    unknown = set(options.scenario) - (set(COUNTED) if options.instructions else {scenario.name for scenario in SCENARIOS})
    if unknown or options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:18}{scenario.title}")
        print(f"{'--instructions':18}counts {', '.join(COUNTED)}")
        if unknown:
            print(f"there is no scenario {', '.join(sorted(unknown))} to run so; choose from those above", file=sys.stderr)
        return 2 if unknown else 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kgate-bench-", dir=options.folder) as folder, awake() as cores:
        ground = Ground.prepare(Path(folder))
        try:
            start_upstreams(ground)
            if options.instructions:
                report(options.scenario, ground, OUTPUT)
                return 0
            if options.profile:
                print(profile(chosen[0], ground, OUTPUT))
                return 0
            about = machine() | {"cores": cores}
            measure(chosen, ground, Pace(options.quick, options.rounds), options.only, about, Path(options.json))
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)  # every process that was started is ended below
            return 130
        finally:
            ground.stop()
    print(f"\n{time.monotonic() - began:.0f} s; every round is in {options.json}")
    return 0


def arguments() -> argparse.ArgumentParser:
    """What may be asked."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="What kgate costs, beside nginx, HAProxy and Envoy, in one run.")
    parser.add_argument("scenario", nargs="*", help="scenarios to run (default: all); see --list")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, under three minutes for all")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="so many rounds of each scenario")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--only", action="append", default=[], metavar="PEER", help=f"measure only this proxy: {', '.join(PEERS)}")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="where kgate's time goes under the first scenario's load: by perf, or by py-spy if not compiled",
    )
    parser.add_argument(
        "--instructions", action="store_true", help="count the gate's instructions by callgrind: the same on a busy machine"
    )
    parser.add_argument("--json", default=str(OUTPUT / "results.json"), metavar="FILE", help="where every round goes (%(default)s)")
    parser.add_argument("--folder", metavar="DIRECTORY", help="where audit files are written; its disk is part of what is measured")
    return parser


def measure(
    chosen: Iterable[Scenario], ground: Ground, pace: Pace, only: list[str], about: Mapping[str, str], output: Path
) -> None:  # fmt: skip
    """Run, print, write. ``about``: what it is measured on."""
    outcomes: list[Outcome] = []
    wanted = {subject.peer for scenario in chosen for subject in scenario.chosen(pace)}
    servers = {name: make(ground) for name, make in PEERS.items() if name in wanted and (not only or name in only)}
    try:
        for name, server in servers.items():
            if server is not None:
                server.ready()
            else:
                say(f"{name} is not on this machine: left out")
        output.parent.mkdir(parents=True, exist_ok=True)
        for scenario in chosen:
            outcomes.append(run(scenario, ground, with_workers(servers), pace, say))
            output.write_text(as_json(outcomes, about))  # what is measured is kept, whatever comes next
    finally:
        for server in servers.values():
            if server is not None:
                server.stop()
    say("")
    print(goals_table(outcomes), "\n")
    for outcome in outcomes:
        print(figures_table(outcome), "\n")
    print(", ".join(f"{name} {value}" for name, value in about.items()))


def with_workers(servers: Mapping[str, Server | None]) -> Mapping[str, Server | None]:
    """The scenario of workers starts gates of its own; it needs to know that there is a kgate."""
    return {**servers, "kgate 2 workers": servers["kgate"]} if "kgate" in servers else servers


def say(text: str) -> None:
    """Progress, on one line of a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
    elif text:
        sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
