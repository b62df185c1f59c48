"""Where the microseconds go: perf looks at a compiled gate under a scenario's load, the kernel included; py-spy at one of plain Python."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.ground import Ground
from bench.peers.kgate import start
from bench.rounds import Pace, Scenario
from kgate.net import tls

RATE = 500
SECONDS = 6.0
PERF_RATE = 997
"""Samples a second; each takes 8 KB of the stack, from which perf finds the callers."""
ROUNDS = 3
REPORTED = 0.2
"""Functions with a smaller part, in percent, are left out of the report."""


def profile(scenario: Scenario, ground: Ground, output: Path) -> str:
    """Run ``scenario``'s first kgate subject and leave in ``output`` what was seen; gives what to say of it. Raises RuntimeError with the tool's words."""
    subject = next(subject for subject in scenario.subjects if subject.peer == "kgate")
    output.mkdir(parents=True, exist_ok=True)
    gate = start(ground, "kgate-profiled")
    try:
        gate.ready()
        by = _by_perf if _compiled() and shutil.which("perf") else _by_py_spy
        return by(gate.pid, output / scenario.name, lambda: scenario.measure(ground, gate, subject, Pace(quick=False)))
    finally:
        gate.stop()


def _compiled() -> bool:
    return not tls.__file__.endswith(".py")


def _by_py_spy(pid: int, output: Path, load: Callable[[], object]) -> str:
    graphs = [(output.with_suffix(".svg"), "flamegraph"), (output.with_suffix(".folded"), "raw")]
    for path, form in graphs:
        spy = subprocess.Popen(_argv(pid, path, form), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(ROUNDS):
            load()
            if spy.poll() is not None:
                break
        error = spy.communicate()[1].decode(errors="replace")
        if spy.returncode:
            raise RuntimeError(f"py-spy: {error.strip()} (it needs to be root, or kernel.yama.ptrace_scope=0)")
    return f"flame graph: {graphs[0][0]}\nstacks:      {graphs[1][0]}"


def _argv(pid: int, path: Path, form: str) -> list[str]:
    spy = str(Path(sys.executable).with_name("py-spy"))
    return [spy, "record", "-p", str(pid), "-r", str(RATE), "-d", f"{SECONDS:g}", "-f", form, "-o", str(path), "--function"]


def _by_perf(pid: int, output: Path, load: Callable[[], object]) -> str:
    data, folded, report = (output.with_suffix(suffix) for suffix in (".perf", ".folded", ".txt"))
    record = ["perf", "record", "-e", "cpu-clock", "-F", str(PERF_RATE), "--call-graph", "dwarf,8192", "-p", str(pid), "-o", str(data)]
    perf = subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for _ in range(ROUNDS):
        load()
    perf.send_signal(signal.SIGINT)
    error = perf.communicate()[1].decode(errors="replace")
    if not data.exists():
        raise RuntimeError(f"perf: {error.strip()} (it needs to be root, or kernel.perf_event_paranoid=-1)")
    stacks = fold(_perf(data, "script", "-F", "comm,ip,sym,dso").splitlines())
    folded.write_text("".join(f"{stack} {count}\n" for stack, count in stacks.most_common()))
    report.write_text(_perf(data, "report", "--stdio", "--children", "-g", "none", "--sort", "sym", "--percent-limit", str(REPORTED)))
    data.unlink()
    return f"functions: {report}\nstacks:    {folded} (a flame graph: https://www.speedscope.app, or flamegraph.pl)"


def _perf(data: Path, command: str, *options: str) -> str:
    done = subprocess.run(["perf", command, "-i", str(data), "--no-inline", *options], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


_FRAME = re.compile(r"\s+[0-9a-f]+ (?P<function>.+) \((?P<file>[^()]*)\)$")


def fold(lines: Iterable[str]) -> Counter[str]:
    """How often each stack was seen, outermost function first, from what ``perf script`` prints: for each sample a line with the thread's name, one
    for each frame, innermost first, and an empty one."""
    stacks: Counter[str] = Counter()
    stack: list[str] = []
    for line in lines:
        frame = _FRAME.match(line)
        if frame is not None:
            unknown = frame["function"] == "[unknown]"
            stack.append(f"[{Path(frame['file']).name}]" if unknown else frame["function"])
        elif line.strip():
            stack = [line.strip()]
        elif stack:
            thread, *frames = stack
            stacks[";".join((thread, *reversed(frames)))] += 1
            stack = []
    return stacks
