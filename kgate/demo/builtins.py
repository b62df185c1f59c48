"""The commands that belong to the shell itself, because they change its state."""

from __future__ import annotations

from kgate.demo.files import FileProblem
from kgate.demo.runs import Exit, LoopControl, Program, Run


async def _cd(run: Run, words: list[str]) -> int:
    target = words[1] if len(words) > 1 else run.environment.get("HOME", "/")
    path = run.path(run.environment.get("OLDPWD", "/") if target == "-" else target)
    try:
        run.files.directory(path)
    except FileProblem as problem:
        return await run.complain(f"sh: cd: can't cd to {target}: {problem}")
    run.environment["OLDPWD"], run.directory = run.directory, path
    return 0


async def _exit(run: Run, words: list[str]) -> int:
    raise Exit(int(words[1]) & 255 if len(words) > 1 and words[1].isdigit() else run.status)


async def _export(run: Run, words: list[str]) -> int:
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if equals:
            run.environment[name] = value
    return 0


async def _unset(run: Run, words: list[str]) -> int:
    for name in words[1:]:
        run.environment.pop(name, None)
    return 0


async def _read(run: Run, words: list[str]) -> int:
    """``read [-r] NAME…``."""
    line = await run.stdin.read_line()
    names = [word for word in words[1:] if not word.startswith("-")] or ["REPLY"]
    values = (
        line.decode(errors="replace").rstrip("\n").split(None, len(names) - 1)
        if len(names) > 1
        else [line.decode(errors="replace").strip()]
    )
    run.environment |= {name: values[at].strip() if at < len(values) else "" for at, name in enumerate(names)}
    return 0 if line.endswith(b"\n") else 1


async def _kill(run: Run, words: list[str]) -> int:
    """Only the shell itself can be killed: ``kill -9 $$``."""
    signals = {"-9": 9, "-KILL": 9, "-TERM": 15, "-15": 15, "-INT": 2, "-2": 2}
    targets = [word for word in words[1:] if not word.startswith("-")]
    if str(run.pid) in targets:
        raise Exit(128 + signals.get(words[1], 15))
    return await run.complain(f"sh: can't kill pid {targets[0] if targets else ''}: No such process")


async def _break(run: Run, words: list[str]) -> int:
    raise LoopControl(again=words[0] == "continue")


async def _nothing(run: Run, words: list[str]) -> int:
    return 0


BUILTINS: dict[str, Program] = {
    "cd": _cd,
    "exit": _exit,
    "export": _export,
    "unset": _unset,
    "read": _read,
    "kill": _kill,
    "break": _break,
    "continue": _break,
    ":": _nothing,
    "set": _nothing,
    "trap": _nothing,
    "wait": _nothing,
}
