"""The live streams. A stream is added in the same breath in which it is decided, so no change can fall between the two.

Re-evaluation asks the very function that admitted the stream again, in slices: ten thousand streams take a second of CPU, and the reactor must
not stand still for it, however fast changes follow each other: a stream that is still to be decided is decided once for all of them. Streams that are
added meanwhile are decided on the new revision already.

Decisions that end by themselves (a window's edge, an expiry, a limit) are found by ``tick``, which the owner calls about four times a second from a clock
that no wall-clock jump can stop (security.md class 28). A sweep over everything is cheaper than a timer for each stream, most of which are requests
that live for a millisecond: adding and removing one costs a dictionary entry.

A decision may have to wait for somebody who is asked (``Pending``): the stream goes on meanwhile, for ``PATIENCE`` at most, and is cut then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import partial

from kgate.model import Cause, Pending, Stream
from kgate.sessions.causes import denied, over_bytes, over_duration, over_idle, unanswered, undecided

SLICE_SECONDS = 0.005
"""How long one slice of a re-evaluation may hold the reactor."""
FULL_SWEEP_SECONDS = 15.0
"""How often everything is decided again though nothing is known to have changed: what bounds the harm of a clock that jumped."""


PATIENCE = 5.0
"""Seconds that a live stream goes on while somebody is asked whether it may."""


Later = Callable[[float, Callable[[], None]], object]
Fetch = Callable[[Hashable, Callable[[], None]], None]


class Registry:
    """See the module.

    ``now`` is monotonic, ``wall`` Unix seconds, ``later(seconds, work)`` runs work on the reactor, ``fetch(wanted, then)`` gets what a
    ``Pending`` wants.
    """

    def __init__(self, now: Callable[[], float], wall: Callable[[], float], later: Later, fetch: Fetch) -> None:
        self._now, self._wall, self._later, self._fetch = now, wall, later, fetch
        self._streams: dict[int, Stream] = {}
        self._asked: dict[int, float] = {}
        self._due: OrderedDict[int, tuple[Stream, float]] = OrderedDict()
        """Those to decide again, the longest waiting first, and when the first change was that they have not been decided after."""
        self._deciding = False
        self._swept = now()

    def __len__(self) -> int:
        return len(self._streams)

    def streams(self) -> list[Stream]:
        """All that are live."""
        return list(self._streams.values())

    def add(self, stream: Stream) -> None:
        """From now on changes reach it."""
        self._streams[id(stream)] = stream

    def remove(self, stream: Stream) -> None:
        """It ended."""
        self._streams.pop(id(stream), None)
        if self._asked:
            self._asked.pop(id(stream), None)

    def reevaluate(self, changed_at: float, selected: Callable[[Stream], bool] | None = None) -> None:
        """Something changed at ``changed_at``: decide what lives, or what of it is ``selected``, again."""
        if selected is None:
            self._swept = self._now()
        for key, stream in self._streams.items():
            if selected is None or selected(stream):
                self._due.setdefault(key, (stream, changed_at))
        self._begin()

    def tick(self) -> None:
        """Cut what reached a limit, decide again what reached the end of its decision, and have each look at its own deadlines."""
        now, wall = self._now(), self._wall()
        if now - self._swept >= FULL_SWEEP_SECONDS:
            self.reevaluate(now)
        self._each(lambda stream: self._look_at(stream, now, wall))
        if self._deciding:
            self._slice()  # whatever holds up what was to come later (security.md class 28)
        else:
            self._begin()

    def _look_at(self, stream: Stream, now: float, wall: float) -> None:
        decision = stream.decision
        if self._asked and now - self._asked.get(id(stream), now) > PATIENCE:
            stream.cut(unanswered(stream.id, self._asked[id(stream)]))
        elif decision.until is not None and decision.until <= wall:
            self._due.setdefault(id(stream), (stream, now))
        elif decision.limits.duration or decision.limits.idle or decision.limits.bytes:
            self.limit(stream)
        stream.look(now)

    def cut_all(self, cause: Callable[[str], Cause]) -> None:
        """Cut each with the cause made for its id."""
        self._each(lambda stream: stream.cut(cause(stream.id)))

    def cut(self, streams: Iterable[Stream], cause: Callable[[str], Cause]) -> None:
        """Cut those of ``streams`` that still live, in slices: the first now."""
        left, until = iter(streams), self._now() + SLICE_SECONDS
        for stream in left:
            if id(stream) in self._streams:
                self._try(lambda each: each.cut(cause(each.id)), stream)
            if self._now() >= until:
                self._later(0, lambda: self.cut(left, cause))
                return

    def _each(self, work: Callable[[Stream], None]) -> None:
        """Do ``work`` for each that lives."""
        for stream in self.streams():
            self._try(work, stream)

    def _try(self, work: Callable[[Stream], None], stream: Stream) -> None:
        try:
            work(stream)
        except Exception as bug:  # noqa: BLE001  whatever it is: the others' rights end all the same
            self._later(0, partial(_raise, bug))

    def _begin(self) -> None:
        """Decide on those that are due, unless that is under way."""
        if self._due and not self._deciding:
            self._some()

    def _slice(self) -> None:
        """Decide on some of those that are due."""
        due, until = self._due, self._now() + SLICE_SECONDS
        while due:
            _, (stream, changed_at) = due.popitem(last=False)
            try:
                self._decide(stream, changed_at)
            except Exception as bug:  # noqa: BLE001  whatever it is: what cannot be decided is not allowed, and the others' rights end all the same
                self._later(0, partial(_raise, bug))
                stream.cut(undecided(stream.id, changed_at))
            if self._now() >= until:
                break

    def _some(self) -> None:
        """One slice, and later the next."""
        due = self._due
        try:
            self._slice()
        finally:  # where a bug in a cut raises, the others are still to be decided
            self._deciding = bool(due)
            if due:
                self._later(0, self._some)

    def _decide(self, stream: Stream, changed_at: float) -> None:
        if id(stream) not in self._streams:
            return  # it ended meanwhile
        decision = stream.decide_again()
        if isinstance(decision, Pending):
            self._ask(stream, decision, changed_at)
            return
        self._asked.pop(id(stream), None)
        if decision.allowed and decision.impersonate == stream.decision.impersonate:
            stream.redecided(decision)
        else:
            stream.cut(denied(decision, stream.id, changed_at))

    def _ask(self, stream: Stream, pending: Pending, changed_at: float) -> None:
        """Decide once the answer is there; the first question's time counts, however often it is asked."""
        self._asked.setdefault(id(stream), self._now())
        self._fetch(pending.wanted, lambda: self._answered(stream, changed_at))

    def _answered(self, stream: Stream, changed_at: float) -> None:
        """What was asked for is there; it may be what very many wait for."""
        if id(stream) not in self._streams:
            return
        self._due.setdefault(id(stream), (stream, changed_at))
        if not self._deciding:
            self._deciding = True
            self._later(0, self._some)

    def limit(self, stream: Stream) -> None:
        """Cut it if it has reached a limit."""
        decision, now = stream.decision, self._now()
        limits = decision.limits
        if limits.duration is not None and now - stream.started >= limits.duration:
            stream.cut(over_duration(limits, decision.rule, stream.id, now))
        elif limits.idle is not None and now - stream.touched >= limits.idle:
            stream.cut(over_idle(limits, decision.rule, stream.id, now))
        elif limits.bytes is not None and stream.bytes_carried >= limits.bytes:
            stream.cut(over_bytes(limits, decision.rule, stream.id, now))


def _raise(bug: Exception) -> None:
    """Where nothing else is held up: the reactor logs it."""
    raise bug
