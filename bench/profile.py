"""Where the microseconds go: py-spy looks at a gate under a scenario's load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.ground import Ground
from bench.peers.kgate import start
from bench.rounds import Pace, Scenario

RATE = 500
SECONDS = 6.0


def profile(scenario: Scenario, ground: Ground, output: Path) -> str:
    """Run ``scenario``'s first kgate subject and leave a flame graph and folded stacks in ``output``; gives what to say of them."""
    subject = next(subject for subject in scenario.subjects if subject.peer == "kgate")
    output.mkdir(parents=True, exist_ok=True)
    gate = start(ground, "kgate-profiled")
    try:
        gate.ready()
        graphs = [(output / f"{scenario.name}.svg", "flamegraph"), (output / f"{scenario.name}.folded", "raw")]
        for path, form in graphs:
            spy = subprocess.Popen(_argv(gate.pid, path, form), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(3):
                scenario.measure(ground, gate, subject, Pace(quick=False))
                if spy.poll() is not None:
                    break
            error = spy.communicate()[1].decode(errors="replace")
            if spy.returncode:
                raise RuntimeError(f"py-spy: {error.strip()} (it needs to be root, or kernel.yama.ptrace_scope=0)")
    finally:
        gate.stop()
    return f"flame graph: {graphs[0][0]}\nstacks:      {graphs[1][0]}"


def _argv(pid: int, path: Path, form: str) -> list[str]:
    spy = str(Path(sys.executable).with_name("py-spy"))
    return [spy, "record", "-p", str(pid), "-r", str(RATE), "-d", f"{SECONDS:g}", "-f", form, "-o", str(path), "--function"]
