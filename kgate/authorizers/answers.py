"""What other authorizers said, and for how long that counts.

A question is kept whole: what is sent is the key, so whatever can change the answer is in it. Lives are counted on the monotonic clock, which no jump
of the wall clock extends (security.md class 28). Past two thirds of its life an answer that is still being used is asked for anew, in the
background; so what lives under it (a watch, an exec) goes on without waiting, and hears of a changed answer before the old one ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from attrs import frozen

from kgate.authorizers.interface import Answer, Opinion, Question

MOST_KEPT = 20_000
"""The least recently learned goes first. What is over by then went before, but for what was learned after an answer that lives longer."""
SHORTEST = 1.0
"""Seconds. Also an answer that may not be kept serves those who waited for it."""
LONGEST = 3600.0
RENEWED_AFTER = 2 / 3


@frozen
class Lives:
    """For how many seconds answers count whose authorizer does not say."""

    allowed: float = 10.0
    denied: float = 5.0


@frozen
class Held:
    """An answer in force: until ``ends``, and to be renewed from ``renew_at`` on (monotonic)."""

    allowed: bool
    text: str
    renew_at: float
    ends: float


class Answers:
    """Those of one authorizer. ``now`` is monotonic."""

    def __init__(self, now: Callable[[], float], lives: Lives) -> None:
        self._now, self._lives = now, lives
        self._held: OrderedDict[Hashable, Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, question: Question) -> Held | None:
        """The answer, while it counts."""
        held = self._held.get(question)
        if held is None or held.ends > self._now():
            return held
        del self._held[question]
        return None

    def learn(self, question: Question, answer: Answer) -> bool:
        """Keep it; says whether it takes back what was allowed until now."""
        before, allowed, now = self.of(question), answer.opinion is Opinion.ALLOWED, self._now()
        given = answer.holds if answer.holds is not None else (self._lives.allowed if allowed else self._lives.denied)
        life = min(max(given, SHORTEST), LONGEST)
        self._held[question] = Held(allowed, answer.text, now + life * RENEWED_AFTER, now + life)
        self._held.move_to_end(question)
        while len(self._held) > MOST_KEPT or next(iter(self._held.values())).ends <= now:
            self._held.popitem(last=False)
        return before is not None and before.allowed and not allowed
