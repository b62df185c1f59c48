"""The audit file: group commit with one writer thread, durable before anybody acts on it.

Records queue while a commit is under way; when it ends, all that queued is the next group: one ``write``, one ``fdatasync``, and then every waiter of the
group is told. Under load groups grow and the cost of a record shrinks; alone, a record waits for one disk flush.

    IDLE ──a record──▶ WRITING ──a large group──▶ GATHERING ──GATHER_SECONDS──▶ WRITING
      └──one that lingers──▶ LINGERING ──LINGER_SECONDS, or a record that does not──▶ WRITING

A request's end lingers: it goes with the next record, or alone a moment later; else each request would cost two flushes, and the next one would wait for
the end of the last. After a large group the next is given time to become one: a flush costs the processor as much as the records of half a dozen requests.

A group that cannot be written never happened: the file is cut back to its last durable byte, the chain to its last durable hash, whoever waits is told
no, and records that nobody waits for are kept for the next try. Writing is tried again with the next record or tick, so a disk that has room again is noticed
by itself. A waiter is told no after ``PATIENCE`` seconds in any case.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.audit.chain import GENESIS, Chain
from kgate.net.audit_file import AuditFile
from kgate.net.recovery import left_behind, say_it_drains, take_first, unusable
from kgate.net.waker import Waker

log = Logger(__name__)

PATIENCE: Final = 2.0
CALM: Final = 10.0
"""A disk that was slow is taken for well again once it was not for so long: of one that is slow each time, the next group shows it seconds later only."""
HANGS: Final = f"the disk takes more than {PATIENCE:g} s for a record, or did within the last {CALM:g} s"
HEAD_SECONDS: Final = 600.0
"""How often the head of the chain goes to the log: a log that is kept elsewhere anchors the chain (``kgate audit verify --anchors``)."""
LINGER_SECONDS: Final = 0.005
GATHER_SECONDS: Final = 0.001
LARGE: Final = 16
"""Records in a group, after which the next one is given time to grow."""
MOST_QUEUED: Final = 100_000
"""Records waiting past this are refused at once: something is wrong with the disk."""
PROBE: Final = 64
"""Records by which a disk that took none is tried again: with each request that comes, while very many may wait."""

Then = Callable[[bool], None]


class _Pace(Enum):
    """What the writer is at; see the module."""

    IDLE = "nothing is queued"
    LINGERING = "only what may linger is queued"
    GATHERING = "the next group is given time to grow"
    WRITING = "a group is on its way to the disk"


# Looked up once: a member of an enumeration costs a search in its class.
_IDLE: Final = _Pace.IDLE
_LINGERING: Final = _Pace.LINGERING
_GATHERING: Final = _Pace.GATHERING
_WRITING: Final = _Pace.WRITING


class _Waiting:
    """A record that is not durable yet, who is told, and whether it may linger."""

    __slots__ = ("lingers", "record", "since", "then")

    def __init__(self, record: dict[str, object] | str, then: Then | None, since: float, lingers: bool) -> None:
        self.record, self.then, self.since, self.lingers = record, then, since, lingers


class _Group:
    """What the thread writes, and what it found; ``done`` is the last that it says."""

    __slots__ = ("began", "done", "head", "lines", "problem", "waiting")

    def __init__(self, lines: bytes, head: str, waiting: list[_Waiting], began: float) -> None:
        self.lines, self.head, self.waiting, self.began = lines, head, waiting, began
        self.problem = ""
        self.done = False


class Journal:
    """See the module. ``best_effort`` lets waiters go on at once: a relaxation. ``spares`` are directories to write to while a process that drains still
    writes to ``directory``. ``tick`` is to be called a few times a second."""

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        now: Callable[[], float],
        wall: Callable[[], float],
        flush: Callable[[], None],
        *,
        best_effort: bool = False,
        spares: Sequence[Path] = (),
    ) -> None:
        self._reactor, self._now, self._flush = reactor, now, flush
        self._directories = [directory, *spares]
        self._best_effort = best_effort
        self._queue: list[_Waiting] = []
        self._chain = Chain()
        self._file = AuditFile(directory, wall)
        self._work: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._busy: _Group | None = None
        self._pace = _IDLE
        self._later: Any = None
        self._stopping: Deferred[None] | None = None
        self._waker = Waker(reactor, self._written)
        self._writing = threading.Thread(target=self._run, name="kgate-audit", daemon=True)
        self._lock = -1
        self._durable_head = self._told_head = GENESIS
        self._told = self._calm_at = now()
        self.problem = ""
        self.lost = 0
        """Records that there was no room for, since somebody put that on record."""

    # --- start and stop

    def open(self) -> list[str]:
        """Take a directory; gives the ids that a crash left open. Raises KgateError where it cannot be used."""
        try:
            self._file.directory, self._lock = take_first(self._directories)
            self._chain.head, left = left_behind(self._file.directory)
        except OSError as error:
            raise unusable(self._file.directory, error) from error
        self._durable_head = self._chain.head
        self._waker.start()
        self._writing.start()
        return left

    def drain(self) -> None:
        """What comes from now on is the end of what there is."""
        say_it_drains(self._lock)

    def stop(self) -> Deferred[None]:
        """Fires when everything that was appended is on disk, or known not to be."""
        stopped = self._stopping = Deferred()
        self._next()
        return stopped

    # --- use

    @property
    def head(self) -> str:
        """The hash of the last sealed line."""
        return self._chain.head

    @property
    def begun(self) -> int:
        """How many files this process has begun."""
        return self._file.begun

    def __len__(self) -> int:
        return len(self._queue)

    def append(self, record: dict[str, object] | str, then: Then | None = None, *, lingers: bool = False) -> None:
        """Queue a record (a string is one that is encoded, without its braces); ``then`` is told whether it became durable. One that ``lingers`` is
        written with the next that does not, or a moment later."""
        goes_on = then is not None and self._best_effort
        if len(self._queue) >= MOST_QUEUED:
            if then is None or goes_on:
                self._lose()
            if then is not None:
                then(goes_on)
            return
        waits = None if goes_on else then
        since = self._now() if waits is not None else 0.0  # who waits for nothing cannot wait too long
        self._queue.append(_Waiting(record, waits, since, lingers or goes_on))
        if lingers or goes_on:
            self._linger()
        elif self._pace is not _GATHERING:
            self._next()
        if then is not None and goes_on:
            then(True)

    def tick(self) -> None:
        """Tell whoever has waited too long; try again where writing failed."""
        now = self._now()
        late = now - PATIENCE
        if self._busy is not None and self._busy.began < late:
            self._calm_at = now + CALM
            if not self.problem:
                self._note(HANGS)
        elif self.problem == HANGS and now >= self._calm_at:
            self._well()
        for waiting in [*self._queue, *(self._busy.waiting if self._busy else ())]:
            if waiting.then is not None and waiting.since < late:
                then, waiting.then = waiting.then, None
                then(False)
        if now - self._told >= HEAD_SECONDS:
            self._tell_head()
        self._next()

    def _tell_head(self) -> None:
        """Say in the log how far the chain goes: whoever cuts its end off has to change that too."""
        self._told = self._now()
        if self._told_head != self._durable_head:
            self._told_head = self._durable_head
            log.info("audit head {head}", head=self._durable_head)

    # --- the group commit

    def _linger(self) -> None:
        if self._pace is _IDLE:
            self._wait(_LINGERING, LINGER_SECONDS)

    def _wait(self, pace: _Pace, seconds: float) -> None:
        self._pace, self._later = pace, self._reactor.callLater(seconds, self._waited)

    def _waited(self) -> None:
        self._later = None
        self._next()

    def _next(self) -> None:
        """Begin the next group now, if none is under way."""
        if self._busy is not None:
            return
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._pace = _IDLE
        if not self._queue:
            self._finish()
            return
        chain = self._chain
        before = chain.head
        tried = PROBE if self.problem else len(self._queue)
        group, self._queue = self._queue[:tried], self._queue[tried:]
        self._busy = _Group(b"".join([chain.seal(waiting.record) for waiting in group]), before, group, self._now())
        self._pace = _WRITING
        self._work.put(self._busy)

    def _go_on(self, last: int) -> None:
        """After a group of ``last`` records."""
        if self._stopping is not None:
            self._next()
        elif last >= LARGE:
            self._wait(_GATHERING, GATHER_SECONDS)
        elif self._is_urgent():
            self._next()
        elif self._queue:
            self._linger()

    def _is_urgent(self) -> bool:
        """Whether something is queued that may not linger."""
        for waiting in self._queue:  # noqa: SIM110  compiled, a generator costs more than the loop
            if not waiting.lingers:
                return True
        return False

    def _run(self) -> None:
        """The writer thread."""
        while (group := self._work.get()) is not None:
            try:
                self._file.commit(group.lines)
            except OSError as error:
                group.problem = error.strerror or str(error)
            group.done = True
            self._waker.wake()
        self._file.close()

    def _written(self) -> None:
        """The thread woke the reactor."""
        group = self._busy
        if group is not None and group.done:
            self._committed(group)

    def _committed(self, group: _Group) -> None:
        self._busy = None
        self._pace = _IDLE
        durable, told = not group.problem, group.waiting
        if not durable:
            told = self._failed(group)
        else:
            self._durable_head = self._chain.head
            if self.problem not in ("", HANGS):
                self._well()
            if self._file.missed is not None:
                self._miss(*self._file.missed)
        if durable:
            self._go_on(len(group.waiting))
        elif self._stopping is not None:
            self._give_up()
        self._tell(told, durable)

    def _tell(self, group: list[_Waiting], durable: bool) -> None:
        """Each of them, in their order. A bug in what one goes on with does not hold the others up: they are told in the next turn."""
        told = 0
        try:
            for waiting in group:
                told += 1
                if waiting.then is not None:
                    waiting.then(durable)
        finally:
            if told < len(group):
                self._reactor.callLater(0, self._tell, group[told:], durable)
            self._flush()

    def _failed(self, group: _Group) -> list[_Waiting]:
        """The group never happened; what nobody waits for is kept, whoever waits, for what is behind it too, is to be told."""
        if self.problem in ("", HANGS):
            self._note(group.problem)
        self.problem = group.problem
        self._chain.head = group.head
        queued = group.waiting + self._queue
        self._queue = [waiting for waiting in queued if waiting.then is None]
        return [waiting for waiting in queued if waiting.then is not None]

    def _lose(self) -> None:
        """There is no room for a record that nobody waits for. What it tells of has happened, so it is counted."""
        if not self.lost:
            log.error("audit records are lost: {count} wait for the disk already", count=len(self._queue))
        self.lost += 1

    def _note(self, problem: str) -> None:
        self.problem = problem
        log.error(
            "audit records cannot be written to {directory}: {problem}; requests are refused until they can",
            directory=str(self._file.directory),
            problem=problem,
        )

    def _miss(self, former: Path, current: Path) -> None:
        """For readers a part of the chain is missing until the file is back under its name."""
        self._file.missed = None
        log.warn(
            "{former}: somebody moved, removed or changed it; records go on in {current}, with the same chain",
            former=str(former),
            current=current.name,
        )

    def _well(self) -> None:
        self.problem = ""
        log.info("audit records are written again")

    def _give_up(self) -> None:
        """The process ends and the disk takes nothing: what is queued is lost, and that is said where it still can be."""
        log.error(
            "{count} audit records are lost: {directory} could not be written to ({problem}) when the gate stopped",
            count=len(self._queue) + self.lost,
            directory=str(self._file.directory),
            problem=self.problem,
        )
        self._queue.clear()
        self._finish()

    def _finish(self) -> None:
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            self._tell_head()
            self._work.put(None)
            self._writing.join(5)
            self._waker.stop()
            os.close(self._lock)
            stopping.callback(None)
