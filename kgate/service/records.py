"""The gate's records: the journal, the events of the gate itself, and the policies' texts beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.audit.ids import RequestIds
from kgate.audit.record import Record, event_record, recorded_fields
from kgate.audit.recording.names import name_of
from kgate.errors import KgateError
from kgate.net.archive import FOLDER, keep_policy
from kgate.net.journal import Journal, Then
from kgate.net.recovery import close_abandoned
from kgate.net.reel_file import hashed
from kgate.policy.load import fingerprint
from kgate.service.place import Place
from kgate.settings import Configuration, Settings
from kgate.settings.operation import AuditMode, AuditSettings

log = Logger()
Ask = Callable[[Path, Callable[[], None]], None]


class Records:
    """See the module. ``gate`` is who writes them; ``chains`` are the directories that may be of this process's own chain, the first before the others."""

    def __init__(
        self,
        reactor: Any,
        gate: str,
        settings: AuditSettings,
        chains: Sequence[Path],
        flush: Callable[[], None],
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.gate, self._settings, self._wall = gate, settings, wall
        self._relaxed: tuple[str, ...] = ()
        """What of the configuration in force is relaxed, in its own words."""
        self._named = 1
        """How many files name what was open when they were begun."""
        self.ids = RequestIds(wall, os.urandom)
        best_effort = settings.mode is AuditMode.BEST_EFFORT
        self._spares = chains[1:]
        self.journal = Journal(reactor, chains[0], now, wall, flush, best_effort=best_effort, spares=self._spares)

    def open(self, configuration: Configuration) -> None:
        """Take a directory; what a crash left open ends here. Raises KgateError where it cannot be used."""
        left = self.journal.open()
        problem = self.keep(configuration)
        if problem:
            raise KgateError(f"{self._settings.directory}: {problem}; make room, or check who may write")
        for id_ in left:
            self.journal.append(unknown_end(id_, self.gate, self._wall(), self._settings.recorded))
        close_all([chain for chain in self._spares if chain.exists()], self.gate, self._wall, self._settings.recorded)

    def keep(self, configuration: Configuration, ask: Ask = lambda path, work: work()) -> str:
        """The policy's text goes beside the audit before a request is decided by it; ``ask`` has it done, and may raise Hangs. Gives why that cannot be; empty
        where it was done, or best effort will do."""
        directory = self._settings.directory

        def keep_all() -> None:
            keep_policy(directory, configuration.policy)
            if configuration.shadow is not None:
                keep_policy(directory, configuration.shadow)

        try:
            ask(directory / FOLDER, keep_all)
        except OSError as error:
            problem = f"its text cannot be kept beside the audit: {error.strerror}"
            if self._settings.mode is AuditMode.STRICT:
                return problem
            log.error("the policy: {problem}; look at {directory}", problem=problem, directory=str(directory))
        return ""

    def event(self, event: str, fields: Mapping[str, object], then: Then | None = None) -> None:
        """Something happened to the gate itself, or on its own pages; ``then`` is told whether that is durable."""
        self.journal.append(event_record(event, self.ids.next(), self.gate, self._wall(), **fields), then)

    def in_force(self, event: str, configuration: Configuration, fields: Mapping[str, object]) -> None:
        """Which policies are asked from now on, and how many relaxations there are, each of which a reader of the audit must know to judge it: one is on
        record, and in the log, when it begins and when it is over. Reloads may come several a second."""
        before, self._relaxed = self._relaxed, tuple(map(str, configuration.warnings))
        self.event(event, {**fields, **revisions(configuration), "relaxations": len(self._relaxed)})
        for text in self._relaxed:
            if text not in before:
                log.warn("{warning}", warning=text)
                self.event("relaxation", {"reasons": [text]})
        for text in before:
            if text not in self._relaxed:
                self.event("relaxation-over", {"reasons": [text]})
        kept = sum(text in before for text in self._relaxed)
        if kept:
            log.info("{count} {what} as before", count=kept, what="warning is" if kept == 1 else "warnings are")

    def tick(self, streams: Callable[[], Iterable[str]]) -> None:
        """Called a few times a second. ``streams`` gives the ids of those that are live: each file but the first names them, for a start after a crash
        looks for what was left open in the last two files only."""
        self.journal.tick()
        if self.journal.lost and not self.journal.problem:
            lost, self.journal.lost = self.journal.lost, 0
            self.event("records-lost", {"count": lost})
        if self.journal.begun > self._named:
            self._named = self.journal.begun
            for id_ in streams():
                self.journal.append(event_record("stream-heartbeat", id_, self.gate, self._wall()), lingers=True)

    def close(self) -> Deferred[None]:
        """Fires when every record is on the disk, or known not to be."""
        self.event("stop", {})
        return self.journal.stop()


def unknown_end(id_: str, gate: str, now: float, recorded: Path) -> Record:
    """The end of what was open when a process crashed. What there is of its recording is proved from here on."""
    return event_record("request-end", id_, gate, now, outcome="unknown") | _left(recorded, id_)


def _left(recorded: Path, id_: str) -> Record:
    try:
        name = name_of(id_)
        found = hashed(recorded / name)
    except (ValueError, OverflowError):
        return {}
    except OSError as error:
        return recorded_fields(name, None, "", error.strerror or str(error))
    return recorded_fields(name, *found, "the gate ended before it did") if found is not None else {}


def close_others(settings: Settings, wall: Callable[[], float]) -> None:
    """What a crash left open in chains that no process of this gate goes on with ends here, once for all of them. Raises KgateError."""
    close_all(Place.abandoned(settings), Place().name, wall, settings.audit.recorded)


def close_all(chains: Iterable[Path], gate: str, wall: Callable[[], float], recorded: Path) -> None:
    """The same for these."""
    for chain in chains:
        close_abandoned(chain, wall, lambda id_: unknown_end(id_, gate, wall(), recorded))


def revisions(configuration: Configuration) -> dict[str, object]:
    """The policies of a configuration."""
    policy, shadow = configuration.policy, configuration.shadow
    found: dict[str, object] = {"policy_revision": policy.revision, "policy_sha256": fingerprint(policy.source)}
    return found | ({"shadow_revision": shadow.revision, "shadow_sha256": fingerprint(shadow.source)} if shadow is not None else {})
