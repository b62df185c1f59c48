"""Work of seconds beside the reactor, in a thread, so that traffic goes on as if nothing happened.

Two things of CPython would stop it. A thread that computes gives the interpreter away only every 5 ms, and the reactor wants it back after each system
call, so that a request of ten calls would take 50 ms more: for the while of the work the interval is a tenth of that. And the cyclic collector walks over
all that was made: it rests meanwhile, and where that is more than it looks at in one go (some 600 rules), all is then put where it does not look
(``gc.freeze``), since a policy lives for long and has no cycles. That takes along whatever else there is, for ever where it is in a cycle: so young
garbage is collected before, and nothing is put away for a small policy, or for one that was refused.
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
    gc.collect(1)
    gc.disable()
    sys.setswitchinterval(INTERVAL)
    try:
        made = work()
        if gc.get_count()[0] > gc.get_threshold()[0]:
            gc.freeze()
        return made
    finally:
        sys.setswitchinterval(interval)
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
