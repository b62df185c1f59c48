"""Work of seconds beside the reactor, in a thread, so that traffic goes on as if nothing happened.

Two things of CPython would stop it. A thread that computes gives the interpreter away only every 5 ms, and the reactor wants it back after each system
call, so that a request of ten calls would take 50 ms more: for the while of the work the interval is a tenth of that. And the cyclic collector's full
rounds walk over all objects there are: it rests meanwhile, and what was made is then put where it does not look (``gc.freeze``), since a policy
lives for long and has no cycles.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

from kgate.policy.evaluate import Policy

T = TypeVar("T")
INTERVAL = 0.0005
"""Seconds."""


def quietly(work: Callable[[], T]) -> T:
    """What ``work`` gives or raises. One at a time."""
    interval = sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(INTERVAL)
    try:
        return work()
    finally:
        sys.setswitchinterval(interval)
        gc.freeze()
        gc.enable()


def let_go(former: list[Policy]) -> None:
    """In a thread: free the policies in ``former``, which nobody else has any more, a rule at a time; at once they would stop traffic too."""
    while former:
        policy = former.pop()
        clauses, rules, tests = list(policy.index.clauses), list(policy.rules), list(policy.tests)
        del policy
        for each in (clauses, rules, tests):
            while each:
                each.pop()
