"""Commands about the machine: env, sleep, date, hostname, ps, id, stty, which, true, false …"""

from __future__ import annotations

from datetime import UTC, datetime

from kgate.demo.commands_text import options
from kgate.demo.runs import Program, Run
from kgate.demo.shell import run_arguments

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


async def true(run: Run, words: list[str]) -> int:
    """``true``."""
    return 0


async def false(run: Run, words: list[str]) -> int:
    """``false``."""
    return 1


def _seconds(text: str) -> float:
    unit = _UNITS.get(text[-1:], 1)
    return float(text[:-1] if text[-1:] in _UNITS else text) * unit


async def sleep(run: Run, words: list[str]) -> int:
    """``sleep SECONDS``, fractions and ``s m h d`` included; ``infinity`` too."""
    try:
        seconds = sum(_seconds(word) for word in words[1:]) if words[1:] != ["infinity"] else 1e9
    except ValueError:
        return await run.complain(f"sleep: invalid number '{words[1]}'")
    await run.machine.sleep(max(0.0, min(seconds, 1e9)))
    return 0


async def timeout(run: Run, words: list[str]) -> int:
    """``timeout SECONDS COMMAND…`` runs the command; here it ends by itself."""
    rest = options(words, "ks")[1]
    return await run_arguments(run, rest[1:]) if len(rest) > 1 else await run.complain("usage: timeout SECONDS COMMAND")


async def env(run: Run, words: list[str]) -> int:
    """``env [NAME=VALUE…] [COMMAND…]`` and ``printenv [NAME]``."""
    rest = words[1:]
    if words[0] == "printenv" and rest:
        if rest[0] not in run.environment:
            return 1
        await run.say(run.environment[rest[0]])
        return 0
    inner = run.apart()
    while rest and "=" in rest[0]:
        name, _, value = rest.pop(0).partition("=")
        inner.environment[name] = value
    if rest:
        return await run_arguments(inner, rest)
    for name, value in inner.environment.items():
        await run.say(f"{name}={value}")
    return 0


async def date(run: Run, words: list[str]) -> int:
    """``date [-u] [+FORMAT]``, always UTC."""
    rest = options(words)[1]
    form = rest[0][1:] if rest and rest[0].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    now = run.machine.now()
    await run.say(datetime.fromtimestamp(now, UTC).strftime(form.replace("%s", str(int(now)))))
    return 0


async def hostname(run: Run, words: list[str]) -> int:
    """``hostname``."""
    await run.say(run.machine.hostname)
    return 0


async def uname(run: Run, words: list[str]) -> int:
    """``uname [-a]``."""
    await run.say(f"Demo {run.machine.hostname} 1.0 kgate demo container" if "a" in options(words)[0] else "Demo")
    return 0


async def ps(run: Run, words: list[str]) -> int:
    """``ps``: what runs in the container."""
    await run.say("PID   USER     COMMAND")
    for pid, line in sorted(run.machine.running.items()):
        await run.say(f"{pid:5} root     {line}")
    return 0


async def identity(run: Run, words: list[str]) -> int:
    """``id`` and ``whoami``."""
    short = words[0] == "whoami" or "n" in options(words)[0]
    await run.say("root" if short else "0" if "u" in options(words)[0] else "uid=0(root) gid=0(root)")
    return 0


async def stty(run: Run, words: list[str]) -> int:
    """``stty size``: rows and columns of the terminal."""
    if run.console is None:
        return await run.complain("stty: standard input: Not a tty")
    terminal = run.console.terminal
    if words[1:] == ["size"]:
        await run.say(f"{terminal.rows} {terminal.columns}")
    else:
        await run.say(f"speed 38400 baud; rows {terminal.rows}; columns {terminal.columns};")
    return 0


async def tty(run: Run, words: list[str]) -> int:
    """``tty``."""
    await run.say("/dev/pts/0" if run.console is not None else "not a tty")
    return 0 if run.console is not None else 1


async def which(run: Run, words: list[str]) -> int:
    """``which NAME…``, and ``command -v``, ``type``."""
    status = 0
    for name in options(words)[1]:
        if name in run.machine.programs:
            await run.say(f"/bin/{name}")
        else:
            status = 1
    return status


async def clear(run: Run, words: list[str]) -> int:
    """``clear``."""
    await run.stdout.write(b"\x1b[H\x1b[2J")
    return 0


async def overview(run: Run, words: list[str]) -> int:
    """``help``: what there is."""
    await run.say("The commands of this small shell, simulated inside the demo cluster:")
    await run.say(" ".join(sorted(run.machine.programs)))
    return 0


PROGRAMS: dict[str, Program] = {
    "true": true,
    "false": false,
    "sleep": sleep,
    "timeout": timeout,
    "env": env,
    "printenv": env,
    "date": date,
    "hostname": hostname,
    "uname": uname,
    "ps": ps,
    "id": identity,
    "whoami": identity,
    "stty": stty,
    "tty": tty,
    "which": which,
    "command": which,
    "type": which,
    "clear": clear,
    "help": overview,
}
