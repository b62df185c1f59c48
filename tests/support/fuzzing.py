"""``scripts/fuzz``: the tests' own Hypothesis properties, fed with random bytes for as long as somebody likes to wait.

Each property of a test module is called by Hypothesis' ``fuzz_one_input``, the door that it keeps for fuzzers. Buffers that led somewhere are kept and
changed a little, so that the search does not begin anew each time. What fails is in Hypothesis' database then: the module's tests replay it.
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
FOLDERS = ("wire", "kube", "documents", "audit")
SECONDS = 20.0
LONGEST = 4096
KEPT = 200
A_ROUND = 0.5
"""How long one property is fed before the next one's turn. Seconds."""

Feed = Callable[[bytes], bytes | None]


class Property(NamedTuple):
    """One test. ``feed`` raises where it fails, and gives None where the bytes made no example."""

    name: str
    feed: Feed
    buffers: list[bytes]


def modules() -> dict[str, Path]:
    """The test modules that have properties, by the name that is asked for: ``hpack`` is tests/wire/test_hpack.py."""
    paths = [path for folder in FOLDERS for path in sorted((TESTS / folder).glob("test_*.py"))]
    return {path.stem.removeprefix("test_"): path for path in paths if "@given" in path.read_text()}


def properties(path: Path) -> list[Property]:
    """Those of a module that take nothing but what Hypothesis gives them."""
    sys.path[:0] = [str(TESTS / "support"), str(path.parent)]
    module = importlib.import_module(path.stem)
    found = []
    for name, test in vars(module).items():
        given_more = any(mark.name == "parametrize" for mark in getattr(test, "pytestmark", []))
        if name.startswith("test_") and hasattr(test, "hypothesis") and not given_more:
            found.append(Property(name, test.hypothesis.fuzz_one_input, []))
    return found


def changed(buffers: list[bytes], chance: random.Random) -> bytes:
    """New bytes, or some that led somewhere with a few of them other."""
    if not buffers or chance.random() < 0.3:
        return chance.randbytes(chance.randrange(1, LONGEST))
    buffer = bytearray(chance.choice(buffers))
    for _ in range(chance.randrange(1, 8)):
        if buffer:
            buffer[chance.randrange(len(buffer))] = chance.randrange(256)
    at = chance.randrange(len(buffer) + 1)
    return bytes(buffer[:at] + chance.randbytes(chance.randrange(16)) + buffer[at:])


def turns(tests: list[Property], until: float) -> Iterator[tuple[Property, float]]:
    """The properties in turn, each with the end of its turn."""
    while time.monotonic() < until:
        for each in tests:
            yield each, min(until, time.monotonic() + A_ROUND)


def fuzz(name: str, path: Path, seconds: float, chance: random.Random) -> None:
    """Feed one module's properties. What one raises is what was looked for: it ends the command."""
    tests = properties(path)
    started, examples, fed = time.monotonic(), 0, 0
    for test, end in turns(tests, started + seconds) if tests else ():
        while time.monotonic() < end:
            data, fed, held = changed(test.buffers, chance), fed + 1, False
            try:
                used = test.feed(data)
                held = True
            finally:
                if not held:
                    print(f"\n{name}: {test.name} fails; it is kept: pytest {path.relative_to(TESTS.parent)} -k {test.name}", flush=True)
            if used is not None:
                examples += 1
                test.buffers.append(used)
                del test.buffers[:-KEPT]
        if sys.stderr.isatty():
            print(f"\r{name}: {examples} examples of {fed}, {time.monotonic() - started:.0f} of {seconds:.0f} s ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(f"{name}: {len(tests)} properties, {examples} examples in {time.monotonic() - started:.0f} s, none fails", flush=True)


def main(arguments: list[str]) -> int:
    """The command; 2 where there is no module of that name. Where a property fails its error ends the process, with 1."""
    known = modules()
    names = arguments[:1] or list(known)
    if names[0] not in known or len(arguments) > 2 or (arguments[1:] and not arguments[1].isdigit()):
        print(f"usage: scripts/fuzz [NAME] [SECONDS]; the names are {', '.join(known)}", file=sys.stderr)
        return 2
    seconds, chance = float(arguments[1]) if arguments[1:] else SECONDS, random.Random()
    for name in names:
        fuzz(name, known[name], seconds, chance)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
