"""Where twistd logs to, by its own options: whether that is the terminal, and where a worker logs beside its supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.python.reflect import qual

DEFAULT = "twistd.log"
"""A daemon's that was told no other."""

Twistd = Mapping[str, Any]


def at_the_terminal(twistd: Twistd) -> bool:
    """Whether whoever started it reads the log there."""
    return not (twistd.get("logger") or twistd.get("syslog") or _file(twistd))


def beside(twistd: Twistd) -> Callable[[int], list[str]]:
    """Gives the options by which a worker logs; to be called before twistd changes its directory. Workers share the standard output that their supervisor
    logs to. A file each has for itself: twistd turns one over when it is large, and what others still write to it would go astray."""
    if twistd.get("logger"):
        return lambda _: [f"--logger={qual(twistd['logger'])}"]
    if twistd.get("syslog"):
        return lambda number: ["--syslog", f"--prefix={twistd.get('prefix')}-worker-{number}"]
    if not _file(twistd):
        return lambda _: []
    file = Path(_file(twistd)).absolute()
    return lambda number: [f"--logfile={file.with_name(f'{file.stem}-worker-{number}{file.suffix}')}"]


def _file(twistd: Twistd) -> str:
    """Empty where it is the standard output."""
    file = twistd.get("logfile") or ("" if twistd.get("nodaemon", True) else DEFAULT)
    return "" if file == "-" else str(file)
