"""Recordings on their way to the disk: one writer thread for all of them, which never holds up the reactor.

    OPENING ──header durable──▶ OPEN ──close──▶ CLOSING ──hashed, durable──▶ CLOSED
       │                         └─the disk says no, or nothing─▶ FAILED ──close──▶ CLOSING, with what there is
       └─the same─▶ UNMADE       drop: at any time before, and then no file is left

A reel has one job with the thread at a time; what comes meanwhile goes with the next one, so a slow disk gets fewer and larger writes. What passes is on
the disk's side of the process at once, which a kill leaves alone; every ``SYNC_SECONDS``, and at its end, it is made durable as well. Whoever writes
faster than that is asked to wait (``is_behind``). A reel that is behind by more than ``MOST_BEHIND`` bytes or ``PATIENCE`` seconds all the same has failed:
whoever writes to it is told, once, and it is closed with what it has.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.exchange.tape import Opened, Written
from kgate.net.reel_file import ReelFile, outlived, probed, remove
from kgate.net.telling import tell
from kgate.net.waker import Waker

log = Logger(__name__)

PATIENCE: Final = 2.0
CLOSING_PATIENCE: Final = 10.0
"""How long an end may take: where the gate drains, very many end at once."""
SYNC_SECONDS: Final = 5.0
BEHIND: Final = 1024 * 1024
MOST_BEHIND: Final = 16 * 1024 * 1024
_LATE: Final = f"the disk takes more than {PATIENCE:g} s"
_BEHIND: Final = f"the disk is behind by more than {MOST_BEHIND // 2**20} MiB"

_NEVER: Final = float("inf")

Failed = Callable[[str], None]


class _State(Enum):
    """See the module."""

    OPENING = "opening"
    OPEN = "open"
    FAILED = "failed"
    CLOSING = "closing"
    UNMADE = "unmade"
    DROPPED = "dropped"
    CLOSED = "closed"


class _Job:
    """What the thread does, and how it came out; ``then`` is called by the reactor."""

    __slots__ = ("problem", "result", "then", "work")

    def __init__(self, work: Callable[[], Any], then: Callable[[_Job], None]) -> None:
        self.work, self.then = work, then
        self.problem = ""
        self.result: Any = None


class Reels:
    """See the module. ``now`` is monotonic; ``flush`` sends what a turn left to be sent. ``tick`` is to be called a few times a second."""

    def __init__(self, reactor: Any, directory: Path, now: Callable[[], float], flush: Callable[[], None]) -> None:
        self.directory = directory
        self._now, self._flush = now, flush
        self._reels: set[Reel] = set()
        self._work: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: deque[_Job] = deque()
        self._waker = Waker(reactor, self._woken)
        self._thread: threading.Thread | None = None
        self._stopping: Deferred[None] | None = None
        self._reactor = reactor
        self._probing = self._syncing = False
        self._probed = ""
        self._failure = ""
        self.made = self.bytes = 0
        """Recordings that were begun, and what was written of all of them."""

    @property
    def problem(self) -> str:
        """Why recordings cannot be made, as far as is known."""
        return self._failure or self._probed

    def __len__(self) -> int:
        return len(self._reels)

    def open(self, name: str, header: bytes, opened: Opened, failed: Failed) -> Reel:
        """Begin a recording; see ``OpenReel``."""
        reel = Reel(self, ReelFile(self.directory, name), header, opened, failed, self._now)
        self._reels.add(reel)
        return reel

    def tick(self) -> None:
        """Tell whoever has waited too long; make durable what is due. What is done is done, though the reactor stood still and was not told yet."""
        if self._done:
            self._woken()
        now = self._now()
        for reel in list(self._reels):
            reel.look(now)
        self._sync_one()

    def look(self) -> None:
        """Called every few seconds: find out whether recordings can be made."""
        if not self._probing:
            self._probing, by_writing = True, bool(self._failure)
            self.do(lambda: probed(self.directory, by_writing=by_writing), self._looked)

    def outlived(self, before: float, then: Callable[[list[tuple[str, int]]], None]) -> None:
        """Which days are over; see ``reel_file``."""
        self.do(lambda: outlived(self.directory, before), lambda job: then(job.result or []))

    def remove(self, day: str) -> None:
        """Remove a day's recordings."""

        def removed(job: _Job) -> None:
            if job.problem:
                log.error(
                    "{folder}: these recordings are to be removed, which is on record, and cannot be: {problem}",
                    folder=str(self.directory / day),
                    problem=job.problem,
                )

        self.do(lambda: remove(self.directory, day), removed)

    def stop(self) -> Deferred[None]:
        """Fires when every recording is complete, or known not to be."""
        stopped = self._stopping = Deferred()
        self._reactor.callLater(CLOSING_PATIENCE, self._finish)
        self._finish_if_idle()
        return stopped

    # --- the thread

    def do(self, work: Callable[[], Any], then: Callable[[_Job], None]) -> None:
        """Have the thread do ``work``; ``then`` is called by the reactor."""
        if self._thread is None:
            self._waker.start()
            self._thread = threading.Thread(target=self._run, name="kgate-recordings", daemon=True)
            self._thread.start()
        self._work.put(_Job(work, then))

    def _run(self) -> None:
        while (job := self._work.get()) is not None:
            try:
                job.result = job.work()
            except OSError as error:
                job.problem = error.strerror or str(error)
            self._done.append(job)
            self._waker.wake()

    def _woken(self) -> None:
        try:
            while self._done:
                job = self._done.popleft()
                tell(job.then, job)
        finally:
            self._flush()
        self._finish_if_idle()

    # --- what reels tell

    def heard(self, problem: str) -> None:
        """How a write came out."""
        if problem and not self._failure:
            log.error("{directory}: recordings cannot be written: {problem}", directory=str(self.directory), problem=problem)
        elif self._failure and not problem:
            log.info("recordings are written again")
        self._failure = problem

    def over(self, reel: Reel) -> None:
        """It is done with."""
        self._reels.discard(reel)

    def _sync_one(self) -> None:
        """Make one durable that is due, and then the next: what others write waits for one flush, never for those of all."""
        if self._syncing:
            return
        due = self._now() - SYNC_SECONDS
        reel = next((reel for reel in self._reels if reel.dirty_since <= due and reel.is_open), None)
        if reel is not None:
            self._syncing = True
            reel.sync(self._synced)

    def _synced(self) -> None:
        self._syncing = False
        self._sync_one()

    def _looked(self, job: _Job) -> None:
        self._probing = False
        problem = job.problem or job.result
        if problem and problem != self._probed:
            log.error("{directory}: recordings cannot be made: {problem}", directory=str(self.directory), problem=problem)
        self._probed = problem
        if not problem and self._failure:
            self.heard("")

    def _finish_if_idle(self) -> None:
        if self._stopping is not None and not self._reels:
            self._finish()

    def _finish(self) -> None:
        stopping, self._stopping = self._stopping, None
        if stopping is None:
            return
        for reel in list(self._reels):
            reel.give_up()
        if self._thread is not None:
            self._work.put(None)
            self._thread.join(PATIENCE)
            if not self._thread.is_alive():
                self._waker.stop()
        stopping.callback(None)


class Reel:
    """One recording; see ``exchange.tape.Reel``."""

    def __init__(self, reels: Reels, file: ReelFile, header: bytes, opened: Opened, failed: Failed, now: Callable[[], float]) -> None:
        self._reels, self._file, self._now = reels, file, now
        self._opened, self._failed = opened, failed
        self._closed: Callable[[Written], None] | None = None
        self.caught_up: Callable[[], None] = _nobody
        self._state = _State.OPENING
        self._problem = ""
        self._pending: list[bytes] = []
        self._behind = 0
        """Bytes that were given and are not written."""
        self._since = _NEVER
        """When the oldest of what is pending was given; of an end, when it was asked for."""
        self._busy_since: float | None = None
        self.dirty_since = _NEVER
        """When the oldest of what is not durable was written."""
        self._synced: Callable[[], None] | None = None
        """Who waits for it to be made durable."""
        self._submit(lambda: file.open(header), self._made, now())

    @property
    def is_behind(self) -> bool:
        """See ``exchange.tape.Reel``."""
        return self._behind > BEHIND

    def write(self, data: bytes) -> None:
        """Append, soon."""
        if self._state is not _State.OPEN or not data:
            return
        if not self._pending:
            self._since = self._now()
        self._pending.append(data)
        self._behind += len(data)
        if self._behind > MOST_BEHIND:
            self._fail(_BEHIND)
        else:
            self._next()

    def close(self, then: Callable[[Written], None]) -> None:
        """Nothing more comes."""
        if self._state not in (_State.OPEN, _State.FAILED):
            then(Written(problem=self._problem))
            return
        self._state, self._closed, self._since = _State.CLOSING, then, self._now()
        self._next()

    def drop(self) -> None:
        """There is to be no file."""
        if self._state is not _State.CLOSED:
            self._state = _State.DROPPED
            self._next()

    def look(self, now: float) -> None:
        """Called a few times a second."""
        if self._state is _State.CLOSING:
            if now - self._since > CLOSING_PATIENCE:
                self.give_up()
            return
        since = min(self._since if self._pending else _NEVER, self._busy_since if self._busy_since is not None else _NEVER)
        if now - since > PATIENCE:
            self._late()

    def give_up(self) -> None:
        """Whoever waits for its end is told that nobody knows it."""
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(Written(problem=self._problem or _LATE))

    @property
    def is_open(self) -> bool:
        """Whether it is written to."""
        return self._state is _State.OPEN

    def sync(self, then: Callable[[], None]) -> None:
        """Make durable what is written, before anything else is: what is written without a pause has no idle moment for it. Where it ends meanwhile, that
        makes it durable."""
        self._synced = then
        self._next()

    # --- jobs

    def _submit(self, work: Callable[[], Any], then: Callable[[_Job], None], since: float) -> None:
        self._busy_since = since

        def done(job: _Job) -> None:
            self._busy_since = None
            then(job)
            self._next()

        self._reels.do(work, done)

    def _next(self) -> None:
        """What is to be done now, if nothing is under way."""
        if self._busy_since is not None:
            return
        synced, self._synced = self._synced, None
        if synced is not None and not self.is_open:
            synced()
        if synced is not None and self.is_open:
            self._submit(self._file.sync, lambda job: self._was_synced(job, synced), self._now())
        elif self._state in (_State.UNMADE, _State.DROPPED):
            self._state = _State.CLOSED
            self._submit(self._file.drop, lambda job: self._reels.over(self), self._now())
        elif self._pending and self._state in (_State.OPEN, _State.CLOSING):
            data, self._pending = b"".join(self._pending), []
            self._submit(lambda: self._file.append(data), lambda job: self._wrote(job, len(data)), self._since)
        elif self._state is _State.CLOSING:
            self._submit(self._file.finish, self._finished, self._now())

    def _made(self, job: _Job) -> None:
        self._reels.heard(job.problem)
        if self._state is not _State.OPENING:
            return
        if job.problem:
            self._unmade(job.problem)
        else:
            self._state = _State.OPEN
            self._reels.made += 1
            self._opened("")

    def _unmade(self, problem: str) -> None:
        self._state, self._problem = _State.UNMADE, problem
        self._opened(problem)

    def _wrote(self, job: _Job, size: int) -> None:
        was_behind, self._behind = self.is_behind, max(0, self._behind - size)
        self._reels.heard(job.problem)
        if job.problem:
            self._fail(job.problem)
            return
        self._reels.bytes += size
        self.dirty_since = min(self.dirty_since, self._now())
        if was_behind and not self.is_behind:
            self.caught_up()

    def _was_synced(self, job: _Job, then: Callable[[], None]) -> None:
        self.dirty_since = _NEVER
        if job.problem:
            self._reels.heard(job.problem)
            self._fail(job.problem)
        then()

    def _finished(self, job: _Job) -> None:
        self._state = _State.CLOSED
        self._reels.over(self)
        closed, self._closed = self._closed, None
        size, sha256 = job.result or (None, "")
        if closed is not None:
            closed(Written(size, sha256, self._problem or job.problem))

    def _late(self) -> None:
        self._reels.heard(_LATE)
        if self._state is _State.OPENING:
            self._unmade(_LATE)
        else:
            self._fail(_LATE)

    def _fail(self, problem: str) -> None:
        """What is pending comes too late: it would be told as if it had been there in time."""
        self._pending, self._behind = [], 0
        if not self._problem:
            self._problem = problem
        if self._state is _State.OPEN:
            self._state = _State.FAILED
            self._failed(problem)


def _nobody() -> None:
    """Nobody waits."""
